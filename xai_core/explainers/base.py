"""The contract of an explainer, and the two ways to register one.

Modules of this package import torch, captum and shap inside functions only: listing methods must stay instant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xai_core.params import NoParams, param
from xai_core.registry import Registry
from xai_core.types import Card, Explanation, Target

if TYPE_CHECKING:
    from torch import Tensor

    from xai_core.models.classifier import Classifier


@dataclass(frozen=True)
class Context:
    """What a card's `needs` ask for besides model and samples.

    Attributes:
        background: `(B, C, H, W)` model inputs drawn from the training split; None where not needed.
        masks: `(N, H, W)` bool; None where not needed.
    """

    background: Tensor | None = None
    masks: Tensor | None = None


Run = Callable[
    ["Classifier", "Tensor", Sequence[Target], Any, Context, NDArray[np.int64]],
    Explanation,
]
"""`(classifier, x (N,C,H,W), targets N, params, context, seeds (N,) int64) -> Explanation`."""

Formula = Callable[["Tensor", "Tensor"], "Tensor"]
"""`(activations (N,C,h,w), gradients (N,C,h,w)) -> maps (N,h,w)`, raw and signed: a CAM of the gradient family."""


@dataclass(frozen=True)
class CamParams:
    """Of every class activation map."""

    layer: str = param("", help="name of the layer; empty for the one the architecture declares")


@dataclass(frozen=True)
class Explainer:
    """A registered method: exactly one of `run` and `formula` is set. Those with a formula share one pass."""

    card: Card
    params: type
    run: Run | None = None
    formula: Formula | None = None


EXPLAINERS: Registry[Explainer] = Registry("explainer", "xai_core.explainers")


def explainer(card: Card, params: type = NoParams) -> Callable[[Run], Run]:
    """Register a method that runs the model itself."""

    def register(run: Run) -> Run:
        EXPLAINERS.add(Explainer(card, params, run=run))
        return run

    return register


def cam_method(card: Card) -> Callable[[Formula], Formula]:
    """Register a pure function of activations and gradients; the planner owns the pass they share."""

    def register(formula: Formula) -> Formula:
        EXPLAINERS.add(Explainer(card, CamParams, formula=formula))
        return formula

    return register
