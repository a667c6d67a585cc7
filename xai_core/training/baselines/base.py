"""The contract of a classical baseline: numbers of each sample in, an estimator out. No torch; scikit-learn inside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import BadInput
from xai_core.params import param
from xai_core.registry import Registry
from xai_core.types import Array, Card

Labels = NDArray[np.int64]

SAMPLES_HELP = "training samples at most, classes in proportion; 0 takes all"
MOST_SAMPLES = 10_000_000


@dataclass(frozen=True)
class BaselineParams:
    """What every baseline may be told."""

    samples: int = param(0, help=SAMPLES_HELP, low=0, high=MOST_SAMPLES)


class Estimator(Protocol):
    """What a fit gives: anything of scikit-learn that tells probabilities."""

    @property
    def classes_(self) -> Labels:
        """`(k,)` the classes that it knows, ascending."""
        ...

    def predict_proba(self, x: Array) -> Array:
        """`(n, k)` probabilities of `classes_`."""
        ...


@dataclass(frozen=True)
class Baseline:
    """A registered baseline.

    Attributes:
        card: `cost` is an estimate that lists are ordered by: minutes that fit and prediction of 60,000 samples of 784
            numbers take at the defaults on two idle cores.
        params: a BaselineParams, or a type that extends it.
        fit: of `(n, D)` float32, `(n,)` classes of which at least two occur, the parameters, and the seed of every
            draw. It raises BadInput for samples that it cannot learn from; warnings of scikit-learn become notes.
        draws: whether the fit itself draws by the seed, so that another seed predicts otherwise on the same samples.
    """

    card: Card
    params: type[BaselineParams]
    fit: Callable[[Array, Labels, Any, int], Estimator]
    draws: bool = False

    def varies(self, samples: int, of: int) -> bool:
        """Whether another seed predicts otherwise, where at most `samples` (0: all) of so many are learned from."""
        return self.draws or 0 < samples < of


BASELINES: Registry[Baseline] = Registry("baseline", "xai_core.training.baselines")


def baseline(card: Card, params: type[BaselineParams] = BaselineParams, *, draws: bool = False) -> Callable[..., Any]:
    """Register a baseline: see `Baseline`."""

    def register(fit: Any) -> Any:
        BASELINES.add(Baseline(card, params, fit, draws))
        return fit

    return register


def in_proportion(labels: Labels, most: int, seed: int) -> Labels:
    """Places of `most` samples, ascending; all for 0. Each class that occurs keeps its share, and one at least."""
    if not most or most >= len(labels):
        return np.arange(len(labels))
    order = np.random.default_rng(seed).permutation(len(labels))
    counts, rank = np.bincount(labels), np.empty(len(labels))
    for label in np.flatnonzero(counts):
        rank[labels[order] == label] = np.arange(counts[label]) / counts[label]
    return np.sort(order[np.argsort(rank, kind="stable")[:most]])


def need_of_each_class(labels: Labels, least: int, why: str) -> None:
    """Raise BadInput where a class that occurs has fewer than `least` samples."""
    counts = np.bincount(labels)
    fewest = int(counts[counts > 0].min())
    if fewest < least:
        remedy = f"Each class needs {least}, {why}: take another baseline, or more samples."
        raise BadInput("too few training samples of a class", value=fewest, remedy=remedy)


def all_classes(estimator: Estimator, x: Array, classes: int) -> Array:
    """`(n, classes)` float32 probabilities; 0 for a class that the estimator never saw."""
    found = np.asarray(estimator.predict_proba(x), np.float64)
    whole = np.zeros((len(x), classes))
    whole[:, estimator.classes_] = found / found.sum(axis=1, keepdims=True)
    return whole.astype(np.float32)
