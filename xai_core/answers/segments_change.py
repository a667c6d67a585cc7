"""Is one segmenter better than another? IoU of both on the same pictures, class by class, and what changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.answers.lines import paragraphs, table
from xai_core.answers.scope import where_words
from xai_core.answers.segments import SegmentsAnswer, segments
from xai_core.errors import BadInput
from xai_core.label_maps import ORIGINAL
from xai_core.store.facts import Condition
from xai_core.store.run import Run
from xai_core.store.versions import annotation_of
from xai_core.triage.segments import Changed, Segmented, changed, segmented, sums_of
from xai_core.words import of_split, percent, points

HEADS = ("class", "before", "after", "points", "95 % interval")
LISTED = 10
EACH = "The interval of each class stands by itself: of many classes one may leave zero out by chance."


@dataclass(frozen=True)
class SegmentsChange:
    """Two runs on the n pictures of a split that both predicted.

    Attributes:
        names: of the K classes.
        rows: `(n,)` the pictures.
        before, after: how good the baseline and the candidate are on these.
        found: the difference.
        gained: `(n,)` by how many pixels more of each picture are right.
        ids: of the pictures.
        where: facts that hold of them.
        learned: from which annotation the baseline and the candidate learned.
    """

    baseline: str
    candidate: str
    split: str
    names: tuple[str, ...]
    rows: NDArray[np.int64]
    before: Segmented
    after: Segmented
    found: Changed
    gained: NDArray[np.int64]
    ids: list[str] = field(default_factory=list)
    where: tuple[Condition, ...] = ()
    learned: tuple[str, ...] = ()

    @property
    def notes(self) -> list[str]:
        """What must be known before the numbers are read."""
        before, after = self.learned or ("", "")
        same = "" if before == after else f"Before learned from {before}, after from {after}; both are judged by the "
        return [EACH, *([f"{same}{ORIGINAL} one."] if same else [])]

    @property
    def verdict(self) -> str:
        """`improved`, `got worse`, or `no change can be claimed`."""
        low, high = float(self.found.mean_iou.low), float(self.found.mean_iou.high)
        if low > 0 or high < 0:
            return "improved" if low > 0 else "got worse"
        return "no change can be claimed"

    @property
    def sentence(self) -> str:
        """What may be said of the change."""
        mean, low, high = (float(each) for each in (self.found.mean_iou.value, *self._bounds))
        both = f"{percent(float(self.before.mean_iou.value))} before, {percent(float(self.after.mean_iou.value))} after"
        interval = f", 95 % interval {points(low)} to {points(high)} over pictures" if np.isfinite(low) else ""
        on = f"{len(self.rows):,} {of_split(self.split, 'pictures')}{where_words(self.where)}"
        return f"Mean IoU: {self.verdict}. {both}; {points(mean)} percentage points{interval}, on {on}."

    @property
    def _bounds(self) -> tuple[Any, Any]:
        return self.found.mean_iou.low, self.found.mean_iou.high

    @property
    def lines(self) -> list[tuple[str, ...]]:
        """Of each class, as HEADS name it."""
        iou = self.found.iou
        return [
            (
                name,
                percent(self.before.iou.value[at]),
                percent(self.after.iou.value[at]),
                points(iou.value[at]),
                f"{points(iou.low[at])} to {points(iou.high[at])}" if np.isfinite(iou.low[at]) else "",
            )
            for at, name in enumerate(self.names)
        ]

    @property
    def most(self) -> list[tuple[int, int]]:
        """Rows whose number of right pixels changed most, and by how many; unchanged ones are left out."""
        order = np.argsort(-np.abs(self.gained), kind="stable")
        return [(int(self.rows[at]), int(self.gained[at])) for at in order if self.gained[at]]

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        mean, iou = self.found.mean_iou, self.found.iou
        classes = [
            {
                "name": name,
                "before": float(self.before.iou.value[at]),
                "after": float(self.after.iou.value[at]),
                "change": {"value": float(iou.value[at]), "low": float(iou.low[at]), "high": float(iou.high[at])},
            }
            for at, name in enumerate(self.names)
        ]
        return {
            "baseline": self.baseline,
            "candidate": self.candidate,
            "split": self.split,
            "n": len(self.rows),
            "verdict": self.verdict,
            "sentence": self.sentence,
            "mean_iou": {"value": float(mean.value), "low": float(mean.low), "high": float(mean.high)},
            "classes": classes,
            "notes": self.notes,
            "changed_most": [{"row": row, "more_right_pixels": pixels} for row, pixels in self.most[:LISTED]],
            "lines": self.text().split("\n"),
        }

    def text(self) -> str:
        """For people."""
        by_row = dict(zip(self.rows.tolist(), self.ids, strict=True))
        most = [(by_row[row], f"{pixels:+,}".replace("-", "−")) for row, pixels in self.most[:LISTED]]
        pictures = f"Pixels that are right, more or fewer\n{table(most, right=(1,))}" if most else "No picture changed."
        lines = table([HEADS, *self.lines], right=range(1, len(HEADS)))
        return paragraphs(
            f"{self.candidate} against {self.baseline}", self.sentence, lines, "\n".join(self.notes), pictures
        )


def segments_change(baseline: Run, candidate: Run, split: str, where: tuple[Condition, ...] = ()) -> SegmentsChange:
    """Of two runs of one study on the pictures that both predicted, those of which some facts hold.

    Raises:
        NotApplicable: the study is not of segmentation.
        BadInput: there is no such picture, the models see other parts of them, or label maps are damaged.
    """
    before, after = (segments(run, split, where=where) for run in (baseline, candidate))
    rows = np.intersect1d(before.rows, after.rows)
    if not len(rows):
        remedy = "Let both predict this split: xai predict."
        raise BadInput("no pictures that both runs predicted", value=split, remedy=remedy)
    first, second = _of(before, rows), _of(after, rows)
    if (first.sum(2) != second.sum(2)).any():
        remedy = "Compare runs whose input shows the same part."
        raise BadInput("the two models see other parts of the pictures", value=candidate.name, remedy=remedy)
    seed = baseline.study.info.seed
    right = [np.trace(each, axis1=1, axis2=2) for each in (first, second)]
    return SegmentsChange(
        baseline.name,
        candidate.name,
        split,
        before.names,
        rows,
        segmented(sums_of(first), seed),
        segmented(sums_of(second), seed),
        changed(sums_of(first), sums_of(second), seed),
        right[1] - right[0],
        baseline.study.ids(rows).to_pylist(),
        where,
        (annotation_of(baseline), annotation_of(candidate)),
    )


def _of(answer: SegmentsAnswer, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """`(n, K, K)` of these rows."""
    found: NDArray[np.int64] = answer.matrices[np.isin(answer.rows, rows)]
    return found
