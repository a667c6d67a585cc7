"""Two runs on the samples that both predicted: what the Compare page shows. Nothing is drawn here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dashboard.agreement import places
from dashboard.context import Context
from xai_core.answers.maps import Column
from xai_core.models.preprocess import Preprocess
from xai_core.store.predictions import Predictions
from xai_core.store.run import Run
from xai_core.triage import compare
from xai_core.triage.confusion import Cell, confusion_counts, worst_pairs

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Comparison:
    """The samples of the split that both runs predicted, aligned.

    Attributes:
        rows, labels: `(n,)` row numbers and true classes.
        before, after: `(n,)` predicted classes of baseline and candidate.
        classes: how many classes there are.
        left_out: samples of the split that only one of the runs predicted.
    """

    rows: Rows
    labels: Rows
    before: Rows
    after: Rows
    classes: int
    left_out: int

    @cached_property
    def codes(self) -> Rows:
        """`(n,)` what became of each sample, codes into TRANSITIONS."""
        return compare.transitions(self.labels, self.before, self.after)

    @cached_property
    def counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The confusion matrices of baseline and candidate."""
        before, after = (confusion_counts(self.labels, run, self.classes) for run in (self.before, self.after))
        return before, after

    def largest(self, true: int | None = None) -> Cell | None:
        """The baseline's largest confusion (of one class), else the candidate's; None where nobody is wrong."""
        for counts in self.counts:
            pairs = worst_pairs(counts, [""] * self.classes, None)
            pairs = pairs if true is None else pairs[pairs["true"] == true]
            if len(pairs):
                first, second = pairs[["true", "predicted"]].to_numpy()[0].tolist()
                return first, second
        return None

    def among(self, group: str, cell: Cell) -> NDArray[np.bool_]:
        """`(n,)` who belongs to a group: the `cell` under either run, its true `class`, or `all`."""
        if group == "all":
            return np.ones(len(self.rows), bool)
        members = self.labels == cell[0]
        either = (self.before == cell[1]) | (self.after == cell[1])
        return members & either if group == "cell" else members

    def transition_table(self) -> pd.DataFrame:
        """Transitions per true class: one row per class, then `n`."""
        return compare.transition_table(self.codes, self.labels, self.classes)

    def numbers(self, members: NDArray[np.bool_]) -> dict[str, int]:
        """How many of these samples made each transition."""
        found = np.bincount(self.codes[members], minlength=len(compare.TRANSITIONS))
        return dict(zip(compare.TRANSITIONS, found.tolist(), strict=True))

    def flows(self, cell: Cell) -> pd.DataFrame:
        """Where the cell's samples went to and came from: see `compare.cell_flows`."""
        inside = self.among("cell", cell)
        return compare.cell_flows(self.labels[inside], self.before[inside], self.after[inside])


def comparison(context: Context, baseline: Predictions, candidate: Predictions) -> Comparison:
    """Of the two runs' predictions on the open split; may be empty."""
    first, second = (found.rows[np.isin(found.rows, context.rows)] for found in (baseline, candidate))
    rows = np.intersect1d(first, second)
    before, after = (found.at(rows).predicted for found in (baseline, candidate))
    left_out = len(np.union1d(first, second)) - len(rows)
    return Comparison(rows, context.study.labels[rows], before, after, len(context.study.class_names), left_out)


def baseline_of(context: Context) -> Run | None:
    """The run to compare with: the one chosen, else the parent of the candidate where the study has it."""
    assert context.run is not None, "there is a candidate"
    if context.other is not None and context.other.name != context.run.name:
        return context.other
    parent = context.run.info.parent
    known = parent is not None and parent != context.run.name and parent in context.study.runs()
    return context.services.studies.run(context.study, parent) if known and parent else None


def seen_by(context: Context, run: Run) -> Context:
    """The same view with another run in place of the candidate."""
    selection = replace(
        context.selection, run=run.name, layer="" if run is not context.run else context.selection.layer
    )
    return replace(context, run=run, selection=selection)


def moved(before: tuple[Context, Column], after: tuple[Context, Column], rows: Rows, spec: str) -> NDArray[np.float64]:
    """`(n,)` Spearman's correlation of each sample's evidence for a class before and after.

    1: the places of the picture are in the same order of evidence; 0: unrelated. NaN where a map is missing or
    refused, is constant, or where the two models look at different parts of the picture.
    """
    from xai_core.similarities.spearman import spearman

    if not len(rows):
        return np.empty(0)
    values = spearman(*(places(context, column, rows, spec) for context, column in (before, after))).astype(float)
    values[~_same_part(before[0], after[0], rows)] = np.nan
    return values


def _same_part(before: Context, after: Context, rows: Rows) -> NDArray[np.bool_]:
    """`(n,)` whether both models see the same part of each picture, within 2 % of its sides."""
    boxes = []
    for context in (before, after):
        assert context.run is not None, "a map belongs to a run"
        assert context.run.info.preprocess is not None, "a model has a preprocessing"
        preprocess = Preprocess.from_dict(context.run.info.preprocess)
        sizes = context.study.samples.iloc[rows][["width", "height"]].to_numpy()
        boxes.append(np.array([preprocess.box(int(w), int(h)) for w, h in sizes]) / np.tile(sizes, 2))
    return np.abs(boxes[0] - boxes[1]).max(axis=1) <= 0.02
