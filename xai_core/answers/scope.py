"""What a question is about: a run's predictions of one split, and which of its samples, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import BadInput
from xai_core.store.facts import Condition
from xai_core.store.predictions import Predictions
from xai_core.store.readable import damage
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.store.targets import cell_rows, predicted_rows
from xai_core.task import need_samples
from xai_core.triage.ordering import SORTS, order_by, sort_scores
from xai_core.words import of_split

Rows = NDArray[np.int64]

AS_GIVEN = "data"
"""The order of the study's sample table."""

_PREFERRED_SPLITS = ("test", "validation", "train")
_RISING = {"margin"}


@dataclass(frozen=True)
class Members:
    """The samples of a split that have predictions, aligned: row numbers, labels, predicted classes."""

    rows: Rows
    labels: Rows
    predicted: Rows

    @property
    def mistakes(self) -> Rows:
        """Rows of those that are wrong."""
        return self.rows[self.labels != self.predicted]

    def cell(self, true: int, predicted: int) -> Rows:
        """Rows of class `true` that were taken for `predicted`."""
        return self.rows[(self.labels == true) & (self.predicted == predicted)]


NOBODY = Members(*[np.empty(0, np.int64)] * 3)


@dataclass(frozen=True)
class Scope:
    """A run and a split of its study, or those of its samples of which some facts hold.

    Attributes:
        run: the run; its study is the study.
        split: one of ALL_SPLITS.
        where: conditions that all samples meet.
    """

    run: Run
    split: str
    where: tuple[Condition, ...] = ()

    @property
    def study(self) -> Study:
        """The run's study."""
        return self.run.study

    @property
    def names(self) -> tuple[str, ...]:
        """The study's class names."""
        return self.study.class_names

    @cached_property
    def rows(self) -> Rows:
        """Row numbers of the split, or of those that meet the conditions."""
        rows = self.study.rows(None if self.split == "all" else self.split)
        return rows[self.study.facts.hold(self.where)[rows]] if self.where else rows

    @property
    def whole(self) -> Scope:
        """The same without conditions."""
        return Scope(self.run, self.split)

    @property
    def samples(self) -> str:
        """What its samples are: `test samples`, `test samples where camera = A`."""
        return self.of("samples")

    def of(self, noun: str) -> str:
        """The same of another noun, such as `mistakes`."""
        return f"{of_split(self.split, noun)}{where_words(self.where)}"

    @cached_property
    def predicted(self) -> Rows:
        """Row numbers of those of which the run said something: a class, or one for every pixel."""
        return predicted_rows(self.run, self.rows)

    def cell(self, true: int, predicted: int) -> Rows:
        """Row numbers of a cell of the confusion matrix; of a segmenter of the pictures with a pixel in it."""
        return cell_rows(self.run, self.rows, true, predicted)

    @property
    def predictions(self) -> Predictions:
        """Of the run. Raises BadInput where there are none, NotApplicable where they are of pixels."""
        need_samples(self.study.info.task, self.study.name)
        if self.run.predictions is None:
            raise BadInput("this run has no predictions yet", value=self.run.name, remedy="xai predict makes them.")
        return self.run.predictions

    @property
    def lacks(self) -> str:
        """A sentence on what is not known of its predictions; "" where all is, or there are none."""
        return self.run.predictions.lacks if self.run.predictions is not None else ""

    @cached_property
    def members(self) -> Members:
        """The samples of the split that have predictions; none where the run has no predictions at all.

        Raises NotApplicable where predictions are of pixels.
        """
        need_samples(self.study.info.task, self.study.name)
        predictions = self.run.predictions
        if predictions is None:
            return NOBODY
        inside = np.isin(predictions.rows, self.rows)
        rows = predictions.rows[inside]
        return Members(rows, self.study.labels[rows], predictions.predicted[inside])


def where_words(where: Sequence[Condition]) -> str:
    """` where camera = A and site = B`; "" without conditions."""
    return f" where {' and '.join(one.words for one in where)}" if where else ""


def order_in_force(scope: Scope, by: str) -> str:
    """The order that samples come in where `by` is asked for: that, or `confidence` where it is none of SORTS or not
    known of this run's predictions, or AS_GIVEN where no confidence is known either."""
    known = scope.run.predictions.scores if scope.run.predictions is not None else tuple(SORTS)
    if by == AS_GIVEN or not known:
        return AS_GIVEN
    return by if by in known else known[0]


def in_order(scope: Scope, rows: Rows, by: str) -> Rows:
    """The rows (all with predictions) as a sort order has them: what is most telling comes first.

    Args:
        by: see `order_in_force`.
    """
    known = order_in_force(scope, by) if len(rows) else AS_GIVEN
    if known == AS_GIVEN:
        return rows
    said = scope.predictions.at(rows)
    return rows[order_by(sort_scores(known, said), descending=known not in _RISING)]


def best_split(study: Study, run: Run | None) -> str:
    """The split to begin with: the first of test, validation, train with predictions that can be read, or samples."""
    every = study.rows(None)
    rows = predicted_rows(run, every) if run and not damage(run) else every
    for split in _PREFERRED_SPLITS:
        if np.isin(study.rows(split), rows if len(rows) else every).any():
            return split
    return "all"
