"""Is the accuracy of a split that of new pictures? What it is without samples that other splits have, too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.answers.lines import table
from xai_core.answers.scope import Rows, Scope
from xai_core.text import counted
from xai_core.triage.quality import quality
from xai_core.words import of_split, percent, percent_range

ALL = "all"
APART = "without identical"
FAR = "without identical and nearly the same"
SHARED = "only identical"
HEADS = ("samples", "accuracy", "95 % interval", "balanced", "n")


@dataclass(frozen=True)
class Share:
    """How good a run is on some samples.

    Attributes:
        name: which they are; `n` how many.
        accuracy, low, high: share of them that is right, and its 95 % interval (Wilson); NaN where there is none.
        balanced_accuracy: mean recall over the classes that have samples.
        by_class: how many of each class.
    """

    name: str
    n: int
    accuracy: float
    low: float
    high: float
    balanced_accuracy: float
    by_class: tuple[int, ...]

    @property
    def words(self) -> tuple[str, str, str]:
        """Accuracy, its interval, balanced accuracy."""
        return percent(self.accuracy), percent_range(self.low, self.high), percent(self.balanced_accuracy)


@dataclass(frozen=True)
class Leaks:
    """The answer.

    Attributes:
        scope: run and split.
        groups: of identical pictures that span several splits of the study, whichever.
        identical: samples of this split that another split has as well.
        near: further samples of this split that look nearly like one of another; None where nobody looked.
        shares: accuracy on all samples, on those that no other split has, on those that do not look like one either,
            and on the identical ones alone.
    """

    scope: Scope
    groups: int
    identical: int
    near: int | None
    shares: tuple[Share, ...]

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """A line for each of `shares`, as HEADS say."""
        return [(one.name, *one.words, f"{one.n:,}") for one in self.shares]

    @property
    def sentences(self) -> tuple[str, ...]:
        """What was found, and what the accuracy of new pictures is then."""
        samples = of_split(self.scope.split)
        if not self.identical and not self.near:
            return (f"None of the {samples} is in another split.",)
        whole, apart = self.shares[0], self.shares[1]
        said = [
            f"{counted(self.groups, 'group')} of identical pictures lie in more than one split; {self.identical:,} of "
            f"{whole.n:,} {samples} are the same picture as a sample of another split, and so not new to the model."
        ]
        said += [f"{self.near:,} more look nearly the same as one of another split."] * bool(self.near)
        if self.identical:
            said.append(
                f"Accuracy is {percent(whole.accuracy)} of {whole.n:,} with them and {percent(apart.accuracy)} "
                f"({percent_range(apart.low, apart.high)}) of {apart.n:,} without."
            )
            said.append(self._left())
        return tuple(said)

    def _left(self) -> str:
        """Which classes the samples without identical ones are of: another mixture has another accuracy."""
        counts = zip(self.scope.names, self.shares[1].by_class, self.shares[0].by_class, strict=True)
        left = ", ".join(f"{name} {some:,} of {every:,}" for name, some, every in counts)
        return f"Left without them, by class: {left}."

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "split": self.scope.split,
            "groups": self.groups,
            "identical": self.identical,
            "near": self.near,
            "accuracy": [vars(share) for share in self.shares],
            "sentences": list(self.sentences),
        }

    def text(self) -> str:
        """For people."""
        return "\n".join([table([HEADS, *self.rows], right=range(1, len(HEADS))), *self.sentences])


def leaks(scope: Scope) -> Leaks:
    """Of a run with predictions, on a split."""
    rows, shared = scope.members.rows, _shared(scope)
    twin = np.isin(rows, shared)
    pairs = scope.study.near_twins()
    near = np.zeros(len(rows), bool) if pairs is None else np.isin(rows, pairs[:, :2]) & ~twin
    chosen = {ALL: np.ones(len(rows), bool), APART: ~twin, FAR: ~twin & ~near, SHARED: twin}
    if pairs is None:
        del chosen[FAR]
    return Leaks(
        scope,
        groups=len(scope.study.duplicates()),
        identical=int(twin.sum()),
        near=None if pairs is None else int(near.sum()),
        shares=tuple(_share(scope, name, which) for name, which in chosen.items()),
    )


def _shared(scope: Scope) -> Rows:
    """Rows of all samples whose very picture another split has."""
    groups = scope.study.duplicates()["rows"].tolist()
    return np.array([row for rows in groups for row in rows], np.int64)


def _share(scope: Scope, name: str, which: NDArray[np.bool_]) -> Share:
    members, classes = scope.members, len(scope.names)
    labels, predicted = members.labels[which], members.predicted[which]
    good = quality(labels, predicted, np.full(len(labels), np.nan), classes)
    by_class = tuple(np.bincount(labels, minlength=classes).tolist())
    return Share(name, good.n, good.accuracy, good.low, good.high, good.balanced_accuracy, by_class)
