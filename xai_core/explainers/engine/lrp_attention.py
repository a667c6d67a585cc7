"""Self-attention for relevance propagation: attention weights are held fixed, so that relevance follows the values."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from xai_core.explainers.engine.calls import is_constant, only_moves, tensors_of
from xai_core.explainers.engine.lrp_rules import TINY, HandBack, Rule, Ruled, averaged, epsilon, stable
from xai_core.explainers.engine.rewrite import WithConstant, insert, module_of

SOFTMAXES = (F.softmax, torch.softmax, "softmax")
PRODUCTS = (operator.matmul, torch.matmul, torch.bmm, torch.einsum, "matmul", "bmm", "__matmul__")

Given = tuple[tuple[Any, ...], Mapping[str, Any]]
"""A call's arguments, in order and by name."""


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


class HeldFixed(nn.Module):
    """`(values, *others) -> tensor`: a function that is linear in the values, all others held fixed.

    Of attention: weights times values, or the whole of it where one call does all.
    """

    def __init__(self, function: Callable[..., Tensor], places: tuple[int | str, ...], given: Given) -> None:
        super().__init__()
        self.function, self.places, self.given = function, places, given

    def forward(self, values: Tensor, *others: Tensor) -> Tensor:
        """As the function alone."""
        fixed = [other.detach() for other in others]

        def linear(values: Tensor) -> Tensor:
            args, kwargs = list(self.given[0]), dict(self.given[1])
            for place, tensor in zip(self.places, (values, *fixed), strict=True):
                if isinstance(place, int):
                    args[place] = tensor
                else:
                    kwargs[place] = tensor
            return self.function(*args, **kwargs)

        return HandBack.apply(linear, averaged, values)


def hold_attention(graph: fx.GraphModule) -> None:
    """Attention that is written out: `softmax(…) @ values`, or `scaled_dot_product_attention`."""
    weights: set[fx.Node] = set()
    for node in list(graph.graph.nodes):
        if _is_softmax(graph, node) or _hands_on(graph, node, weights):
            weights.add(node)
        elif node.target is F.scaled_dot_product_attention:
            _hold(graph, node, 2, "value")
        elif node.target in PRODUCTS and (place := _place_of_values(node, weights)) is not None:
            _hold(graph, node, place, "")


def held_fixed(graph: fx.GraphModule) -> frozenset[fx.Node]:
    """Nodes that nothing reads but what holds them fixed: queries, keys and weights, which get no relevance."""
    found: set[fx.Node] = set()
    for node in reversed(graph.graph.nodes):
        if node.users and all(user in found or _holds(graph, user, node) for user in node.users):
            found.add(node)
    return frozenset(found)


def _holds(graph: fx.GraphModule, user: fx.Node, node: fx.Node) -> bool:
    return isinstance(module_of(graph, user), HeldFixed) and user.args[0] is not node


def _is_softmax(graph: fx.GraphModule, node: fx.Node) -> bool:
    return isinstance(module_of(graph, node), nn.Softmax) or node.target in SOFTMAXES


def _hands_on(graph: fx.GraphModule, node: fx.Node, weights: set[fx.Node]) -> bool:
    """Whether it is attention weights moved, masked or scaled."""
    parts = [part for part in tensors_of(node) if not is_constant(part)]
    same = only_moves(node) or isinstance(module_of(graph, node), WithConstant)
    return same and bool(parts) and all(part in weights for part in parts)


def _place_of_values(node: fx.Node, weights: set[fx.Node]) -> int | None:
    """Which argument the values are, where the other of two is attention weights."""
    places = [place for place, part in enumerate(node.args) if isinstance(part, fx.Node)]
    values = [place for place in places if node.args[place] not in weights]
    return values[0] if len(places) == 2 and len(values) == 1 and not node.kwargs else None


def _hold(graph: fx.GraphModule, node: fx.Node, position: int, name: str) -> None:
    at: int | str = position if len(node.args) > position else name
    given: list[tuple[Any, Any]] = [*enumerate(node.args), *node.kwargs.items()]
    tensors = {place: part for place, part in given if isinstance(part, fx.Node)}
    places = (at, *(place for place in tensors if place != at))
    function: Any = node.target
    if isinstance(function, str):
        function = getattr(torch.Tensor, function)
    module = HeldFixed(function, places, (node.args, node.kwargs))
    insert(graph, node, module, tuple(tensors[place] for place in places))
