"""`xai predict`: ask a run's model for every sample of some splits, or for pictures of a folder."""

from __future__ import annotations

import argparse
from typing import Any

from xai_core.cli import left_out
from xai_core.cli.background import background_argument, begun
from xai_core.cli.command import (
    Command,
    count,
    device_argument,
    in_force,
    long_work,
    open_run,
    run_argument,
    some,
    study_argument,
)
from xai_core.cli.new_pictures import check_words, pictures_arguments, predict_pictures, show_pictures
from xai_core.errors import BadParameter
from xai_core.task import SEGMENTATION
from xai_core.types import SPLITS

ORDER = ("test", "validation", "train")
"""Of the splits: a limit takes from the first, which accuracies are quoted from."""

SAMPLES: dict[str, Any] = {"images": None, "out": None, "methods": None, "heatmaps": None, "target": None, "set": []}
"""What is not asked for where it is about the study's samples."""


def _configure(parser: argparse.ArgumentParser) -> None:
    study_argument(parser)
    run_argument(parser)
    parser.add_argument("--splits", type=some, metavar="A,B", help=f"default: {','.join(ORDER)}")
    parser.add_argument(
        "--limit", type=count, metavar="N", help="only N of them, the first split's first, drawn by the study's seed"
    )
    pictures_arguments(parser)
    device_argument(parser)
    background_argument(parser)


def _run(args: argparse.Namespace) -> dict[str, Any]:
    check_words(args)
    return predict_pictures(args) if args.images is not None else _samples(args)


def _samples(args: argparse.Namespace) -> dict[str, Any]:
    splits = args.splits or list(ORDER)
    for split in splits:
        if split not in SPLITS:
            raise BadParameter("not a split", value=split, remedy=f"Choose from {', '.join(SPLITS)}.")
    if args.background:
        return begun(args, "predict", {"run": args.run_name, "splits": splits, "limit": args.limit})
    from xai_core.answers.runs import by_split, doubts
    from xai_core.answers.segments import segments
    from xai_core.pipeline.load import load_classifier
    from xai_core.pipeline.predict import predict

    settings = in_force(args)
    run = open_run(args)
    classifier = load_classifier(run, device=settings.device)
    with long_work("predicting") as (progress, cancel):
        made = predict(
            run,
            classifier,
            splits,
            limit=args.limit,
            batch_size=settings.batch_size,
            progress=progress,
            cancel=cancel,
        )
    told = {"study": run.study.name, "run": run.name, "new": made.new, "left_out": left_out.as_json(made.left_out)}
    if run.study.info.task == SEGMENTATION:
        return told | {"segments": {split: segments(run, split).as_json() for split in splits}}
    found = by_split(run)
    return told | {"splits": found, "doubts": doubts(found, len(run.study.class_names))}


def _show(result: dict[str, Any]) -> str:
    if "pictures" in result:
        return show_pictures(result)
    from xai_core.answers.runs import by_split_lines

    lines = [f"{result['run']}: {result['new']} new predictions"]
    if "segments" in result:
        lines += [f"  {split:<11} {one['sentence']}" for split, one in result["segments"].items()]
    else:
        lines += [*by_split_lines(result["splits"]), *result["doubts"]]
    lines += left_out.lines(result["left_out"], "in no count; predict asks them again next time")
    return "\n".join(lines)


COMMAND = Command("predict", "predict every sample, or new pictures, with a run's model", _configure, _run, _show)
