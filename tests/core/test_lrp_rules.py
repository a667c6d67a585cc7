"""Every propagation rule against its slow writing, and what it conserves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.oracles import lrp as slow
from xai_core.explainers.engine import lrp_rules as rules
from xai_core.explainers.engine.weighted_calls import Resized

SHAPE = (4, 5, 4)
LAYERS = {
    "linear": lambda: nn.Linear(9, 6),
    "convolution": lambda: nn.Conv2d(4, 6, 3, padding=1),
    "strided": lambda: nn.Conv2d(4, 3, 3, stride=2),
    "grouped": lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2),
    "dilated": lambda: nn.Conv2d(4, 6, 3, padding=3, dilation=3),
    "no bias": lambda: nn.Conv2d(4, 2, 1, bias=False),
}
CASES: dict[str, tuple[Callable, Callable]] = {
    "plus": (rules.plus, slow.z_plus),
    "flat": (rules.flat, slow.flat),
    "epsilon": (rules.epsilon, slow.proportional),
    "gamma": (rules.gamma, slow.gamma),
    "own sign": (rules.own_sign, slow.own_sign),
}


def case(kind: str) -> tuple[nn.Module, Tensor, Tensor]:
    """A layer, two samples of rectified input and some relevance of its output, where the output is positive."""
    with torch.random.fork_rng():
        torch.manual_seed(len(kind))
        layer = LAYERS[kind]().requires_grad_(False)
        x = torch.rand(2, *((9,) if kind == "linear" else SHAPE))
        x[x < 0.2] = 0
        return layer, x, torch.rand_like(layer(x)) * (layer(x) > 0.02)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("name", CASES)
def test_a_rule_equals_its_slow_writing(name: str, kind: str) -> None:
    layer, x, relevance = case(kind)
    make, written = CASES[name]
    (found,) = make(layer)(layer, [x], layer(x), relevance)
    weight, bias = slow.as_matrix(layer, tuple(x.shape[1:]))
    for row in range(2):
        amounts = relevance[row].flatten().double().numpy()
        expected = slow.propagate(written, weight, bias, x[row].flatten().double().numpy(), amounts)
        np.testing.assert_allclose(found[row].flatten(), expected, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize(
    ("size", "module"),
    [
        ((5, 4), Resized((), {"size": (9, 11), "mode": "bilinear", "align_corners": False})),
        ((5, 4), Resized((), {"size": (9, 11), "mode": "bilinear", "align_corners": True})),
        ((1, 1), Resized((), {"size": (5, 4), "mode": "bilinear", "align_corners": False})),
        ((6, 6), Resized((), {"size": (3, 3), "mode": "area"})),
        ((5, 4), Resized((), {"scale_factor": 2})),
        ((5, 4), nn.AdaptiveAvgPool2d(1)),
    ],
)
def test_resizing_shares_each_place_among_those_it_is_the_mean_of(size: tuple[int, int], module: nn.Module) -> None:
    """x · Uᵀ(R / Ux): the adjoint, normalised. Of the one place of image pooling, all that its copies got."""
    generator = torch.Generator().manual_seed(3)
    x = torch.rand(2, 3, *size, generator=generator)
    output = module(x)
    relevance = torch.randn(output.shape, generator=generator)
    (found,) = rules.averaged(module, [x], output, relevance)
    weight, bias = slow.as_matrix(module, tuple(x.shape[1:]))
    for row in range(2):
        inputs, amounts = (part[row].flatten().double().numpy() for part in (x, relevance))
        expected = slow.propagate(slow.proportional, weight, bias, inputs, amounts)
        np.testing.assert_allclose(found[row].flatten(), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.sum((1, 2, 3)), relevance.sum((1, 2, 3)), rtol=1e-4)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("name", CASES)
def test_a_rule_conserves(name: str, kind: str) -> None:
    layer, x, relevance = case(kind)
    (found,) = CASES[name][0](layer)(layer, [x], layer(x), relevance)
    np.testing.assert_allclose(found.flatten(1).sum(1), relevance.flatten(1).sum(1), rtol=1e-3)


@pytest.mark.parametrize("kind", LAYERS)
def test_own_sign_takes_inputs_and_outputs_of_either_sign(kind: str) -> None:
    layer, x, _ = case(kind)
    x = x - 0.5
    x[0] = 0  # silent: what the bias made is shared evenly
    relevance = layer(x) * torch.rand_like(layer(x))
    (found,) = rules.own_sign(layer)(layer, [x], layer(x), relevance)
    np.testing.assert_allclose(found.flatten(1).sum(1), relevance.flatten(1).sum(1), rtol=1e-3, atol=1e-5)
    weight, bias = slow.as_matrix(layer, tuple(x.shape[1:]))
    amounts = relevance[1].flatten().double().numpy()
    expected = slow.propagate(slow.own_sign, weight, bias, x[1].flatten().double().numpy(), amounts)
    np.testing.assert_allclose(found[1].flatten(), expected, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("kind", LAYERS)
def test_gamma_never_divides_by_less_than_the_output(kind: str) -> None:
    """A sum around a block hands relevance to negative outputs too, in proportion to them."""
    layer, x, _ = case(kind)
    relevance = layer(x)
    assert (relevance < 0).any()
    (found,) = rules.gamma(layer)(layer, [x], layer(x), relevance)
    weight, bias = slow.as_matrix(layer, tuple(x.shape[1:]))
    amounts = relevance[1].flatten().double().numpy()
    expected = slow.propagate(slow.gamma, weight, bias, x[1].flatten().double().numpy(), amounts)
    np.testing.assert_allclose(found[1].flatten(), expected, rtol=2e-3, atol=2e-4)


def test_what_a_batch_norm_shifted_goes_to_its_channels_by_size() -> None:
    norm = nn.BatchNorm2d(2).eval().requires_grad_(False)
    norm.weight[:], norm.bias[:], norm.running_mean[:] = torch.tensor([2.0, 1]), torch.tensor([3.0, 1]), torch.ones(2)
    norm.running_var[:], norm.eps = torch.ones(2), 0.0
    x = torch.tensor([0.0, 3.0]).view(1, 2, 1, 1)  # 2x + 1 = 1 and x + 0 = 3
    (found,) = rules.shifted(norm)(norm, [x], norm(x), 10 * norm(x))
    np.testing.assert_allclose(found.flatten(), [0, 10 * (3 + 1)], atol=1e-4)


@pytest.mark.parametrize("pooling", [nn.AvgPool2d(2), nn.AvgPool2d(3, 2, padding=1), nn.AdaptiveAvgPool2d(2)])
def test_averages_share_by_what_each_place_adds_sign_included(pooling: nn.Module) -> None:
    x = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    relevance = 0.7 * pooling(x)
    (found,) = rules.averaged(pooling, [x], pooling(x), relevance)
    np.testing.assert_allclose(found.sum((1, 2, 3)), relevance.sum((1, 2, 3)), rtol=1e-4)
    assert (found * x >= 0).all(), "what lowers an average speaks against it"
    weight, bias = slow.as_matrix(pooling, SHAPE)
    values = x[0].flatten().double().numpy()
    expected = slow.propagate(slow.unbiased, weight, bias, values, relevance[0].flatten().double().numpy())
    np.testing.assert_allclose(found[0].flatten(), expected, atol=1e-5)


def test_a_sum_is_shared_by_what_each_part_adds() -> None:
    a, b, relevance = torch.tensor([3.0, -1.0, 0.0]), torch.tensor([1.0, 3.0, 2.0]), torch.tensor([8.0, 4.0, 5.0])
    of_a, of_b = rules.shared(nn.Identity(), [a, b], a + b, relevance)
    np.testing.assert_allclose(of_a, [6, -2, 0], rtol=1e-6)
    np.testing.assert_allclose(of_b, [2, 6, 5], rtol=1e-6)


def test_layer_norm_conserves_and_keeps_its_deviation_fixed() -> None:
    layer, x = nn.LayerNorm(6), torch.randn(2, 3, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        layer.weight.uniform_(0.5, 1.5)
        layer.bias.uniform_(-0.5, 0.5)
        output = layer(x)
        relevance = output * torch.rand(2, 3, 6)
        (found,) = rules.normalised(layer)(layer, [x], output, relevance)
    np.testing.assert_allclose(found.sum(-1), relevance.sum(-1), atol=1e-4)
    nn.init.zeros_(layer.bias)
    leaf = x.clone().requires_grad_()
    centred = leaf - leaf.mean(-1, keepdim=True)
    fixed = centred / (x.var(-1, correction=0, keepdim=True) + layer.eps).sqrt() * layer.weight
    (gradient,) = torch.autograd.grad((fixed * 0.7).sum(), leaf)
    (found,) = rules.normalised(layer)(layer, [x], fixed.detach(), 0.7 * fixed.detach())
    np.testing.assert_allclose(found.detach(), x * gradient, atol=1e-4)


def test_handing_back_leaves_the_forward_as_it_is() -> None:
    layer, x, _ = case("convolution")
    leaf = x.clone().requires_grad_()
    output = rules.Ruled(layer, rules.passed)(leaf)
    assert torch.equal(output, layer(x))
    with pytest.raises(RuntimeError, match="not expandable"):
        output.sum().backward()
