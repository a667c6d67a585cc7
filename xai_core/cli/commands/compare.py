"""`xai compare`: did the fix work? Two runs on the same samples."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from xai_core.cli.command import (
    Command,
    cell,
    cell_arguments,
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

if TYPE_CHECKING:
    from xai_core.answers.compare import Comparison
    from xai_core.triage.confusion import Cell

_TRANSITIONS = ("fixed", "broken", "still wrong", "changed its mistake", "still right")


def _configure(parser: argparse.ArgumentParser) -> None:
    study_argument(parser)
    parser.add_argument("--baseline", required=True, metavar="RUN", help="the run before")
    parser.add_argument("--candidate", required=True, metavar="RUN", help="the run after")
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
    named = cell(study, args)
    baseline, candidate = (scope_of(study.run(name), args) for name in (args.baseline, args.candidate))
    found = comparison(baseline.run, candidate.run, args.split, candidate.where)
    if not len(found.rows):
        raise BadInput("no samples that both runs predicted", value=args.split, remedy="Choose another split.")
    return found.as_json(named) | (_moved(args, found, named or found.largest()) if args.method else {})


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
    from xai_core.answers import compare, movement

    parts = [compare.text(result), *([movement.text(result["movement"])] if "movement" in result else [])]
    return "\n\n".join(parts)


COMMAND = Command("compare", "compare two runs on the same samples", _configure, _run, _show)
