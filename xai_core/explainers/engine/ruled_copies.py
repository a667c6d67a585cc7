"""Copies of a model on which Captum's DeepLIFT and guided backpropagation do what their papers say.

Both set hooks on modules, and fail in silence where a rectifier is a function call, is used twice or works in place
(see `rewrite`). DeepLIFT fails in two more places, which its copy repairs:

- Where one hooked module feeds another (a rectifier before a max-pooling), Captum reads the gradient between them
  before the second has changed it. So each hooked module gets a copy of its input.
- Where windows of a max-pooling overlap, Captum keeps one of the contributions to a pixel and drops the others; where
  places of a window are equal it takes the first, so that a mirrored picture has another map. So max-poolings have a
  rule of their own, on windows that are laid out side by side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.autograd import Function

from xai_core.errors import NotApplicable
from xai_core.explainers.engine.calls import unruled_call
from xai_core.explainers.engine.rewrite import (
    Addition,
    WithConstant,
    as_modules,
    insert,
    module_of,
    same_logits,
    tidy,
)
from xai_core.explainers.engine.weighted_calls import Mean, PaddedConv2d, Resized

if TYPE_CHECKING:
    from xai_core.models.classifier import Classifier

MAX_POOLINGS = (F.max_pool2d, torch.max_pool2d)
POOLING_ARGUMENTS = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
AVERAGES = (nn.AvgPool2d, nn.AdaptiveAvgPool2d, Mean, Resized)
LINEAR = (nn.Conv2d, PaddedConv2d, nn.Linear, *NORMS, *AVERAGES, Addition, WithConstant)
"""Linear, or a constant added to it, in eval mode: their gradient is their rule."""
RESCALED = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.Softplus, nn.Sigmoid, nn.Tanh, nn.MaxPool2d)
"""Captum has the rescale rule of these."""
OTHER_METHOD = "Use integrated gradients for this model."


class Largest(Function):
    """`(2N, …, k) -> (2N, …)`: the largest of each window, of N pictures and then of their N baselines.

    Backward is the rescale rule for a maximum, as in Captum and the authors' code: what the picture's maximum adds to
    the baseline's goes to where the picture has it, what it lacks to where the baseline has it. Equal places share
    evenly: to pick the first would favour one side of a plain baseline.
    """

    @staticmethod
    def forward(ctx: Any, windows: Tensor) -> Tensor:
        """The maxima."""
        largest = windows.amax(-1)
        ctx.save_for_backward(windows, largest)
        return largest

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        """The multipliers, alike for pictures and baselines; a place that does not differ has the plain gradient."""
        windows, largest = ctx.saved_tensors
        where = (windows == largest[..., None]).to(gradient.dtype)
        where /= where.sum(-1, keepdim=True)
        (picture, base), (high, low), (there, here) = (part.chunk(2) for part in (windows, largest, where))
        most = torch.maximum(high, low)
        gained, lost = (part[..., None] for part in (most - low, high - most))
        from_picture, from_base = (part[..., None] for part in gradient.chunk(2))
        shares = from_picture * gained * there + from_base * lost * here
        change = torch.cat([picture - base] * 2)
        return (torch.cat([shares] * 2) / change).where(change != 0, gradient[..., None] * where)


class MaxPooling(nn.Module):
    """`(2N, C, H, W) -> (2N, C, h, w)`: a max-pooling of pictures and their baselines with its rule."""

    def __init__(self, pooling: nn.MaxPool2d) -> None:
        super().__init__()
        self.pooling = (pooling,)  # in a tuple: it must not be found and hooked as a part

    def forward(self, x: Tensor) -> Tensor:
        """Windows side by side, none shared; borders are filled with the lowest number, which no maximum picks."""
        (pooling,) = self.pooling
        size = pooling(x).shape[2:]
        kernel, stride, border = (_pair(v) for v in (pooling.kernel_size, pooling.stride, pooling.padding))
        fill = [0, 0, 0, 0]
        for axis in (0, 1):
            reach = (size[axis] - 1) * stride[axis] + kernel[axis] - border[axis]
            fill[2 - 2 * axis : 4 - 2 * axis] = border[axis], max(0, reach - x.shape[2 + axis])
        x = F.pad(x, fill, value=torch.finfo(x.dtype).min)
        windows = x.unfold(2, kernel[0], stride[0]).unfold(3, kernel[1], stride[1])
        return Largest.apply(windows[:, :, : size[0], : size[1]].flatten(4))


def for_deeplift(classifier: Classifier) -> fx.GraphModule:
    """The copy for DeepLIFT's rescale rule.

    Raises:
        NotApplicable: a part has no rule (Captum would take its plain gradient and say nothing), or the code cannot be
            followed.
    """
    graph = as_modules(classifier.module)
    for node in list(graph.graph.nodes):
        if node.target in MAX_POOLINGS:
            given = dict(zip(POOLING_ARGUMENTS, node.args[1:], strict=False))
            given |= {name: value for name, value in node.kwargs.items() if name in POOLING_ARGUMENTS}
            insert(graph, node, nn.MaxPool2d(**given), node.args[:1])
    _check(graph, (*LINEAR, *RESCALED), "DeepLIFT has no rule for a part of this model")
    for node in list(graph.graph.nodes):
        pooling = module_of(graph, node)
        if getattr(pooling, "return_indices", False):
            raise NotApplicable("DeepLIFT has no rule for pooling with indices", value=node.target, remedy=OTHER_METHOD)
        if isinstance(pooling, nn.MaxPool2d):
            if _pair(pooling.dilation) != (1, 1):
                raise NotApplicable("DeepLIFT has no rule for dilated pooling", value=node.target, remedy=OTHER_METHOD)
            insert(graph, node, MaxPooling(pooling), node.args[:1])
    for node in list(graph.graph.nodes):
        if isinstance(module_of(graph, node), RESCALED):
            with graph.graph.inserting_before(node):
                node.args = (graph.graph.call_function(torch.clone, node.args),)
    tidy(graph)
    same_logits(graph, classifier)
    return graph


def for_guided_backpropagation(classifier: Classifier) -> fx.GraphModule:
    """The copy for guided backpropagation.

    Raises:
        NotApplicable: a part is neither linear nor a rectifier nor a max-pooling, or the code cannot be followed.
    """
    graph = as_modules(classifier.module)
    _check(graph, (*LINEAR, nn.ReLU, nn.MaxPool2d), "guided backpropagation is defined for rectifiers (ReLU) only")
    same_logits(graph, classifier)
    return graph


def _check(graph: fx.GraphModule, ruled: tuple[type, ...], problem: str) -> None:
    for node in graph.graph.nodes:
        part = module_of(graph, node)
        if part is not None and type(part) not in ruled:
            raise NotApplicable(problem, value=f"{node.target} ({type(part).__name__})", remedy=OTHER_METHOD)
    if (call := unruled_call(graph)) is not None:
        raise NotApplicable(problem, value=call, remedy=OTHER_METHOD)


def _pair(value: Any) -> tuple[int, int]:
    return (value[0], value[1]) if isinstance(value, (tuple, list)) else (value, value)
