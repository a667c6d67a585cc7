"""`xai train --arch sklearn:KEY`: a classical baseline in place of a network."""

from __future__ import annotations

import argparse
import shlex
from typing import Any

from xai_core.cli.background import begun
from xai_core.cli.command import in_force, long_work, open_study
from xai_core.cli.flags import given_parameters, parameters_of
from xai_core.errors import BadParameter

PREFIX = "sklearn:"
_OF_NETWORKS = ("init", "from_parent", "parent", "loss", "augment", "mean", "std", "check")
"""Flags that say something of a network."""


def is_baseline(args: argparse.Namespace) -> bool:
    """Whether one is asked for. Raises BadParameter for a flag of baselines without one."""
    asked = (args.arch or "").startswith(PREFIX)
    if args.features_of and not asked:
        remedy = "Give --arch sklearn:logistic or another of xai list baselines; xai repair learns a last layer again."
        raise BadParameter("--features-of is for baselines", value=args.features_of, remedy=remedy)
    return asked


def run_baseline(args: argparse.Namespace) -> dict[str, Any]:
    """Make the run, or begin a job that does."""
    from xai_core.jobs.baselines import made
    from xai_core.jobs.operations import BASELINE, Work
    from xai_core.jobs.values import record
    from xai_core.pipeline.baseline import BaselineWanted, existing_baseline

    study, arguments = open_study(args), _arguments(args)
    if args.background:
        return begun(args, "baseline", arguments)
    wanted = record(BaselineWanted, arguments)
    BASELINE.check(study, wanted)
    before = all(existing_baseline(study, one) is not None for one in wanted.runs())
    with long_work("baseline", quiet=before) as (progress, cancel):
        found = BASELINE.run(study, wanted, Work(in_force(args), progress, cancel))
    if wanted.seeds > 1:
        first = next(wanted.runs()).run
        return found | {
            "study": study.name,
            "next": shlex.join(["xai", "show", str(args.study), "confusion", "--run", first]),
        }
    from xai_core.answers.runs import by_split

    run = study.run(wanted.run)
    return {"study": study.name, **made(run), "existed": before, "splits": by_split(run)}


def _arguments(args: argparse.Namespace) -> dict[str, Any]:
    from xai_core.training.config import TrainParams

    key, numbers = args.arch.removeprefix(PREFIX), given_parameters(args, TrainParams)
    seed = numbers.pop("seed", 0)
    foreign = [name for name in _OF_NETWORKS if getattr(args, name)] + list(numbers)
    if foreign:
        flag = f"--{foreign[0].replace('_', '-')}"
        remedy = f"Leave it out; what {args.arch} takes is given by --set {key}.NAME=VALUE."
        raise BadParameter("this is for networks", value=flag, remedy=remedy)
    return {
        "run": args.run_name,
        "baseline": key,
        "params": parameters_of(key, args.set),
        "size": args.size,
        "features_of": args.features_of or "",
        "seed": seed,
        "seeds": args.seeds,
    }


def show_baseline(result: dict[str, Any]) -> str:
    """For people."""
    from xai_core.answers.runs import by_split_lines

    about = result["baseline"]
    of = f"features of {result['parent']}" if result["parent"] else f"pixels at {about['size']} × {about['size']}"
    learned = f"{about['samples']:,} training samples, {about['numbers']:,} numbers each ({of})"
    lines = [f"{result['run']}: {result['architecture']} on {learned}"]
    if result["existed"]:
        lines = [f"{result['run']} is there already, made just so ({result['architecture']} on {learned})"]
    times = f"fit {about['fit_seconds']:.1f} s, predictions of {about['predicted']:,} samples"
    lines.append(f"  {times} {about['predict_seconds']:.1f} s; the estimator is not kept")
    return "\n".join([*lines, *by_split_lines(result["splits"]), *(f"  {note}" for note in result["notes"])])
