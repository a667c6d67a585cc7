"""Propagation rules written slowly, unit by unit, from the papers: one layer, one sample, float64.

A layer is given as its matrix: `weight[j, i]` is what input i adds to output j, for a convolution too (`as_matrix`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Grid = NDArray[np.float64]
Part = Callable[[float, float, float, int], float]


def as_matrix(layer: nn.Module, shape: tuple[int, ...]) -> tuple[Grid, Grid]:
    """`(weight (outputs, inputs), bias (outputs,))` of a convolution or linear layer on one sample of this shape."""
    zero = torch.zeros(1, *shape, dtype=torch.float64)
    size = zero.numel()
    with torch.no_grad():
        layer = layer.double()
        bias = layer(zero).flatten()
        columns = [layer(unit.view(1, *shape)).flatten() - bias for unit in torch.eye(size, dtype=torch.float64)]
    return torch.stack(columns, 1).numpy(), bias.numpy()


def propagate(share: Callable[[Grid, Grid, float], Grid], weight: Grid, bias: Grid, x: Grid, relevance: Grid) -> Grid:
    """Σ_j share of input i in output j · R_j, one output after the other."""
    result = np.zeros_like(x)
    for j, amount in enumerate(relevance):
        result += share(weight[j], x, bias[j]) * amount
    return result


def z_plus(weights: Grid, x: Grid, bias: float) -> Grid:
    """Montavon et al. 2017, eq. 11: x_i w⁺_ij / Σ_i x_i w⁺_ij."""
    contributions = np.array([x[i] * max(weights[i], 0.0) for i in range(len(x))])
    total = contributions.sum()
    return contributions / total if total else np.zeros_like(x)


def flat(weights: Grid, x: Grid, bias: float) -> Grid:
    """Bach et al. 2015, eq. 69: the same for every input in reach."""
    reached = np.array([float(weight != 0) for weight in weights])
    return reached / reached.sum()


def proportional(weights: Grid, x: Grid, bias: float) -> Grid:
    """Bach et al. 2015, eq. 58: x_i w_ij / z_j, z_j with bias; b_j / z_j goes to inputs in reach by |x_i|."""
    contributions = np.array([x[i] * weights[i] for i in range(len(x))])
    output = contributions.sum() + bias
    sizes = np.array([abs(x[i]) * float(weights[i] != 0) for i in range(len(x))])
    return contributions / output + (bias / output) * sizes / sizes.sum()


def gamma(weights: Grid, x: Grid, bias: float) -> Grid:
    """Montavon et al. 2019, section 10.2.3: as above, positive weights a quarter more.

    Of a negative output negative weights (Andéol et al. 2021, section 3.2; zennit's Gamma): |denominator| ≥ |output|.
    """
    positive = sum(x[i] * weights[i] for i in range(len(x))) + bias >= 0
    return proportional(np.array([w + 0.25 * (max(w, 0.0) if positive else min(w, 0.0)) for w in weights]), x, bias)


def own_sign(weights: Grid, x: Grid, bias: float) -> Grid:
    """Contributions of the output's sign, over their sum with the bias if it has that sign; its share by |x_i|."""
    contributions = np.array([x[i] * weights[i] for i in range(len(x))])
    sign = 1.0 if contributions.sum() + bias >= 0 else -1.0
    kept = np.array([c if c * sign > 0 else 0.0 for c in contributions])
    kept_bias = bias if bias * sign > 0 else 0.0
    total = kept.sum() + kept_bias
    sizes = np.array([(abs(x[i]) + 1e-6) * float(weights[i] != 0) for i in range(len(x))])
    return kept / total + kept_bias / total * sizes / sizes.sum()


def unbiased(weights: Grid, x: Grid, bias: float) -> Grid:
    """As above, without bias."""
    return proportional(weights, x, 0.0)


def transformer(module: nn.Module, x: Tensor, target: int) -> Tensor:
    """Gradient × input at the tokens `(N, L, D)` of `tests.oracles.models.Tokens`, its biases being 0.

    Attention weights and deviations are constants (Ali et al. 2022, eq. 10 and 11): what is left is linear or nearly
    so, and gradient × input is then the ε rule with ε = 0.
    """
    tokens = module.patches(x).flatten(2).transpose(1, 2)
    tokens = torch.cat([module.token.expand(len(x), -1, -1), tokens], 1) + module.positions
    start = tokens.detach().requires_grad_()
    seen = _norm(module.first, start)
    values = seen @ module.attention.in_proj_weight[16:].T
    queries, keys = (seen @ module.attention.in_proj_weight[8 * i : 8 * i + 8].T for i in range(2))
    mixed = []
    for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        weights = (queries[..., part] @ keys[..., part].transpose(1, 2) / 2).softmax(-1).detach()
        mixed.append(weights @ values[..., part])
    added = start + torch.cat(mixed, -1) @ module.attention.out_proj.weight.T
    logit = (_norm(module.norm, added)[:, 0] @ module.head.weight.T)[:, target]
    (gradient,) = torch.autograd.grad(logit.sum(), start)
    return start.detach() * gradient


def _norm(layer: nn.LayerNorm, tokens: Tensor) -> Tensor:
    centred = tokens - tokens.mean(-1, keepdim=True)
    deviation = (centred.square().mean(-1, keepdim=True) + layer.eps).sqrt().detach()
    return centred / deviation * layer.weight
