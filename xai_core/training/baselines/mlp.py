"""A small fully connected network."""

from __future__ import annotations

from dataclasses import dataclass

from xai_core.params import param
from xai_core.training.baselines.base import BaselineParams, Estimator, Labels, baseline
from xai_core.types import Array, Card


@dataclass(frozen=True)
class MlpParams(BaselineParams):
    """Of the network and its descent."""

    hidden: int = param(128, help="units of the hidden layer", low=1, high=10_000)
    layers: int = param(1, help="hidden layers", low=1, high=10)
    alpha: float = param(1e-4, help="pull of weights towards zero", low=0.0, high=1e4)
    rate: float = param(1e-3, help="learning rate", low=1e-8, high=10.0)
    max_iter: int = param(30, help="epochs at most", low=1, high=100_000)


@baseline(
    Card(
        key="mlp",
        title="Fully connected network",
        summary="Hidden layers of ReLU units on the pixels, trained by Adam, as scikit-learn has it.",
        blind_spot="Nothing tells it which pixels are neighbours; and it stops at max_iter, converged or not.",
        paper="Rumelhart, Hinton, Williams 1986, Learning representations by back-propagating errors",
        cost=0.7,
    ),
    MlpParams,
    draws=True,
)
def mlp(x: Array, y: Labels, params: MlpParams, seed: int) -> Estimator:
    """Batches of 200, until the loss no longer falls or `max_iter` epochs have passed."""
    from sklearn.neural_network import MLPClassifier

    network = MLPClassifier(
        (params.hidden,) * params.layers,
        alpha=params.alpha,
        learning_rate_init=params.rate,
        max_iter=params.max_iter,
        random_state=seed,
    )
    made: Estimator = network.fit(x, y)
    return made
