"""What pictures of the table of explanation quality show: who agrees with whom, and where a method is no better."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xai_core.answers.controls import Outcome, is_test, name
from xai_core.answers.method_quality import Cell, MethodQuality
from xai_core.answers.quality_words import rank_words, shown
from xai_core.types import Card


@dataclass(frozen=True)
class Square:
    """Who agrees with whom: `values` `(M, M)` −1…1, NaN where that is not known, and each of them in `words`."""

    names: Sequence[str]
    values: NDArray[np.float64]
    words: Sequence[Sequence[str]]

    @property
    def known(self) -> bool:
        """Whether there is a number for any two."""
        off = ~np.eye(len(self.names), dtype=bool)
        return bool(np.isfinite(self.values[off]).any())


def methods_square(found: MethodQuality) -> Square:
    """Of methods and controls, those that are one map once: how alike their maps are."""
    names = [card.title for card in found.counted]
    return _square(names, ((pair.titles, float(pair.alike.value), pair.sentence) for pair in found.methods_agree))


def metrics_square(found: MethodQuality) -> Square:
    """Of metrics: whether they put methods into the same order."""
    pairs = found.metrics_agree
    names = list(dict.fromkeys(card.title for pair in pairs for card in pair.metrics))
    return _square(names, (((pair.metrics[0].title, pair.metrics[1].title), pair.tau, pair.sentence) for pair in pairs))


def _square(names: Sequence[str], pairs: Iterable[tuple[tuple[str, str], float, str]]) -> Square:
    values = np.full((len(names), len(names)), np.nan)
    words = [["" for _ in names] for _ in names]
    np.fill_diagonal(values, 1.0)
    for titles, value, sentence in pairs:
        if set(titles) <= set(names):
            first, last = (names.index(title) for title in titles)
            values[first, last] = values[last, first] = value
            words[first][last] = words[last][first] = sentence
    return Square(names, values, words)


def extent(found: MethodQuality, metric: Card) -> tuple[float, float]:
    """From where to where a metric's intervals go, of the methods and the controls that test them; NaN for none."""
    cells = (found.cells[metric.key, card.key] for card in found.methods if not card.control or is_test(metric, card))
    known = [value for cell in cells if cell.n for value in (cell.low, cell.high, cell.mean) if np.isfinite(value)]
    return (min(known), max(known)) if known else (float("nan"), float("nan"))


def short_of(found: MethodQuality, metric: Card, method: Card) -> dict[Outcome, list[str]]:
    """The controls that a method is worse than, and those that it cannot be told from, by one metric."""
    told: dict[Outcome, list[str]] = {}
    for one in found.against:
        pair = one.metric.key, one.method.key
        if pair == (metric.key, method.key) and one.outcome != "better" and np.isfinite(one.low):
            told.setdefault(one.outcome, []).append(name(one.control))
    return told


def cell_words(found: MethodQuality, cell: Cell) -> str:
    """Everything that a cell says, in words: for who hovers, and who hears it."""
    if not cell.n:
        why = "; ".join(f"{count} × {reason}" for reason, count in cell.reasons.items())
        return f"not scored: {why}" if why else "not scored yet"
    parts = [f"mean {shown(cell.mean)}"]
    if np.isfinite(cell.low):
        parts.append(f"95 % interval {shown(cell.low)} to {shown(cell.high)}")
    parts.append(f"n = {cell.n}")
    parts += [f"{count} not scored: {reason}" for reason, count in cell.reasons.items()]
    parts += [f"{cell.missing} still to be scored"] if cell.missing else []
    parts += [f"{label.replace('_', ' ')} {shown(value)}" for label, value in cell.beside.items()]
    if cell.rank:
        parts.append("better than every other method" if cell.best else f"rank {rank_words(cell.rank)}")
    for outcome, names in short_of(found, cell.metric, cell.method).items():
        parts.append(f"{'worse than' if outcome == 'worse' else 'not better than'} {' and '.join(names)}")
    return ", ".join(parts)
