"""Self-attention for relevance propagation: attention weights are held fixed, so that relevance follows the values."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from xai_core.explainers.engine.lrp_rules import TINY, HandBack, Rule, Ruled, epsilon, stable


class Attention(nn.Module):
    """`tokens (N, L, D) -> (N, L, D)`: what `nn.MultiheadAttention` computes of one sequence with itself.

    Held fixed, the weights make the output a linear function of the values; queries and keys get no relevance
    (Ali et al. 2022, XAI for Transformers: Better Explanations through Conservative Propagation, eq. 10).
    """

    def __init__(self, attention: nn.MultiheadAttention) -> None:
        super().__init__()
        depth, heads = attention.embed_dim, attention.num_heads
        self.heads, self.scale = heads, (depth // heads) ** -0.5
        weight, bias = attention.in_proj_weight, attention.in_proj_bias
        self.query, self.key, value = (_linear(weight, bias, depth * i, depth) for i in range(3))
        self.value = Ruled(value, epsilon(value))
        self.out = Ruled(attention.out_proj, epsilon(attention.out_proj))

    @staticmethod
    def fits(attention: nn.MultiheadAttention) -> bool:
        """Whether it is of the plain kind: one projection for all, batch first, nothing added to keys."""
        plain = attention.in_proj_weight is not None and attention.bias_k is None and not attention.add_zero_attn
        return plain and attention.batch_first

    def forward(self, tokens: Tensor) -> Tensor:
        """The attended tokens."""
        with torch.no_grad():
            scores = self._split(self.query(tokens)) @ self._split(self.key(tokens)).transpose(-1, -2)
            weights = (scores * self.scale).softmax(-1)
        mixed = HandBack.apply(weights.matmul, _mixed(weights), self._split(self.value(tokens)))
        return self.out(mixed.transpose(1, 2).flatten(2))

    def _split(self, tokens: Tensor) -> Tensor:
        """`(N, L, D)` → `(N, heads, L, D / heads)`."""
        return tokens.reshape(*tokens.shape[:2], self.heads, -1).transpose(1, 2)


def _mixed(weights: Tensor) -> Rule:
    """The rule of the weighted sum of values: in proportion to contributions."""

    def rule(module: nn.Module, inputs: list[Tensor], output: Tensor, relevance: Tensor) -> tuple[Tensor]:  # noqa: ARG001
        return (inputs[0] * (weights.transpose(-1, -2) @ (relevance / stable(output, TINY))),)

    return rule


def _linear(weight: Tensor, bias: Tensor | None, start: int, depth: int) -> nn.Linear:
    """One of the three projections that `nn.MultiheadAttention` keeps in one matrix."""
    made = nn.Linear(depth, depth, bias=bias is not None, device=weight.device, dtype=weight.dtype)
    made.weight = nn.Parameter(weight[start : start + depth].detach().clone(), requires_grad=False)
    if bias is not None:
        made.bias = nn.Parameter(bias[start : start + depth].detach().clone(), requires_grad=False)
    return made
