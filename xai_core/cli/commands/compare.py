"""`xai compare`: did the fix work? Two runs, or ways of training of several runs each, on the same samples."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from xai_core.cli.command import (
    Command,
    cell,
    cell_arguments,
    conditions,
    count,
    device_argument,
    open_study,
    settings,
    settings_argument,
    study_argument,
)
from xai_core.cli.filling import Wanted, columns_of, fill
from xai_core.cli.samples import scope_of
from xai_core.errors import BadInput, BadParameter
from xai_core.task import SEGMENTATION

if TYPE_CHECKING:
    from xai_core.answers.arms import Arm
    from xai_core.answers.compare import Comparison
    from xai_core.answers.scope import Scope
    from xai_core.store.study import Study
    from xai_core.triage.confusion import Cell

_TRANSITIONS = ("fixed", "broken", "still wrong", "changed its mistake", "still right")


def _configure(parser: argparse.ArgumentParser) -> None:
    study_argument(parser)
    parser.add_argument("--baseline", required=True, metavar="RUN", help="the run before; or an arm, or RUN,RUN,…")
    parser.add_argument(
        "--candidate",
        required=True,
        action="append",
        metavar="RUN",
        help="the run after; or an arm, or RUN,RUN,…; several times for several candidates",
    )
    cell_arguments(parser)
    parser.add_argument("--method", metavar="KEY", help="also how far the heatmaps of a method moved")
    settings_argument(parser)
    parser.add_argument(
        "--target", choices=("predicted", "true"), default="predicted", help="the class of the cell that maps explain"
    )
    parser.add_argument(
        "--among",
        choices=("cell", "class", "all"),
        default="cell",
        help="whose maps: samples in the cell before or after (default), of its true class, or all",
    )
    parser.add_argument("--transition", choices=_TRANSITIONS, default="", help="of these, what became of them")
    parser.add_argument("--limit", type=count, metavar="N", help="maps of the first N of these (default 400)")
    device_argument(parser)


def _run(args: argparse.Namespace) -> dict[str, Any]:
    from xai_core.answers.compare import comparison

    study = open_study(args)
    if study.info.task == SEGMENTATION:
        return _segmenters(study, args)
    named = cell(study, args)
    if arms := _arms(study, args):
        return _compared(args, arms, named)
    baseline, candidate = (scope_of(study.run(name), args) for name in (args.baseline, args.candidate[0]))
    found = comparison(baseline.run, candidate.run, args.split, candidate.where)
    if not len(found.rows):
        raise BadInput("no samples that both runs predicted", value=args.split, remedy="Choose another split.")
    return found.as_json(named) | (_moved(args, found, named or found.largest()) if args.method else {})


def _segmenters(study: Study, args: argparse.Namespace) -> dict[str, Any]:
    from xai_core.answers.segments_change import segments_change

    if args.method or args.transition or len(args.candidate) > 1:
        remedy = "Name one baseline and one candidate, and no more than --cell, --split and --where."
        raise BadParameter("segmenters are compared as they are", value=study.name, remedy=remedy)
    baseline, candidate, asked = study.run(args.baseline), study.run(args.candidate[0]), cell(study, args)
    return {"segments": segments_change(baseline, candidate, args.split, conditions(study, args), asked).as_json()}


def _arms(study: Study, args: argparse.Namespace) -> list[Arm]:
    """Baseline and candidates, where they are more than one run against another."""
    from xai_core.answers.arms import arm_of

    found = [arm_of(study, name) for name in (args.baseline, *args.candidate)]
    return found if len(found) > 2 or any(len(arm.runs) > 1 for arm in found) else []


def _compared(args: argparse.Namespace, arms: list[Arm], named: Cell | None) -> dict[str, Any]:
    from xai_core.answers.arms import compare_arms

    if args.method:
        raise BadParameter("heatmaps are compared between two runs", value=args.method, remedy="Name one run of each.")
    scope = scope_of(arms[0].runs[0], args)
    found = compare_arms(scope.study, arms[0], arms[1:], args.split, scope.where)
    if not len(found.rows):
        raise BadInput("no samples that all runs predicted", value=args.split, remedy="Choose another split.")
    return found.as_json(named) | _models(args, arms, scope, named)


def _models(args: argparse.Namespace, arms: list[Arm], scope: Scope, named: Cell | None) -> dict[str, Any]:
    """The same as models, where each is one run."""
    from xai_core.answers.many_runs import many_runs

    if any(len(arm.runs) > 1 for arm in arms):
        return {}
    runs = [arm.runs[0] for arm in arms]
    return {"models": many_runs(runs[0], runs[1:], args.split, scope.where, named).as_json()}


def _moved(args: argparse.Namespace, found: Comparison, chosen: Cell | None) -> dict[str, Any]:
    from xai_core.answers.movement import MEASURED_UP_TO, movement

    if chosen is None:
        raise BadParameter("which class do the maps explain?", remedy="Name a cell: --cell TRUE:PREDICTED.")
    methods, runs = settings(args, [args.method]), (found.baseline, found.candidate)
    for run in runs:
        columns_of(run, methods)  # a method that cannot be used is told before anything is done
    spec = str(chosen[0] if args.target == "true" else chosen[1])
    rows = found.listed(args.among, chosen, args.transition)[: args.limit or MEASURED_UP_TO]
    fill(args, [Wanted(run, rows, spec, methods) for run in runs])
    before, after = ((run, columns_of(run, methods)[0]) for run in runs)
    moved = movement(found, before, after, rows, spec)
    return {"movement": moved.as_json(found.study.samples["id"].iloc[moved.rows].tolist())}


def _show(result: dict[str, Any]) -> str:
    from xai_core.answers import arms, compare, many_runs, movement

    if "segments" in result:
        return "\n".join(result["segments"]["lines"])
    if "models" in result:
        return "\n\n".join([result["counted"], many_runs.text(result["models"])])
    if "arms" in result:
        return arms.text(result)
    parts = [compare.text(result), *([movement.text(result["movement"])] if "movement" in result else [])]
    return "\n\n".join(parts)


COMMAND = Command("compare", "compare two runs on the same samples", _configure, _run, _show)
