"""`xai sanity`: do a run's heatmaps depend on what its model learned?"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from xai_core.cli import left_out
from xai_core.cli.background import background_argument, begun
from xai_core.cli.command import (
    Command,
    cell,
    cell_arguments,
    count,
    device_argument,
    in_force,
    long_work,
    methods_argument,
    open_run,
    run_argument,
    seed,
    settings,
    settings_argument,
    some,
    study_argument,
)
from xai_core.cli.filling import columns_of
from xai_core.cli.samples import every_sample, for_a_job, ids_argument, scope_of
from xai_core.sanity.orders import DEFAULT, ORDERS, SAMPLES, SEEDS

if TYPE_CHECKING:
    from xai_core.answers.sanity import Chosen
    from xai_core.answers.scope import Scope


def _configure(parser: argparse.ArgumentParser) -> None:
    study_argument(parser)
    run_argument(parser)
    methods_argument(parser)
    settings_argument(parser)
    cell_arguments(parser)
    ids_argument(parser)
    parser.add_argument(
        "--limit", type=count, metavar="N", help=f"samples, drawn by the study's seed (default {SAMPLES})"
    )
    parser.add_argument("--seeds", type=count, default=SEEDS, metavar="N", help=f"random models (default {SEEDS})")
    parser.add_argument("--seed", type=seed, default=0, help="of the first random model (default 0)")
    orders = f"in which layers become random: {', '.join(ORDERS)} (default {','.join(DEFAULT)})"
    parser.add_argument("--orders", type=some, default=list(DEFAULT), metavar="A,B", help=orders)
    statistics = "BatchNorm's statistics in random layers: as of no data (reset, default), or the trained model's"
    parser.add_argument("--statistics", choices=("reset", "kept"), default="reset", help=statistics)
    device_argument(parser)
    background_argument(parser)


def _run(args: argparse.Namespace) -> dict[str, Any]:
    from xai_core.answers import sanity
    from xai_core.jobs.operations import SANITY, cascade_request
    from xai_core.jobs.values import record
    from xai_core.pipeline.steps import noted

    run = open_run(args)
    scope = scope_of(run, args)
    given = dict(settings(args, args.methods))
    methods = [(key, given.get(key, {})) for key in sanity.with_controls(args.methods)]
    wanted = columns_of(run, methods)  # a method that cannot be used is told before anything else is done
    chosen = _samples(scope, args)
    args.target = sanity.SPEC
    arguments = for_a_job(run, args, methods) | {"limit": args.limit or SAMPLES}
    names = ("orders", "seeds", "seed", "statistics")
    arguments |= {name: getattr(args, name) for name in names}
    if args.background:
        return begun(args, "sanity", arguments)
    asked = record(SANITY.params, arguments)
    SANITY.check(run.study, asked)
    unread: dict[str, str] = {}
    from xai_core.pipeline.cascade import cascade_steps
    from xai_core.pipeline.load import Bench

    bench = Bench(in_force(args).device)
    with long_work("checking") as (progress, cancel):
        for done, total in noted(cascade_steps(bench, cascade_request(run, asked)), len(chosen.rows), unread):
            progress(done, total, "maps")
            cancel.check()
    found = sanity.checked(run, wanted, chosen.rows, args.statistics)
    return sanity.as_json(scope, chosen, found) | {"left_out": left_out.as_json(unread)}


def _samples(scope: Scope, args: argparse.Namespace) -> Chosen:
    from xai_core.answers import sanity

    limit, rows = args.limit or SAMPLES, every_sample(scope, args)
    if args.ids is not None:
        return sanity.of_these(scope, rows, limit)
    return sanity.samples(scope, cell(scope.study, args), limit)


def _show(result: dict[str, Any]) -> str:
    from xai_core.answers.sanity import text
    from xai_core.cli import background

    if background.JOB in result:
        return background.show(result)
    return "\n".join(filter(None, [text(result), *left_out.lines(result["left_out"], left_out.ASKED_AGAIN)]))


COMMAND = Command("sanity", "do heatmaps depend on what the model learned?", _configure, _run, _show)
