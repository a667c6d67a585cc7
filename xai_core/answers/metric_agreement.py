"""Do metrics put methods into the same order? Where they do not, no single number says which method is good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from xai_core.answers.controls import number
from xai_core.answers.scored import Scored
from xai_core.text import counted
from xai_core.triage.paired import Values, kendall, resampled_means
from xai_core.types import Card

_SHOWN = 3
LEAST_METHODS = 3
"""Two methods have but one order to be in."""

Better = Mapping[str, Mapping[tuple[str, str], int]]
"""By metric, +1 where the first of two methods (keys) is better beyond chance, −1 where it is worse, else 0."""


@dataclass(frozen=True)
class MetricPair:
    """Two metrics over the same methods.

    Attributes:
        metrics: their cards.
        tau: Kendall's rank correlation of the methods' means, from better to worse: 1 the same order, −1 the reverse;
            NaN where one of them ties all.
        low, high: 95 % of samples drawn again lie between.
        methods: how many are ordered.
        reversed: pairs of methods, by their titles, of which the first metric finds the first better beyond chance and
            the second metric the second.
    """

    metrics: tuple[Card, Card]
    tau: float
    low: float
    high: float
    methods: int
    reversed: Sequence[tuple[str, str]]

    @property
    def conflict(self) -> bool:
        """Whether they contradict each other beyond chance."""
        return self.high < 0 or bool(self.reversed)

    @property
    def sentence(self) -> str:
        """The number with interval and n, and where they contradict each other."""
        one, other = (card.title for card in self.metrics)
        if not np.isfinite(self.tau):
            return f"{one} and {other}: one of them tells the {self.methods} methods not apart."
        bounds = f"95 % interval {_two(self.low)} to {_two(self.high)}, " if np.isfinite(self.low) else ""
        order = f"{one} and {other}: {_two(self.tau)} ({bounds}{counted(self.methods, 'method')})."
        if not self.reversed:
            return order
        pairs = "; ".join(f"{first} to {second}" for first, second in self.reversed[:_SHOWN])
        more = f"; and {len(self.reversed) - _SHOWN} more" if len(self.reversed) > _SHOWN else ""
        return f"{order} {one} prefers {pairs}{more}; {other} the reverse."

    def as_json(self) -> dict[str, Any]:
        """As JSON; null where there is no number."""
        numbers = {name: number(getattr(self, name)) for name in ("tau", "low", "high")}
        told = {"methods": self.methods, "reversed": [list(pair) for pair in self.reversed]}
        return {"metrics": [card.key for card in self.metrics], **numbers, **told, "sentence": self.sentence}


def metric_pairs(found: Sequence[Scored], better: Better, seed: int) -> list[MetricPair]:
    """Each two of the metrics that know a better end and have three methods or more in common.

    Args:
        found: methods that count, without controls: these would agree on noise alone.
        better: what can be told of each two methods.
        seed: of the samples that are drawn again.
    """
    table = {(each.metric.key, each.method.key): each for each in found if each.metric.direction and each.there.any()}
    metrics = list({each.metric.key: each.metric for each in table.values()}.values())
    if len(metrics) < 2:
        return []
    columns = {key: place for place, key in enumerate(table)}
    values = np.stack([each.metric.direction * each.values for each in table.values()], axis=1)
    means = np.stack([values[each.there, place].mean() for place, each in enumerate(table.values())])
    again = resampled_means(values, seed)
    pairs = []
    for one, other in combinations(metrics, 2):
        methods = [key for metric, key in table if metric == one.key and (other.key, key) in table]
        if len(methods) >= LEAST_METHODS:
            places = [[columns[metric.key, key] for key in methods] for metric in (one, other)]
            bounds = _interval(kendall(again[:, places[0]], again[:, places[1]]))
            tau = float(kendall(means[places[0]], means[places[1]]))
            turned = _reversed(better.get(one.key, {}), better.get(other.key, {}))
            titles = [(table[one.key, first].method.title, table[one.key, last].method.title) for first, last in turned]
            pairs.append(MetricPair((one, other), tau, *bounds, len(methods), titles))
    return pairs


def _interval(values: Values) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if len(known) < len(values) / 2:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)


def _reversed(one: Mapping[tuple[str, str], int], other: Mapping[tuple[str, str], int]) -> list[tuple[str, str]]:
    """Pairs of methods, as the first metric prefers them, that the second one prefers the other way round."""
    signs = {pair: (one[pair], other.get(pair, 0)) for pair in one}
    return [pair if first > 0 else pair[::-1] for pair, (first, last) in signs.items() if first * last < 0]


def _two(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")
