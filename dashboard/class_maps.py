"""The maps of a confusion's three groups, and what they have in common. Nothing is drawn here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from dashboard.context import Context
from dashboard.evidence import target_keys
from xai_core.answers.maps import Column
from xai_core.answers.scope import Members
from xai_core.models.preprocess import Preprocess
from xai_core.store.maps import MISSING, REFUSED
from xai_core.triage.aggregates import (
    MeanDifference,
    Normalise,
    centre_of_mass,
    comparable,
    mean_difference,
    pooled,
    vertical_profile,
)
from xai_core.triage.groups import confusion_groups
from xai_core.triage.intervals import Estimate
from xai_core.triage.resemblance import Resemblance, resemblance

LIMIT = 60
"""Samples of a group, at most: enough for a mean, and soon computed."""

_cached = st.cache_data(max_entries=64, show_spinner=False)


@dataclass(frozen=True)
class Group:
    """One group and its maps.

    Attributes:
        title: what its samples are.
        rows: of the samples, at most LIMIT.
        total: how many there are in the split.
        maps: `(n, h, w)` comparable maps of those that have one.
        coming, refused: how many are still to be computed, and how many the method refused.
        native: width and height of the maps before they were averaged to the size of `maps`.
        reasons: of those refused, each once.
    """

    title: str
    rows: NDArray[np.int64]
    total: int
    maps: NDArray[np.float64]
    coming: int
    refused: int
    native: tuple[int, int]
    reasons: tuple[str, ...] = ()

    @property
    def mean(self) -> NDArray[np.float64]:
        """`(h, w)`; NaN where there is no map."""
        return self.maps.mean(axis=0) if len(self.maps) else np.full(self.maps.shape[1:], np.nan)


@dataclass(frozen=True)
class Groups:
    """The groups of a confusion: `true` and `predicted` recognised, and `confused`."""

    true: Group
    confused: Group
    predicted: Group

    def __iter__(self) -> Any:
        return iter((self.true, self.confused, self.predicted))


def group_rows(context: Context, among: Members, cell: tuple[int, int]) -> dict[str, NDArray[np.int64]]:
    """The samples of each group, drawn by the study's seed: the same as `xai aggregate --limit 60` draws."""
    seed = context.study.info.seed
    return confusion_groups(among.rows, among.labels, among.predicted, cell, limit=LIMIT, seed=seed)


def interleaved(rows: dict[str, NDArray[np.int64]]) -> NDArray[np.int64]:
    """All samples in turns, the confused first, so that an unfinished job has some of every group."""
    queues = [rows[name] for name in ("confused", "correct_true", "correct_predicted")]
    longest = max(map(len, queues))
    return np.array([queue[i] for i in range(longest) for queue in queues if i < len(queue)], np.int64)


def groups(context: Context, among: Members, cell: tuple[int, int], column: Column, spec: str) -> Groups:
    """The groups with what is stored of their maps by now."""
    rows = group_rows(context, among, cell)
    true, predicted = (context.study.class_names[index] for index in cell)

    def group(name: str, title: str, a: int, b: int) -> Group:
        return _group(context, column, spec, title, rows[name], len(among.cell(a, b)))

    return Groups(
        true=group("correct_true", f"{true}, recognised", cell[0], cell[0]),
        confused=group("confused", f"{true} taken for {predicted}", *cell),
        predicted=group("correct_predicted", f"{predicted}, recognised", cell[1], cell[1]),
    )


def _group(context: Context, column: Column, spec: str, title: str, rows: NDArray[np.int64], total: int) -> Group:
    if column.maps is None:
        return Group(title, rows, total, np.empty((0, 1, 1)), len(rows), 0, (1, 1))
    stored = column.maps.get(rows, target_keys(context, rows, spec))
    kind: Normalise = "none" if context.selection.normalise == "shared" else "per image"
    present = stored.maps[np.isfinite(stored.maps).all(axis=(1, 2))] if stored.maps.size else np.empty((0, 1, 1))
    maps = comparable(pooled(present), signed=column.card.signed, normalise=kind)
    coming, refused = (int((stored.state == state).sum()) for state in (MISSING, REFUSED))
    reasons = tuple(dict.fromkeys(filter(None, stored.refusals)))
    return Group(title, rows, total, maps, coming, refused, present.shape[:0:-1], reasons)


@_cached
def profile(maps: NDArray[np.float64], seed: int) -> Estimate:
    """As `vertical_profile`."""
    return vertical_profile(maps, seed=seed)


@_cached
def centre(maps: NDArray[np.float64], seed: int) -> Estimate:
    """As `centre_of_mass`."""
    return centre_of_mass(maps, seed=seed)


@_cached
def difference(first: NDArray[np.float64], second: NDArray[np.float64], seed: int) -> MeanDifference:
    """As `mean_difference`."""
    return mean_difference(first, second, seed=seed)


@_cached
def resembles(confused: NDArray[np.float64], true: NDArray, predicted: NDArray, seed: int) -> Resemblance:
    """As `resemblance`."""
    return resemblance(confused, true, predicted, seed=seed)


def mean_picture(context: Context, group: Group) -> Image.Image | None:
    """The mean of what the model sees of a group's pictures; None for an empty group."""
    assert context.run is not None, "there are maps only where there is a run"
    if not len(group.rows) or context.run.info.preprocess is None:
        return None
    name = f"{context.study.path}:{context.run.info.fingerprint}"
    return Image.fromarray(_mean_pixels(name, group.rows, context))


@st.cache_data(max_entries=64, show_spinner="Averaging the pictures …")
def _mean_pixels(name: str, rows: NDArray[np.int64], _context: Context) -> NDArray[np.uint8]:  # noqa: ARG001
    assert _context.run is not None
    assert _context.run.info.preprocess is not None
    preprocess = Preprocess.from_dict(_context.run.info.preprocess)
    total = sum(preprocess.pixels(_context.study.picture(int(row))).astype(np.float64) for row in rows)
    mean = np.round(np.asarray(total) / len(rows)).astype(np.uint8)
    return mean[..., 0] if mean.shape[-1] == 1 else mean
