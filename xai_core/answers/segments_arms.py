"""Did a way of training make a segmenter better? IoU of each class under arms of several seeds, on equal pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.answers.arms import Arm, ArmOutcome
from xai_core.answers.scope import Rows
from xai_core.answers.segments import segments
from xai_core.datasets.twins import source_of
from xai_core.errors import BadInput
from xai_core.store.study import Study
from xai_core.text import counted
from xai_core.triage.arms import arm_verdict, spread_words
from xai_core.triage.segments import PixelSums, arms_changed, sums_of
from xai_core.words import of_split

MEAN = "mean of the classes"


@dataclass(frozen=True)
class SegmentsArms:
    """Arms on the pictures of a split that all of their runs predicted.

    Attributes:
        names: of the K classes.
        arms: what is compared, and which pairs: `(before, after)` by their names.
        rows: `(n,)` the pictures.
        originals: `(n,)` which of the m originals each is a copy of, or is.
        sums: by arm, pixels of each original under each seed's model: copies of one picture count as one, as they are
            no independent samples.
        seed: of the study.
    """

    names: tuple[str, ...]
    arms: tuple[Arm, ...]
    pairs: tuple[tuple[str, str], ...]
    split: str
    rows: Rows
    originals: NDArray[np.int64]
    sums: dict[str, list[PixelSums]]
    seed: int

    @cached_property
    def outcomes(self) -> dict[tuple[str, str], list[ArmOutcome]]:
        """Of each pair the change of IoU: of each class, then of their mean."""
        shown = int((self.sums[self.arms[0].name][0].truth.sum(0) > 0).sum()) + 1
        found = {}
        for pair in self.pairs:
            before, after = (self.sums[arm] for arm in pair)
            changes = arms_changed(before, after, self.seed, tried=shown * len(self.pairs))
            names = [f"IoU of {name}" for name in self.names] + ["Mean IoU"]
            found[pair] = [
                ArmOutcome(name, change, arm_verdict(change, name)) for name, change in zip(names, changes, strict=True)
            ]
        return found

    @property
    def heads(self) -> tuple[str, ...]:
        """Of the columns of `lines`."""
        return (
            "class",
            *(arm.name for arm in self.arms),
            *(f"{after} − {before}, points" for before, after in self.pairs),
        )

    @property
    def lines(self) -> list[tuple[str, ...]]:
        """A line for each class that the pictures show, and one for their mean: IoU by arm, then what changed."""
        found = []
        for at, name in enumerate((*self.names, MEAN)):
            changes = [self.outcomes[pair][at] for pair in self.pairs]
            if changes[0].change.n:
                ious = [spread_words(self._measured(arm.name, at)) for arm in self.arms]
                found.append((name, *ious, *(one.short for one in changes)))
        return found

    def _measured(self, arm: str, at: int) -> tuple[float, ...]:
        """IoU under each seed's model."""
        before, after = next(pair for pair in self.pairs if arm in pair)
        change = self.outcomes[before, after][at].change
        return change.before if arm == before else change.after

    @property
    def counted(self) -> str:
        """How many pictures, and of how many originals."""
        many, pictures = len(np.unique(self.originals)), of_split(self.split, "pictures")
        told = f"{len(self.rows):,} {pictures} that all runs predicted"
        if many == len(self.rows):
            return f"{told}."
        return f"{told}, copies of {counted(many, 'original')}: copies of one are counted together, and n is {many:,}."

    def sentences(self, at: Sequence[int]) -> list[str]:
        """What may be said of some of the outcomes, pair by pair."""
        return [
            f"{after} against {before}. {self.outcomes[before, after][place].verdict.sentence}"
            for before, after in self.pairs
            for place in at
        ]

    def as_json(self) -> list[dict[str, Any]]:
        """Every pair and outcome."""
        return [
            {"before": before, "after": after} | one.as_json()
            for (before, after), outcomes in self.outcomes.items()
            for one in outcomes
        ]


def segments_arms(study: Study, arms: Sequence[Arm], pairs: Sequence[tuple[str, str]], split: str) -> SegmentsArms:
    """Arms of one study on a split, each in one pair at least.

    Raises:
        NotApplicable: the study is not of segmentation.
        BadInput: no picture that all runs predicted, or label maps are damaged.
    """
    found = {arm.name: [segments(run, split) for run in arm.runs] for arm in arms}
    every = [answer for answers in found.values() for answer in answers]
    rows = every[0].rows
    for answer in every[1:]:
        rows = np.intersect1d(rows, answer.rows)
    if not len(rows):
        remedy = "Let all runs predict this split: xai predict."
        raise BadInput("no pictures that all runs predicted", value=split, remedy=remedy)
    groups = originals(study, rows)
    sums = {
        name: [sums_of(together(answer.matrices[np.isin(answer.rows, rows)], groups)) for answer in answers]
        for name, answers in found.items()
    }
    return SegmentsArms(study.class_names, tuple(arms), tuple(pairs), split, rows, groups, sums, study.info.seed)


def originals(study: Study, rows: Rows) -> NDArray[np.int64]:
    """`(n,)` numbers from 0 of the originals that these pictures are, or are copies of by name or content."""
    samples = study.samples.iloc[rows]
    keys = [source_of(path) or sha256 for path, sha256 in zip(samples["path"], samples["sha256"], strict=True)]
    found: NDArray[np.int64] = np.unique(np.array(keys, dtype=str), return_inverse=True)[1].astype(np.int64)
    return found


def one_of_each(study: Study, rows: Rows) -> Rows:
    """Of the pictures the first of each original."""
    return rows[np.sort(np.unique(originals(study, rows), return_index=True)[1])]


def together(matrices: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """`(m, K, K)`: the sum over the pictures of each group, of `(n, K, K)`."""
    found = np.zeros((int(groups.max()) + 1, *matrices.shape[1:]), np.int64)
    np.add.at(found, groups, matrices)
    return found
