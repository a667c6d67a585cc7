"""How much the output sinks when single channels of a layer are switched off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from xai_core.explainers.engine.output import TargetOutput
from xai_core.explainers.engine.pauses import pause
from xai_core.models.grids import SEVERAL, UNUSED
from xai_core.models.layers import grid_at, unfit_layer

if TYPE_CHECKING:
    from torch import Tensor

    from xai_core.models.classifier import Classifier

NUMBERS_AT_ONCE = 2**24
"""Size of the changed outputs that go on through the model together (64 MB)."""

PICTURES_AT_ONCE = 32
"""How many go through the whole model together, where only that is right."""

AGREE = 1e-4
"""By how much the two ways may differ, relative to the larger score."""


def drops_without_channels(classifier: Classifier, x: Tensor, weights: Tensor, layer: str) -> tuple[Tensor, Tensor]:
    """A layer's output `(N, C, h, w)`, and by how much each target sinks without each of its channels, `(N, C)`.

    A channel is switched off by setting it to 0 at every place, a transformer's class token included. Only what comes
    after the layer is run once per channel, where the model allows it; otherwise the whole model is.

    Args:
        x: `(N, C, H, W)`; pictures are taken one by one.
        weights: `(N, *output)`, what each row's target weighs.

    Raises:
        NotFound: no such layer.
        NotApplicable: the layer is not used exactly once, its output is not a grid, or the model gives no logits.
    """
    switches = Switches(classifier, layer, x[:1], weights[:1])
    grids, drops = [], []
    for picture, row in zip(torch.split(x, 1), torch.split(weights, 1), strict=True):
        found, score = switches.all_on(picture, row)
        grids.append(grid_at(classifier, found, layer).float())
        drops.append(score - switches.each_off(picture, row, found.numel()))
    return torch.cat(grids), torch.stack(drops)


class Switches:
    """The channels of one layer, each of which can be switched off."""

    def __init__(self, classifier: Classifier, layer: str, picture: Tensor, weights: Tensor) -> None:
        self.classifier, self.layer = classifier, layer
        self.output, self.module = TargetOutput(classifier), classifier.layer(layer)
        found, _ = self.all_on(picture, weights)
        self.axis = self._channel_axis(found)
        self.count = found.shape[self.axis]
        self.widens = self._widens(picture, weights)

    def all_on(self, picture: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """The layer's own output for one picture, and the score `(1,)`."""
        seen: list[Any] = []

        def keep(_module: nn.Module, _inputs: Any, found: Any) -> None:
            # A copy: the next module may work in place.
            seen.append(found.clone() if isinstance(found, torch.Tensor) else found)

        with torch.no_grad(), _hooked(self.module, keep):
            score = self.output(picture, weights)
        if len(seen) != 1:
            problem = "the model uses this layer several times" if seen else UNUSED
            raise unfit_layer(self.classifier, self.layer, problem)
        if not isinstance(seen[0], torch.Tensor):
            raise unfit_layer(self.classifier, self.layer, SEVERAL)
        return seen[0], score

    def each_off(self, picture: Tensor, weights: Tensor, size: int) -> Tensor:
        """Scores `(C,)` of one picture; `size` is that of the layer's output."""
        at_once = max(1, NUMBERS_AT_ONCE // size) if self.widens else PICTURES_AT_ONCE
        parts = torch.split(torch.arange(self.count, device=picture.device), at_once)
        found = []
        for part in parts:
            found.append(self.off(picture, weights, part, widen=self.widens))
            pause()
        return torch.cat(found)

    def off(self, picture: Tensor, weights: Tensor, channels: Tensor, *, widen: bool) -> Tensor:
        """`(len(channels),)`: scores without the one and without the other channel."""
        count = len(channels)

        def without(_module: nn.Module, _inputs: Any, found: Tensor) -> Tensor:
            changed = found.expand(count, *found.shape[1:]).clone()
            changed.movedim(self.axis, 1)[torch.arange(count, device=found.device), channels] = 0
            return changed

        with torch.no_grad(), _hooked(self.module, without):
            return self.output(picture if widen else picture.expand(count, -1, -1, -1), weights)

    def _widens(self, picture: Tensor, weights: Tensor) -> bool:
        """Whether one picture may become many at the layer, so that what comes before is run once only.

        What goes around the layer is then one row that meets many: an addition spreads it, a concatenation fails.
        Tried with two channels, against two whole pictures.
        """
        channels = torch.tensor([0, self.count // 2], device=picture.device)
        expected = self.off(picture, weights, channels, widen=False)
        try:
            found = self.off(picture, weights, channels, widen=True)
        except RuntimeError:
            return False
        near = AGREE * float(expected.abs().nan_to_num().max())
        return found.shape == expected.shape and torch.allclose(found, expected, rtol=0, atol=near)

    def _channel_axis(self, found: Tensor) -> int:
        """The axis of the layer's own output that becomes the channels of the grid: told by numbering it."""
        count = grid_at(self.classifier, found, self.layer).shape[1]
        for axis in (1, found.ndim - 1):
            numbers = torch.arange(found.shape[axis], device=found.device)
            shape = [-1 if other == axis else 1 for other in range(found.ndim)]
            numbered = numbers.view(shape).expand_as(found).contiguous()
            grid = grid_at(self.classifier, numbered, self.layer)
            if len(numbers) == count and bool((grid == numbers.view(1, -1, 1, 1)).all()):
                return axis
        raise unfit_layer(self.classifier, self.layer, "this layer's channels do not lie along one axis")


@contextmanager
def _hooked(module: nn.Module, hook: Callable[[nn.Module, Any, Any], Any]) -> Iterator[None]:
    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
