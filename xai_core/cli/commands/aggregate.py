"""`xai aggregate`: the mean heatmap of a cell beside those of the recognised samples of both its classes."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from xai_core.cli.command import (
    Command,
    cell_arguments,
    count,
    device_argument,
    open_run,
    run_argument,
    settings,
    settings_argument,
    study_argument,
)
from xai_core.cli.filling import Wanted, columns_of, fill
from xai_core.cli.samples import confusion, scope_of
from xai_core.errors import BadParameter
from xai_core.task import SEGMENTATION

if TYPE_CHECKING:
    from xai_core.store.run import Run

OBJECT, PICTURE = "object", "picture"


def _configure(parser: argparse.ArgumentParser) -> None:
    study_argument(parser)
    run_argument(parser)
    parser.add_argument("--method", required=True, metavar="KEY", help="xai list explainers")
    settings_argument(parser)
    cell_arguments(parser)
    parser.add_argument("--target", choices=("predicted", "true"), default="predicted", help="predicted is the default")
    parser.add_argument(
        "--scale",
        choices=("each", "shared"),
        default="each",
        help="each map by its own maximum (default), or all as they are, so that strong evidence counts for more",
    )
    parser.add_argument(
        "--place",
        choices=(OBJECT, PICTURE),
        help="of a segmenter: maps around the object that they explain (default), or where they lie in the picture",
    )
    parser.add_argument("--limit", type=count, metavar="N", help="samples per group, by the study's seed (default 60)")
    device_argument(parser)


def _run(args: argparse.Namespace) -> dict[str, Any]:
    from xai_core.answers.aggregate import aggregate
    from xai_core.answers.groups import LIMIT, wanted

    run = open_run(args)
    scope = scope_of(run, args)
    chosen, methods = confusion(scope, args), settings(args, [args.method])
    columns_of(run, methods)  # a method that cannot be used is told before anything else is done
    limit = args.limit or LIMIT
    align = _aligned(run, args)
    fill(args, [Wanted(run, rows, spec, methods) for rows, spec in wanted(scope, chosen, args.target, limit)])
    (column,) = columns_of(run, methods)
    return aggregate(scope, chosen, column, args.target, scale=args.scale, limit=limit, align=align).as_json()


def _aligned(run: Run, args: argparse.Namespace) -> bool:
    """Whether maps are cut around what they explain; of a segmenter they are unless somebody says otherwise."""
    segments = run.study.info.task == SEGMENTATION
    if args.place == OBJECT and not segments:
        remedy = "Leave --place out: a class has no place in a picture."
        raise BadParameter("maps of a classifier are not about a region", value=args.place, remedy=remedy)
    return segments and args.place != PICTURE


def _show(result: dict[str, Any]) -> str:
    from xai_core.answers.aggregate import text

    return text(result)


COMMAND = Command("aggregate", "mean heatmaps of a cell and of its two classes", _configure, _run, _show)
