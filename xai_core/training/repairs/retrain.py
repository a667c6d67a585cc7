"""The control: the last layer learned again by plain cross-entropy on the same samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xai_core.params import param
from xai_core.training.last_layer import Descent, Scaler, Values, descend
from xai_core.training.repairs.base import RepairInput, RepairOutput, repair
from xai_core.types import Card


@dataclass(frozen=True)
class RetrainParams:
    """Of the descent."""

    steps: int = param(300, help="steps on all samples", low=1, high=100_000)
    rate: float = param(0.05, help="learning rate", low=1e-6, high=10.0)
    decay: float = param(0.001, help="pull of weights towards zero", low=0.0, high=10.0)


@repair(
    Card(
        key="retrain",
        title="Last layer again",
        summary="The last layer learned anew by cross-entropy on the same samples: what a repair must beat.",
        blind_spot="Knows no groups: a shortcut that holds for most samples is learned again.",
        cost=0.1,
    ),
    RetrainParams,
    control=True,
)
def retrain(given: RepairInput, params: RetrainParams) -> RepairOutput:
    """Every sample weighs the same."""
    scaler, n = Scaler.of(given.features), len(given.labels)

    def share(losses: Values) -> Values:
        return np.full(len(losses), 1 / n)

    how = Descent(params.steps, params.rate, params.decay)
    layer = descend(scaler(given.features), given.labels, given.classes, share, how, given.progress)
    return RepairOutput(*scaler.folded(*layer))
