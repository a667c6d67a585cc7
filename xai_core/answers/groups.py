"""The three groups of a confusion, and their maps: those that were confused, and those of both classes recognised.

Up to LIMIT samples of each are drawn by the study's seed. Large maps are averaged to a coarse grid: single pixels of
gradients are noise, and a test of each finds nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from xai_core.answers.maps import Column, target_keys
from xai_core.answers.reasons import counted_reasons
from xai_core.answers.scope import Rows, Scope
from xai_core.store.maps import MISSING, REFUSED
from xai_core.triage.aggregates import comparable, pooled
from xai_core.triage.confusion import Cell
from xai_core.triage.groups import confusion_groups
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
    """The samples of each of GROUPS that the answer speaks of, drawn by the study's seed."""
    among, seed = scope.members, scope.study.info.seed
    return confusion_groups(among.rows, among.labels, among.predicted, cell, limit=limit, seed=seed)


def interleaved(rows: Mapping[str, Rows]) -> Rows:
    """All samples in turns, the confused first, so that an unfinished job has some of every group."""
    queues = [rows[name] for name in ("confused", "correct_true", "correct_predicted")]
    longest = max(map(len, queues))
    return np.array([queue[i] for i in range(longest) for queue in queues if i < len(queue)], np.int64)


def groups(
    scope: Scope, cell: Cell, column: Column, spec: str = "predicted", *, scale: str = "each", limit: int = LIMIT
) -> Groups:
    """The groups with what is stored of their maps by now."""
    rows = group_rows(scope, cell, limit)
    true, predicted = cell
    cells = {"correct_true": (true, true), "confused": cell, "correct_predicted": (predicted, predicted)}
    found = [_group(scope, column, spec, scale, name, rows[name], one) for name, one in cells.items()]
    return Groups(*found)


def _group(scope: Scope, column: Column, spec: str, scale: str, name: str, rows: Rows, cell: Cell) -> Group:
    title, total = cell_name(*(scope.names[index] for index in cell)), len(scope.members.cell(*cell))
    if column.maps is None:
        return Group(name, title, rows, total, np.empty((0, 1, 1)), len(rows), 0, (1, 1))
    stored = column.maps.get(rows, target_keys(scope.run, rows, spec))
    present = stored.maps[np.isfinite(stored.maps).all(axis=(1, 2))] if stored.maps.size else np.empty((0, 1, 1))
    normalise: Literal["none", "per image"] = "none" if scale == "shared" else "per image"
    maps = comparable(pooled(present), signed=column.card.signed, normalise=normalise)
    coming, refused = (int((stored.state == state).sum()) for state in (MISSING, REFUSED))
    height, width = present.shape[1:]
    return Group(name, title, rows, total, maps, coming, refused, (width, height), counted_reasons(stored.refusals))
