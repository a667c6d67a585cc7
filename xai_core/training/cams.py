"""Class activation maps that can be trained by: Grad-CAM with a gradient, and what maps are held against.

A Grad-CAM is in logits: with a mean over places and a linear head its places add up to what the picture adds to the
class's logit. EVIDENCE is said in that unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from xai_core.training.model import TrainingModel

EVIDENCE = 0.01
"""Logits. A map of less evidence for the class counts as none: what divides by its size would explode there."""

BLUR_SIDE = 224
"""Pixels of the picture that the side of a blur is told for."""

_SAME_NUMBERS = frozenset(
    f"{name}Backward{version}"
    for name in ("View", "UnsafeView", "ReshapeAlias", "AsStrided", "Squeeze", "Clone", "ToCopy")
    for version in (0, 1, 2)
)


def grad_cam(model: TrainingModel, x: Tensor, targets: Tensor, *, detached: bool = False) -> tuple[Tensor, Tensor]:
    """Logits `(N, K)`, and the Grad-CAM of the targets `(N, h, w)` ≥ 0 with a gradient (Selvaraju et al. 2017).

    relu(Σ_k α_k A_k), where α_k is the mean over places of ∂y/∂A_k and y the target's logit; for mixed targets their
    mixed logits. Where all that follows the CAM layer is a mean over places and one linear layer, α is that layer's row
    divided by the number of places, and nothing need be differentiated twice; else it is.

    Args:
        x: `(N, C, H, W)`.
        targets: `(N, K)`, rows with sum 1.
        detached: without gradients by weights. What lies below the CAM layer then keeps nothing.
    """
    if detached:
        with _frozen(model.module):
            logits, activations = model.with_activations(x)
    else:
        logits, activations = model.with_activations(x)
    grid = model.grid(activations).float()
    row = None if detached or model.restore_grid is not None else pooled_head(logits, activations)
    if row is None:
        score = (logits * targets).sum()
        (gradients,) = torch.autograd.grad(score, activations, create_graph=not detached)
        alpha = model.grid(gradients).float().mean((2, 3))
    else:
        alpha = targets @ row / (grid.shape[2] * grid.shape[3])
    maps = torch.einsum("nc,nchw->nhw", alpha, grid).float().relu()
    return logits, maps.detach() if detached else maps


def pooled_head(logits: Tensor, activations: Tensor) -> Tensor | None:
    """The weights `(K, C)` of a linear layer, if it and a mean over places are all that follows `activations`.

    Read from the graph of the very pass, so that whatever else the forward does (dropout, a rectifier, a norm) is
    seen: None then, and where the weights are not a parameter themselves.
    """
    linear: Any = logits.grad_fn
    if linear is None or linear.name() != "AddmmBackward0":
        return None
    _, (node, _), (weights, _) = linear.next_functions
    row = _parameter(weights.next_functions[0][0]) if weights is not None and weights.name() == "TBackward0" else None
    means = 0
    while node is not None and not _gives(node, activations):
        if node.name() == "MeanBackward1" and {_signed(axis) % 4 for axis in node._saved_dim} == {2, 3}:
            means += 1
        elif node.name() not in _SAME_NUMBERS:
            return None
        node = node.next_functions[0][0]
    fits = row is not None and activations.ndim == 4 and row.shape[1] == activations.shape[1]
    return row if node is not None and means == 1 and fits else None


def _parameter(node: Any) -> Tensor | None:
    while node is not None and node.name() == "ToCopyBackward0":  # autocast's
        node = node.next_functions[0][0]
    return getattr(node, "variable", None)


def _gives(node: Any, tensor: Tensor) -> bool:
    return node is tensor.grad_fn or getattr(node, "variable", None) is tensor


def _signed(axis: int) -> int:
    return axis - 2**64 if axis >= 2**63 else axis


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """No weight asks for a gradient; what was computed before keeps its own."""
    asking = [parameter for parameter in module.parameters() if parameter.requires_grad]
    try:
        for parameter in asking:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in asking:
            parameter.requires_grad_(True)


@contextmanager
def statistics_kept(module: nn.Module) -> Iterator[None]:
    """Passes leave the running statistics of batch norms as they are: they are of pictures as predictions see them."""
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    before = [norm.momentum for norm in norms]
    try:
        for norm in norms:
            norm.momentum = 0.0
        yield
    finally:
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum


def on_grid(masks: Tensor, height: int, width: int, *, blur: int = 0) -> Tensor:
    """Masks `(N, H, W)` bool as shares of each place of a map, `(N, height, width)` in 0…1.

    Args:
        blur: side of the Gaussian that blurs them before, in pixels of a picture of BLUR_SIDE; 0 for none.
    """
    planes = masks.float()[:, None]
    side = odd(blur * min(masks.shape[1:]) / BLUR_SIDE)
    if side > 1:
        planes = _blurred(planes, side)
    return functional.adaptive_avg_pool2d(planes.float(), (height, width))[:, 0]


def odd(side: float) -> int:
    """The odd number next to it, at least 1."""
    return 2 * max(round((side - 1) / 2), 0) + 1


def _blurred(planes: Tensor, side: int) -> Tensor:
    """With the width that OpenCV and torchvision take for a kernel of this side; edges are mirrored."""
    sigma = 0.3 * ((side - 1) / 2 - 1) + 0.8
    places = torch.arange(side, dtype=planes.dtype, device=planes.device) - side // 2
    kernel = functional.normalize((-0.5 * (places / sigma) ** 2).exp(), p=1, dim=0)
    edge = side // 2
    padded = functional.pad(planes, (edge, edge, edge, edge), mode="reflect")
    along = functional.conv2d(padded, kernel.view(1, 1, 1, side))
    return functional.conv2d(along, kernel.view(1, 1, side, 1))
