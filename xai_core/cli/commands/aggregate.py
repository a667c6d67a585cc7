"""`xai aggregate`: the mean heatmap of a cell beside those of the recognised samples of both its classes."""

from __future__ import annotations

import argparse
from typing import Any

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
    parser.add_argument("--limit", type=count, metavar="N", help="samples per group, by the study's seed (default 60)")
    device_argument(parser)


def _run(args: argparse.Namespace) -> dict[str, Any]:
    from xai_core.answers.aggregate import aggregate
    from xai_core.answers.groups import LIMIT, group_rows, interleaved

    run = open_run(args)
    scope = scope_of(run, args)
    chosen, methods = confusion(scope, args), settings(args, [args.method])
    columns_of(run, methods)  # a method that cannot be used is told before anything else is done
    limit = args.limit or LIMIT
    rows = interleaved(group_rows(scope, chosen, limit))
    fill(args, [Wanted(run, rows, args.target, methods)])
    (column,) = columns_of(run, methods)
    return aggregate(scope, chosen, column, args.target, scale=args.scale, limit=limit).as_json()


def _show(result: dict[str, Any]) -> str:
    from xai_core.answers.aggregate import text

    return text(result)


COMMAND = Command("aggregate", "mean heatmaps of a cell and of its two classes", _configure, _run, _show)
