"""Just train twice, on the last layer: the model's own mistakes weigh more. It needs no groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xai_core.params import param
from xai_core.training.last_layer import Descent, Scaler, Values, descend
from xai_core.training.repairs.base import RepairInput, RepairOutput, repair
from xai_core.types import Card


@dataclass(frozen=True)
class JttParams:
    """Of the weighing and the descent."""

    upweight: float = param(20.0, help="so many times a right sample weighs a wrong one", low=1.0, high=10_000.0)
    steps: int = param(300, help="steps on all samples", low=1, high=100_000)
    rate: float = param(0.05, help="learning rate", low=1e-6, high=10.0)
    decay: float = param(0.001, help="pull of weights towards zero", low=0.0, high=10.0)


@repair(
    Card(
        key="jtt",
        title="Just train twice",
        summary="Samples that the run gets wrong weigh more as the last layer is learned again. It needs no groups.",
        blind_spot="Takes every mistake for a hidden group: wrong labels and hard samples weigh more as well. The "
        "paper trains the whole network twice; here it is the last layer.",
        paper="Liu et al. 2021, Just Train Twice: Improving Group Robustness without Training Group Information",
        cost=0.1,
    ),
    JttParams,
)
def jtt(given: RepairInput, params: JttParams) -> RepairOutput:
    """A wrong sample weighs `upweight` times a right one."""
    scaler, wrong = Scaler.of(given.features), given.wrong
    weights = np.where(wrong, params.upweight, 1.0)
    weights /= weights.sum()

    def share(_: Values) -> Values:
        return weights

    how = Descent(params.steps, params.rate, params.decay)
    layer = descend(scaler(given.features), given.labels, given.classes, share, how, given.progress)
    notes = () if wrong.any() else ("The run makes no mistake on these samples: nothing weighs more.",)
    return RepairOutput(*scaler.folded(*layer), {"mistakes": int(wrong.sum())}, notes)
