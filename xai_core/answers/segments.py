"""How good is a segmenter, and in which pictures is it wrong? IoU by class, the confusion in pixels, its pictures."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.answers.lines import paragraphs, table
from xai_core.answers.question import Asked, Question
from xai_core.answers.scope import Rows, Scope, where_words
from xai_core.answers.segments_cell import bounds
from xai_core.boundaries import COLUMNS, TOLERANCE, boundary_counts, dense_boundaries
from xai_core.errors import NotApplicable, NotFound
from xai_core.label_maps import dense
from xai_core.store.facts import Condition
from xai_core.store.readable import readable_runs
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.task import SEGMENTATION
from xai_core.text import counted
from xai_core.triage.confusion import Cell, rates
from xai_core.triage.intervals import Estimate
from xai_core.triage.segments import Bounded, Segmented, bounded, segmented, sums_of
from xai_core.words import COUNTED_AS, cell_name, of_split, percent, percent_range

RUN_HEADS = ("run", "mean IoU", "95 % interval", "pixels right", "pictures", "model")
HEADS = ("class", "IoU", "95 % interval", "Dice", "boundary F1", "its interval", "pictures", "pixels")
LISTED = 10
_PICTURES = 20
"""Of a cell, in a terminal."""
_MATRIX_UP_TO = 20
PER_PICTURE = "Intervals are over pictures: pixels of one picture are no independent samples."
BOUNDARIES = (
    f"Boundary F1: a boundary pixel counts as found within {100 * TOLERANCE:g} % of the picture's diagonal "
    "(Csurka et al. 2013)."
)
CELLS: Mapping[str, str] = {
    "true": COUNTED_AS["true"],
    "predicted": COUNTED_AS["predicted"],
    "pictures": "In how many pictures",
}
"""What cells of the matrix show: shares of pixels, or in how many pictures there is such a pixel."""


@dataclass(frozen=True)
class SegmentsAnswer:
    """A run of segmentation on a split.

    Attributes:
        names: of the K classes.
        rows: `(n,)` pictures that are predicted.
        of: how many pictures the split has.
        matrices: `(n, K, K)` pixels of each picture: truth in rows, what was said in columns.
        found: how good it is.
        bounded: how well it draws boundaries.
        boundaries: `(n, K, 4)` boundary pixels of each picture, see `boundaries.dense_boundaries`.
        per: what cells of the matrix show as text.
        where: facts that hold of the pictures.
        cell: whose pictures are listed as text, instead of the classes.
        ids: of the n pictures.
    """

    study: str
    run: str
    split: str
    names: tuple[str, ...]
    rows: Rows
    of: int
    matrices: NDArray[np.int64]
    found: Segmented
    bounded: Bounded
    boundaries: NDArray[np.int64]
    per: str = "true"
    where: tuple[Condition, ...] = ()
    cell: Cell | None = None
    ids: tuple[str, ...] = ()

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """`(K, K)` pixels of all pictures."""
        total: NDArray[np.int64] = self.matrices.sum(0)
        return total

    @cached_property
    def in_pictures(self) -> NDArray[np.int64]:
        """`(K, K)` in how many pictures a cell has any pixel."""
        total: NDArray[np.int64] = (self.matrices > 0).sum(0)
        return total

    @property
    def showing(self) -> list[int]:
        """In how many pictures each class is annotated."""
        counts: list[int] = (self.matrices.sum(2) > 0).sum(0).tolist()
        return counts

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
    def wrong_words(self) -> str:
        """How many pixels are wrong."""
        pixels, wrong = int(self.counts.sum()), int(self.counts.sum() - np.trace(self.counts))
        right = self.found.accuracy
        interval = percent_range(1 - float(right.high), 1 - float(right.low))
        share = f"{percent(wrong / max(1, pixels))}{f', 95 % interval {interval} over pictures' if interval else ''}"
        on = f"{len(self.rows):,} {of_split(self.split, 'pictures')}{where_words(self.where)}"
        return f"{on}, {pixels:,} pixels in all, {wrong:,} of them wrong ({share})."

    @property
    def right(self) -> dict[str, float]:
        """The share of pixels that are right, with its interval, and how many pictures there are."""
        one = self.found.accuracy
        return {"accuracy": float(one.value), "low": float(one.low), "high": float(one.high), "n": len(self.rows)}

    @property
    def notes(self) -> list[str]:
        """What must be known before the numbers are read."""
        found = [PER_PICTURE, BOUNDARIES] if len(self.rows) else []
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
        truth, found, edges = self.counts.sum(1), self.found, self.bounded.f1
        return [
            (
                name,
                percent(found.iou.value[at]),
                percent_range(found.iou.low[at], found.iou.high[at]),
                percent(found.dice.value[at]),
                percent(edges.value[at]),
                percent_range(edges.low[at], edges.high[at]),
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

    def cell_words(self, cell: Cell) -> tuple[str, str]:
        """What a cell is called, and what it holds."""
        pixels, of_class = int(self.counts[cell]), int(self.counts[cell[0]].sum())
        share = f", {percent(pixels / of_class)} of those of {self.names[cell[0]]}" if of_class else ""
        pictures = int(self.in_pictures[cell])
        order = "; those with most of them first" if pictures > 1 else ""
        about = f"{counted(pixels, 'pixel')}{share}, in {counted(pictures, 'picture')}{order}."
        return cell_name(self.names[cell[0]], self.names[cell[1]]), about if pixels else "No pixel."

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        found = self.found
        classes = [
            {
                "name": name,
                "iou": bounds(found.iou, at),
                "dice": bounds(found.dice, at),
                "boundary_f1": bounds(self.bounded.f1, at),
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
            "mean_iou": bounds(found.mean_iou),
            "mean_dice": bounds(found.mean_dice),
            "mean_boundary_f1": bounds(self.bounded.mean_f1),
            "boundary_tolerance": TOLERANCE,
            "pixel_accuracy": bounds(found.accuracy),
            "classes": classes,
            "counts": self.counts.tolist(),
            "counts_of_pictures": self.in_pictures.tolist(),
            "worst": [{"row": row, "wrong_pixels": pixels} for row, pixels in self.pictures()[:LISTED]],
        } | ({} if self.cell is None else {"cell": self._cell_as_json(self.cell)})

    def _cell_as_json(self, cell: Cell) -> dict[str, Any]:
        names = dict(zip(self.rows.tolist(), self.ids, strict=True))
        listed = [{"row": row, "sample": names[row], "pixels": pixels} for row, pixels in self.pictures(cell)]
        true, predicted = (self.names[at] for at in cell)
        words = dict(zip(("title", "sentence"), self.cell_words(cell), strict=True))
        return {"true": true, "predicted": predicted, **words, "pictures": listed}

    def text(self) -> str:
        """For people."""
        if self.cell is not None:
            return self._cell_text(self._cell_as_json(self.cell))
        lines = table([HEADS, *self.lines], right=range(1, len(HEADS))) if len(self.rows) else ""
        return paragraphs(f"{self.run}: {self.sentence}", lines, self._matrix(), "\n".join(self.notes))

    def _cell_text(self, cell: Mapping[str, Any]) -> str:
        listed = [(one["sample"], f"{one['pixels']:,}") for one in cell["pictures"][:_PICTURES]]
        left = len(cell["pictures"]) - len(listed)
        more = f"{left:,} more; --json prints all." if left else ""
        lines = table([("picture", "pixels"), *listed], right=(1,)) if listed else ""
        return paragraphs(f"{self.run}: {cell['title']}. {cell['sentence']}", lines, more, PER_PICTURE)

    def _matrix(self) -> str:
        if not len(self.rows) or len(self.names) > _MATRIX_UP_TO:
            return ""
        if self.per == "pictures":
            cells = [[f"{value:,}" for value in row] for row in self.in_pictures.tolist()]
        else:
            shares = rates(self.counts, "predicted" if self.per == "predicted" else "true")
            cells = [[percent(value) for value in row] for row in shares]
        rows = [[name, *row] for name, row in zip(self.names, cells, strict=True)]
        head = ["true ↓ predicted →", *self.names]
        return f"{CELLS[self.per]}\n{table([head, *rows], right=range(1, len(head)))}"


def segments(run: Run, split: str, per: str = "true", where: tuple[Condition, ...] = ()) -> SegmentsAnswer:
    """Of a run on a split, or on those of its pictures of which some facts hold.

    Args:
        per: one of CELLS.

    Raises:
        NotApplicable: the study is not of segmentation.
        BadInput: label maps are damaged.
    """
    study = run.study
    need_segmentation(study)
    rows = Scope(run, split, where).rows
    store, classes = run.label_maps(), len(study.class_names)
    numbers = [] if store is None else zip(rows.tolist(), store.numbers(rows), strict=True)
    known = [(row, *each) for row, each in numbers if each is not None]
    matrices = np.array([dense(each, classes) for _, each, _ in known], np.int64).reshape(-1, classes, classes)
    edges = [_edges(run, row, kept) for row, _, kept in known]
    boundaries = np.array([dense_boundaries(each, classes) for each in edges], np.int64).reshape(-1, classes, 4)
    return SegmentsAnswer(
        str(study.path),
        run.name,
        split,
        study.class_names,
        np.array([row for row, *_ in known], np.int64),
        len(rows),
        matrices,
        segmented(sums_of(matrices), study.info.seed),
        bounded(boundaries, study.info.seed),
        boundaries,
        per,
        where,
        None,
        tuple(map(str, study.ids(np.array([row for row, *_ in known], np.int64)).to_pylist())),
    )


def _edges(run: Run, row: int, kept: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Boundaries of a prediction; one of before they were kept is looked at again."""
    if kept is not None:
        return kept
    store = run.label_maps()
    said = store.get(row) if store is not None else None
    if said is None:  # removed since its counts were read
        return np.zeros((0, COLUMNS), np.int64)
    return boundary_counts(run.study.label_map(row), said.label_map)


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
    found = segments(run, asked.split or split_to_begin(asked.study), where=asked.where)
    return replace(found, per="true" if asked.rates == "count" else asked.rates, cell=asked.cell)


def _with_interval(estimate: Estimate) -> str:
    interval = percent_range(float(estimate.low), float(estimate.high))
    return f"{percent(float(estimate.value))} ({interval})" if interval else percent(float(estimate.value))


WORDS = "How good is a segmenter, class by class, and what does it take for what?"
QUESTION = Question("segments", WORDS, ("run", "split", "where", "cell", "rates"), answer)
