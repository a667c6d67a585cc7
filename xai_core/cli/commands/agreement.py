"""`xai agreement`: on which samples do methods disagree most?"""

from __future__ import annotations

import argparse
from typing import Any

from xai_core.cli.command import (
    Command,
    device_argument,
    methods_argument,
    open_run,
    run_argument,
    settings,
    settings_argument,
    study_argument,
)
from xai_core.cli.filling import Wanted, columns_of, fill
from xai_core.cli.samples import samples_arguments, scope_of, some_samples
from xai_core.cli.targets import target_argument, target_of
from xai_core.errors import BadParameter


def _configure(parser: argparse.ArgumentParser) -> None:
    study_argument(parser)
    run_argument(parser)
    methods_argument(parser)
    settings_argument(parser)
    samples_arguments(parser)
    target_argument(parser)
    device_argument(parser)


def _run(args: argparse.Namespace) -> dict[str, Any]:
    from xai_core.answers.agreement import agreement

    run = open_run(args)
    scope = scope_of(run, args)
    methods = settings(args, args.methods)
    if len(methods) < 2:
        raise BadParameter("one method alone", value=methods[0][0], remedy="Name two or more: --methods A,B.")
    columns_of(run, methods)  # a method that cannot be used is told before anything else is done
    spec, rows = target_of(run.study, args), some_samples(scope, args)
    fill(args, [Wanted(run, rows, spec, methods)])
    return agreement(scope, columns_of(run, methods), rows, spec).as_json()


def _show(result: dict[str, Any]) -> str:
    from xai_core.answers.agreement import text

    return text(result)


COMMAND = Command("agreement", "samples on which methods disagree, most of all first", _configure, _run, _show)
