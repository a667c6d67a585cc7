"""Multinomial logistic regression."""

from __future__ import annotations

from dataclasses import dataclass

from xai_core.params import param
from xai_core.training.baselines.base import BaselineParams, Estimator, Labels, baseline
from xai_core.types import Array, Card


@dataclass(frozen=True)
class LogisticParams(BaselineParams):
    """Of logistic regression."""

    C: float = param(1.0, help="inverse of the pull of weights towards zero", low=1e-8, high=1e8)
    max_iter: int = param(200, help="steps of L-BFGS at most", low=1, high=100_000)


@baseline(
    Card(
        key="logistic",
        title="Logistic regression",
        summary="A linear model of the pixels, one softmax over all classes.",
        blind_spot="Knows each pixel at its place alone: what moves or turns is another thing to it.",
        paper="Cox 1958, The regression analysis of binary sequences",
        cost=0.5,
    ),
    LogisticParams,
)
def logistic(x: Array, y: Labels, params: LogisticParams, seed: int) -> Estimator:
    """L2 penalty, L-BFGS; the minimum is one, so the seed decides only which samples are drawn."""
    from sklearn.linear_model import LogisticRegression

    made: Estimator = LogisticRegression(C=params.C, max_iter=params.max_iter, random_state=seed).fit(x, y)
    return made
