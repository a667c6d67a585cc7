"""The model in training, as a loss sees it: its logits, and the layer that class activation maps are made at."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel


@dataclass(frozen=True)
class TrainingModel:
    """A module with its declared CAM layer.

    Attributes:
        module: maps `(N, C, H, W)` to logits `(N, K)`.
        cam_layer: dotted name of the layer for class activation maps.
        restore_grid: brings that layer's output to `(N, C, h, w)`; None where it already is.
    """

    module: nn.Module
    cam_layer: str
    restore_grid: Callable[[Tensor], Tensor] | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """The forward pass: `(N, C, H, W)` → logits `(N, K)`."""
        logits: Tensor = self.module(x)
        return logits

    def with_input(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits `(N, K)`, and the pictures that they have a gradient by, which can itself be differentiated."""
        x = x.detach().requires_grad_()
        with _differentiable_twice():
            return self(x), x

    def with_activations(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits `(N, K)`, and the CAM layer's output as the layer gives it, which every logit has a gradient by.

        The gradient can itself be differentiated. That holds also while the head alone is trained: what lies below the
        layer is then cut off, so it costs no backward and learns nothing. Where the layer runs several times, the last
        one counts. `grid` gives the output, and gradients by it, their places over the picture.
        """
        seen: list[Tensor] = []

        def keep(_: nn.Module, __: Any, output: Tensor) -> Tensor:
            seen.append(output if output.requires_grad else output.detach().requires_grad_())
            return seen[-1].clone()  # the next layer may work in place

        handle = self.module.get_submodule(self.cam_layer).register_forward_hook(keep)
        try:
            with _differentiable_twice():
                return self(x), seen[-1]
        finally:
            handle.remove()

    def grid(self, activations: Tensor) -> Tensor:
        """The CAM layer's output, or a gradient by it, as `(N, C, h, w)`: a grid over the picture."""
        return activations if self.restore_grid is None else self.restore_grid(activations)


def _differentiable_twice() -> AbstractContextManager[None]:
    """The forward of a gradient that is differentiated: fused attention knows no second derivative."""
    return sdpa_kernel(SDPBackend.MATH)  # type: ignore[no-any-return]
