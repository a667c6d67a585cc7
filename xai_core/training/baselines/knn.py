"""Nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass

from xai_core.errors import BadParameter
from xai_core.params import param
from xai_core.training.baselines.base import (
    MOST_SAMPLES,
    SAMPLES_HELP,
    BaselineParams,
    Estimator,
    Labels,
    baseline,
)
from xai_core.types import Array, Card


@dataclass(frozen=True)
class KnnParams(BaselineParams):
    """Of the vote."""

    neighbours: int = param(5, help="who votes", low=1, high=10_000)
    weights: str = param("uniform", help="of the votes", choices=("uniform", "distance"))
    samples: int = param(20_000, help=SAMPLES_HELP, low=0, high=MOST_SAMPLES)


@baseline(
    Card(
        key="knn",
        title="Nearest neighbours",
        summary="The classes of the training samples that lie nearest, pixel by pixel, as shares of votes.",
        blind_spot="Learns nothing and pays when it predicts; a training sample is its own neighbour, so its accuracy "
        "there says nothing. Probabilities are shares of a few votes: a class without a vote has 0.",
        paper="Cover, Hart 1967, Nearest Neighbor Pattern Classification",
        cost=4.0,
    ),
    KnnParams,
)
def knn(x: Array, y: Labels, params: KnnParams, _: int) -> Estimator:
    """Euclidean distance, all pairs. Raises BadParameter where there are fewer samples than neighbours."""
    from sklearn.neighbors import KNeighborsClassifier

    if params.neighbours > len(x):
        remedy = f"There are {len(x):,}: --set knn.neighbours={len(x)}."
        raise BadParameter("more neighbours than training samples", value=params.neighbours, remedy=remedy)
    voters = KNeighborsClassifier(params.neighbours, weights=params.weights, algorithm="brute")
    made: Estimator = voters.fit(x, y)
    return made
