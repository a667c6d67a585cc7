"""`xai sanity`: do a run's heatmaps depend on what its model learned?"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xai_core.cli.command import (
    Command,
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
    study_argument,
)
from xai_core.cli.commands.explain import chosen_rows, reasons, shown_reasons
from xai_core.errors import BadInput
from xai_core.types import Array

if TYPE_CHECKING:
    from xai_core.store.maps import StoredMaps


def _configure(parser: argparse.ArgumentParser) -> None:
    study_argument(parser)
    run_argument(parser)
    methods_argument(parser)
    settings_argument(parser)
    cell_arguments(parser)
    parser.add_argument("--ids", metavar="A,B", help="samples by id")
    parser.add_argument("--limit", type=count, default=24, metavar="N", help="samples, drawn by seed (default 24)")
    parser.add_argument("--seed", type=seed, default=0, help="of the randomised weights and the drawn samples")
    device_argument(parser)


def _run(args: argparse.Namespace) -> dict[str, Any]:
    from xai_core.pipeline.explain import Request, check_methods, explain_steps
    from xai_core.pipeline.load import Bench

    run = open_run(args)
    limit, args.limit = args.limit, None
    rows = chosen_rows(run, args)
    if not len(rows):
        raise BadInput("no samples", remedy="Choose another cell or split.")
    rows = np.sort(np.random.default_rng(args.seed).permutation(rows)[:limit])
    methods, bench = settings(args, args.methods), Bench(in_force(args).device)
    requests = [Request(run, rows.tolist(), "predicted", methods, kind) for kind in _weights(args)]
    check_methods(bench, requests[0])
    with long_work("checking") as (progress, cancel):
        for part, request in enumerate(requests):
            for done, total in explain_steps(bench, request):
                progress(part * total + done, 2 * total, "maps")
                cancel.check()
    found = {key: _found(run, key, given, rows, _weights(args)) for key, given in methods}
    return {
        "study": run.study.name,
        "run": run.name,
        "n": len(rows),
        "seed": args.seed,
        "methods": {key: _compared(*(stored.maps for stored in pair)) for key, pair in found.items()},
        "refused": {key: _refused(pair, _weights(args)) for key, pair in found.items()},
    }


def _weights(args: argparse.Namespace) -> tuple[str, str]:
    return "trained", f"randomised:{args.seed}"


def _found(
    run: Any, key: str, given: Mapping[str, Any], rows: NDArray[np.int64], weights: Sequence[str]
) -> list[StoredMaps]:
    """A method's maps with each of these weights."""
    from xai_core.explainers import EXPLAINERS
    from xai_core.params import build

    targets = [target.key for target in run.targets(rows, "predicted")]
    params: Any = build(EXPLAINERS[key].params, given)
    return [run.maps(key, params, weights=kind, create=True).get(rows, targets) for kind in weights]


def _compared(trained: Array, random: Array) -> dict[str, Any]:
    from xai_core.sanity.check import check

    if trained.shape != random.shape or not trained.size:
        return {}
    return {
        c.similarity: {"median": _number(c.median), "null_median": _number(c.null_median), "n": c.n}
        for c in check(trained, random)
    }


def _refused(found: Sequence[StoredMaps], weights: Sequence[str]) -> dict[str, dict[str, int]]:
    """Why maps are refused, by the weights of the model that refuses them."""
    why = {kind: reasons(stored.refusals) for kind, stored in zip(weights, found, strict=True)}
    return {kind: counts for kind, counts in why.items() if counts}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def _show(result: dict[str, Any]) -> str:
    lines = [f"{result['run']}: trained against randomised (seed {result['seed']}), {result['n']} samples"]
    width = max(len("method"), *map(len, result["methods"]))
    lines.append(f"  {'method':<{width}} {'similarity':<20} median   other pictures   n")
    for key, similarities in result["methods"].items():
        if not similarities:
            lines.append(f"  {key:<{width}} no maps to compare")
        for name, v in similarities.items():
            lines.append(
                f"  {key:<{width}} {name:<20} {_shown(v['median'])}   {_shown(v['null_median']):<14}   {v['n']}"
            )
        for kind, counts in result["refused"][key].items():
            lines += [f"  {'':<{width}} {kind}: {line}" for line in shown_reasons(counts)]
    return "\n".join(lines)


def _shown(value: float | None) -> str:
    return "  n/a " if value is None else f"{value:+.3f}"


COMMAND = Command("sanity", "compare heatmaps of the trained and a randomised model", _configure, _run, _show)
