"""`xai sanity`: do a run's heatmaps depend on what its model learned?"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from xai_core.cli.command import (
    Command,
    cell,
    cell_arguments,
    count,
    device_argument,
    methods_argument,
    open_run,
    run_argument,
    seed,
    settings,
    settings_argument,
    study_argument,
)
from xai_core.cli.filling import Wanted, columns_of, fill
from xai_core.cli.samples import every_sample, ids_argument, scope_of
from xai_core.errors import BadInput

if TYPE_CHECKING:
    from xai_core.answers.sanity import Samples
    from xai_core.answers.scope import Scope


def _configure(parser: argparse.ArgumentParser) -> None:
    study_argument(parser)
    run_argument(parser)
    methods_argument(parser)
    settings_argument(parser)
    cell_arguments(parser)
    ids_argument(parser)
    parser.add_argument("--limit", type=count, metavar="N", help="samples, drawn by the study's seed (default 12)")
    parser.add_argument("--seed", type=seed, default=0, help="of the random weights (default 0)")
    device_argument(parser)


def _run(args: argparse.Namespace) -> dict[str, Any]:
    from xai_core.answers import sanity

    run = open_run(args)
    scope = scope_of(run, args)
    given = dict(settings(args, args.methods))
    methods = [(key, given.get(key, {})) for key in sanity.with_control(args.methods)]
    kinds = sanity.TRAINED, sanity.randomised(args.seed)
    columns_of(run, methods)  # a method that cannot be used is told before anything else is done
    chosen = _samples(scope, args)
    if len(chosen.rows) < sanity.LEAST:
        remedy = f"The comparison needs at least {sanity.LEAST}. Choose another cell or split."
        raise BadInput("too few samples", value=len(chosen.rows), remedy=remedy)
    fill(args, [Wanted(run, chosen.rows, sanity.SPEC, methods, weights) for weights in kinds], "checking")
    trained, random = (columns_of(run, methods, weights) for weights in kinds)
    return sanity.sanity(scope, chosen, list(zip(trained, random, strict=True)), args.seed).as_json()


def _samples(scope: Scope, args: argparse.Namespace) -> Samples:
    from xai_core.answers import sanity

    limit, rows = args.limit or sanity.COUNT, every_sample(scope, args)
    if args.ids is not None:
        return sanity.of_these(scope, rows, limit)
    return sanity.samples(scope, cell(scope.study, args), limit)


def _show(result: dict[str, Any]) -> str:
    from xai_core.answers.sanity import text

    return text(result)


COMMAND = Command("sanity", "compare heatmaps of the trained and a randomised model", _configure, _run, _show)
