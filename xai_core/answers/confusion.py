"""Which classes are confused? The matrix of a run on a split, its largest confusions, and what it leaves out."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xai_core.answers.lines import paragraphs, table
from xai_core.answers.question import Asked, Question
from xai_core.answers.scope import Scope, where_words
from xai_core.errors import NotFound
from xai_core.store.targets import pictures_by_cell
from xai_core.task import SEGMENTATION
from xai_core.triage.confusion import Per, confusion_counts, rates, similarity_order, worst_pairs
from xai_core.words import COUNTED_AS, cell_name, of_split, percent, percent_range

LISTED = 10
_MATRIX_UP_TO = 20
"""Classes; a larger matrix is wider than a terminal: its pairs and `--json` say more."""

PAIRS_NOTE = (
    "Of all samples of the true class, with the 95 % interval of each pair by itself: the largest of many pairs tends "
    "to look larger than it is."
)


@dataclass(frozen=True)
class ConfusionAnswer:
    """A confusion matrix and what is said of it.

    Attributes:
        names: of the classes.
        counts: `(K, K)`: row = true class, column = predicted class.
        unpredicted: a sentence on samples that are in no count, or "".
        per: what the cells show as text.
        where: ` where camera = A`, as the samples were chosen by their facts, or "".
        of: how many samples there are without that choice.
    """

    run: str
    split: str
    names: tuple[str, ...]
    counts: NDArray[np.int64]
    unpredicted: str
    per: Per = "count"
    where: str = ""
    of: int | None = None

    @cached_property
    def n(self) -> int:
        """Samples."""
        return int(self.counts.sum())

    @cached_property
    def wrong(self) -> int:
        """Those that are wrong."""
        return self.n - int(np.trace(self.counts))

    @property
    def sentence(self) -> str:
        """How many are wrong."""
        among = "" if self.of is None else f" of {self.of:,}"
        samples = f"{self.n:,}{among} {of_split(self.split)}{self.where}"
        return f"{samples}, {self.wrong:,} wrong ({percent(self.wrong / self.n)})."

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """All confusions that happen, as `xai_core.triage.confusion.worst_pairs`."""
        return worst_pairs(self.counts, self.names, None)

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "run": self.run,
            "split": self.split,
            "where": self.where.strip(),
            "of": self.n if self.of is None else self.of,
            "n": self.n,
            "wrong": self.wrong,
            "sentence": self.sentence,
            "unpredicted": self.unpredicted,
            "classes": list(self.names),
            "counts": self.counts.tolist(),
            "pairs": self.pairs.to_dict("records"),
        }

    def text(self) -> str:
        """For people."""
        return paragraphs(f"{self.run}: {self.sentence}", self.unpredicted, self._matrix(), pairs_text(self.pairs))

    def _matrix(self) -> str:
        if len(self.names) > _MATRIX_UP_TO:
            return f"The matrix of {len(self.names)} classes is in --json."
        values = rates(self.counts, self.per)
        cells = [[f"{value:,.0f}" if self.per == "count" else percent(value) for value in row] for row in values]
        rows = [[name, *row] for name, row in zip(self.names, cells, strict=True)]
        lines = [["true ↓ predicted →", *self.names], *rows]
        return f"{COUNTED_AS[self.per]}\n{table(lines, right=range(1, len(self.names) + 1))}"


def pairs_text(pairs: pd.DataFrame, top: int = LISTED) -> str:
    """The largest confusions, a line each."""
    if pairs.empty:
        return "No confusions."
    shown = pairs.head(top).to_dict("records")
    lines = [(cell_name(pair["true_name"], pair["predicted_name"]), *pair_words(pair)) for pair in shown]
    return f"Worst pairs\n{table(lines, right=(1, 2))}\n{PAIRS_NOTE}"


def pair_words(pair: Mapping[Hashable, Any]) -> tuple[str, str, str]:
    """A confusion's numbers: `3 of 40`, `7.5 %`, `2.6 to 19.9 %`."""
    return f"{pair['count']:,} of {pair['n']:,}", percent(pair["share"]), percent_range(pair["low"], pair["high"])


def cells(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """`(C, 4)` of the cells that hold samples: place in the flat matrix, samples, and their share of the true and of
    the predicted class in tenths of a percent, as `percent` rounds it."""
    places = np.flatnonzero(counts)
    tenths = [_tenths(rates(counts, per).ravel()[places]) for per in ("true", "predicted")]
    return np.stack([places, counts.ravel()[places], *tenths], axis=1)


def _tenths(shares: NDArray[np.float64]) -> NDArray[np.int64]:
    values, which = np.unique(shares, return_inverse=True)
    written = [int(percent(value).removesuffix(" %").replace(".", "")) for value in values.tolist()]
    return np.array(written, np.int64)[which]


def similar(counts: NDArray[np.int64]) -> list[int]:
    """An order of the classes that puts those often confused next to each other."""
    return [int(i) for i in similarity_order(counts)]


def unpredicted(scope: Scope) -> str:
    """A sentence on the samples of the split that the run has no prediction for, or ""."""
    missing = len(scope.rows) - len(scope.members.rows)
    if not missing:
        return ""
    begin = "1 more sample of this split has" if missing == 1 else f"{missing:,} more samples of this split have"
    return f"{begin} no prediction and count nowhere: xai predict asks again, and says why where there is none."


def counts_of(scope: Scope) -> NDArray[np.int64]:
    """`(K, K)` samples of each cell; of a segmenter pictures with a pixel in it."""
    if scope.study.info.task != SEGMENTATION:
        return confusion_counts(scope.members.labels, scope.members.predicted, len(scope.names))
    return pictures_by_cell(scope.run, scope.rows)


def confusions(counts: NDArray[np.int64], *, top: int | None = None) -> list[tuple[int, int, int]]:
    """`(true class, predicted class, samples)` of the confusions that happen, largest first."""
    pairs = worst_pairs(counts, [""] * len(counts), top)
    columns = (pairs[name].tolist() for name in ("true", "predicted", "count"))
    return list(zip(*columns, strict=True))


def confusion(scope: Scope, per: Per = "count") -> ConfusionAnswer:
    """The confusion matrix of the scope.

    Raises:
        NotFound: no sample of the split has a prediction.
    """
    among = scope.members
    if not len(among.rows):
        if scope.where:
            raise NotFound("no such samples", value=f"{scope.run.name}, {scope.samples}", remedy="Ask for other facts.")
        remedy = "Choose another split, or run this first: xai predict."
        raise NotFound("no predictions in this split", value=f"{scope.run.name}, {scope.split}", remedy=remedy)
    counts = confusion_counts(among.labels, among.predicted, len(scope.names))
    of = len(scope.whole.members.rows) if scope.where else None
    about = scope.run.name, scope.split, scope.names
    return ConfusionAnswer(*about, counts, unpredicted(scope), per, where_words(scope.where), of)


def answer(asked: Asked) -> ConfusionAnswer:
    """The confusion matrix that is asked for."""
    return confusion(asked.scope(), "count" if asked.rates == "pictures" else asked.rates)  # a sample is a picture


QUESTION = Question("confusion", "Which classes are confused?", ("run", "split", "where", "rates"), answer)
