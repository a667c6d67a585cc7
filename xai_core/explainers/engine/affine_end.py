"""The affine end of a model: what lies between its last activations and the logits, taken as one linear layer.

A classifier's linear head, class scores averaged over places, the sum of two heads: all that such an end does to a
tensor is affine, so what each of its inputs adds to a logit is x · gradient, exactly and with its own sign. Rules that
go through it part by part have to divide sums whose parts cancel, or share by size and so turn evidence around.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from xai_core.explainers.engine.calls import LINEAR, is_constant, is_number, only_moves, tensors_of
from xai_core.explainers.engine.lrp_rules import HandBack, Source
from xai_core.explainers.engine.rewrite import Addition, WithConstant, module_of
from xai_core.explainers.engine.weighted_calls import Mean, Resized

if TYPE_CHECKING:
    from xai_core.models.classifier import Classifier

LAYERS = (nn.Linear, nn.Conv2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, Mean, Resized, Addition, WithConstant)
SCALES = (operator.mul, operator.truediv, torch.mul, torch.div, "mul", "div")
PARTS = (torch.chunk, torch.split, torch.unbind, "chunk", "split", "unbind")
MAXIMA = (F.max_pool2d, torch.max_pool2d)


class Boundary(nn.Module):
    """Where the end begins: the gradient that comes back goes on as x · gradient.

    While it is `silent` it gives zeros, so that the end's constant part can be read.
    """

    silent = False

    def forward(self, x: Tensor) -> Tensor:
        """The tensor itself."""
        return torch.zeros_like(x) if self.silent else HandBack.apply(torch.clone, contribution, x)


def contribution(module: Any, inputs: list[Tensor], output: Tensor, gradient: Tensor) -> tuple[Tensor]:  # noqa: ARG001
    """x · gradient: what each input adds to a linear function whose gradient is given."""
    return (inputs[0] * gradient,)


def affine_end(graph: fx.GraphModule) -> frozenset[fx.Node]:
    """The nodes of the end, all of whose readers belong to it; empty where the last part is an activation.

    A convolution that reads pixels is not among them: it has a rule of its own. BatchNorm ends it: its shift is about
    what the background gives, and so belongs to each place rather than to the picture.
    """
    found: set[fx.Node] = set()
    for node in reversed(graph.graph.nodes):
        read_inside = all(user.op == "output" or user in found or is_number(user) for user in node.users)
        if node.op != "output" and read_inside and _is_affine(graph, node):
            found.add(node)
    return frozenset(node for node in found if not _takes_apart(node, found))


def _takes_apart(node: fx.Node, end: set[fx.Node]) -> bool:
    """Whether it is one of several tensors that a call before the end gives: no Boundary can stand before these."""
    whole = node.args[0] if node.target is operator.getitem else None
    return isinstance(whole, fx.Node) and whole not in end and whole.target in PARTS


def mark_boundary(graph: fx.GraphModule, end: frozenset[fx.Node]) -> list[Boundary]:
    """Put a Boundary before everything that the end, or the output itself, reads from outside."""
    made: dict[fx.Node, Boundary] = {}
    readers = {node for node in graph.graph.nodes if node.op == "output" or node in end}
    for part in [part for node in graph.graph.nodes if node in readers for part in tensors_of(node)]:
        if part in end or part in made or is_constant(part):
            continue
        made[part] = Boundary()
        graph.add_submodule(f"boundary_{part.name}", made[part])
        with graph.graph.inserting_after(part):
            new = graph.graph.call_module(f"boundary_{part.name}", (part,))
        part.replace_all_uses_with(new, delete_user_cb=readers.__contains__)
    return list(made.values())


def constant_part(graph: fx.GraphModule, boundary: list[Boundary], classifier: Classifier) -> Tensor:
    """`(*output,)`: what the end adds to each logit, whatever the picture."""
    for part in boundary:
        part.silent = True
    with torch.no_grad():
        constant = graph(torch.zeros(1, *classifier.input_shape, device=classifier.device))[0]
    for part in boundary:
        part.silent = False
    return constant


def reads_pixels(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Whether it is the picture, or a part of it, moved or scaled by constants."""
    if node.op == "placeholder":
        return True
    module = module_of(graph, node)
    moves = isinstance(module, WithConstant) or (module is None and only_moves(node))
    parts = [part for part in tensors_of(node) if not is_constant(part)]
    return moves and bool(parts) and all(reads_pixels(graph, part) for part in parts)


def _is_affine(graph: fx.GraphModule, node: fx.Node) -> bool:
    inputs, module = node.all_input_nodes, module_of(graph, node)
    if reads_pixels(graph, node) or any(isinstance(module_of(graph, part), Source) for part in inputs):
        return False
    if module is None:
        calls = node.op in ("call_function", "call_method") and node.target not in MAXIMA
        by_size = node.target in SCALES and len(tensors_of(node)) == 1  # as in x.sum((2, 3)) / (height * width)
        return calls and (only_moves(node) or node.target in LINEAR or by_size)
    first = isinstance(module, nn.Conv2d) and reads_pixels(graph, inputs[0])
    return isinstance(module, LAYERS) and not first
