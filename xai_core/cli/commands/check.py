"""`xai check`: can this run's heatmaps be believed? Both checks of a badge, and what comes of them."""

from __future__ import annotations

import argparse
from typing import Any

from xai_core.cli.background import background_argument, begun
from xai_core.cli.command import (
    Command,
    count,
    device_argument,
    in_force,
    long_work,
    open_run,
    run_argument,
    settings,
    settings_argument,
    some,
    study_argument,
)


def _configure(parser: argparse.ArgumentParser) -> None:
    study_argument(parser)
    run_argument(parser)
    parser.add_argument("--methods", type=some, metavar="A,B", help="xai list explainers; the usual ones if left out")
    parser.add_argument("--samples", type=count, metavar="N", help="that metrics score, drawn by the study's seed")
    parser.add_argument("--pictures", type=count, metavar="N", help="of the cascade, drawn by the study's seed")
    settings_argument(parser)
    device_argument(parser)
    background_argument(parser)


def _run(args: argparse.Namespace) -> dict[str, Any]:
    run = open_run(args)
    given = dict(settings(args, args.methods or []))
    arguments = {
        "run": run.name,
        "methods": [[key, given[key]] for key in args.methods or []],
        "samples": args.samples or 0,
        "pictures": args.pictures or 0,
    }
    if args.background:
        return begun(args, "check", arguments)
    from xai_core.jobs.checking import CheckArguments
    from xai_core.jobs.operations import CHECK, Work
    from xai_core.jobs.values import record

    wanted = record(CheckArguments, arguments)
    CHECK.check(run.study, wanted)
    with long_work("checking") as (progress, cancel):
        made = CHECK.run(run.study, wanted, Work(in_force(args), progress, cancel))
    return {"study": run.study.name, "run": run.name, **made}


def _show(result: dict[str, Any]) -> str:
    lines = [f"{result['run']}:"]
    for each in result["badges"]:
        lines += [f"  {each['sentence']}"]
    return "\n".join(lines)


COMMAND = Command("check", "can heatmaps be believed? the cascade and the controls, in one go", _configure, _run, _show)
