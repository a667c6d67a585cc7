"""The contract of an explainer, and the two ways to register one.

Modules of this package import torch, captum and shap inside functions only: listing methods must stay instant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xai_core.params import NoParams, param
from xai_core.registry import Registry
from xai_core.types import Card, Explanation, Target

if TYPE_CHECKING:
    from torch import Tensor

    from xai_core.models.classifier import Classifier


@dataclass(frozen=True, eq=False)
class ExplainerInput:
    """What is to be explained: one record, of which a method reads what it uses.

    Attributes:
        classifier: the model.
        x: `(N, C, H, W)` model input; of a model that sees tiles all of each picture, on `Preprocess.canvas`.
        targets: N of them.
        seeds: `(N,)` int64; random numbers come from these alone.
        regions: `(N, h, w)` on the grid of a segmenter's output, what each place counts, from 0 to 1; None for all of
            them.
        masks: `(N, H, W)` bool on the input's pixels, a target's each, for cards that need `mask`; else None.
        background: `(B, C, H, W)` inputs from the training split, for cards that need `background`; else None.
        inside: `(N, 4)` where on the canvas each picture lies: left, top, right, bottom; None for all of it.
    """

    classifier: Classifier
    x: Tensor
    targets: Sequence[Target]
    seeds: NDArray[np.int64]
    regions: Tensor | None = None
    masks: Tensor | None = None
    background: Tensor | None = None
    inside: NDArray[np.int64] | None = None

    @cached_property
    def weights(self) -> Tensor:
        """`(N, *output)` float32, on the classifier's device: what each number of the output counts in the target.

        `(N, K)` for a classifier, `(N, K, h, w)` for a segmenter. What is explained is `(output · weights)`, summed
        over all but the sample.
        """
        from xai_core.explainers.engine.output import weights_of

        return weights_of(self.classifier, self.targets, self.regions)


Run = Callable[[ExplainerInput, Any], Explanation]
"""`(given, params) -> Explanation`."""

Formula = Callable[..., "Tensor"]
"""`(activations (N,C,h,w), gradients (N,C,h,w)) -> maps (N,h,w)`, raw and signed: a CAM of the gradient family. One
with parameters of its own takes them as `params`."""


BACKGROUND = 32
"""Background pictures of a method that does not say how many."""


@dataclass(frozen=True)
class CamParams:
    """Of every class activation map."""

    layer: str = param("", help="name of the layer; empty for the one the architecture declares")


@dataclass(frozen=True)
class Explainer:
    """A registered method: exactly one of `run` and `formula` is set. Those with a formula share one pass.

    Attributes:
        card: with the default parameters.
        params: their type.
        special: what other parameters make of the card; None where they leave it as it is.
        background: how many background pictures given parameters ask for; None for BACKGROUND.
    """

    card: Card
    params: type
    run: Run | None = None
    formula: Formula | None = None
    special: Callable[[Card, Any], Card] | None = None
    background: Callable[[Any], int] | None = None

    def bound(self, params: Any) -> Explainer:
        """The same, its formula with these parameters; itself where they name no more than a layer."""
        if self.formula is None or type(params) is CamParams:
            return self
        return replace(self, formula=partial(self.formula, params=params))

    def card_for(self, params: Any) -> Card:
        """The card with these parameters, which may decide on its title, its sign and its needs."""
        return self.card if self.special is None else self.special(self.card, params)

    def background_count(self, params: Any) -> int:
        """How many background pictures it takes with these parameters; 0 where it needs none."""
        if "background" not in self.card_for(params).needs:
            return 0
        return BACKGROUND if self.background is None else self.background(params)


EXPLAINERS: Registry[Explainer] = Registry("explainer", "xai_core.explainers")


def explainer(
    card: Card,
    params: type = NoParams,
    *,
    special: Callable[[Card, Any], Card] | None = None,
    background: Callable[[Any], int] | None = None,
) -> Callable[[Run], Run]:
    """Register a method that runs the model itself; `special` and `background` as in `Explainer`."""

    def register(run: Run) -> Run:
        EXPLAINERS.add(Explainer(card, params, run=run, special=special, background=background))
        return run

    return register


def cam_method(
    card: Card, params: type[CamParams] = CamParams, *, special: Callable[[Card, Any], Card] | None = None
) -> Callable[[Formula], Formula]:
    """Register a pure function of activations and gradients; the planner owns the pass they share.

    Parameters beside the layer decide on the formula alone, so methods share a pass whatever theirs are. `special` as
    in `Explainer`.
    """
    if extra := card.needs - {"cam_layer", "gradients", "whole"}:
        raise ValueError(f"{card.key}: a formula sees activations and gradients, but no {', '.join(sorted(extra))}")

    def register(formula: Formula) -> Formula:
        EXPLAINERS.add(Explainer(card, params, formula=formula, special=special))
        return formula

    return register
