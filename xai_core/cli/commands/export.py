"""`xai export`: a run's model as a file for other programs, phones among them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from xai_core.cli import left_out
from xai_core.cli.command import Command, count, long_work, open_run, path, run_argument, study_argument
from xai_core.task import SEGMENTATION
from xai_core.text import counted


def _configure(parser: argparse.ArgumentParser) -> None:
    study_argument(parser)
    run_argument(parser)
    parser.add_argument("--to", required=True, metavar="FORMAT", help="onnx, torchscript, …: xai list exports")
    parser.add_argument("--with-explanation", action="store_true", help="it gives a class activation map, too")
    parser.add_argument("--out", type=path, metavar="FILE", help="a new file; default: the run's name, here")
    parser.add_argument("--samples", type=count, metavar="N", help="pictures that it is checked on (default 16)")


def _run(args: argparse.Namespace) -> dict[str, Any]:
    from xai_core.exports import EXPORTS

    run = open_run(args)
    out = args.out or Path(run.name + EXPORTS[args.to].suffix)
    from xai_core.pipeline.export import SAMPLES, export

    with long_work("exporting") as (progress, cancel):
        made = export(
            run,
            args.to,
            out,
            explanation=args.with_explanation,
            samples=args.samples or SAMPLES,
            progress=progress,
            cancel=cancel,
        )
    told = {"out": str(made.file), "about_file": str(made.about_file), "left_out": left_out.as_json(made.left_out)}
    return told | made.about


def _show(result: dict[str, Any]) -> str:
    checked, maps, took = result["checked"], result["checked"]["maps"], result["latency"]
    what = "pixels" if result["task"] == SEGMENTATION else "predictions"
    allowed = f"(allowed {checked['tolerance']:.0e})"
    lines = [
        f"{result['run']}: {result['out']} ({_size(result['bytes'])}), described in {result['about_file']}",
        f"  equal to PyTorch on {counted(checked['pictures'], 'picture')}: logits differ by up to "
        f"{checked['difference']:.1e} of the largest {allowed}, "
        f"{checked['equal']:,} of {checked['said']:,} {what} are equal",
    ]
    if maps:
        lines.append(
            f"  explanation at the layer {result['outputs'][1]['layer']}: {counted(maps['maps'], 'map')}, "
            f"different from HiResCAM's by up to {maps['difference']:.1e} of their largest value {allowed}"
        )
    many = "any number of pictures" if result["input"]["shape"][0] == "N" else "one picture"
    lines += [
        f"  one picture on one thread here, median of {took['runs']} runs: {_milliseconds(took['file'])}, in PyTorch "
        f"{_milliseconds(took['pytorch'])}",
        f"  it takes {many} at a time",
        *left_out.lines(result["left_out"], "which it was not checked on"),
    ]
    return "\n".join(lines)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.0f} kB"


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms"


COMMAND = Command("export", "a run's model as a file for phones and other programs", _configure, _run, _show)
