"""Group DRO on the last layer: the group with the largest loss weighs more, step by step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xai_core.params import param
from xai_core.training.last_layer import Descent, Scaler, Values, Whole, descend
from xai_core.training.repairs.base import RepairInput, RepairOutput, need_each, repair
from xai_core.types import Card


@dataclass(frozen=True)
class GroupDroParams:
    """Of the weights of groups and the descent."""

    step_size: float = param(0.1, help="how fast the weights of groups follow their losses", low=0.0, high=10.0)
    steps: int = param(300, help="steps on all samples", low=1, high=100_000)
    rate: float = param(0.05, help="learning rate", low=1e-6, high=10.0)
    decay: float = param(0.01, help="pull of weights towards zero; the paper needs it strong", low=0.0, high=10.0)


class GroupWeights:
    """What each group weighs, `q` `(G,)` with sum 1.

    Sagawa et al. 2020, algorithm 1: q_g ← q_g · exp(step_size · loss_g), normalised, where loss_g is the group's mean.
    """

    def __init__(self, groups: Whole, step_size: float) -> None:
        self._groups, self._step = groups, step_size
        self._n = np.bincount(groups)
        self.q = np.full(len(self._n), 1 / len(self._n))

    def __call__(self, losses: Values) -> Values:
        """From the `(n,)` losses of this step to what each sample weighs: its group's weight over the group's size."""
        mean = np.bincount(self._groups, weights=losses) / self._n
        q = self.q * np.exp(self._step * (mean - mean.max()))  # a factor for all cancels
        self.q = q / q.sum()
        return np.asarray((self.q / self._n)[self._groups])


@repair(
    Card(
        key="groupdro",
        title="Group DRO",
        summary="The last layer learned again for the group with the largest loss, whose weight grows step by step.",
        blind_spot="Minimises a loss, not mistakes, and of groups that nobody named it knows nothing. The paper trains "
        "the whole network; here it is the last layer.",
        paper="Sagawa et al. 2020, Distributionally Robust Neural Networks for Group Shifts",
        cost=0.1,
    ),
    GroupDroParams,
    grouped=True,
)
def groupdro(given: RepairInput, params: GroupDroParams) -> RepairOutput:
    """Raises BadInput where a group has a single sample."""
    need_each(given, 2)
    scaler, share = Scaler.of(given.features), GroupWeights(given.groups, params.step_size)
    how = Descent(params.steps, params.rate, params.decay)
    layer = descend(scaler(given.features), given.labels, given.classes, share, how, given.progress)
    heaviest = int(share.q.argmax())
    chosen = {"heaviest": given.names[heaviest], "weight": float(share.q[heaviest])}
    return RepairOutput(*scaler.folded(*layer), chosen)
