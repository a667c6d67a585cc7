"""Which method should be believed here? Every metric on every method, with what the numbers carry and what not.

Read from stored scores alone. Nothing is averaged over metrics: where they disagree, that is the finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.answers.agreement import Pair, agreement
from xai_core.answers.controls import Against, against, control_keys
from xai_core.answers.maps import columns, same
from xai_core.answers.metric_agreement import MetricPair, metric_pairs
from xai_core.answers.scope import Rows, Scope
from xai_core.answers.scored import Named, Scored, scored
from xai_core.answers.speed import seconds_per_map
from xai_core.store.run import Run
from xai_core.triage.intervals import Estimate, bootstrap_means
from xai_core.triage.paired import Whole, rank_ranges, simultaneous
from xai_core.types import ASPECTS, Array, Card

COMPARED_MAPS = 32
"""So many samples' maps are looked at to see which methods are one map by construction."""


@dataclass(frozen=True)
class Cell:
    """What one metric says of one method on the samples that were asked for.

    Attributes:
        metric, method: their cards, the method's for the parameters in force.
        mean, low, high: over the samples that are scored, with a 95 % bootstrap interval; NaN where there are too few.
        n: how many are scored.
        reasons: why others are not, and how many of them; the most frequent first.
        missing: how many have not been tried yet.
        beside: means of what stands beside the values, over the same samples.
        curve: the mean curve, `(P,)` at even steps from 0 to 1 of what the metric's card names, with its interval at
            each step; None without curves.
        rank: the best and the worst rank, from 1, that it may have among the methods; None where it has none: of
            controls, where there is no number, and of a metric without a better end.
    """

    metric: Card
    method: Card
    mean: float
    low: float
    high: float
    n: int
    reasons: Mapping[str, int]
    missing: int
    beside: Mapping[str, float]
    curve: Estimate | None = None
    rank: tuple[int, int] | None = None

    @property
    def not_scored(self) -> int:
        """How many could not be scored."""
        return sum(self.reasons.values())

    @property
    def best(self) -> bool:
        """Whether it is better than every other method beyond chance."""
        return self.rank == (1, 1)


@dataclass(frozen=True)
class MethodQuality:
    """The answer.

    Attributes:
        scope: run and split.
        rows: `(N,)` the samples.
        target: what the maps explain.
        metrics: their cards, by what they ask about.
        methods: cards of the methods in the order asked for, controls at the end.
        cells: of every metric and method, by their keys.
        against: each method against each control, where a control is what a method must beat.
        twins: of methods that are one map with another by construction, that other one's key: they count once.
        metrics_agree: each two of the metrics that know a better end.
        tried: comparisons between methods that the ranks allow for.
        settings: parameters of methods that are not at their defaults.
    """

    scope: Scope
    rows: Rows
    target: str
    metrics: Sequence[Card]
    methods: Sequence[Card]
    cells: Mapping[tuple[str, str], Cell]
    against: Sequence[Against]
    twins: Mapping[str, str]
    metrics_agree: Sequence[MetricPair]
    tried: int
    settings: Mapping[str, Mapping[str, Any]]

    @property
    def controls(self) -> list[Card]:
        """Those that know nothing of the model."""
        return [card for card in self.methods if card.control]

    @property
    def believable(self) -> list[Card]:
        """Those that are no controls."""
        return [card for card in self.methods if not card.control]

    @property
    def missing(self) -> int:
        """Scores that have not been tried yet."""
        return sum(cell.missing for cell in self.cells.values())

    @property
    def counted(self) -> list[Card]:
        """All methods, those that are one map once."""
        return [card for card in self.methods if card.key not in self.twins]

    @property
    def behind(self) -> bool:
        """Whether some method does not beat some control by some metric."""
        return any(one.outcome != "better" and np.isfinite(one.low) for one in self.against)

    @cached_property
    def methods_agree(self) -> list[Pair]:
        """How alike the maps of each two methods are. Reads the maps: this takes a moment."""
        chosen = columns(self.scope.run, [card.key for card in self.counted], self.settings)
        return agreement(self.scope, chosen, self.rows, self.target).pairs

    @cached_property
    def seconds(self) -> dict[str, float | None]:
        """What a map of each method took, by its key; None where that is not known."""
        chosen = columns(self.scope.run, [card.key for card in self.methods], self.settings)
        return {column.card.key: seconds_per_map(self.scope.study, column) for column in chosen}


def method_quality(
    scope: Scope, rows: Rows, target: str, methods: Sequence[Named], metrics: Sequence[Named]
) -> MethodQuality:
    """The table, from what is stored by now.

    Args:
        scope: a run with predictions, and a split.
        rows: row numbers of the samples.
        target: what the maps explain: one of TARGET_SPECS or a class index.
        methods: explainers, controls among them.
        metrics: metrics.

    Raises:
        NotFound, BadParameter: an unknown method, metric, parameter or target.
        BadInput: samples without predictions, or masks that are gone.
    """
    run, seed = scope.run, scope.study.info.seed
    found = scored(run, rows, target, methods, metrics)
    by_metric = _by_aspect({each.metric.key: each.metric for each in found}.values())
    by_method = sorted({each.method.key: each.method for each in found}.values(), key=lambda card: card.control)
    twins = _twins(run, rows, target, methods, by_method)
    counted = [each for each in found if not each.method.control and each.method.key not in twins]
    orders = _orders(counted, seed)
    cells = {(cell.metric.key, cell.method.key): cell for cell in _cells(found, seed)}
    for key, cell in cells.items():
        cells[key] = replace(cell, rank=orders.ranks.get((key[0], twins.get(key[1], key[1]))))
    return MethodQuality(
        scope,
        rows,
        target,
        by_metric,
        by_method,
        cells,
        [one for card in by_method if not card.control for one in against(found, card.key, seed)],
        twins,
        metric_pairs(counted, orders.better, seed),
        orders.tried,
        {key: values for key, values in methods if values},
    )


def against_controls(run: Run, rows: Rows, target: str, method: Named, metrics: Sequence[Named]) -> list[Against]:
    """One method against every control whose scores are stored, as the table has it.

    Arguments and errors as of `method_quality`; the intervals allow for every metric and control that is tried.
    """
    found = scored(run, rows, target, [method, *((key, {}) for key in control_keys(run))], metrics)
    return against(found, method[0], run.study.info.seed)


def cells(run: Run, rows: Rows, target: str, methods: Sequence[Named], metrics: Sequence[Named]) -> list[Cell]:
    """What every metric says of every method, metric by metric, without ranks. Arguments and errors as above."""
    return _cells(scored(run, rows, target, methods, metrics), run.study.info.seed)


def _by_aspect(cards: Iterable[Card]) -> list[Card]:
    place = {aspect: number for number, aspect in enumerate(ASPECTS)}
    return sorted(cards, key=lambda card: place.get(card.aspect, len(ASPECTS)))


def _cells(found: Sequence[Scored], seed: int) -> list[Cell]:
    values = bootstrap_means([each.values[each.there] for each in found], seed=seed)
    with_curves = [each for each in found if each.curves is not None and each.there.any()]
    curves = bootstrap_means([_whole(each) for each in with_curves], seed=seed)
    drawn = {id(each): curve for each, curve in zip(with_curves, curves, strict=True)}
    return [_cell(each, value, drawn.get(id(each))) for each, value in zip(found, values, strict=True)]


def _whole(each: Scored) -> Array:
    assert each.curves is not None, "asked of those with curves"
    return each.curves[each.there]


def _cell(each: Scored, value: Estimate, curve: Estimate | None) -> Cell:
    there = each.there
    return Cell(
        each.metric,
        each.method,
        float(value.value),
        float(value.low),
        float(value.high),
        value.n,
        each.reasons,
        each.missing,
        {name: mean for name, values in each.beside.items() if np.isfinite(mean := _mean(values[there]))},
        curve,
    )


def _mean(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _twins(run: Run, rows: Rows, target: str, methods: Sequence[Named], cards: Sequence[Card]) -> dict[str, str]:
    """Of methods whose stored maps are those of an earlier one, that one's key."""
    keys = [card.key for card in cards]
    chosen = columns(run, keys, dict(methods))
    titles = {column.card.title: column.card.key for column in chosen}
    found: dict[str, str] = {}
    for group in same(run, chosen, rows[:COMPARED_MAPS], target):
        first, *others = sorted((titles[title] for title in group), key=keys.index)
        found |= dict.fromkeys(others, first)
    return found


@dataclass(frozen=True)
class Orders:
    """What can be told of the order of methods.

    Attributes:
        ranks: by metric and method, the best and the worst rank.
        better: by metric, +1 where the first of two methods (keys) is better beyond chance, −1 where it is worse.
        tried: how many comparisons the intervals allow for.
    """

    ranks: dict[tuple[str, str], tuple[int, int]]
    better: dict[str, dict[tuple[str, str], int]]
    tried: int


def _orders(found: Sequence[Scored], seed: int) -> Orders:
    """Every two methods on the samples that both have, for all metrics at once."""
    directed = [each for each in found if each.metric.direction and each.there.any()]
    pairs = [pair for pair in combinations(directed, 2) if pair[0].metric.key == pair[1].metric.key]
    if not pairs:
        return Orders({}, {}, 0)
    gains = np.stack([one.metric.direction * (one.values - other.values) for one, other in pairs], axis=1)
    signs = simultaneous(gains, seed).sign.tolist()
    better: dict[str, dict[tuple[str, str], int]] = {}
    for (one, other), sign in zip(pairs, signs, strict=True):
        better.setdefault(one.metric.key, {})[one.method.key, other.method.key] = sign
    ranks = {}
    for metric, known in better.items():
        keys = list(dict.fromkeys(key for pair in known for key in pair))
        for key, low, high in zip(keys, *rank_ranges(_square(keys, known)), strict=True):
            ranks[metric, key] = (int(low), int(high))
    return Orders(ranks, better, len(pairs))


def _square(keys: Sequence[str], known: Mapping[tuple[str, str], int]) -> Whole:
    square: NDArray[np.int64] = np.zeros((len(keys), len(keys)), np.int64)
    for (one, other), sign in known.items():
        square[keys.index(one), keys.index(other)] = sign
        square[keys.index(other), keys.index(one)] = -sign
    return square
