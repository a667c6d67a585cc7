"""Is a method better than maps that know nothing of the model? Metric by metric, on the same samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from xai_core.answers.methods import in_menus
from xai_core.answers.scored import Scored
from xai_core.explainers import EXPLAINERS
from xai_core.store.obstacles import obstacle
from xai_core.store.run import Run
from xai_core.triage.paired import Differences, simultaneous
from xai_core.types import Card

Outcome = Literal["better", "worse", "cannot be told"]

NO_TEST = ("robustness", "complexity")
"""What a map that knows nothing of the model is good at: nothing moves less, and little is shorter."""


@dataclass(frozen=True)
class Against:
    """A method against a control, by one metric.

    Attributes:
        metric, method, control: their cards.
        difference: the mean of method − control over the samples that both have.
        low, high: its interval, which allows for every metric and control that the method is held against; NaN where
            too few samples differ.
        n: those samples.
        outcome: `better` or `worse` where the interval says so.
    """

    metric: Card
    method: Card
    control: Card
    difference: float
    low: float
    high: float
    n: int
    outcome: Outcome

    @property
    def numbers(self) -> str:
        """`difference +0.012, −0.004 to +0.031, n = 200`."""
        bounds = f"{signed(self.low)} to {signed(self.high)}" if np.isfinite(self.low) else "too few samples differ"
        return f"difference {signed(self.difference)}, {bounds}, n = {self.n}"

    def as_json(self) -> dict[str, Any]:
        """As JSON; null where there is no number."""
        numbers = {name: number(getattr(self, name)) for name in ("difference", "low", "high")}
        keys = {"metric": self.metric.key, "method": self.method.key, "control": self.control.key}
        return {**keys, **numbers, "n": self.n, "outcome": self.outcome}


def usable_methods(run: Run) -> list[str]:
    """Keys of all methods that can be used on the run."""
    return [each.card.key for each in in_menus() if obstacle(run, each) is None]


def control_keys(run: Run) -> list[str]:
    """Those of them that know nothing of the model."""
    return [key for key in usable_methods(run) if EXPLAINERS[key].card.control]


def is_test(metric: Card, control: Card) -> bool:
    """Whether a control is what a method must beat by this metric.

    Not by what knowing nothing is good at, and the object itself not by how well maps lie on it: it is the answer.
    """
    return bool(metric.direction) and metric.aspect not in NO_TEST and not metric.needs & control.needs & {"mask"}


def against(found: Sequence[Scored], method: str, seed: int) -> list[Against]:
    """One of the methods, by its key, against every control among them."""
    own = {each.metric.key: each for each in found if each.method.key == method}
    pairs = [
        (own[each.metric.key], each)
        for each in found
        if each.method.control and each.metric.key in own and is_test(each.metric, each.method)
    ]
    pairs = [(one, control) for one, control in pairs if (one.there & control.there).any()]
    if not pairs:
        return []
    told = simultaneous(np.stack([one.values - control.values for one, control in pairs], axis=1), seed)
    return [_against(*pair, told, place) for place, pair in enumerate(pairs)]


def _against(one: Scored, control: Scored, told: Differences, place: int) -> Against:
    numbers = (float(told.mean[place]), float(told.low[place]), float(told.high[place]), int(told.n[place]))
    gain = one.metric.direction * int(told.sign[place])
    outcome: Outcome = "better" if gain > 0 else "worse" if gain < 0 else "cannot be told"
    return Against(one.metric, one.method, control.method, *numbers, outcome)


def not_better(found: Sequence[Against]) -> list[str]:
    """A sentence for each metric by which a method does not beat every control; "" is never among them."""
    sentences = []
    for metric in {one.metric.key: one.metric for one in found}.values():
        of_metric = [one for one in found if one.metric.key == metric.key and np.isfinite(one.low)]
        parts = [
            f"{words} {' and '.join(f'{name(one.control)} ({one.numbers})' for one in short)}"
            for words, outcome in (("worse than", "worse"), ("not better than", "cannot be told"))
            if (short := [one for one in of_metric if one.outcome == outcome])
        ]
        if parts:
            sentences.append(f"{metric.title}: {', and '.join(parts)}.")
    return sentences


def name(control: Card) -> str:
    """A control in a sentence: `Random`."""
    return control.title.removesuffix(" (control)")


def signed(value: float) -> str:
    """`+0.012`, `−0.300`."""
    return f"{value:+.3f}".replace("-", "−")


def number(value: float) -> float | None:
    """For JSON: null where there is none."""
    return round(float(value), 6) if np.isfinite(value) else None
