"""`xai train`: train a model on the study's training split; it becomes a run."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xai_core.cli.background import absolute, background_argument, begun
from xai_core.cli.baseline import is_baseline, run_baseline, show_baseline
from xai_core.cli.command import (
    Command,
    count,
    device_argument,
    in_force,
    long_work,
    next_command,
    numbers,
    open_study,
    path,
    pixels,
    run_argument,
    study_argument,
)
from xai_core.cli.flags import given_parameters, parameter_flags
from xai_core.errors import BadParameter
from xai_core.params import assignments
from xai_core.task import SEGMENTATION, need_samples
from xai_core.text import comma_list
from xai_core.words import percent

if TYPE_CHECKING:
    from xai_core.store.run import Run
    from xai_core.store.study import Study
    from xai_core.training.config import TrainConfig


def _configure(parser: argparse.ArgumentParser) -> None:
    from xai_core.training.config import TrainParams

    study_argument(parser)
    run_argument(parser)
    words = "xai list architectures (default: the parent's); or a baseline, sklearn:KEY of xai list baselines"
    parser.add_argument("--arch", metavar="KEY", help=words)
    parser.add_argument("--parent", metavar="RUN", help="take its whole configuration; flags given here override it")
    parser.add_argument(
        "--init", type=path, metavar="FILE", help="weights to start from: the head is new where classes differ"
    )
    parser.add_argument(
        "--from-parent", action="store_true", help="start from the parent's weights, with the rate of fine-tuning"
    )
    words = "of a baseline: learn from what this run's last layer gets, instead of pixels"
    parser.add_argument("--features-of", metavar="RUN", help=words)
    parser.add_argument("--size", type=pixels, metavar="PIXELS", help="input size")
    parser.add_argument("--mean", type=numbers, metavar="A,B,C", help="per channel, on the 0…1 scale")
    parser.add_argument("--std", type=numbers, metavar="A,B,C", help="per channel, on the 0…1 scale")
    parser.add_argument("--loss", metavar="KEY", help="xai list losses")
    parser.add_argument(
        "--augment", metavar="A,B", help="xai list augmentations; added to the parent's, or begin with none, to replace"
    )
    words = "version of the annotation to learn from (xai annotate); validation and test stay the original"
    parser.add_argument("--annotations", metavar="VERSION", help=words)
    parameter_flags(parser, TrainParams)
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY.NAME=VALUE", help="a loss's, augmentation's or baseline's"
    )
    device_argument(parser)
    parser.add_argument(
        "--seeds",
        type=count,
        default=1,
        metavar="N",
        help="an arm: N runs, of this seed and those that follow; each then predicts. xai compare takes its name",
    )
    parser.add_argument(
        "--preview", type=path, metavar="FILE.png", help="only draw what the augmentations make of eight pictures"
    )
    parser.add_argument("--predict", action="store_true", help="then predict all splits")
    parser.add_argument("--check", action="store_true", help="then predict, and check its heatmaps as xai check does")
    background_argument(parser)


def _run(args: argparse.Namespace) -> dict[str, Any]:
    if is_baseline(args):
        return run_baseline(args)
    study = open_study(args)
    parent = study.run(args.parent) if args.parent else None
    config = configuration(args, parent)
    if args.preview:
        return _preview(args, study, config, parent)
    if args.check:
        need_samples(study.info.task, study.name)
    if args.background:
        return begun(args, "train", _arguments(args, config, parent))
    if args.seeds > 1 or args.predict:
        return _several(args, study, _arguments(args, config, parent))
    from xai_core.pipeline.asked import Given
    from xai_core.pipeline.train import train_run

    given = Given(*_input(args, parent), parent=args.parent, device=in_force(args).device)
    before = args.run_name in study.runs()
    with long_work("training", quiet=before) as (progress, cancel):
        run = train_run(study, args.run_name, config, given, progress=progress, cancel=cancel)
    made = summary(study, run) | {"existed": before, "next": next_command("predict", args)}
    return made | _checked(args, study) if args.check else made


def _preview(args: argparse.Namespace, study: Study, config: TrainConfig, parent: Run | None) -> dict[str, Any]:
    """A PNG file, and nothing else."""
    import io

    from xai_core.files import write_atomic
    from xai_core.pipeline.asked import Given
    from xai_core.pipeline.preview import preview
    from xai_core.store.files import check_new_file

    check_new_file(args.preview, "picture")
    given = Given(*_input(args, parent), parent=args.parent, device=in_force(args).device)
    with long_work("preview") as (progress, cancel):
        found = preview(study, config, given, progress=progress, cancel=cancel)
    buffer = io.BytesIO()
    found.sheet().save(buffer, "PNG")
    write_atomic(args.preview, buffer.getvalue())
    return {"preview": str(args.preview), "rows": list(found.rows)}


def _several(args: argparse.Namespace, study: Study, arguments: dict[str, Any]) -> dict[str, Any]:
    """An arm, or a run that then predicts: as a job makes them, here and now."""
    from xai_core.jobs.operations import TRAIN, Work
    from xai_core.jobs.training import TrainArguments

    wanted = TrainArguments(**arguments)
    TRAIN.check(study, wanted)
    before = args.run_name in study.runs()
    with long_work("training", quiet=before) as (progress, cancel):
        made = TRAIN.run(study, wanted, Work(in_force(args), progress, cancel))
    if args.seeds > 1:
        return made | {"study": study.name, "next": _look_line(args, next(name for name, _ in wanted.runs()))}
    return (
        summary(study, study.run(args.run_name)) | made | {"existed": before, "next": _look_line(args, args.run_name)}
    )


def _look_line(args: argparse.Namespace, run: str) -> str:
    """What to ask next: without a parent there is nothing to compare with, and `run` is looked at."""
    if not args.parent:
        question = "segments" if open_study(args).info.task == SEGMENTATION else "confusion"
        return shlex.join(["xai", "show", str(args.study), question, "--run", run])
    return shlex.join(["xai", "compare", str(args.study), "--baseline", args.parent, "--candidate", args.run_name])


def _checked(args: argparse.Namespace, study: Study) -> dict[str, Any]:
    """Predictions, and both checks of the usual methods."""
    from xai_core.jobs.checking import CheckArguments
    from xai_core.jobs.operations import CHECK, Work

    with long_work("checking") as (progress, cancel):
        return CHECK.run(study, CheckArguments(args.run_name), Work(in_force(args), progress, cancel))


def _arguments(args: argparse.Namespace, config: TrainConfig, parent: Run | None) -> dict[str, Any]:
    """The same for a job."""
    size, mean, std = _input(args, parent)
    values = config.as_dict() | {"init": absolute(config.init) if config.init else ""}
    return {
        "run": args.run_name,
        "config": values,
        "parent": args.parent,
        "size": size,
        "mean": mean,
        "std": std,
        "check": args.check,
        "seeds": args.seeds,
        "predict": args.predict,
    }


def configuration(args: argparse.Namespace, parent: Run | None) -> TrainConfig:
    """The parent's configuration, or the defaults, with what the flags say in its place."""
    from xai_core.answers.training import configuration_of, going_on
    from xai_core.training.config import TrainConfig, TrainParams

    values = configuration_of(parent)  # damage is told before anything is built on it
    if args.from_parent:
        if parent is None or args.init:
            remedy = "Give --parent RUN." if parent is None else "Leave --init or --from-parent out."
            raise BadParameter("which weights are these to be?", value="--from-parent", remedy=remedy)
        values |= going_on(parent)
    elif parent and values.get("init") and not args.init:
        remedy = f"Give --init again: {values['init']}."
        raise BadParameter("the parent started from a weights file", value=parent.name, remedy=remedy)
    values |= given_parameters(args, TrainParams)
    if args.arch is None and "architecture" not in values:
        raise BadParameter("which architecture?", remedy="Give --arch KEY (xai list architectures) or --parent RUN.")
    options = {
        "architecture": args.arch,
        "init": str(args.init) if args.init else None,
        "loss": args.loss,
        "annotations": args.annotations,
    }
    values |= {name: value for name, value in options.items() if value is not None}
    if args.loss:
        values["loss_params"] = {}
    return TrainConfig.from_dict(_with_members(values, args))


def _with_members(values: dict[str, Any], args: argparse.Namespace) -> dict[str, Any]:
    """Augmentations and the parameters of `--set`."""
    chosen = {key: dict(params) for key, params in values.get("augmentations", {"flip": {}}).items()}
    for key in comma_list(args.augment or ""):
        if key == "none":
            chosen.clear()
        else:
            chosen.setdefault(key, {})
    loss_params = dict(values.get("loss_params", {}))
    for member, params in assignments(args.set).items():
        if member in chosen:
            chosen[member] |= params
        elif member == values.get("loss", "cross_entropy"):
            loss_params |= params
        else:
            raise BadParameter("--set for something not chosen", value=member, remedy="Add it to --augment or --loss.")
    return values | {"augmentations": chosen, "loss_params": loss_params}


def _input(args: argparse.Namespace, parent: Run | None) -> tuple[Any, Any, Any]:
    """Size, mean and std: as given, else the parent's, else None."""
    known = (parent.info.preprocess if parent else None) or {}
    mean, std = (tuple(known[name]) if name in known else None for name in ("mean", "std"))
    return args.size or known.get("width"), args.mean or mean, args.std or std


def summary(study: Study, run: Run) -> dict[str, Any]:
    """What came of it, JSON-able."""
    from xai_core.pipeline.pictures import cache_bytes
    from xai_core.training.history import by_epoch

    history = run.history
    assert history is not None
    return {
        "study": study.name,
        "run": run.name,
        "architecture": run.info.architecture,
        "preprocess": run.info.preprocess,
        "augmentations": list(run.info.training["augmentations"]),
        "best_epoch": run.info.training["best_epoch"],
        "seconds": run.info.seconds,
        "history": by_epoch(history),
        "cache_bytes": cache_bytes(study),
        "notes": list(run.info.provenance.get("notes", [])),
    }


def _show(result: dict[str, Any]) -> str:
    if "preview" in result:
        return f"{result['preview']}: {len(result['rows'])} pictures as they are, and what augmentations make of them"
    if "baseline" in result:
        return show_baseline(result)
    if "arm" in result:
        lines = [f"  {made['run']}: {_took(made)}" for made in result["runs"]]
        return "\n".join([f"{result['arm']}: {len(lines)} runs", *lines, f"Next: {result['next']}"])
    seconds = f"{result['seconds']:.0f} s"
    lines = [f"{result['run']}: {result['architecture']}, {seconds}"]
    if result["existed"]:
        lines = [f"{result['run']} is there already, trained with these settings ({result['architecture']}, {seconds})"]
    for row in result["history"]:
        if row["split"] == "validation":
            best = "  ← kept" if row["epoch"] == result["best_epoch"] else ""
            overlap = f", mean IoU {percent(row['mean_iou'], 2)}" if "mean_iou" in row else ""
            accuracy = f"validation accuracy {percent(row['accuracy'], 2)}"
            lines.append(f"  epoch {row['epoch']:>3}  {accuracy}{overlap}{best}")
    lines += [f"  {note}" for note in result["notes"]]
    if size := result["cache_bytes"]:
        lines.append(f"Resized pictures take {size / 2**30:.2g} GiB in the study's folder cache, which you may delete.")
    if "badges" in result:
        return "\n".join([*lines, *(f"  {each['sentence']}" for each in result["badges"])])
    return "\n".join([*lines, f"Next: {result['next']}"])


def _took(made: Mapping[str, Any]) -> str:
    """What a run of an arm cost."""
    if "baseline" in made:
        return f"fit {made['baseline']['fit_seconds']:.1f} s"
    return f"best epoch {made['best_epoch']}, {made['seconds']:.0f} s"


COMMAND = Command("train", "train a model; it becomes a run", _configure, _run, _show)
