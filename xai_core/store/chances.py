"""The probabilities of many samples: all of them; where there are many classes, the largest of each sample; or, where
predictions came as labels, at most that of the predicted class.

A million samples of a thousand classes are 4 GB of numbers, nearly all of which nobody looks at. Above MOST_CLASSES the
KEPT largest of each sample are stored, the label's own, and the sum of the rest. What people ask (who is most probable,
by how much, how sure of the label) is answered exactly by both forms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from xai_core.task import SUM_TOLERANCE
from xai_core.types import Array

MOST_CLASSES, KEPT = 100, 20

_COLUMNS = ("classes", "values", "rest", "labels", "of_label")

Places = NDArray[np.int64]
"""Positions of samples among all."""


class Chances(Protocol):
    """Probabilities of n samples for K classes. What is not known is NaN, and never made up."""

    def dense(self, places: Places | slice) -> Array:
        """`(m, K)` float32; NaN where it was not kept."""
        ...

    def of(self, places: Places | slice, classes: NDArray[np.int64]) -> Array:
        """`(m,)` float32, of one class for each sample; NaN where it was not kept."""
        ...

    def two_largest(self, places: Places | slice) -> Array:
        """`(m, 2)` float32, descending; of a single class the second is 0."""
        ...

    def taken(self, places: Places) -> Chances:
        """Those of these samples alone."""
        ...

    def problem(self) -> str:
        """What cannot be right, or ""."""
        ...


@dataclass(frozen=True)
class Dense:
    """All probabilities: `values` is `(n, K)` float32."""

    values: Array

    def dense(self, places: Places | slice) -> Array:
        """See Chances."""
        return self.values[places]

    def of(self, places: Places | slice, classes: NDArray[np.int64]) -> Array:
        """See Chances."""
        rows = self.values[places] if isinstance(places, slice) else self.values
        at = np.arange(len(rows)) if isinstance(places, slice) else places
        found: Array = rows[at, classes]
        return found

    def two_largest(self, places: Places | slice) -> Array:
        """See Chances."""
        values = self.values[places]
        if values.shape[1] < 2:
            return np.pad(values, ((0, 0), (0, 1)))
        return np.partition(values, -2, axis=1)[:, :-3:-1]

    def taken(self, places: Places) -> Dense:
        """See Chances."""
        return Dense(self.values[places])

    def problem(self) -> str:
        """See Chances."""
        return _impossible(self.values, self.values.sum(axis=1, dtype=np.float64))


@dataclass(frozen=True)
class Largest:
    """The k largest of each sample, and its label's.

    Attributes:
        classes: `(n, k)` int32, of the largest probabilities, descending; equal ones by class.
        values: `(n, k)` float32, their probabilities.
        rest: `(n,)` float32, the sum of all others.
        labels: `(n,)` the label of each sample, `of_label` `(n,)` float32 its probability.
        count: K.
    """

    classes: NDArray[np.int32]
    values: Array
    rest: Array
    labels: NDArray[np.int64]
    of_label: Array
    count: int

    def dense(self, places: Places | slice) -> Array:
        """See Chances."""
        classes = self.classes[places]
        found = np.full((len(classes), self.count), np.nan, dtype=np.float32)
        found[np.arange(len(classes)), self.labels[places]] = self.of_label[places]
        np.put_along_axis(found, classes, self.values[places], axis=1)
        return found

    def of(self, places: Places | slice, classes: NDArray[np.int64]) -> Array:
        """See Chances."""
        same = self.classes[places] == classes[:, None]
        at = same.argmax(axis=1)
        kept = self.values[places][np.arange(len(at)), at]
        otherwise = np.where(self.labels[places] == classes, self.of_label[places], np.float32(np.nan))
        found: Array = np.where(same.any(axis=1), kept, otherwise)
        return found

    def two_largest(self, places: Places | slice) -> Array:
        """See Chances."""
        return self.values[places][:, :2]

    def taken(self, places: Places) -> Largest:
        """See Chances."""
        return replace(self, **{name: getattr(self, name)[places] for name in _COLUMNS})

    def problem(self) -> str:
        """See Chances."""
        if len(self.values) and not 0 <= self.classes.min() <= self.classes.max() < self.count:
            return "a class that does not exist"
        if (np.diff(self.values, axis=1) > 0).any():
            return "probabilities that are not in order"
        if not ((self.of_label >= 0) & (self.of_label <= 1 + SUM_TOLERANCE) & (self.rest >= 0)).all():
            return "a probability outside 0 … 1"
        told = _impossible(self.values, self.values.sum(axis=1, dtype=np.float64) + self.rest)
        if not told and (self.of(slice(None), self.labels) != self.of_label).any():
            told = "two probabilities of one class"
        return told


@dataclass(frozen=True)
class Stated:
    """The predicted class of each sample, and its probability where that was told: no others are known.

    Attributes:
        classes: `(n,)` the predicted class.
        confidence: `(n,)` float32, its probability; NaN where it is not known.
        count: K.
    """

    classes: NDArray[np.int64]
    confidence: Array
    count: int

    def dense(self, places: Places | slice) -> Array:
        """See Chances."""
        classes = self.classes[places]
        found = np.full((len(classes), self.count), np.nan, dtype=np.float32)
        found[np.arange(len(classes)), classes] = self.confidence[places]
        return found

    def of(self, places: Places | slice, classes: NDArray[np.int64]) -> Array:
        """See Chances."""
        found: Array = np.where(self.classes[places] == classes, self.confidence[places], np.float32(np.nan))
        return found

    def two_largest(self, places: Places | slice) -> Array:
        """See Chances; the second is never known."""
        confidence = self.confidence[places]
        return np.stack([confidence, np.full_like(confidence, np.nan)], axis=1)

    def taken(self, places: Places) -> Stated:
        """See Chances."""
        return Stated(self.classes[places], self.confidence[places], self.count)

    def problem(self) -> str:
        """See Chances."""
        if len(self.classes) and not 0 <= self.classes.min() <= self.classes.max() < self.count:
            return "a class that does not exist"
        known = self.confidence[~np.isnan(self.confidence)]
        return "" if ((known >= 0) & (known <= 1 + SUM_TOLERANCE)).all() else "a probability outside 0 … 1"


def _impossible(values: Array, sums: NDArray[np.float64]) -> str:
    if not ((values >= 0) & (values <= 1 + SUM_TOLERANCE)).all():  # NaN compares false
        return "a probability outside 0 … 1"
    if (np.abs(sums - 1) > SUM_TOLERANCE).any():
        return "probabilities that do not add up to 1"
    return ""


def are_many(classes: int) -> bool:
    """Whether only the largest probabilities are stored."""
    return classes > MOST_CLASSES


def largest(chances: Chances, labels: NDArray[np.int64]) -> Largest:
    """The stored form for many classes, whichever form it has."""
    if isinstance(chances, Largest):
        return chances
    values = chances.dense(slice(None))
    if not len(values):
        none = np.empty((0, KEPT), np.float32)
        return Largest(none.astype(np.int32), none, none[:, 0], labels, none[:, 0], values.shape[1])
    order = np.sort(np.argpartition(-values, KEPT, axis=1)[:, :KEPT], axis=1)
    by_value = np.argsort(-np.take_along_axis(values, order, axis=1), axis=1, kind="stable")
    classes: NDArray[np.int32] = np.take_along_axis(order, by_value, axis=1).astype(np.int32)
    top = np.take_along_axis(values, classes, axis=1)
    rest = np.maximum(values.sum(axis=1, dtype=np.float64) - top.sum(axis=1, dtype=np.float64), 0).astype(np.float32)
    return Largest(classes, top, rest, labels, values[np.arange(len(values)), labels], values.shape[1])


def joined(parts: Sequence[Chances], labels: Sequence[NDArray[np.int64]]) -> Chances:
    """All in one, in the order given; `labels` of each part. Where one is of labels alone, all are taken as such."""
    if any(isinstance(part, Stated) for part in parts):
        stated = [_stated(part) for part in parts]
        classes = np.concatenate([part.classes for part in stated])
        return Stated(classes, np.concatenate([part.confidence for part in stated]), stated[0].count)
    if all(isinstance(part, Dense) for part in parts):
        return Dense(np.concatenate([part.dense(slice(None)) for part in parts]))
    alike = [largest(part, of) for part, of in zip(parts, labels, strict=True)]
    columns: dict[str, Any] = {n: np.concatenate([getattr(part, n) for part in alike]) for n in _COLUMNS}
    return replace(alike[0], **columns)


def _stated(chances: Chances) -> Stated:
    if isinstance(chances, Stated):
        return chances
    if isinstance(chances, Largest):
        return Stated(chances.classes[:, 0].astype(np.int64), chances.values[:, 0], chances.count)
    values = chances.dense(slice(None))
    return Stated(values.argmax(axis=1), values.max(axis=1), values.shape[1])
