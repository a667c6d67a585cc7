"""Proposals for the annotation of a run's training pictures: maps of every class where it is predicted, probabilities,
and the rules of `triage.proposals`. What is finished is kept; the same call goes on from there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xai_core.errors import BadInput, LeftOut
from xai_core.explainers import EXPLAINERS
from xai_core.files import damaged
from xai_core.models.preprocess import Preprocess
from xai_core.models.wrappers import full_precision
from xai_core.params import build
from xai_core.pipeline.explain import Request, check_methods, explain_steps
from xai_core.pipeline.load import Bench, read
from xai_core.pipeline.predict_work import outputs_of
from xai_core.pipeline.steps import Steps
from xai_core.store.label_maps import WHOLE
from xai_core.store.maps import MISSING, STORED
from xai_core.store.proposals import ProposalStore, StoredProposal, place_of
from xai_core.store.run import Run
from xai_core.store.targets import predicted_rows
from xai_core.triage.normalise import evidence
from xai_core.triage.proposals import proposals
from xai_core.types import Array, Target

AT_ONCE = 8
"""Pictures that are asked together."""

PREDICTED = "predicted"


def propose_steps(bench: Bench, run: Run, method: str, values: Mapping[str, Any]) -> Steps:
    """Proposals for every training picture that is predicted; yields (pictures done, pictures in all).

    Maps are made first, and count as half of the work.

    Raises:
        BadInput: no training picture is predicted, or what is stored is damaged.
        NotFound, BadParameter, NotApplicable: as `explain_steps`.
        LeftOut: pictures that cannot be read; once all else is done.
    """
    study = run.study
    params: Any = build(EXPLAINERS[method].params, values)
    rows = predicted_rows(run, study.rows("train"))
    if not len(rows):
        remedy = f"Run this first: xai predict {study.path} --run {run.name}."
        raise BadInput("no training picture is predicted yet", value=run.name, remedy=remedy)
    store = place_of(run, method, params, create=True)
    assert store is not None
    rows = rows[store.state(rows, [WHOLE] * len(rows)) == MISSING]
    total, left_out = 2 * len(rows), dict[str, str]()
    if not len(rows):
        return
    classes = range(1 if study.has_background else 0, len(study.class_names))
    request = Request(run, rows.tolist(), [Target(c, region=PREDICTED).key for c in classes], [(method, values)])
    check_methods(bench, request)
    try:
        for done, all_maps in explain_steps(bench, request):
            yield round(done / max(1, all_maps) * len(rows)), total
    except LeftOut as error:
        left_out.update(error.reasons)
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        _propose(bench, run, store, method, params, some, left_out)
        yield len(rows) + start + len(some), total
    if left_out:
        raise LeftOut(left_out, "proposals")


def _propose(
    bench: Bench,
    run: Run,
    store: ProposalStore,
    method: str,
    params: Any,
    rows: NDArray[np.int64],
    left_out: dict[str, str],
) -> None:
    """Of a few pictures, which are then stored."""
    classifier, study = bench.classifier(run), run.study
    pictures = read(study, classifier.preprocess, rows.tolist(), left_out)
    if not pictures:
        return
    with full_precision(), torch.no_grad():
        chances = outputs_of(classifier, list(pictures.values()), classifier.logits)
        if not classifier.preprocess.tiled:
            chances = list(study.task.probabilities(torch.stack(chances)))
    found = []
    for row, chance in zip(pictures, chances, strict=True):
        truth, said = study.label_map(row), _said(run, row)
        heat = dict(_evidence(run, method, params, row, truth.shape, classifier.preprocess))
        planes = on_picture(chance, classifier.preprocess, *truth.shape)
        asked = proposals(truth, said, dict(enumerate(planes)), heat, background=study.has_background)
        found.append([StoredProposal.of(row, one) for one in asked])
    store.put(list(pictures), found)


def _said(run: Run, row: int) -> NDArray[np.uint8]:
    label_maps = run.label_maps()
    stored = None if label_maps is None else label_maps.get(row)
    if stored is None:
        raise damaged(run.path / "label_maps", f"the label map of row {row} is gone")
    return stored.label_map


def _evidence(
    run: Run, method: str, params: Any, row: int, size: tuple[int, ...], preprocess: Preprocess
) -> Iterator[tuple[int, Array]]:
    """By class `(H, W)` what speaks for it where it is predicted; classes without a map are left out."""
    maps = run.maps(method, params)
    if maps is None:
        return
    for label in range(len(run.study.class_names)):
        stored = maps.get([row], [Target(label, region=PREDICTED).key])
        if stored.state[0] == STORED:
            heat = torch.from_numpy(evidence(stored.maps, signed=False))
            yield label, on_picture(heat, preprocess, size[0], size[1])[0]


def on_picture(planes: Tensor, preprocess: Preprocess, height: int, width: int) -> Array:
    """`(K, height, width)` float32 on a picture's own pixels, bilinear; 0 where the model was not shown anything.

    Args:
        planes: `(K, h, w)` over what the model saw of the picture.
    """
    left, top, right, bottom = (round(side) for side in preprocess.box(width, height))
    size = (max(1, bottom - top), max(1, right - left))
    whole = torch.nn.functional.interpolate(planes[None].float(), size, mode="bilinear", align_corners=False)[0]
    found = np.zeros((len(planes), height, width), np.float32)
    y, x = max(0, top), max(0, left)
    part = whole[:, y - top : height - top, x - left : width - left].cpu().numpy()
    found[:, y : y + part.shape[1], x : x + part.shape[2]] = part
    return found
