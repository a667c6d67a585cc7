"""Which samples a page is about: those of the split that have predictions, by cell, in an order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dashboard.context import Context
from dashboard.text import Markdown
from xai_core.triage.confusion import confusion_counts, worst_pairs
from xai_core.triage.ordering import SORTS, order_by, sort_scores

Rows = NDArray[np.int64]
_RISING = {"margin"}


@dataclass(frozen=True)
class Members:
    """The samples of the split that have predictions, aligned: row numbers, labels, predicted classes."""

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


def members(context: Context) -> Members:
    """Those of the chosen run and split; empty where there are no predictions."""
    predictions = context.predictions
    if predictions is None:
        none = np.empty(0, np.int64)
        return Members(none, none, none)
    inside = np.isin(predictions.rows, context.rows)
    rows = predictions.rows[inside]
    return Members(rows, context.study.labels[rows], predictions.predicted[inside])


def unpredicted(context: Context, among: Members) -> Markdown:
    """A sentence on the samples of the split that the run has no prediction for, or ""."""
    missing = len(context.rows) - len(among.rows)
    if not missing:
        return Markdown("")
    begin = "1 more sample of this split has" if missing == 1 else f"{missing:,} more samples of this split have"
    rest = "no prediction and count nowhere: `xai predict` asks again, and says why where there is none."
    return Markdown(f"{begin} {rest}")


def confusions(context: Context, among: Members, *, top: int | None = None) -> list[tuple[int, int, int]]:
    """`(true class, predicted class, samples)` of the confusions that happen, largest first."""
    counts = confusion_counts(among.labels, among.predicted, len(context.study.class_names))
    table = worst_pairs(counts, context.study.class_names, top)
    columns = (table[name].tolist() for name in ("true", "predicted", "count"))
    return list(zip(*columns, strict=True))


def in_order(context: Context, rows: Rows) -> Rows:
    """The rows as the chosen sort order has them: what is most telling comes first."""
    predictions = context.predictions
    if predictions is None or not len(rows):
        return rows
    by = context.selection.sort if context.selection.sort in SORTS else "confidence"
    said = predictions.at(rows)
    scores = sort_scores(by, said.probabilities, said.loss)
    return rows[order_by(scores, descending=by not in _RISING)]


def drawn(rows: Rows, count: int, seed: int) -> Rows:
    """At most `count` of the rows, drawn by the seed, ascending."""
    return np.sort(np.random.default_rng(seed).permutation(rows)[:count])
