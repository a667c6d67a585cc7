"""The one pass that class activation maps share, on Captum's layer functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from captum._utils.gradient import compute_layer_gradients_and_eval
from captum.attr import LayerActivation
from numpy.typing import NDArray
from torch import Tensor, nn

from xai_core.explainers.engine.output import logits_of, weighted
from xai_core.models.grids import SEVERAL, UNUSED, layout_of
from xai_core.models.layers import grid_at, unfit_layer

if TYPE_CHECKING:
    from xai_core.models.classifier import Classifier


class Round(NamedTuple):
    """What the pass gives for targets that belong to different samples.

    Attributes:
        positions: `(n,)` which targets.
        activations: `(n, C, h, w)` float32, the layer's output for their samples.
        gradients: `(n, C, h, w)` float32, of the targets with respect to it.
    """

    positions: NDArray[np.int64]
    activations: Tensor
    gradients: Tensor


def activations(classifier: Classifier, x: Tensor, layer: str) -> Tensor:
    """A layer's output, `(N, C, h, w)` float32, detached: one forward, no gradient.

    Raises:
        NotFound: no such layer.
        NotApplicable: the layer is not used, its output is not a grid, or the model gives no logits.
    """
    with _called(classifier, layer) as (module, _):
        found = LayerActivation(lambda x: logits_of(classifier, x), module).attribute(x)
    return grid_at(classifier, _single(classifier, found, layer), layer)


def rounds(
    classifier: Classifier, x: Tensor, rows: NDArray[np.int64], weights: Tensor | None, layer: str
) -> Iterator[Round]:
    """A layer's output and the gradients of N targets on M samples: one forward, however many targets a sample has.

    The backward stops at the layer, and parameters must be frozen (see `untouched`), so that nothing below the layer
    is recorded. Each round goes back once more through what is above it. Where the model uses the layer several
    times, the last time counts.

    Args:
        classifier: the model.
        x: `(M, C, H, W)` input.
        rows: `(N,)` which sample each target belongs to.
        weights: `(N, *output)`, what each target weighs the logits with; None for gradients of 0 and no backward.
        layer: name; "" for the declared one.

    Raises:
        As `activations`.
    """
    by_round = _in_rounds(rows)
    if weights is None:
        kept = activations(classifier, x, layer)
        zero = kept.new_zeros(()).expand_as(kept)
        passes: Iterator[tuple[Tensor, Tensor]] = ((kept, zero) for _ in by_round)
    else:
        passes = _passes(classifier, x, [_spread(weights, rows, each, len(x)) for each in by_round], layer)
    for positions, (outputs, gradients) in zip(by_round, passes, strict=True):
        yield Round(positions, _of(outputs, rows[positions]), _of(gradients, rows[positions]))


def _passes(classifier: Classifier, x: Tensor, weights: list[Tensor], layer: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Output and gradient for each of the `weights` `(M, *output)`: Captum for the first, then from the same graph."""
    logits: list[Tensor] = []
    # Keeps the logits differentiable where the layer does not lead to them: the gradient is then zero, not an error.
    anchor = torch.zeros((), device=x.device, requires_grad=True)

    def first(x: Tensor) -> Tensor:
        logits[:] = [logits_of(classifier, x) + anchor]
        return weighted(logits[0], weights[0])

    options: dict[str, Any] = {"allow_unused": True, "materialize_grads": True, "retain_graph": len(weights) > 1}
    with _called(classifier, layer) as (module, leaves):
        gradients, outputs = compute_layer_gradients_and_eval(first, module, x, grad_kwargs=options)
    kept = grid_at(classifier, _single(classifier, outputs, layer), layer)
    yield kept, grid_at(classifier, _single(classifier, gradients, layer), layer)
    for later in weights[1:]:
        options["retain_graph"] = later is not weights[-1]
        gradients = torch.autograd.grad((logits[0] * later).sum(), leaves, **options)
        yield kept, grid_at(classifier, _single(classifier, gradients, layer), layer)


def _in_rounds(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Every position once, so that within a round each row comes at most once."""
    order = np.argsort(rows, kind="stable")
    sorted_rows = rows[order]
    rank = np.empty_like(order)
    rank[order] = np.arange(len(rows)) - np.searchsorted(sorted_rows, sorted_rows)
    return [np.flatnonzero(rank == number) for number in range(rank.max() + 1)]


def _spread(weights: Tensor, rows: NDArray[np.int64], positions: NDArray[np.int64], samples: int) -> Tensor:
    """`(M, *output)`: of each sample the weights of the one target at `positions` that belongs to it, or 0."""
    spread = weights.new_zeros(samples, *weights.shape[1:])
    spread[rows[positions]] = weights[positions]
    return spread


def _of(samples: Tensor, rows: NDArray[np.int64]) -> Tensor:
    return samples if np.array_equal(rows, np.arange(len(samples))) else samples[rows]


@contextmanager
def _called(classifier: Classifier, layer: str) -> Iterator[tuple[nn.Module, list[Tensor]]]:
    """The layer, and the outputs of its last call, of which Captum makes leaves of the graph.

    What hands its input on (dropout, identity) gets an output of its own: else the paths around it would count as its.
    Raises NotApplicable where the model does not call the layer: Captum's own assertion could be one of the model's.
    """
    module, outputs = classifier.layer(layer), list[Tensor]()
    if layout_of(classifier, layer).problem == UNUSED:
        raise unfit_layer(classifier, layer, UNUSED)

    def keep(_: nn.Module, inputs: Sequence[Any], output: Any) -> Any:
        own = output.clone() if any(output is given for given in inputs) else output
        outputs[:] = [own] if isinstance(own, Tensor) else own
        return own

    hook = module.register_forward_hook(keep)
    try:
        yield module, outputs
    finally:
        hook.remove()


def _single(classifier: Classifier, found: Tensor | tuple[Tensor, ...], layer: str) -> Tensor:
    outputs = (found,) if isinstance(found, Tensor) else found
    if len(outputs) != 1:
        raise unfit_layer(classifier, layer, SEVERAL)
    return outputs[0].detach().float()
