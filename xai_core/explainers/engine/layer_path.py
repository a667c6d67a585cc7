"""Expected gradients in the space of one layer's output: f(x) = h(A(x)), and the path runs from A(b) to A(x)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from xai_core.explainers.engine.batches import in_batches
from xai_core.explainers.engine.output import logits_of, unreached, weighted
from xai_core.models.grids import SEVERAL, UNUSED
from xai_core.models.layers import grid_at, unfit_layer

if TYPE_CHECKING:
    from xai_core.explainers.base import ExplainerInput
    from xai_core.models.classifier import Classifier

COMPARED = 4
"""Background pictures that each picture is compared with: a path around shows with any of them."""

LEAK = 1e-3
"""How much of the change of the logits may get past the layer: more than rounding makes of it."""


class Pass(NamedTuple):
    """What a layer makes of pictures: `inputs` `(N, C, H, W)`, `outputs` `(N, …)` float32, `logits` `(N, *output)`."""

    inputs: Tensor
    outputs: Tensor
    logits: Tensor


class Shares(NamedTuple):
    """Of N pictures.

    Attributes:
        attributions: `(N, …)` in the form of the layer's output.
        estimates: `(N, samples)` sums of the single estimates; their mean is the attributions' sum.
        expected: `(N,)` f(x) − mean f(background), which that sum should equal.
        around: `(N,)` bool: where a path of the model goes around the layer, so that the sum lacks something.
    """

    attributions: Tensor
    estimates: Tensor
    expected: Tensor
    around: Tensor


def expected_gradients(
    given: ExplainerInput,
    background: Tensor,
    layer: str,
    samples: int,
) -> Shares:
    """`E_{b, a} [(A(x) − A(b)) · ∂h/∂A (A(b) + a(A(x) − A(b)))]`.

    Args:
        given: N pictures with their targets.
        background: `(B, C, H, W)`, what b is drawn from.
        layer: name; "" for the declared one.
        samples: how many b and a are drawn, a between 0 and 1.

    Raises:
        NotFound: no such layer.
        NotApplicable: the layer is not used or used several times, has several outputs, its rows are not the pictures,
            or it does not alone decide the logits of the background.
    """
    classifier, x, weights = given.classifier, given.x, given.weights
    start, end = outputs_at(classifier, background, layer), outputs_at(classifier, x, layer)
    grid_at(classifier, end.outputs, layer)
    neighbour = Pass(*(part.roll(1, 0) for part in start))
    if _leaks(classifier, neighbour.inputs, neighbour.logits, start, layer).any():
        raise unfit_layer(classifier, layer, "a path of the model goes around this layer")
    around = torch.stack(
        [_gets_around(classifier, x[row : row + 1], end.logits[row], start, layer) for row in range(len(x))]
    )
    found = [
        _of_one(classifier, Pass(*(part[row : row + 1] for part in end)), weights[row], start.outputs, layer, drawn)
        for row, drawn in enumerate(_drawn(len(background), samples, given.seeds))
    ]
    attributions, estimates = (torch.stack(parts) for parts in zip(*found, strict=True))
    expected = weighted(end.logits, weights) - (start.logits.flatten(1) @ weights.flatten(1).T).mean(0)
    return Shares(attributions, estimates, expected, around)


def outputs_at(classifier: Classifier, x: Tensor, layer: str) -> Pass:
    """One forward, no gradient; raises as `expected_gradients`."""
    seen: list[Any] = []

    def keep(output: Any) -> Any:
        # A copy: the next layer may work in place.
        seen.append(output.float().clone() if isinstance(output, Tensor) else output)
        return output

    with torch.no_grad(), _changed(classifier, layer, keep):
        logits = logits_of(classifier, x)
    if not seen:
        raise unfit_layer(classifier, layer, UNUSED)
    if len(seen) > 1:
        raise unfit_layer(classifier, layer, "the model uses this layer several times")
    if not isinstance(seen[0], Tensor):
        raise unfit_layer(classifier, layer, SEVERAL)
    return Pass(x, seen[0], logits)


def logits_from(classifier: Classifier, x: Tensor, layer: str, outputs: Tensor) -> Tensor:
    """The logits `(N, *output)` when the layer gives `outputs` `(N, …)`, whatever `x` `(N, C, H, W)` makes of it."""
    # A copy: the next layer may work in place.
    with _changed(classifier, layer, lambda given: outputs.to(given.dtype).clone()):
        return logits_of(classifier, x)


def _gets_around(classifier: Classifier, picture: Tensor, logits: Tensor, start: Pass, layer: str) -> Tensor:
    """Whether something of a picture `(1, C, H, W)` gets past the layer; the pictures beside it have no say.

    The path begins where the layer gives what the background makes of it: if the layer alone decides, the logits
    are the background's there.
    """
    few = Pass(*(part[:COMPARED] for part in start))
    return _leaks(classifier, picture.expand(len(few.inputs), -1, -1, -1), logits, few, layer).any()


def _leaks(classifier: Classifier, inputs: Tensor, own: Tensor, known: Pass, layer: str) -> Tensor:
    """`(N,)` where the logits are not those of `known`, though the layer gives what it gives there: what else the
    `inputs` decide, whose own logits are `own`, goes around the layer (a shortcut, other tokens)."""
    with torch.no_grad():
        moved = logits_from(classifier, inputs, layer, known.outputs)
    change = (known.logits - own).abs().max()
    return (moved - known.logits).abs().flatten(1).amax(1) > LEAK * change + 1e-5 * known.logits.abs().max()


def _drawn(backgrounds: int, samples: int, seeds: NDArray[Any]) -> Iterator[tuple[Tensor, Tensor]]:
    """For each seed which pictures, and where on the path, `(samples,)`; on the CPU: all devices see the same."""
    for seed in seeds.tolist():
        generator = torch.Generator().manual_seed(seed)
        yield torch.randint(backgrounds, (samples,), generator=generator), torch.rand(samples, generator=generator)


def _of_one(
    classifier: Classifier, end: Pass, weights: Tensor, starts: Tensor, layer: str, drawn: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Attributions, and the estimates' sums, of one picture."""
    which, along = (part.to(starts.device) for part in drawn)
    along = along.view(-1, *[1] * (starts.ndim - 1))

    def part(at: slice) -> tuple[Tensor, Tensor]:
        begin = starts[which[at]]
        change = end.outputs - begin
        points = (begin + along[at] * change).requires_grad_()
        logits = logits_from(classifier, end.inputs.expand(len(points), -1, -1, -1), layer, points)
        if not logits.requires_grad:
            raise unreached(classifier, layer, "no gradient of the target reaches this layer")
        estimates = change * torch.autograd.grad((logits * weights).sum(), points)[0]
        return estimates.sum(0), estimates.flatten(1).sum(1)

    totals, sums = zip(*in_batches(classifier, end.inputs, part, len(which)), strict=True)
    return torch.stack(totals).sum(0) / len(which), torch.cat(sums)


@contextmanager
def _changed(classifier: Classifier, layer: str, change: Callable[[Any], Any]) -> Iterator[None]:
    """Within, the layer gives `change(output)`."""

    def hook(_: torch.nn.Module, inputs: Sequence[Any], output: Any) -> Any:  # noqa: ARG001
        return change(output)

    handle = classifier.layer(layer).register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def decides_alone(classifier: Classifier, layer: str) -> bool:
    """Whether the logits of two pictures of noise depend on nothing but what this layer makes of them.

    Raises as `outputs_at`.
    """
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(2, *classifier.input_shape, generator=generator).to(classifier.device)
    start = outputs_at(classifier, noise, layer)
    other = Pass(*(part.roll(1, 0) for part in start))
    return not bool(_leaks(classifier, other.inputs, other.logits, start, layer).any())
