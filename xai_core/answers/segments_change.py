"""Is one segmenter better than another? IoU of both on the same pictures, class by class, and what changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.answers.lines import paragraphs, table
from xai_core.answers.scope import where_words
from xai_core.answers.segments import BOUNDARIES, SegmentsAnswer, segments
from xai_core.answers.segments_cell import CellChange, bounds, change_words, verdict_of
from xai_core.errors import BadInput
from xai_core.label_maps import ORIGINAL
from xai_core.store.facts import Condition
from xai_core.store.run import Run
from xai_core.store.versions import annotation_of
from xai_core.triage.confusion import Cell
from xai_core.triage.intervals import Estimate
from xai_core.triage.segments import (
    Bounded,
    Changed,
    Segmented,
    boundaries_changed,
    bounded,
    changed,
    segmented,
    sums_of,
)
from xai_core.words import of_split, percent, points, points_range

HEADS = ("class", "IoU before", "after", "points", "boundary F1 before", "after", "points", "pictures")
LISTED = 10


@dataclass(frozen=True)
class SegmentsChange:
    """Two runs on the n pictures of a split that both predicted.

    Attributes:
        names: of the K classes.
        rows: `(n,)` the pictures.
        before, after: how good the baseline and the candidate are on these.
        found: the difference.
        edges_before, edges_after, edges: the same of boundaries.
        shown: `(K,)` in how many of the pictures a class is, or is said to be by either.
        tried: how many changes are looked at beside that of mean IoU.
        cell: how one cell of the confusion changed; None where none is asked for.
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
    edges_before: Bounded
    edges_after: Bounded
    edges: Bounded
    shown: NDArray[np.int64]
    tried: int
    gained: NDArray[np.int64]
    ids: list[str] = field(default_factory=list)
    where: tuple[Condition, ...] = ()
    learned: tuple[str, ...] = ()
    cell: CellChange | None = None

    @property
    def notes(self) -> list[str]:
        """What must be known before the numbers are read."""
        before, after = self.learned or ("", "")
        same = "" if before == after else f"Before learned from {before}, after from {after}; both are judged by the "
        together = (
            f"Intervals over {len(self.rows):,} pictures, drawn alike for both. Those of classes and of boundary F1 "
            f"are Bonferroni's for the {self.tried} changes that are looked at: together they hold at 95 %. That of "
            "mean IoU, which is asked first, stands by itself."
        )
        return [together, BOUNDARIES, *([f"{same}{ORIGINAL} one."] if same else [])]

    @property
    def verdict(self) -> str:
        """`improved`, `got worse`, or `no change can be claimed`: of mean IoU."""
        return verdict_of(self.found.mean_iou)

    @property
    def sentence(self) -> str:
        """What may be said of the change."""
        change = change_words(float(self.before.mean_iou.value), float(self.after.mean_iou.value), self.found.mean_iou)
        on = f"{len(self.rows):,} {of_split(self.split, 'pictures')}{where_words(self.where)}"
        return f"Mean IoU: {self.verdict}. {change}, on {on}."

    @property
    def edges_sentence(self) -> str:
        """What may be said of how boundaries are drawn."""
        before, after = float(self.edges_before.mean_f1.value), float(self.edges_after.mean_f1.value)
        change = change_words(before, after, self.edges.mean_f1, tried=self.tried)
        return f"Mean boundary F1: {verdict_of(self.edges.mean_f1)}. {change}."

    @property
    def lines(self) -> list[tuple[str, ...]]:
        """Of each class, as HEADS name it."""
        iou, edges = self.found.iou, self.edges.f1
        return [
            (
                name,
                percent(self.before.iou.value[at]),
                percent(self.after.iou.value[at]),
                _moved(iou, at),
                percent(self.edges_before.f1.value[at]),
                percent(self.edges_after.f1.value[at]),
                _moved(edges, at),
                f"{self.shown[at]:,}",
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
        iou, edges = self.found.iou, self.edges.f1
        classes = [
            {
                "name": name,
                "before": float(self.before.iou.value[at]),
                "after": float(self.after.iou.value[at]),
                "change": bounds(iou, at),
                "boundary_f1": {
                    "before": float(self.edges_before.f1.value[at]),
                    "after": float(self.edges_after.f1.value[at]),
                    "change": bounds(edges, at),
                },
                "pictures": int(self.shown[at]),
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
            "mean_iou": bounds(self.found.mean_iou),
            "boundary_sentence": self.edges_sentence,
            "mean_boundary_f1": bounds(self.edges.mean_f1),
            "tried": self.tried,
            "classes": classes,
            "notes": self.notes,
            "changed_most": [{"row": row, "more_right_pixels": pixels} for row, pixels in self.most[:LISTED]],
            **({"cell": self.cell.as_json()} if self.cell else {}),
            "lines": self.text().split("\n"),
        }

    def text(self) -> str:
        """For people."""
        by_row = dict(zip(self.rows.tolist(), self.ids, strict=True))
        most = [(by_row[row], f"{pixels:+,}".replace("-", "−")) for row, pixels in self.most[:LISTED]]
        pictures = f"Pixels that are right, more or fewer\n{table(most, right=(1,))}" if most else "No picture changed."
        lines = table([HEADS, *self.lines], right=range(1, len(HEADS)))
        said = f"{self.candidate} against {self.baseline}", f"{self.sentence}\n{self.edges_sentence}"
        cell = "\n".join([self.cell.sentence, self.cell.note]) if self.cell else ""
        return paragraphs(*said, lines, "\n".join(self.notes), cell, pictures)


def segments_change(
    baseline: Run, candidate: Run, split: str, where: tuple[Condition, ...] = (), cell: Cell | None = None
) -> SegmentsChange:
    """Of two runs of one study on the pictures that both predicted, those of which some facts hold.

    Args:
        cell: of the confusion, (true class, predicted class), whose change is asked for too.

    Raises:
        NotApplicable: the study is not of segmentation.
        BadInput: there is no such picture, the models see other parts of them, or label maps are damaged.
    """
    before, after = (segments(run, split, where=where) for run in (baseline, candidate))
    rows = np.intersect1d(before.rows, after.rows)
    if not len(rows):
        remedy = "Let both predict this split: xai predict."
        raise BadInput("no pictures that both runs predicted", value=split, remedy=remedy)
    both = [_among(each, rows) for each in (before, after)]
    matrices, edges = ([each[at] for each in both] for at in (0, 1))
    if (matrices[0].sum(2) != matrices[1].sum(2)).any():
        remedy = "Compare runs whose input shows the same part."
        raise BadInput("the two models see other parts of the pictures", value=candidate.name, remedy=remedy)
    seed, sums = baseline.study.info.seed, [sums_of(each) for each in matrices]
    ious, bounds_of = [segmented(each, seed) for each in sums], [bounded(each, seed) for each in edges]
    tried = 1 + sum(_both(*pair) for pair in ([one.iou for one in ious], [one.f1 for one in bounds_of]))
    right = [np.trace(each, axis1=1, axis2=2) for each in matrices]
    return SegmentsChange(
        baseline=baseline.name,
        candidate=candidate.name,
        split=split,
        names=before.names,
        rows=rows,
        before=ious[0],
        after=ious[1],
        found=changed(sums[0], sums[1], seed, tried=tried),
        edges_before=bounds_of[0],
        edges_after=bounds_of[1],
        edges=boundaries_changed(edges[0], edges[1], seed, tried=tried),
        shown=((sums[0].truth + sums[0].said + sums[1].said) > 0).sum(0),
        tried=tried,
        gained=right[1] - right[0],
        ids=baseline.study.ids(rows).to_pylist(),
        where=where,
        learned=(annotation_of(baseline), annotation_of(candidate)),
        cell=_cell(matrices, cell, before.names, seed) if cell else None,
    )


def _among(answer: SegmentsAnswer, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`(n, K, K)` and `(n, K, 4)` of these rows: pixels, and boundary pixels."""
    there = np.isin(answer.rows, rows)
    return answer.matrices[there], answer.boundaries[there]


def _both(one: Estimate, other: Estimate) -> int:
    """Of how many classes both know something."""
    return int((np.isfinite(one.value) & np.isfinite(other.value)).sum())


def _cell(matrices: Sequence[NDArray[np.int64]], cell: Cell, names: tuple[str, ...], seed: int) -> CellChange:
    before, after = (each[:, cell[0], cell[1]] for each in matrices)
    return CellChange(cell, names, before, after, matrices[0][:, cell[0]].sum(1), seed)


def _moved(change: Estimate, at: int) -> str:
    """`+1.2 (−0.4 to +2.8)`."""
    interval = f" ({points_range(change.low[at], change.high[at])})" if np.isfinite(change.low[at]) else ""
    return f"{points(change.value[at])}{interval}"
