"""`xai explain`: fill the study with heatmaps of some samples."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xai_core.cli import left_out
from xai_core.cli.background import background_argument, begun
from xai_core.cli.command import (
    Command,
    cell,
    cell_arguments,
    class_index,
    count,
    device_argument,
    in_force,
    long_work,
    methods_argument,
    open_run,
    predictions_of,
    run_argument,
    settings,
    settings_argument,
    study_argument,
)
from xai_core.errors import BadParameter, NotFound
from xai_core.text import comma_list, nfc, places
from xai_core.types import TARGET_SPECS

if TYPE_CHECKING:
    from xai_core.pipeline.explain import Request
    from xai_core.store.run import Run

LOG = logging.getLogger("xai.explain")
LATER = "nothing is stored of them; the same command asks again"


def _configure(parser: argparse.ArgumentParser) -> None:
    study_argument(parser)
    run_argument(parser)
    methods_argument(parser)
    cell_arguments(parser)
    parser.add_argument("--ids", metavar="A,B", help="samples by id instead of a cell or a whole split")
    parser.add_argument("--limit", type=count, metavar="N", help="only the first N of them")
    parser.add_argument("--target", default="predicted", help="predicted (default), true, difference or a class")
    settings_argument(parser)
    parser.add_argument("--weights", default="trained", help="trained (default) or randomised:SEED")
    device_argument(parser)
    background_argument(parser)


def _run(args: argparse.Namespace) -> dict[str, Any]:
    run = open_run(args)
    methods = settings(args, args.methods)
    target = args.target if args.target in TARGET_SPECS else str(class_index(run.study, args.target))
    if args.background:
        arguments = job_arguments(run, args, target, methods) | {"weights": args.weights}
        return begun(args, "explain", arguments)
    from xai_core.pipeline.explain import Request, check_methods, explain_steps
    from xai_core.pipeline.load import Bench
    from xai_core.pipeline.steps import noted

    rows = chosen_rows(run, args)
    request = Request(run, rows.tolist(), target, methods, args.weights)
    bench = Bench(in_force(args).device)
    check_methods(bench, request)
    unread: dict[str, str] = {}
    with long_work("explaining") as (progress, cancel):
        for done, total in noted(explain_steps(bench, request), len(rows), unread):
            progress(done, total, "maps")
            cancel.check()
    about = {"study": run.study.name, "run": run.name, "samples": len(rows)}
    return about | {"methods": _states(request, target), "left_out": left_out.as_json(unread)}


def job_arguments(run: Run, args: argparse.Namespace, target: str, methods: Sequence[Any]) -> dict[str, Any]:
    """The samples, target and methods that the command line names, as a job takes them."""
    rows = by_id(run, args.ids).tolist() if args.ids is not None else []
    words = {"run": run.name, "methods": methods, "target": target, "limit": args.limit}
    return words | {"split": args.split, "cell": cell(run.study, args), "rows": rows}


def chosen_rows(run: Run, args: argparse.Namespace) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Row numbers that the command line names: ids, else a cell within the split, else the whole split."""
    if args.ids is not None:
        return with_predictions(run, by_id(run, args.ids))[: args.limit]
    rows = run.study.rows(args.split)
    chosen = cell(run.study, args)
    if chosen is not None:
        predictions = predictions_of(run, args.study)
        hit = (run.study.labels[predictions.rows] == chosen[0]) & (predictions.predicted == chosen[1])
        rows = np.intersect1d(rows, predictions.rows[hit])
    return with_predictions(run, rows)[: args.limit]


def with_predictions(run: Run, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of these rows that the run has predictions for, with a word on the rest; all of them where it has none."""
    predictions = run.predictions
    have = np.isin(rows, predictions.rows) if predictions is not None else np.zeros(len(rows), dtype=bool)
    if have.all() or not have.any():
        return rows
    missing = np.flatnonzero(~have)
    first = run.study.samples["id"].iat[rows[missing[0]]]
    LOG.warning("%d of %d samples have no prediction and are left out, such as %s", len(missing), len(rows), first)
    return rows[have]


def by_id(run: Run, text: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Row numbers of a list of ids. Raises BadParameter for an empty one, and NotFound."""
    position = places(run.study.samples["id"].astype(str))
    ids = [text] if text in position else comma_list(text)  # a single id may hold a comma
    ids = [name if name in position else nfc(name) for name in ids]
    if not ids:
        raise BadParameter("no sample is named", value=text, remedy="Give --ids A,B, or leave it out.")
    for name in ids:
        if name not in position:
            raise NotFound.among("sample", name, position)
    return np.array([position[name] for name in ids], dtype=np.int64)


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

    lines = [f"{result['run']}: maps of {result['samples']} {'sample' if result['samples'] == 1 else 'samples'}"]
    width = max(len(key) for key in result["methods"])
    for key, state in result["methods"].items():
        refused = f", {state['refused']} refused" if state["refused"] else ""
        lines.append(f"  {key:<{width}} {state['stored']} stored{refused}")
        lines += [f"  {'':<{width}} {line}" for line in reason_lines(state.get("reasons", {}))]
    lines += left_out.lines(result["left_out"], LATER)
    return "\n".join(lines)


COMMAND = Command("explain", "compute heatmaps and keep them in the study", _configure, _run, _show)
