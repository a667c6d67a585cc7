"""The contract of a repair: a new last layer on stored features. No torch here; seconds on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import BadInput
from xai_core.params import NoParams
from xai_core.registry import Registry
from xai_core.types import Card, Progress, silent

SPLITS_TO_LEARN_FROM = ("validation", "train")
"""The first is new to the network; what it learned from before tells it little. The test is for judging."""

Values = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RepairInput:
    """What a repair sees.

    Attributes:
        features: `(n, D)` what the last layer gets of each sample.
        labels: `(n,)` classes.
        groups: `(n,)` 0 … G − 1, class × attribute; each has samples. The classes where there is no attribute.
        names: G names.
        classes: K.
        weight, bias: `(K, D)` and `(K,)` the last layer as it is.
        seed: of every draw.
        progress: told of steps done; it may stop the work.
    """

    features: Values
    labels: Whole
    groups: Whole
    names: tuple[str, ...]
    classes: int
    weight: Values
    bias: Values
    seed: int = 0
    progress: Progress = silent

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """`(n,)` the mistakes of the model as it is."""
        return predicted(self.features, self.weight, self.bias) != self.labels


@dataclass(frozen=True, eq=False)
class RepairOutput:
    """What it gives: the new last layer, `chosen` numbers that people should know, and notes, one sentence each."""

    weight: Values
    bias: Values
    chosen: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Repair:
    """A registered repair.

    Attributes:
        grouped: it can do nothing without groups.
        control: what does not beat it repaired nothing.
    """

    card: Card
    params: type
    compute: Callable[[RepairInput, Any], RepairOutput]
    grouped: bool
    control: bool


REPAIRS: Registry[Repair] = Registry("repair", "xai_core.training.repairs")


def repair(card: Card, params: type = NoParams, *, grouped: bool = False, control: bool = False) -> Callable[..., Any]:
    """Register a repair."""

    def register(compute: Any) -> Any:
        REPAIRS.add(Repair(card, params, compute, grouped, control))
        return compute

    return register


def predicted(features: Values, weight: Values, bias: Values) -> Whole:
    """`(n,)` the class of the largest logit."""
    return np.argmax(features @ weight.T + bias, axis=1)


def worst_accuracy(features: Values, labels: Whole, groups: Whole, weight: Values, bias: Values) -> float:
    """The smallest share of right samples among the groups that have any."""
    right = (predicted(features, weight, bias) == labels).astype(float)
    n = np.bincount(groups)
    return float((np.bincount(groups, weights=right)[n > 0] / n[n > 0]).min())


def cut_to_smallest(groups: Whole, rng: np.random.Generator, count: int) -> Whole:
    """Places of as many samples of each of `count` groups as the smallest has, drawn by `rng`; group after group."""
    members = [np.flatnonzero(groups == group) for group in range(count)]
    smallest = min(map(len, members))
    return np.concatenate([rng.permutation(inside)[:smallest] for inside in members])


def need_each(given: RepairInput, least: int) -> None:
    """Raise BadInput where a group has fewer than `least` samples: it could not be learned from."""
    n = np.bincount(given.groups, minlength=len(given.names))
    if n.min() < least:
        name = given.names[int(n.argmin())]
        remedy = f"Each needs {least}: take another split, group by something else, or another method."
        raise BadInput("too few samples of a group", value=f"{name}: {int(n.min())}", remedy=remedy)
