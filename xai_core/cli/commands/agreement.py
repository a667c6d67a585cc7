"""`xai agreement`: on which samples do methods disagree most?"""

from __future__ import annotations

import argparse
from typing import Any

from xai_core.cli.command import (
    Command,
    cell_arguments,
    class_index,
    count,
    device_argument,
    methods_argument,
    open_run,
    run_argument,
    settings,
    settings_argument,
    study_argument,
)
from xai_core.cli.filling import Wanted, columns_of, fill, samples, scope_of
from xai_core.errors import BadInput, BadParameter
from xai_core.types import TARGET_SPECS


def _configure(parser: argparse.ArgumentParser) -> None:
    study_argument(parser)
    run_argument(parser)
    methods_argument(parser)
    settings_argument(parser)
    cell_arguments(parser)
    parser.add_argument("--ids", metavar="A,B", help="samples by id instead of a cell or a whole split")
    parser.add_argument("--limit", type=count, metavar="N", help="only the first N of them")
    parser.add_argument("--target", default="predicted", help="predicted (default), true, difference or a class")
    device_argument(parser)


def _run(args: argparse.Namespace) -> dict[str, Any]:
    from xai_core.answers.agreement import agreement

    run = open_run(args)
    scope = scope_of(run, args)
    methods = settings(args, args.methods)
    if len(methods) < 2:
        raise BadParameter("one method alone", value=methods[0][0], remedy="Name two or more: --methods A,B.")
    columns_of(run, methods)  # a method that cannot be used is told before anything else is done
    spec = args.target if args.target in TARGET_SPECS else str(class_index(run.study, args.target))
    rows = samples(scope, args)[: args.limit]
    if not len(rows):
        raise BadInput("no samples", remedy="Choose another cell or split.")
    fill(args, [Wanted(run, rows, spec, methods)])
    return agreement(scope, columns_of(run, methods), rows, spec).as_json()


def _show(result: dict[str, Any]) -> str:
    from xai_core.answers.agreement import text

    return text(result)


COMMAND = Command("agreement", "samples on which methods disagree, most of all first", _configure, _run, _show)
