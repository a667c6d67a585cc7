"""Deep feature reweighting: a sparse last layer on as many samples of every group."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from xai_core.params import param
from xai_core.training.last_layer import Scaler, Values, Whole
from xai_core.training.repairs.base import (
    RepairInput,
    RepairOutput,
    cut_to_smallest,
    need_each,
    repair,
    worst_accuracy,
)
from xai_core.types import Card

STRENGTHS = (1.0, 0.7, 0.3, 0.1, 0.07, 0.03, 0.01)
"""Of C, the inverse of the pull towards zero, as the paper's script tries them."""

LEAST = 4
"""Samples of each group: half of them choose C, the other half is learned from meanwhile."""

_TOLERANCE, _ROUNDS = 5e-3, 500


@dataclass(frozen=True)
class DfrParams:
    """Of the refits."""

    refits: int = param(20, help="last layers on other draws of the larger groups, which are averaged", low=1, high=200)
    c: float = param(0.0, help="inverse of the pull towards zero; 0 tries 1 to 0.01", low=0.0, high=1000.0)


@repair(
    Card(
        key="dfr",
        title="Deep feature reweighting",
        summary="A sparse last layer on groups cut to the smallest, its C chosen by the worst group; refits averaged.",
        blind_spot="What the features do not hold cannot be reweighted, and of groups that nobody named it knows "
        "nothing. Samples that it learned from tell nothing of how good it is.",
        paper="Kirichenko, Izmailov, Wilson 2022, Last Layer Re-Training is Sufficient for Robustness to Spurious "
        "Correlations",
        cost=0.2,
    ),
    DfrParams,
    grouped=True,
)
def dfr(given: RepairInput, params: DfrParams) -> RepairOutput:
    """As the paper's script does on validation alone: features scaled, groups cut to the smallest, L1, averaged.

    Raises BadInput where a group has fewer than LEAST samples.
    """
    need_each(given, LEAST)
    rng, fit = np.random.default_rng(given.seed), _Fits(given, params.refits + (not params.c) * len(STRENGTHS))
    c, tried = (params.c, {}) if params.c else _chosen(given, rng, fit)
    scaler = Scaler.of(given.features)
    features, layers = scaler(given.features), []
    for _ in range(params.refits):
        some = cut_to_smallest(given.groups, rng, len(given.names))
        layers.append(fit(features[some], given.labels[some], c))
    weight, bias = (np.mean(parts, axis=0) for parts in zip(*layers, strict=True))
    used = int(np.bincount(given.groups).min())
    chosen = {"c": c, "worst_group_by_c": tried, "of_each_group": used, "weights_not_zero": float((weight != 0).mean())}
    return RepairOutput(*scaler.folded(weight, bias), chosen, fit.notes)


def _chosen(given: RepairInput, rng: np.random.Generator, fit: _Fits) -> tuple[float, dict[str, float]]:
    """The strength whose layer, learned on half of the samples, has the best worst group in the other half."""
    learned, judged = _halves(given.groups, rng)
    learned = learned[cut_to_smallest(given.groups[learned], rng, len(given.names))]
    scaler = Scaler.of(given.features[learned])
    half, other = scaler(given.features[learned]), scaler(given.features[judged])
    found = {}
    for c in STRENGTHS:
        layer = fit(half, given.labels[learned], c)
        found[c] = worst_accuracy(other, given.labels[judged], given.groups[judged], *layer)
    best = max(STRENGTHS, key=lambda c: found[c])
    return best, {f"{c:g}": share for c, share in found.items()}


def _halves(groups: Whole, rng: np.random.Generator) -> tuple[Whole, Whole]:
    """Two halves of every group: a small one would else lie in one of them alone."""
    order = [rng.permutation(np.flatnonzero(groups == group)) for group in np.unique(groups)]
    return tuple(  # type: ignore[return-value]
        np.concatenate([places[start::2] for places in order]) for start in (0, 1)
    )


class _Fits:
    """Fits of L1 logistic regression; it counts them, and those that did not converge."""

    def __init__(self, given: RepairInput, total: int) -> None:
        self._given, self._total, self._done, self._short = given, total, 0, 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of them."""
        short = f"{self._short} of {self._done} fits stopped after {_ROUNDS} rounds, before they had converged."
        return (short,) if self._short else ()

    def __call__(self, features: Values, labels: Whole, c: float) -> tuple[Values, Values]:
        """`(K, D)` and `(K,)`; by liblinear for two classes, as in the paper, else one softmax by SAGA."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        present = np.unique(labels)
        options = {"solver": "liblinear"} if len(present) == 2 else {"solver": "saga", "tol": _TOLERANCE}
        model = LogisticRegression(l1_ratio=1.0, C=c, max_iter=_ROUNDS, random_state=self._given.seed, **options)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", ConvergenceWarning)
            model.fit(features, labels)
        self._short += any(issubclass(one.category, ConvergenceWarning) for one in said)
        self._done += 1
        self._given.progress(self._done, self._total, "fits")
        return _all_classes(model.coef_, model.intercept_, present, self._given.classes)


def _all_classes(weight: Values, bias: Values, present: Whole, classes: int) -> tuple[Values, Values]:
    """A row for each class; of two classes a half of the one row each, so that the softmax is the sigmoid.

    A class without samples is never said.
    """
    if len(present) == 2:
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    if len(present) == classes:
        return weight, bias
    whole, low = np.zeros((classes, weight.shape[1])), np.full(classes, bias.min() - 1e3)
    whole[present], low[present] = weight, bias
    return whole, low
