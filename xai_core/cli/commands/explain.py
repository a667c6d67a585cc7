"""`xai explain`: fill the study with heatmaps of some samples."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np

from xai_core.cli import left_out
from xai_core.cli.background import background_argument, begun
from xai_core.cli.command import (
    Command,
    device_argument,
    in_force,
    long_work,
    methods_argument,
    open_run,
    run_argument,
    settings,
    settings_argument,
    study_argument,
)
from xai_core.cli.samples import (
    about_samples,
    counted_samples,
    for_a_job,
    limited,
    samples_arguments,
    scope_of,
)
from xai_core.cli.targets import target_argument, target_of

if TYPE_CHECKING:
    from xai_core.pipeline.explain import Request

ALL = "all"


def _configure(parser: argparse.ArgumentParser) -> None:
    study_argument(parser)
    run_argument(parser)
    methods_argument(parser)
    samples_arguments(parser)
    target_argument(parser)
    settings_argument(parser)
    parser.add_argument("--weights", default="trained", help="trained (default) or randomised:SEED")
    device_argument(parser)
    background_argument(parser)


def _run(args: argparse.Namespace) -> dict[str, Any]:
    run = open_run(args)
    from xai_core.store.obstacles import usable

    methods, without = usable(run, settings(args, _named(args.methods)))
    target = target_of(run.study, args)
    if args.background:
        return begun(args, "explain", for_a_job(run, args, methods) | {"weights": args.weights})
    from xai_core.pipeline.explain import Request, check_methods, explain_steps
    from xai_core.pipeline.load import Bench
    from xai_core.pipeline.steps import noted

    scope = scope_of(run, args)
    rows = limited(scope, args)
    request = Request(run, rows.tolist(), target, methods, args.weights)
    bench = Bench(in_force(args).device)
    check_methods(bench, request)
    unread: dict[str, str] = {}
    with long_work("explaining") as (progress, cancel):
        for done, total in noted(explain_steps(bench, request), len(rows), unread):
            progress(done, total, "maps")
            cancel.check()
    about = {"study": run.study.name, "run": run.name} | about_samples(scope, rows)
    told = {"left_out": left_out.as_json(unread), "methods_left_out": without}
    return about | {"methods": _states(request, target)} | told


def _named(methods: list[str]) -> list[str]:
    from xai_core.explainers import EXPLAINERS

    return list(EXPLAINERS.keys()) if methods == [ALL] else methods


def _states(request: Request, target: str) -> dict[str, dict[str, Any]]:
    from xai_core.answers.reasons import counted_reasons
    from xai_core.explainers import EXPLAINERS
    from xai_core.params import build

    rows = np.asarray(request.rows, dtype=np.int64)
    keys = [target.key for target in request.run.targets(rows, target)]
    result: dict[str, dict[str, Any]] = {}
    for key, values in request.methods:
        maps = request.run.maps(key, build(EXPLAINERS[key].params, values), weights=request.weights)
        state = maps.state(rows, keys) if maps is not None else np.zeros(len(rows), np.uint8)
        result[key] = {"stored": int((state == 1).sum()), "refused": int((state == 2).sum())}
        if maps is not None and (state == 2).any():
            refused = [k for k, s in zip(keys, state, strict=True) if s == 2]
            result[key]["reasons"] = counted_reasons(maps.get(rows[state == 2], refused).refusals)
    return result


def _show(result: dict[str, Any]) -> str:
    from xai_core.answers.reasons import reason_lines

    lines = [f"{result['run']}: maps of {counted_samples(result)}"]
    width = max(len(key) for key in result["methods"])
    for key, state in result["methods"].items():
        refused = f", {state['refused']} refused" if state["refused"] else ""
        lines.append(f"  {key:<{width}} {state['stored']} stored{refused}")
        lines += [f"  {'':<{width}} {line}" for line in reason_lines(state.get("reasons", {}))]
    lines += left_out.methods(result["methods_left_out"])
    lines += left_out.lines(result["left_out"], left_out.ASKED_AGAIN)
    return "\n".join(lines)


COMMAND = Command("explain", "compute heatmaps and keep them in the study", _configure, _run, _show)
