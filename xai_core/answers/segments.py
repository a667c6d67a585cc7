"""How good is a segmenter, and in which pictures is it wrong? IoU by class, the confusion in pixels, its pictures."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.answers.lines import paragraphs, table
from xai_core.answers.question import Asked, Question
from xai_core.answers.scope import Rows, Scope, where_words
from xai_core.errors import NotApplicable, NotFound
from xai_core.label_maps import dense
from xai_core.store.facts import Condition
from xai_core.store.readable import readable_runs
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.task import SEGMENTATION
from xai_core.text import counted
from xai_core.triage.confusion import Cell, Per, rates
from xai_core.triage.intervals import Estimate
from xai_core.triage.segments import Segmented, segmented, sums_of
from xai_core.words import COUNTED_AS, cell_name, of_split, percent, percent_range

RUN_HEADS = ("run", "mean IoU", "95 % interval", "pixels right", "pictures", "model")
HEADS = ("class", "IoU", "95 % interval", "Dice", "pictures", "pixels")
LISTED = 10
_MATRIX_UP_TO = 20
PER_PICTURE = "Intervals are over pictures: pixels of one picture are no independent samples."


@dataclass(frozen=True)
class SegmentsAnswer:
    """A run of segmentation on a split.

    Attributes:
        names: of the K classes.
        rows: `(n,)` pictures that are predicted.
        of: how many pictures the split has.
        matrices: `(n, K, K)` pixels of each picture: truth in rows, what was said in columns.
        found: how good it is.
        per: what cells of the matrix show as text.
        where: facts that hold of the pictures.
    """

    study: str
    run: str
    split: str
    names: tuple[str, ...]
    rows: Rows
    of: int
    matrices: NDArray[np.int64]
    found: Segmented
    per: Per = "true"
    where: tuple[Condition, ...] = ()

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """`(K, K)` pixels of all pictures."""
        total: NDArray[np.int64] = self.matrices.sum(0)
        return total

    @property
    def sentence(self) -> str:
        """How good it is in all."""
        if not len(self.rows):
            return f"No prediction of {of_split(self.split)} yet."
        mean, right = self.found.mean_iou, self.found.accuracy
        classes = counted(self.found.counted, "class", "classes")
        return (
            f"Mean IoU {_with_interval(mean)} over {classes}, {_with_interval(right)} of all pixels right, "
            f"on {len(self.rows):,} {of_split(self.split, 'pictures')}{where_words(self.where)}."
        )

    @property
    def right(self) -> dict[str, float]:
        """The share of pixels that are right, with its interval, and how many pictures there are."""
        one = self.found.accuracy
        return {"accuracy": float(one.value), "low": float(one.low), "high": float(one.high), "n": len(self.rows)}

    @property
    def notes(self) -> list[str]:
        """What must be known before the numbers are read."""
        found = [PER_PICTURE] if len(self.rows) else []
        left = [name for name, value in zip(self.names, self.found.iou.value, strict=True) if not np.isfinite(value)]
        if left and len(self.rows):
            found.append(f"Not scored, as neither the pictures nor the predictions have them: {', '.join(left)}.")
        if missing := self.of - len(self.rows):
            line = shlex.join(["xai", "predict", self.study, "--run", self.run])
            found.append(f"{missing:,} of {self.of:,} pictures are not predicted: {line}.")
        return found

    @property
    def lines(self) -> list[tuple[str, ...]]:
        """Of each class, as HEADS name it."""
        truth, found = self.counts.sum(1), self.found
        return [
            (
                name,
                percent(found.iou.value[at]),
                percent_range(found.iou.low[at], found.iou.high[at]),
                percent(found.dice.value[at]),
                f"{found.pictures[at]:,}",
                f"{truth[at]:,}",
            )
            for at, name in enumerate(self.names)
        ]

    def pictures(self, cell: Cell | None = None) -> list[tuple[int, int]]:
        """Rows, and how many of their pixels are of the cell, most first; without a cell, of all wrong pixels.

        Pictures without such a pixel are left out; without a cell they come last.
        """
        if cell is None:
            pixels = self.matrices.sum((1, 2)) - np.trace(self.matrices, axis1=1, axis2=2)
        else:
            pixels = self.matrices[:, cell[0], cell[1]]
        order = np.argsort(-pixels, kind="stable")
        return [(int(self.rows[at]), int(pixels[at])) for at in order if cell is None or pixels[at]]

    def cell_sentence(self, cell: Cell) -> str:
        """What a cell holds."""
        pixels, of_class = int(self.counts[cell]), int(self.counts[cell[0]].sum())
        name = cell_name(self.names[cell[0]], self.names[cell[1]])
        share = f" ({percent(pixels / of_class)} of the pixels of {self.names[cell[0]]})" if of_class else ""
        pictures = counted(int((self.matrices[:, cell[0], cell[1]] > 0).sum()), "picture")
        return f"{name}: {counted(pixels, 'pixel')} in {pictures}{share}."

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        found = self.found
        classes = [
            {
                "name": name,
                "iou": _bounds(found.iou, at),
                "dice": _bounds(found.dice, at),
                "pictures": int(found.pictures[at]),
                "pixels": int(self.counts[at].sum()),
            }
            for at, name in enumerate(self.names)
        ]
        return {
            "run": self.run,
            "split": self.split,
            "n": len(self.rows),
            "of": self.of,
            "sentence": self.sentence,
            "notes": self.notes,
            "mean_iou": _bounds(found.mean_iou),
            "mean_dice": _bounds(found.mean_dice),
            "pixel_accuracy": _bounds(found.accuracy),
            "classes": classes,
            "counts": self.counts.tolist(),
            "worst": [{"row": row, "wrong_pixels": pixels} for row, pixels in self.pictures()[:LISTED]],
        }

    def text(self) -> str:
        """For people."""
        lines = table([HEADS, *self.lines], right=range(1, len(HEADS))) if len(self.rows) else ""
        return paragraphs(f"{self.run}: {self.sentence}", lines, self._matrix(), "\n".join(self.notes))

    def _matrix(self) -> str:
        if not len(self.rows) or len(self.names) > _MATRIX_UP_TO:
            return ""
        values = rates(self.counts, self.per)
        cells = [[f"{value:,.0f}" if self.per == "count" else percent(value) for value in row] for row in values]
        rows = [[name, *row] for name, row in zip(self.names, cells, strict=True)]
        head = COUNTED_AS[self.per].replace("Samples", "Pixels")
        return f"{head}\n{table([['true ↓ predicted →', *self.names], *rows], right=range(1, len(self.names) + 1))}"


def segments(run: Run, split: str, per: Per = "true", where: tuple[Condition, ...] = ()) -> SegmentsAnswer:
    """Of a run on a split, or on those of its pictures of which some facts hold.

    Raises:
        NotApplicable: the study is not of segmentation.
        BadInput: label maps are damaged.
    """
    study = run.study
    need_segmentation(study)
    rows = Scope(run, split, where).rows
    store, classes = run.label_maps(), len(study.class_names)
    counts = [None] * len(rows) if store is None else store.counts(rows)
    known = [(row, each) for row, each in zip(rows.tolist(), counts, strict=True) if each is not None]
    matrices = np.array([dense(each, classes) for _, each in known], np.int64).reshape(-1, classes, classes)
    found = segmented(sums_of(matrices), study.info.seed)
    predicted = np.array([row for row, _ in known], np.int64)
    names = study.class_names
    return SegmentsAnswer(str(study.path), run.name, split, names, predicted, len(rows), matrices, found, per, where)


def run_lines(found: Sequence[tuple[Run, SegmentsAnswer]]) -> list[tuple[str, ...]]:
    """Of each run, as RUN_HEADS name it."""
    return [
        (
            run.name,
            percent(float(one.found.mean_iou.value)),
            percent_range(float(one.found.mean_iou.low), float(one.found.mean_iou.high)),
            percent(float(one.found.accuracy.value)),
            f"{len(one.rows):,}",
            run.info.architecture or "predictions alone",
        )
        for run, one in found
    ]


def need_segmentation(study: Study) -> None:
    """Raise NotApplicable where the study's models do not say of every pixel what it is."""
    if study.info.task != SEGMENTATION:
        remedy = "Ask for overview or confusion."
        raise NotApplicable("this study is not of segmentation", value=study.name, remedy=remedy)


def newest_segmenter(study: Study) -> Run | None:
    """The newest run with label maps; the newest of all where none has any; None where there are no runs."""
    runs = readable_runs(study).runs[::-1]
    return next((run for run in runs if run.label_maps() is not None), runs[0] if runs else None)


def split_to_begin(study: Study) -> str:
    """The first of test, validation and training that has pictures."""
    return next((split for split in ("test", "validation", "train") if len(study.rows(split))), "all")


def answer(asked: Asked) -> SegmentsAnswer:
    """Of the run that is asked for, else of the newest with predictions."""
    need_segmentation(asked.study)
    run = asked.run or newest_segmenter(asked.study)
    if run is None:
        raise NotFound("the study has no run yet", value=asked.study.name, remedy="xai train makes one.")
    found = segments(run, asked.split or split_to_begin(asked.study))
    return replace(found, per="true" if asked.rates == "count" else asked.rates)


def _with_interval(estimate: Estimate) -> str:
    interval = percent_range(float(estimate.low), float(estimate.high))
    return f"{percent(float(estimate.value))} ({interval})" if interval else percent(float(estimate.value))


def _bounds(estimate: Estimate, at: int | None = None) -> dict[str, float]:
    value, low, high = (each if at is None else each[at] for each in (estimate.value, estimate.low, estimate.high))
    return {"value": float(value), "low": float(low), "high": float(high)}


WORDS = "How good is a segmenter, class by class, and what does it take for what?"
QUESTION = Question("segments", WORDS, ("run", "split", "rates"), answer)
