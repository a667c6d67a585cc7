"""Rules of relevance propagation: pure functions that hand a layer's relevance to its inputs.

A rule takes the layer's module, its inputs, its output and the output's relevance R, and gives each input's relevance.
`HandBack` runs a module forward as it is and a rule backward, so that the gradient of a rewritten model is relevance.
All rules conserve (the inputs' relevance adds up to the output's) as long as no unit divides by nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

EPSILON = 1e-6
"""Keeps the denominators of the ε rule away from 0."""
TINY = 1e-9
"""The same where nothing is to be absorbed."""
NUDGE = 1e-6
"""What a silent input counts when a bias is shared by size: the inputs of a unit that are all 0 share it evenly."""
GAMMA = 0.25
"""How much more positive weights count in the γ rule (Montavon et al. 2019, section 10.2.3)."""

Rule = Callable[..., tuple[Tensor, ...]]
"""`(module, inputs, output, relevance of the output) -> relevance of each input`."""


class HandBack(Function):
    """Forward as the module, backward as the rule."""

    @staticmethod
    def forward(ctx: Any, module: Callable[..., Tensor], rule: Rule, *inputs: Tensor) -> Tensor:
        """The module's output."""
        ctx.module, ctx.rule = module, rule
        output = module(*inputs)
        ctx.save_for_backward(*inputs, output)
        return output

    @staticmethod
    def backward(ctx: Any, relevance: Tensor) -> Any:  # type: ignore[override]
        """The inputs' relevance."""
        *inputs, output = ctx.saved_tensors
        return None, None, *ctx.rule(ctx.module, inputs, output, relevance)


class Ruled(nn.Module):
    """A module with its rule."""

    def __init__(self, module: nn.Module, rule: Rule) -> None:
        super().__init__()
        self.module, self.rule = module, rule

    def forward(self, *inputs: Tensor) -> Tensor:
        """As the module alone."""
        return HandBack.apply(self.module, self.rule, *inputs)


class Source(nn.Module):
    """Where a constant of the model, such as a class token, enters the graph: keeps it, to ask for its relevance."""

    value: Tensor | None = None

    def forward(self, constant: Tensor) -> Tensor:
        """The constant, as a leaf of the graph."""
        self.value = constant.detach().clone().requires_grad_()
        return self.value

    def taken(self) -> Tensor:
        """The constant of the last forward pass, which is forgotten here."""
        value, self.value = self.value, None
        assert value is not None, "asked for after a forward pass"
        return value


def passed(module: nn.Module, inputs: list[Tensor], output: Tensor, relevance: Tensor) -> tuple[Tensor]:  # noqa: ARG001
    """The only input, or the first, takes all: activations, and what a constant or a gate merely changes."""
    return (relevance.sum_to_size(inputs[0].shape), *[None] * (len(inputs) - 1))  # type: ignore[return-value]


def shared(module: nn.Module, inputs: list[Tensor], output: Tensor, relevance: Tensor) -> tuple[Tensor, ...]:  # noqa: ARG001
    """In proportion to what each summand adds, a / (a + b); one that is against gets the opposite sign."""
    shares = relevance / stable(output, TINY)
    return tuple((part * shares).sum_to_size(part.shape) for part in inputs)


def averaged(module: nn.Module, inputs: list[Tensor], output: Tensor, relevance: Tensor) -> tuple[Tensor]:  # noqa: ARG001
    """In proportion to x, sign included: a place that lowers an average speaks against what the average speaks for."""
    return (handed_back(module, inputs[0], relevance, TINY),)


def plus(layer: nn.Module) -> Rule:
    """z⁺: in proportion to positive contributions of rectified inputs (Montavon et al. 2017, eq. 11); no bias."""
    positive = with_weights(layer, layer.weight.clamp(min=0), None)  # type: ignore[operator]

    def rule(module: nn.Module, inputs: list[Tensor], output: Tensor, relevance: Tensor) -> tuple[Tensor]:  # noqa: ARG001
        return (handed_back(positive, inputs[0], relevance, TINY),)

    return rule


def flat(layer: nn.Module) -> Rule:
    """Every input of a window gets the same share (Bach et al. 2015, eq. 69): for pixels, which may be negative."""
    ones = with_weights(layer, torch.ones_like(layer.weight), None)  # type: ignore[arg-type]

    def rule(module: nn.Module, inputs: list[Tensor], output: Tensor, relevance: Tensor) -> tuple[Tensor]:  # noqa: ARG001
        return (handed_back(ones, torch.ones_like(inputs[0]), relevance, TINY),)

    return rule


def epsilon(layer: nn.Module) -> Rule:
    """ε: in proportion to contributions x·w (Bach et al. 2015, eq. 58); see `proportional`."""
    return proportional(layer, layer.weight)  # type: ignore[arg-type]


def gamma(layer: nn.Module) -> Rule:
    """γ: in proportion to contributions x·(w + γw⁺) of rectified inputs (Montavon et al. 2019, section 10.2.3).

    Of a negative output x·(w + γw⁻) (Andéol et al. 2021, section 3.2): a sum around a block hands relevance to such
    outputs as well, and with w⁺ their denominators could vanish.
    """
    weight: Tensor = layer.weight  # type: ignore[assignment]
    above, below = (proportional(layer, weight + GAMMA * part) for part in (weight.clamp(min=0), weight.clamp(max=0)))

    def rule(module: nn.Module, inputs: list[Tensor], output: Tensor, relevance: Tensor) -> tuple[Tensor]:
        up = output >= 0
        (high,) = above(module, inputs, output, torch.where(up, relevance, 0.0))
        (low,) = below(module, inputs, output, torch.where(up, 0.0, relevance))
        return (high + low,)

    return rule


def proportional(layer: nn.Module, weight: Tensor) -> Rule:
    """In proportion to contributions x·w, and the bias' share to the unit's inputs by their size |x|.

    The denominator holds the bias: without it a unit that its bias switched on would divide by almost nothing.
    """
    whole, linear = with_weights(layer, weight, layer.bias), with_weights(layer, weight, None)
    window, bias = _window(layer), None if layer.bias is None else _shaped(layer, layer.bias)  # type: ignore[arg-type]

    def rule(module: nn.Module, inputs: list[Tensor], output: Tensor, relevance: Tensor) -> tuple[Tensor]:  # noqa: ARG001
        x = inputs[0]
        shares = relevance / stable(whole(x), EPSILON)
        found = x * transposed(linear, x, shares)
        if bias is not None:
            found = found + handed_back(window, x.abs() + NUDGE, _of_bias(layer, shares * bias), TINY)
        return (found,)

    return rule


def own_sign(layer: nn.Module) -> Rule:
    """In proportion to the contributions that have the output's own sign, the bias among them if it has.

    For layers with inputs of either sign: z⁺ for positive outputs, its mirror image for negative ones (the limit of
    large γ in Andéol et al. 2021, section 3.2). What has the output's sign adds up to the output or more, so no unit
    divides by less than what it gave. The bias' share goes to the unit's inputs by their size |x|.
    """
    weight: Tensor = layer.weight  # type: ignore[assignment]
    positive, negative = (with_weights(layer, part, None) for part in (weight.clamp(min=0), weight.clamp(max=0)))
    window = _window(layer)
    bias = _shaped(layer, weight.new_zeros(len(weight)) if layer.bias is None else layer.bias)  # type: ignore[arg-type]

    def rule(module: nn.Module, inputs: list[Tensor], output: Tensor, relevance: Tensor) -> tuple[Tensor]:  # noqa: ARG001
        above, below, up = inputs[0].clamp(min=0), inputs[0].clamp(max=0), output >= 0
        with torch.enable_grad():
            leaves = above.requires_grad_(), below.requires_grad_()
            gains = positive(above) + negative(below), negative(above) + positive(below)
        same = torch.where(up, gains[0].detach() + bias.clamp(min=0), gains[1].detach() + bias.clamp(max=0))
        shares = relevance / stable(same, TINY)
        back = torch.autograd.grad(gains, leaves, (torch.where(up, shares, 0.0), torch.where(up, 0.0, shares)))
        of_bias = _of_bias(layer, shares * torch.where(up, bias.clamp(min=0), bias.clamp(max=0)))
        found = above.detach() * back[0] + below.detach() * back[1]
        return (found + handed_back(window, inputs[0].abs() + NUDGE, of_bias, TINY),)

    return rule


def normalised(layer: nn.LayerNorm) -> Rule:
    """In proportion to contributions, the deviation held fixed (Ali et al. 2022, eq. 11); the shift's share by |x|."""

    def rule(module: nn.Module, inputs: list[Tensor], output: Tensor, relevance: Tensor) -> tuple[Tensor]:  # noqa: ARG001
        x, over = inputs[0], tuple(range(-len(layer.normalized_shape), 0))
        deviation = (x.var(over, correction=0, keepdim=True) + layer.eps).sqrt()

        def linear(values: Tensor) -> Tensor:
            return (values - values.mean(over, keepdim=True)) / deviation * layer.weight

        shares = relevance / stable(output, TINY)
        if layer.bias is None:
            return (x * transposed(linear, x, shares),)
        sizes = x.abs()
        of_bias = (shares * layer.bias).sum(over, keepdim=True)
        return (x * transposed(linear, x, shares) + of_bias * sizes / stable(sizes.sum(over, keepdim=True), TINY),)

    return rule


def shifted(layer: nn.Module) -> Rule:
    """Of a BatchNorm with fixed statistics: what its shift made goes to the place's channels by |x|.

    So an input that is next to nothing gets next to nothing, which the rules before it rely on that divide by it.
    """
    means: Tensor = layer.running_mean  # type: ignore[assignment]
    with torch.no_grad():
        zero = torch.zeros_like(means)[(None, ..., *([None] * (2 if isinstance(layer, nn.BatchNorm2d) else 0)))]
        shift = layer(zero)
        scale = layer(torch.ones_like(zero)) - shift

    def rule(module: nn.Module, inputs: list[Tensor], output: Tensor, relevance: Tensor) -> tuple[Tensor]:  # noqa: ARG001
        x, shares = inputs[0], relevance / stable(output, TINY)
        sizes, of_shift = x.abs() + NUDGE, (shares * shift).sum(1, keepdim=True)
        return (x * scale * shares + of_shift * sizes / sizes.sum(1, keepdim=True),)

    return rule


def handed_back(linear: Callable[[Tensor], Tensor], x: Tensor, relevance: Tensor, stabiliser: float) -> Tensor:
    """x · Lᵀ(R / L(x)): each input's share of each output of a linear L, in proportion to its contribution."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        output = linear(leaf)
    (back,) = torch.autograd.grad(output, leaf, relevance / stable(output.detach(), stabiliser))
    return x * back


def transposed(linear: Callable[[Tensor], Tensor], x: Tensor, shares: Tensor) -> Tensor:
    """Lᵀ(shares), in the shape of x."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        output = linear(leaf)
    return torch.autograd.grad(output, leaf, shares)[0]


def stable(denominator: Tensor, stabiliser: float) -> Tensor:
    """Moved away from 0, each to its own side; 0 itself to above."""
    return denominator + torch.where(denominator >= 0, stabiliser, -stabiliser)


def with_weights(layer: nn.Module, weight: Tensor, bias: Any) -> nn.Module:
    """A copy of a convolution or linear layer with other weights."""
    made = copy.deepcopy(layer)
    made.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
    kept = None if bias is None else nn.Parameter(bias.detach().clone(), requires_grad=False)
    made.register_parameter("bias", kept)
    return made


def _window(layer: nn.Module) -> nn.Module:
    """The layer with one output per group, that adds up the inputs a unit sees."""
    weight: Tensor = layer.weight  # type: ignore[assignment]
    return with_weights(layer, torch.ones_like(weight[: getattr(layer, "groups", 1)]), None)


def _shaped(layer: nn.Module, bias: Tensor) -> Tensor:
    """One value per output, as it is added to the output."""
    return bias if isinstance(layer, nn.Linear) else bias[:, None, None]


def _of_bias(layer: nn.Module, amounts: Tensor) -> Tensor:
    """What the biases of all units with the same window have to hand on: one channel per group.

    Args:
        layer: a convolution or linear layer.
        amounts: `(N, outputs, …)`, of each unit; `(…, outputs)` for a linear layer.
    """
    if isinstance(layer, nn.Linear):
        return amounts.sum(-1, keepdim=True)
    count, channels, *size = amounts.shape
    groups: int = layer.groups  # type: ignore[assignment]
    return amounts.reshape(count, groups, channels // groups, *size).sum(2)
