"""The one pass that class activation maps share."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import torch
from captum._utils.gradient import compute_layer_gradients_and_eval
from captum.attr import LayerActivation

from xai_core.errors import NotApplicable
from xai_core.explainers.engine.output import TargetOutput, checked_logits

if TYPE_CHECKING:
    from torch import Tensor

    from xai_core.models.classifier import Classifier

OTHER_LAYER = "Choose a convolutional layer before the classifier's head, or leave the layer empty."


def activations(classifier: Classifier, x: Tensor, layer: str) -> Tensor:
    """A layer's output, `(N, C, h, w)`, detached: one forward, no gradient. Raises as `activations_and_gradients`."""
    classes = len(classifier.class_names)

    def logits(x: Tensor) -> Tensor:
        return checked_logits(classifier.logits(x), classes)

    try:
        found = LayerActivation(logits, classifier.layer(layer)).attribute(x)
    except AssertionError:
        raise _unused(layer) from None
    return _grid(classifier, _single(found, layer), layer)


def activations_and_gradients(classifier: Classifier, x: Tensor, weights: Tensor, layer: str) -> tuple[Tensor, Tensor]:
    """A layer's output and the gradient of the targets there, both `(N, C, h, w)`, detached.

    One forward and a backward that stops at the layer: parameters must be frozen (see `untouched`), so that nothing
    below the layer is recorded.

    Raises:
        NotFound: no such layer.
        NotApplicable: the layer is not used, its output is not a grid, or the model gives no logits.
    """
    output = TargetOutput(classifier)
    # Keeps the output differentiable where the layer does not lead to it: its gradient is then zero, not an error.
    anchor = torch.zeros((), device=x.device, requires_grad=True)
    try:
        gradients, activations = compute_layer_gradients_and_eval(
            lambda x, weights: output(x, weights) + anchor,
            classifier.layer(layer),
            x,
            additional_forward_args=(weights,),
            grad_kwargs={"allow_unused": True, "materialize_grads": True},
        )
    except AssertionError:
        raise _unused(layer) from None
    return _grid(classifier, _single(activations, layer), layer), _grid(classifier, _single(gradients, layer), layer)


def _unused(layer: str) -> NotApplicable:
    return NotApplicable("the model does not use this layer", value=layer, remedy=OTHER_LAYER)


def _single(found: Tensor | tuple[Tensor, ...], layer: str) -> Tensor:
    outputs = (found,) if isinstance(found, torch.Tensor) else found
    if len(outputs) != 1:
        raise NotApplicable("this layer has several outputs", value=layer, remedy=OTHER_LAYER)
    return outputs[0].detach()


def _grid(classifier: Classifier, output: Tensor, layer: str) -> Tensor:
    """`(N, C, h, w)`: restored where the layer is the declared one, or gives tokens as the declared one does."""
    declared = layer in ("", classifier.cam_layer)
    if classifier.restore_grid is not None and (declared or output.ndim == 3):
        # Tokens that are no grid keep their shape and are refused below.
        with suppress(RuntimeError):
            output = classifier.restore_grid(output)
    if output.ndim != 4:
        shown = f"{layer or classifier.cam_layer} gives {tuple(output.shape)}"
        raise NotApplicable("this layer's output is not a grid of channels", value=shown, remedy=OTHER_LAYER)
    return output
