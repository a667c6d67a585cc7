"""The three groups of a confusion, and their maps: those that were confused, and those of both classes recognised.

Up to LIMIT samples of each are drawn by the study's seed. Large maps are averaged to a coarse grid: single pixels of
gradients are noise, and a test of each finds nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from xai_core.answers.maps import Column, target_keys
from xai_core.answers.reasons import counted_reasons
from xai_core.answers.scope import Rows, Scope
from xai_core.models.preprocess import Preprocess
from xai_core.regions import in_cell
from xai_core.store.maps import MISSING, REFUSED
from xai_core.store.run import Run
from xai_core.store.targets import region_of
from xai_core.task import SEGMENTATION
from xai_core.triage.aggregates import comparable, pooled
from xai_core.triage.around import Box, around, largest_part
from xai_core.triage.confusion import Cell
from xai_core.triage.groups import confusion_groups, disjoint
from xai_core.types import Target
from xai_core.words import cell_name

Maps = NDArray[np.float64]

LIMIT = 60
"""Samples of a group, at most: enough for a mean, and soon computed."""

GROUPS = ("correct_true", "confused", "correct_predicted")


@dataclass(frozen=True)
class Group:
    """One group and its maps.

    Attributes:
        name: one of GROUPS.
        title: what its samples are.
        rows: of the samples, at most `limit` of them.
        total: how many there are in the split.
        maps: `(n, h, w)` comparable maps of those that have one.
        coming, refused: how many are still to be computed, and how many the method refused.
        native: width and height of the maps before they were averaged to the size of `maps`.
        reasons: why maps are refused, and how many for each reason.
        spec: what the maps explain.
        boxes: `(rows, 4)` around what in each picture maps are cut, as shares of what the model sees; None where they
            are whole.
    """

    name: str
    title: str
    rows: Rows
    total: int
    maps: Maps
    coming: int
    refused: int
    native: tuple[int, int]
    reasons: Mapping[str, int] = field(default_factory=dict)
    spec: str = "predicted"
    boxes: NDArray[np.float64] | None = None

    @property
    def mean(self) -> Maps:
        """`(h, w)`; NaN where there is no map."""
        return self.maps.mean(axis=0) if len(self.maps) else np.full(self.maps.shape[1:], np.nan)


@dataclass(frozen=True)
class Groups:
    """The groups of a confusion: `true` and `predicted` recognised, and `confused`."""

    true: Group
    confused: Group
    predicted: Group

    def __iter__(self) -> Iterator[Group]:
        return iter((self.true, self.confused, self.predicted))

    @property
    def maps(self) -> tuple[Maps, Maps, Maps]:
        """The maps of each group."""
        return self.true.maps, self.confused.maps, self.predicted.maps

    @property
    def references(self) -> list[Group]:
        """The recognised groups that have maps."""
        return [group for group in (self.true, self.predicted) if len(group.maps)]


def group_rows(scope: Scope, cell: Cell, limit: int = LIMIT) -> dict[str, Rows]:
    """The samples of each of GROUPS that the answer speaks of, drawn by the study's seed.

    Pictures of a segmenter can have pixels of several cells: each is in one group only.
    """
    seed = scope.study.info.seed
    if scope.study.info.task == SEGMENTATION:
        return disjoint({name: scope.cell(*one) for name, one in _cells(cell).items()}, limit=limit, seed=seed)
    among = scope.members
    return confusion_groups(among.rows, among.labels, among.predicted, cell, limit=limit, seed=seed)


def _cells(cell: Cell) -> dict[str, Cell]:
    true, predicted = cell
    return {"confused": cell, "correct_true": (true, true), "correct_predicted": (predicted, predicted)}


def spec_of(scope: Scope, cell: Cell, name: str, spec: str) -> str:
    """What the maps of a group explain: `spec`; of a segmenter the class that it means, at the group's pixels."""
    if scope.study.info.task != SEGMENTATION:
        return spec
    return in_cell(cell[0] if spec == "true" else cell[1], *_cells(cell)[name]).key


def wanted(scope: Scope, cell: Cell, spec: str, limit: int = LIMIT) -> list[tuple[Rows, str]]:
    """What has to be explained for the answer: samples, and what of them."""
    rows = group_rows(scope, cell, limit)
    if scope.study.info.task != SEGMENTATION:
        return [(interleaved(rows), spec)]
    return [(rows[name], spec_of(scope, cell, name, spec)) for name in rows if len(rows[name])]


def interleaved(rows: Mapping[str, Rows]) -> Rows:
    """All samples in turns, the confused first, so that an unfinished job has some of every group."""
    queues = [rows[name] for name in ("confused", "correct_true", "correct_predicted")]
    longest = max(map(len, queues))
    return np.array([queue[i] for i in range(longest) for queue in queues if i < len(queue)], np.int64)


def groups(
    scope: Scope,
    cell: Cell,
    column: Column,
    spec: str = "predicted",
    *,
    scale: str = "each",
    limit: int = LIMIT,
    align: bool = False,
) -> Groups:
    """The groups with what is stored of their maps by now.

    Args:
        align: of a segmenter, maps are cut around the largest part of what they explain before they are averaged.
    """
    rows = group_rows(scope, cell, limit)
    specs = {name: spec_of(scope, cell, name, spec) for name in GROUPS}
    found = [_group(scope, column, specs[name], scale, name, rows[name], _cells(cell)[name], align) for name in GROUPS]
    return Groups(*found)


def _group(
    scope: Scope, column: Column, spec: str, scale: str, name: str, rows: Rows, cell: Cell, align: bool
) -> Group:
    title, total = cell_name(*(scope.names[index] for index in cell)), len(scope.cell(*cell))
    if column.maps is None:
        return Group(name, title, rows, total, np.empty((0, 1, 1)), len(rows), 0, (1, 1), spec=spec)
    stored = column.maps.get(rows, target_keys(scope.run, rows, spec))
    there = np.isfinite(stored.maps).all(axis=(1, 2)) if stored.maps.size else np.zeros(len(rows), bool)
    present = stored.maps[there] if stored.maps.size else np.empty((0, 1, 1))
    boxes = boxes_of(scope.run, rows, spec) if align else None
    if boxes is not None and len(present):
        present = around(np.asarray(present, np.float32), boxes[there])
    normalise: Literal["none", "per image"] = "none" if scale == "shared" else "per image"
    maps = comparable(pooled(present), signed=column.card.signed, normalise=normalise)
    coming, refused = (int((stored.state == state).sum()) for state in (MISSING, REFUSED))
    height, width = present.shape[1:]
    reasons = counted_reasons(stored.refusals)
    return Group(name, title, rows, total, maps, coming, refused, (width, height), reasons, spec, boxes)


def boxes_of(run: Run, rows: Rows, spec: str) -> NDArray[np.float64]:
    """`(n, 4)` the box around the largest part of what is explained of each sample: left, top, right, bottom, as shares
    of what the model sees; all of it where nothing is."""
    return np.array([_box(_Of(run), row, spec) for row in rows.tolist()]).reshape(-1, 4)


@dataclass(frozen=True)
class _Of:
    """A run as the key of a cache: by its place and its weights."""

    run: Run = field(compare=False)
    place: tuple[str, str] = ("", "")

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", (str(self.run.path), self.run.info.fingerprint))


@lru_cache(maxsize=4096)
def _box(of: _Of, row: int, spec: str) -> Box:
    region = region_of(of.run, row, Target.parse(spec))
    return largest_part(Preprocess.from_dict(of.run.info.preprocess or {}).whole.share(region) > 0)
