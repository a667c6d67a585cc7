"""Function calls in a model's code that change no numbers: a method with a rule per layer need not mind them."""

from __future__ import annotations

import operator

import torch
import torch.nn.functional as F
from torch import fx

from xai_core.explainers.engine.rewrite import name_of

HARMLESS = frozenset(
    {
        # Move numbers without changing them, or pick some of them: their gradient moves relevance as it should.
        *(torch.flatten, torch.cat, torch.concat, torch.reshape, torch.permute, torch.transpose, torch.unsqueeze),
        *(torch.chunk, torch.split, torch.squeeze, F.max_pool2d, torch.max_pool2d, operator.getitem, getattr),
        *("flatten", "reshape", "view", "permute", "transpose", "unsqueeze", "squeeze", "chunk", "split", "expand"),
        *("contiguous", "size", "dim", operator.eq, torch._assert),
    }
)
ARITHMETIC = (operator.mul, operator.floordiv, operator.add, operator.sub)
"""Harmless where it is about shapes."""


def unruled_call(graph: fx.GraphModule) -> str | None:
    """The first call that changes numbers, for an error; None where there is none."""
    for node in graph.graph.nodes:
        harmless = node.target in HARMLESS or (node.target in ARITHMETIC and is_number(node))
        if node.op in ("call_function", "call_method") and not harmless:
            return f"{name_of(node)} in the model's code"
    return None


def is_number(node: fx.Node) -> bool:
    """A shape, or made of shapes."""
    if node.target in ("size", "dim") or (node.target is getattr and node.args[1] == "shape"):
        return True
    parts = node.all_input_nodes
    return node.op == "call_function" and bool(parts) and all(map(is_number, parts))


def tensors_of(node: fx.Node) -> list[fx.Node]:
    """The inputs of a node that are no numbers."""
    return [part for part in node.all_input_nodes if not is_number(part)]
