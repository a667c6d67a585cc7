"""Is the accuracy of a split that of new pictures? What it is without samples that other splits have, too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.answers.lines import table
from xai_core.answers.scope import Rows, Scope
from xai_core.text import counted
from xai_core.triage.intervals import wilson
from xai_core.words import of_split, percent, percent_range

ALL = "all"
APART = "without identical"
FAR = "without identical and nearly the same"
SHARED = "only identical"


@dataclass(frozen=True)
class Share:
    """How many of some samples are right: `n`, `accuracy` and its 95 % interval (Wilson); NaN where there is none."""

    name: str
    n: int
    accuracy: float
    low: float
    high: float


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
    def sentences(self) -> tuple[str, ...]:
        """What was found, and what the accuracy of new pictures is then."""
        samples = of_split(self.scope.split)
        if not self.identical and not self.near:
            return (f"None of the {samples} is in another split.",)
        whole, apart = self.shares[0], self.shares[1]
        said = [
            f"{counted(self.groups, 'group')} of identical pictures lie in more than one split; {self.identical:,} of "
            f"{whole.n:,} {samples} are the same picture as one that the model was trained on or chosen by."
        ]
        said += [f"{self.near:,} more look nearly the same as one of another split."] * bool(self.near)
        if self.identical:
            said.append(
                f"Accuracy is {percent(whole.accuracy)} of {whole.n:,} with them and {percent(apart.accuracy)} "
                f"({percent_range(apart.low, apart.high)}) of {apart.n:,} without."
            )
        return tuple(said)

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
        rows = [
            (share.name, percent(share.accuracy), percent_range(share.low, share.high), f"{share.n:,}")
            for share in self.shares
        ]
        heads = ("samples", "accuracy", "95 % interval", "n")
        return "\n".join([table([heads, *rows], right=(1, 2, 3)), *self.sentences])


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
    right = (scope.members.labels == scope.members.predicted)[which]
    low, high = wilson(right.sum(), len(right))
    return Share(name, len(right), float(right.mean()) if len(right) else float("nan"), float(low), float(high))
