"""What heatmaps of a run point at, for augmentations that go by it. Maps are taken from the store, or put there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import BadInput, BadParameter, NotFound
from xai_core.explainers import EXPLAINERS
from xai_core.models.preprocess import Preprocess
from xai_core.params import build
from xai_core.pipeline.asked import Given
from xai_core.pipeline.explain import Request, explain_steps
from xai_core.pipeline.load import Bench
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.training.augmentations import chosen
from xai_core.training.augmentations.evidence import CellEvidenceParams, EvidenceParams
from xai_core.training.config import TrainConfig
from xai_core.training.data import TrainingData
from xai_core.triage.aggregates import pooled
from xai_core.triage.normalise import evidence
from xai_core.types import CancelToken, Progress, silent

Planes = NDArray[np.float32]
EVIDENCE, CELL_EVIDENCE = "evidence", "cell_evidence"
AT_ONCE = 512
"""Maps that are held at once at the size they are stored in."""


def with_evidence(
    data: TrainingData,
    study: Study,
    config: TrainConfig,
    given: Given,
    *,
    rows: NDArray[np.int64] | None = None,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> TrainingData:
    """The same data with the evidence that the configuration's augmentations need; as it was where none needs any.

    Args:
        rows: what the training pictures are of; None for the whole training split.

    Raises:
        BadParameter: no run is named and there is no parent, or the run sees other parts of the pictures.
        BadInput: no predictions, an empty cell, no map at all. NotFound: an unknown run, method or class.
        Cancelled: asked to stop; maps that were made are stored.
    """
    found, bench = dict[str, Planes](), Bench(given.device)
    for member, params in chosen(config.augmentations):
        for need, read in ((EVIDENCE, evidence_of), (CELL_EVIDENCE, cell_evidence_of)):
            if need in member.card.needs:
                run = _run(study, params, given, data.preprocess)
                found[member.card.key] = read(bench, run, params, rows=rows, progress=progress, cancel=cancel)
    return replace(data, training=replace(data.training, evidence=found)) if found else data


def evidence_of(
    bench: Bench,
    run: Run,
    params: EvidenceParams,
    *,
    rows: NDArray[np.int64] | None = None,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> Planes:
    """`(n, h, w)` of every training picture, or of these rows, for its true class; 0 where a map was refused."""
    wanted = run.study.rows("train") if rows is None else rows
    return _planes(bench, run, params, wanted, "true", progress, cancel)


def cell_evidence_of(
    bench: Bench,
    run: Run,
    params: CellEvidenceParams,
    *,
    rows: NDArray[np.int64] | None = None,  # noqa: ARG001 (the same for all)
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> Planes:
    """`(1, h, w)`: the mean over a cell's samples of maps for the class that was said, each divided by its maximum."""
    mistakes = _cell(run, params)
    mean = _planes(bench, run, params, mistakes, "predicted", progress, cancel).mean(0, keepdims=True)
    found: Planes = mean / mean.max()
    return found


def _run(study: Study, params: EvidenceParams, given: Given, preprocess: Preprocess) -> Run:
    name = params.run or given.parent
    if not name:
        remedy = "Name the run whose heatmaps are meant (its parameter run), or give --parent."
        raise BadParameter("whose heatmaps?", value=params.method, remedy=remedy)
    run = study.run(name)
    seen = Preprocess.from_dict(run.info.preprocess) if run.info.preprocess else None
    if seen is None or _part(seen) != _part(preprocess):
        remedy = "Train with the fit and proportions of that run, or name another run."
        raise BadParameter("that run sees another part of the pictures", value=name, remedy=remedy)
    return run


def _part(preprocess: Preprocess) -> tuple[Any, ...]:
    """What decides which part of a picture a model sees."""
    cut = None if preprocess.resize is None else preprocess.resize / preprocess.height
    return preprocess.fit, preprocess.height / preprocess.width, cut


def _cell(run: Run, params: CellEvidenceParams) -> NDArray[np.int64]:
    """The cell's rows. Raises BadInput where there is none, NotFound for a class that is not."""
    study, rows = run.study, run.study.rows(params.split)
    names = list(study.class_names)
    for name in filter(None, (params.true, params.predicted)):
        if name not in names:
            raise NotFound.among("class", name, names)
    said = np.array([target.positive for target in run.targets(rows, "predicted")])
    labels = study.labels[rows]
    inside = said != labels
    if params.true:
        inside &= labels == names.index(params.true)
    if params.predicted:
        inside &= said == names.index(params.predicted)
    if not inside.any():
        value = f"{params.true or 'any class'} taken for {params.predicted or 'another'}, {params.split}"
        raise BadInput("no mistake to take heatmaps of", value=value, remedy="Choose another cell or split.")
    return rows[inside]


def _planes(
    bench: Bench,
    run: Run,
    params: EvidenceParams,
    rows: NDArray[np.int64],
    target: str,
    progress: Progress,
    cancel: CancelToken | None,
) -> Planes:
    """`(n, h, w)` positive evidence, each map's largest 1. Raises BadInput where not one map is to be had."""
    for done, total in explain_steps(bench, Request(run, rows.tolist(), target, [(params.method, {})])):
        if cancel is not None:
            cancel.check()
        progress(done, total, "heatmaps")
    planes = _stored(run, params.method, rows, target)
    if not planes.any():
        remedy = "Choose another method (xai explain says why there is no map)."
        raise BadInput("no heatmap has any evidence", value=f"{run.name}, {params.method}", remedy=remedy)
    found: Planes = planes / np.maximum(planes.max((1, 2), keepdims=True), np.float32(1e-12))
    return found


def _stored(run: Run, method: str, rows: NDArray[np.int64], target: str) -> Planes:
    """`(n, h, w)` positive evidence on a coarse grid; 0 where there is no map. Read in parts: maps may be fine."""
    maps = run.maps(method, build(EXPLAINERS[method].params, {}))
    if maps is None:
        return np.zeros((1, 1, 1), np.float32)
    parts = []
    for some in np.split(rows, range(AT_ONCE, len(rows), AT_ONCE)):
        stored = maps.get(some, [each.key for each in run.targets(some, target)]).maps
        parts.append(np.nan_to_num(pooled(evidence(stored, signed=False))))
    return np.concatenate(parts)
