"""What pages keep of the answers' slow parts between two runs of a page. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from dashboard.frame.context import Context
from xai_core.answers import aggregate, badge, data_card, groups, method_quality, on_object, runs, segments
from xai_core.answers import context as surroundings
from xai_core.answers.compare import Comparison
from xai_core.answers.maps import Column, target_keys
from xai_core.answers.quality_choice import SPEC
from xai_core.answers.scenarios import MOST_MASKS, Scenarios
from xai_core.answers.scope import Scope
from xai_core.answers.scored import Named, stamp
from xai_core.drawing.seen import pixels_around
from xai_core.errors import XaiError
from xai_core.models.preprocess import Preprocess
from xai_core.params import as_dict
from xai_core.store.facts import Condition
from xai_core.store.files import signature
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.store.subgroups import TABLE as SUBGROUPS
from xai_core.triage.quality import Quality

_cached = st.cache_data(max_entries=64, show_spinner=False)


def card_of(study: Study) -> data_card.DataCard:
    """The study's data card."""
    return data_card.data_card(study, _crossing(study, study.info.samples_digest))


def runs_of(context: Context) -> runs.Runs:
    """The study's runs on the open split."""
    split, studies = context.selection.split, context.services.studies
    opened = lambda name: studies.run(context.study, name)  # noqa: E731
    return runs.all_runs(context.study, split, where=context.where, opened=opened, measure=measured)


def segments_of(run: Run, split: str, where: tuple[Condition, ...] = ()) -> segments.SegmentsAnswer:
    """As `segments.segments`; anew where pictures were predicted."""
    store = run.label_maps()
    key = (str(run.path), run.info.fingerprint, split, str(where), store and str(store.signature))
    return _segments(key, run, split, where)


@st.cache_data(max_entries=8, show_spinner=False)
def _segments(key: tuple[object, ...], _run: Run, split: str, _where: tuple[Condition, ...]) -> segments.SegmentsAnswer:  # noqa: ARG001 (the cache's key)
    return segments.segments(_run, split, where=_where)


def measured(scope: Scope) -> Quality:
    """How good a run is on a split."""
    among = scope.members
    return _measured(scope, among.rows, among.predicted, scope.predictions.at(among.rows).confidence)


@st.cache_data(max_entries=16, show_spinner=False)
def _crossing(_study: Study, digest: str) -> pd.DataFrame:  # noqa: ARG001 (the digest stands for the study in the cache)
    return data_card.crossing(_study)


@st.cache_data(max_entries=256, show_spinner=False)
def _measured(_scope: Scope, rows: NDArray, predicted: NDArray, confidence: NDArray) -> Quality:  # noqa: ARG001 (the cache's key)
    return runs.measured(_scope)


@_cached
def group_measures(maps: tuple[groups.Maps, groups.Maps, groups.Maps], seed: int) -> aggregate.Measures:
    """As `aggregate.measure`."""
    return aggregate.measure(maps, seed)


def group_masks(scope: Scope, column: Column, found: groups.Groups) -> tuple[on_object.OnObjects, ...]:
    """As `aggregate.on_masks`; anew where a mask was edited or a map has come."""
    rows = np.concatenate([group.rows for group in found])
    masked = scope.study.samples["has_mask"].to_numpy()[rows]
    if not masked.any():
        return ()
    stamps = tuple(_stamp(scope.study, int(row)) for row in rows[masked])
    there = tuple(len(group.maps) for group in found)
    path = str(column.maps.path) if column.maps else ""
    specs = tuple(group.spec for group in found)
    return _masks((path, specs, there, rows.tobytes(), stamps), scope, column, found)


def scenarios_of(found: Comparison) -> Scenarios:
    """As `Comparison.scenarios`; anew where samples were tagged or grouped, or a mask was edited."""
    study, rows = found.study, found.rows
    masked = rows[study.samples["has_mask"].to_numpy()[rows]]
    stamps = tuple(_stamp(study, row) for row in masked[: MOST_MASKS + 1].tolist())
    written = tuple(signature(path) for path in (study.annotations.path, study.path / SUBGROUPS))
    said = (rows.tobytes(), found.before.tobytes(), found.after.tobytes())
    return _scenarios((str(study.path), study.info.samples_digest, *said, str(written), stamps), found)


@_cached
def _scenarios(key: tuple[object, ...], _found: Comparison) -> Scenarios:  # noqa: ARG001 (the cache's key)
    return _found.scenarios


def _stamp(study: Study, row: int) -> str:
    try:
        return study.mask_stamp(row)
    except XaiError:
        return ""


@_cached
def _masks(
    key: tuple[object, ...],  # noqa: ARG001 (the cache's key)
    _scope: Scope,
    _column: Column,
    _found: groups.Groups,
) -> tuple[on_object.OnObjects, ...]:
    return aggregate.on_masks(_scope, _column, _found)


def quality_of(
    context: Context, rows: NDArray[np.int64], methods: Sequence[Named], metrics: Sequence[Named]
) -> method_quality.MethodQuality:
    """As `method_quality.method_quality`; anew where something was scored since."""
    scope = context.scope
    key = (str(scope.run.path), scope.run.info.fingerprint, repr((methods, metrics)), stamp(scope.run, metrics))
    return _quality(key, rows, scope, methods, metrics)


@st.cache_resource(max_entries=16, show_spinner="Comparing methods …")
def _quality(
    key: tuple[object, ...],  # noqa: ARG001 (the cache's key)
    rows: NDArray[np.int64],
    _scope: Scope,
    _methods: Sequence[Named],
    _metrics: Sequence[Named],
) -> method_quality.MethodQuality:
    return method_quality.method_quality(_scope, rows, SPEC, _methods, _metrics)


def context_of(context: Context, rows: NDArray[np.int64], columns: Sequence[Column]) -> surroundings.ContextAnswer:
    """As `context.context`; anew where a map has come or a mask was edited."""
    scope, keys = context.scope, target_keys(context.scope.run, rows, SPEC)
    there = tuple(column.maps.state(rows, keys).tobytes() if column.maps else b"" for column in columns)
    methods = repr([(column.card.key, as_dict(column.params)) for column in columns])
    masks = scope.study.masks_digest if scope.study.samples["has_mask"].any() else ""
    return _context((str(scope.run.path), scope.run.info.fingerprint, methods, there, masks), rows, scope, columns)


@st.cache_resource(max_entries=16, show_spinner=False)  # the answer holds its run
def _context(
    key: tuple[object, ...],  # noqa: ARG001 (the cache's key)
    rows: NDArray[np.int64],
    _scope: Scope,
    _columns: Sequence[Column],
) -> surroundings.ContextAnswer:
    return surroundings.context(_scope, rows, SPEC, _columns)


def badges_of(run: Run, columns: Sequence[Column]) -> list[badge.Badge]:
    """What is known of methods on a run; anew where something was stored of them."""
    methods = [(column.card.key, as_dict(column.params)) for column in columns]
    about, stamps = (str(run.study.path), run.name), badge.stamps(run, methods)
    return [_badge((*about, stamp), run, method) for stamp, method in zip(stamps, methods, strict=True)]


@st.cache_data(max_entries=256, show_spinner=False)
def _badge(key: tuple[object, ...], _run: Run, method: Named) -> badge.Badge:  # noqa: ARG001 (the cache's key)
    return badge.assessed(_run, method)


def mean_picture(context: Context, group: groups.Group) -> Image.Image | None:
    """The mean of what the model sees of a group's pictures, cut as its maps are; None for no picture, or no model."""
    run = context.scope.run
    if not len(group.rows) or run.info.preprocess is None:
        return None
    name = f"{context.study.path}:{run.info.fingerprint}"
    return Image.fromarray(_mean_pixels(name, group.rows, group.boxes, context))


@st.cache_data(max_entries=64, show_spinner="Averaging the pictures …")
def _mean_pixels(
    name: str,  # noqa: ARG001 (the cache's key)
    rows: NDArray[np.int64],
    boxes: NDArray[np.float64] | None,
    _context: Context,
) -> NDArray[np.uint8]:
    preprocess = Preprocess.from_dict(_context.scope.run.info.preprocess or {}).whole
    seen = (preprocess.pixels(_context.study.picture(row)) for row in rows.tolist())
    cuts = seen if boxes is None else (pixels_around(pixels, box) for pixels, box in zip(seen, boxes, strict=True))
    total = sum(pixels.astype(np.float64) for pixels in cuts)
    mean = np.round(np.asarray(total) / len(rows)).clip(0, 255).astype(np.uint8)
    return mean[..., 0] if mean.shape[-1] == 1 else mean
