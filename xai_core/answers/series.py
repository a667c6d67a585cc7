"""Samples to go through one by one: those of a cell, or a split's mistakes, the most telling first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xai_core.answers.scope import AS_GIVEN, Rows, Scope, in_order, order_in_force, where_words
from xai_core.store.targets import pixels_of
from xai_core.task import SEGMENTATION
from xai_core.triage.confusion import Cell
from xai_core.words import cell_name

ORDERS = {
    "confidence": "surest first",
    "margin": "closest calls first",
    "loss": "largest loss first",
    AS_GIVEN: "as in the data set",
}


@dataclass(frozen=True)
class Series:
    """Samples to go through, in order, and what they have in common."""

    rows: Rows
    name: str
    order: str

    def place(self, row: int) -> int | None:
        """The position of a sample in it; None where it is not among them."""
        hits = np.flatnonzero(self.rows == row)
        return int(hits[0]) if len(hits) else None

    def where(self, row: int) -> str:
        """The position in words."""
        place, words = self.place(row), f"{self.name}, {self.order}"
        if place is None:
            return f"Not among the {len(self.rows):,}: {words}"
        return f"{place + 1:,} of {len(self.rows):,} · {words}"


def series(scope: Scope, cell: Cell | None, sort: str) -> Series:
    """The samples of the cell; without one, or where it is empty, the mistakes; where there are none, all.

    Of a segmenter the pictures with most pixels of the cell first, without one those with most wrong pixels.
    """
    if scope.study.info.task == SEGMENTATION:
        return _pictures(scope, cell)
    among = scope.members
    if cell and len(among.cell(*cell)):
        named = cell_name(*(scope.names[index] for index in cell))
        rows, name = among.cell(*cell), f"{named}{where_words(scope.where)}"
    elif len(among.mistakes):
        rows, name = among.mistakes, scope.of("mistakes")
    else:
        rows, name = among.rows, scope.samples
    return Series(in_order(scope, rows, sort), name, ORDERS[order_in_force(scope, sort)])


def _pictures(scope: Scope, cell: Cell | None) -> Series:
    rows = scope.predicted
    counts = pixels_of(scope.run, rows, cell)
    if cell and counts.any():
        named, order = cell_name(*(scope.names[index] for index in cell)), "most of its pixels first"
        rows, counts = rows[counts > 0], counts[counts > 0]
    else:
        named, order = scope.of("pictures"), "most wrong pixels first"
        counts = pixels_of(scope.run, rows, None)
    return Series(rows[np.argsort(-counts, kind="stable")], named, order)
