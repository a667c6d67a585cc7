"""`xai aggregate`: the mean heatmap of a cell beside those of the correct samples of both its classes."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import numpy as np

from xai_core.cli.command import (
    Command,
    cell,
    cell_arguments,
    count,
    device_argument,
    in_force,
    long_work,
    open_run,
    predictions_of,
    run_argument,
    settings,
    settings_argument,
    study_argument,
)
from xai_core.cli.commands.explain import reasons, shown_reasons
from xai_core.errors import BadParameter


def _configure(parser: argparse.ArgumentParser) -> None:
    study_argument(parser)
    run_argument(parser)
    parser.add_argument("--method", required=True, metavar="KEY", help="xai list explainers")
    settings_argument(parser)
    cell_arguments(parser)
    parser.add_argument(
        "--limit", type=count, default=100, metavar="N", help="samples per group, by seed (default 100)"
    )
    device_argument(parser)


def _run(args: argparse.Namespace) -> dict[str, Any]:
    from xai_core.pipeline.explain import Request, check_methods, explain_steps
    from xai_core.pipeline.load import Bench

    run = open_run(args)
    chosen = cell(run.study, args)
    if chosen is None or chosen[0] == chosen[1]:
        raise BadParameter("which confusion?", remedy="Name a cell off the diagonal: --cell TRUE:PREDICTED.")
    predictions_of(run, args.study)
    groups = group_rows(run, args.split, chosen, args.limit)
    rows = np.concatenate(list(groups.values()))
    bench = Bench(in_force(args).device)
    ((_, given),) = methods = settings(args, [args.method])
    request = Request(run, rows.tolist(), "predicted", methods)
    check_methods(bench, request)
    with long_work("explaining") as (progress, cancel):
        for done, total in explain_steps(bench, request):
            progress(done, total, "maps")
            cancel.check()
    names = [run.study.class_names[index] for index in chosen]
    return {
        "study": run.study.name,
        "run": run.name,
        "method": args.method,
        "true": names[0],
        "predicted": names[1],
        "groups": {group: _aggregated(run, args.method, given, rows) for group, rows in groups.items()},
    }


def group_rows(run: Any, split: str, chosen: tuple[int, int], limit: int) -> dict[str, np.ndarray[Any, Any]]:
    """Rows of correct A, correct B and A taken for B, at most `limit` of each, drawn by the study's seed."""
    from xai_core.triage.groups import confusion_groups

    predictions = run.predictions
    inside = np.isin(predictions.rows, run.study.rows(split))
    rows, predicted = predictions.rows[inside], predictions.predicted[inside]
    seed = run.study.info.seed
    return confusion_groups(rows, run.study.labels[rows], predicted, chosen, limit=limit, seed=seed)


def _aggregated(run: Any, method: str, given: Mapping[str, Any], rows: np.ndarray[Any, Any]) -> dict[str, Any]:
    from xai_core.explainers import EXPLAINERS
    from xai_core.params import build
    from xai_core.triage.aggregates import comparable, mean_map, vertical_profile

    member = EXPLAINERS[method]
    keys = [target.key for target in run.targets(rows, "predicted")]
    stored = run.maps(method, build(member.params, given), create=True).get(rows, keys)
    mean = mean_map(stored.maps, signed=member.card.signed)
    about = {"n": mean.n, "left_out": mean.left_out, "reasons": reasons(stored.refusals)}
    if not mean.n:
        return about | {"mean": None, "profile": None}
    profile = vertical_profile(comparable(stored.maps, signed=member.card.signed, normalise="per image"), seed=0)
    return about | {
        "mean": np.round(mean.values, 5).tolist(),
        "profile": {name: np.round(getattr(profile, name), 5).tolist() for name in ("value", "low", "high")},
    }


def _show(result: dict[str, Any]) -> str:
    lines = [f"{result['method']} on {result['run']}: {result['true']} taken for {result['predicted']}"]
    for name, group in result["groups"].items():
        if group["n"]:
            profile = np.array(group["profile"]["value"])
            share = profile[len(profile) // 2 :].sum() / profile.sum() if profile.sum() else float("nan")
            lines.append(f"  {name:<18} n = {group['n']}, {share:.0%} of the evidence in the lower half")
        else:
            lines.append(f"  {name:<18} {'no maps' if group['left_out'] else 'no samples'}")
        lines += [f"  {'':<18} {line}" for line in shown_reasons(group["reasons"])]
    return "\n".join(lines)


COMMAND = Command("aggregate", "mean heatmaps of a cell and of its two classes", _configure, _run, _show)
