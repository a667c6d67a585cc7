"""A linear last layer by itself: features on one scale, and descent on weighted cross-entropy. No torch here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xai_core.types import Progress

Values = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Scaler:
    """Mean and standard deviation of each of D features; a feature that never varies is left as it is."""

    mean: Values
    std: Values

    @classmethod
    def of(cls, features: Values) -> Scaler:
        """As scikit-learn's StandardScaler."""
        std = features.std(axis=0)
        return cls(features.mean(axis=0), np.where(std > 1e-12, std, 1.0))

    def __call__(self, features: Values) -> Values:
        """`(n, D)` with mean 0 and standard deviation 1."""
        return (features - self.mean) / self.std

    def folded(self, weight: Values, bias: Values) -> tuple[Values, Values]:
        """`(K, D)` and `(K,)` for features as they come, of a layer for scaled ones."""
        plain = weight / self.std
        return plain, bias - plain @ self.mean


def log_softmax(logits: Values) -> Values:
    """`(n, K)`, stable."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def losses_and_residuals(features: Values, labels: Whole, weight: Values, bias: Values) -> tuple[Values, Values]:
    """`(n,)` cross-entropy in nats, and `(n, K)` its gradient by each sample's logits."""
    logs = log_softmax(features @ weight.T + bias)
    residuals, places = np.exp(logs), np.arange(len(labels))
    residuals[places, labels] -= 1
    return -logs[places, labels], residuals


@dataclass(frozen=True)
class Descent:
    """How a last layer is learned: so many steps of Adam (Kingma and Ba 2015) on all samples, with weight decay."""

    steps: int
    rate: float
    decay: float


def descend(
    features: Values,
    labels: Whole,
    classes: int,
    share: Callable[[Values], Values],
    how: Descent,
    progress: Progress,
) -> tuple[Values, Values]:
    """A last layer `(K, D)`, `(K,)` from zero, which minimises Σ share · cross-entropy + ½ decay · ‖weight‖².

    Args:
        features: `(n, D)`, scaled.
        share: from the `(n,)` losses of a step to what each sample weighs in it; the weights add up to 1.
        progress: told of every step; it may stop the work.
    """
    found = np.zeros((classes, features.shape[1] + 1))  # the bias is the last column
    first, second = np.zeros_like(found), np.zeros_like(found)
    for step in range(1, how.steps + 1):
        losses, residuals = losses_and_residuals(features, labels, found[:, :-1], found[:, -1])
        weighed = residuals * share(losses)[:, None]
        gradient = np.column_stack([weighed.T @ features + how.decay * found[:, :-1], weighed.sum(axis=0)])
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        size = np.sqrt(second / (1 - 0.999**step)) + 1e-8
        found -= how.rate * (first / (1 - 0.9**step)) / size
        progress(step, how.steps, "steps")
    return found[:, :-1], found[:, -1]
