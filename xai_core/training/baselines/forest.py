"""Random forest."""

from __future__ import annotations

from dataclasses import dataclass

from xai_core.params import param
from xai_core.training.baselines.base import BaselineParams, Estimator, Labels, baseline
from xai_core.types import Array, Card


@dataclass(frozen=True)
class ForestParams(BaselineParams):
    """Of the forest."""

    trees: int = param(100, help="how many", low=1, high=10_000)
    max_depth: int = param(0, help="questions from root to leaf at most; 0 for no bound", low=0, high=10_000)


@baseline(
    Card(
        key="forest",
        title="Random forest",
        summary="Trees of questions about single pixels, each on its own draw of samples; their shares are averaged.",
        blind_spot="Asks of one pixel at a time; its probabilities are timid, and on training samples it is nearly "
        "always right, which says nothing.",
        paper="Breiman 2001, Random Forests",
        cost=2.0,
    ),
    ForestParams,
    draws=True,
)
def forest(x: Array, y: Labels, params: ForestParams, seed: int) -> Estimator:
    """Gini, the square root of D features at each question."""
    from sklearn.ensemble import RandomForestClassifier

    depth = params.max_depth or None
    grown = RandomForestClassifier(params.trees, max_depth=depth, random_state=seed, n_jobs=-1).fit(x, y)
    made: Estimator = grown.set_params(n_jobs=1)  # threads would add the trees up in any order: other last digits
    return made
