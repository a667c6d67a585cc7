"""Support vector machine, with probabilities by temperature."""

from __future__ import annotations

from dataclasses import dataclass

from xai_core.params import param
from xai_core.training.baselines.base import (
    MOST_SAMPLES,
    SAMPLES_HELP,
    BaselineParams,
    Estimator,
    Labels,
    baseline,
    need_of_each_class,
)
from xai_core.types import Array, Card

FOLDS = 3
"""Parts that the temperature is chosen on, each by a machine that has learned from the others."""


@dataclass(frozen=True)
class SvmParams(BaselineParams):
    """Of the machine."""

    C: float = param(5.0, help="what a sample on the wrong side costs", low=1e-8, high=1e8)
    kernel: str = param("rbf", help="how samples are compared", choices=("rbf", "linear", "poly"))
    gamma: float = param(0.0, help="of rbf and poly; 0 for one over D times the variance", low=0.0, high=1e6)
    samples: int = param(10_000, help=SAMPLES_HELP, low=0, high=MOST_SAMPLES)


@baseline(
    Card(
        key="svm",
        title="Support vector machine",
        summary="The widest margin between each two classes, by a kernel; probabilities by a temperature on its "
        "decision values.",
        blind_spot="Has no probabilities of its own: the temperature comes from 3-fold cross-validation, which leaves "
        "the predicted classes as they are, and confidence is as good as that one number. Time grows with the square "
        "of the samples.",
        paper="Cortes, Vapnik 1995, Support-Vector Networks; Guo et al. 2017, On Calibration of Modern Neural Networks",
        cost=6.0,
    ),
    SvmParams,
)
def svm(x: Array, y: Labels, params: SvmParams, _: int) -> Estimator:
    """libsvm's one against one; a temperature of the decision values, so that the largest stays the largest.

    Raises BadInput where a class has fewer than FOLDS samples.
    """
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.svm import SVC

    need_of_each_class(y, FOLDS, "since probabilities come from cross-validation")
    machine = SVC(C=params.C, kernel=params.kernel, gamma=params.gamma or "scale", cache_size=500)
    made: Estimator = CalibratedClassifierCV(machine, method="temperature", cv=FOLDS, ensemble=False).fit(x, y)
    return made
