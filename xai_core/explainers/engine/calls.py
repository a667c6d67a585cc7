"""What calls in a model's code are to a method with a rule per layer: which change numbers, which only move them."""

from __future__ import annotations

import operator
from collections.abc import Collection
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx

HARMLESS = frozenset(
    {
        # Move numbers without changing them, or pick some of them: their gradient moves relevance as it should.
        *(torch.flatten, torch.cat, torch.concat, torch.reshape, torch.permute, torch.transpose, torch.unsqueeze),
        *(torch.chunk, torch.split, torch.squeeze, F.max_pool2d, torch.max_pool2d, operator.getitem, getattr),
        *("flatten", "reshape", "view", "permute", "transpose", "unsqueeze", "squeeze", "chunk", "split", "expand"),
        *("contiguous", "size", "dim", operator.eq, torch._assert, torch.roll, "roll", torch.unbind, "unbind"),
        *(
            "unflatten",
            "swapaxes",
            "movedim",
            "to",
            torch.swapaxes,
            torch.movedim,
            torch.unflatten,
            "narrow",
            torch.narrow,
        ),
        *(torch.select, "select"),
    }
)
PADS = (F.pad, torch._C._nn.pad)
LINEAR = frozenset(
    {
        *(torch.mean, torch.sum, "mean", "sum", torch.stack, operator.neg, torch.neg, "neg"),
        *(operator.sub, torch.sub, "sub"),
    }
)
"""Linear, but not moves: their gradient is a rule only where nothing comes after them that is not linear."""
ARITHMETIC = (operator.mul, operator.floordiv, operator.add, operator.sub)
"""Harmless where it is about shapes."""


def only_moves(node: fx.Node) -> bool:
    """Whether a call is harmless: among them padding with zeros, or with what stands at the border."""
    return node.target in HARMLESS or (node.target in PADS and padding_of(node)[2] == 0)


def padding_of(node: fx.Node) -> tuple[tuple[int, ...], str, float]:
    """Of a call of `F.pad`: how much at each side, the last axis first; the mode; and what is put there."""
    names = ("input", "pad", "mode", "value")
    given = dict(zip(names, node.args, strict=False)) | dict(node.kwargs)
    sides: Any = given["pad"]
    mode, value = str(given.get("mode", "constant")), given.get("value")
    return tuple(sides), mode, float(value or 0) if mode == "constant" else 0.0  # type: ignore[arg-type]


def unruled_call(graph: fx.GraphModule, ruled: Collection[fx.Node] = ()) -> str | None:
    """The first call that changes numbers of the picture and is not among `ruled`, for an error; None if none does."""
    for node in graph.graph.nodes:
        harmless = only_moves(node) or (node.target in ARITHMETIC and is_number(node))
        if node.op in ("call_function", "call_method") and not harmless and node not in ruled and not is_constant(node):
            return (
                f"padding with {padding_of(node)[2]:g}"
                if node.target in PADS
                else f"{name_of(node)} in the model's code"
            )
    return None


def is_number(node: fx.Node) -> bool:
    """A shape, or made of shapes."""
    if node.target in ("size", "dim") or (node.target is getattr and node.args[1] == "shape"):
        return True
    parts = node.all_input_nodes
    return node.op == "call_function" and bool(parts) and all(map(is_number, parts))


def is_constant(node: fx.Node) -> bool:
    """Made of the model's parameters and of sizes alone."""
    if node.op == "get_attr":
        return True
    return node.op != "placeholder" and bool(tensors_of(node)) and all(map(is_constant, tensors_of(node)))


def tensors_of(node: fx.Node) -> list[fx.Node]:
    """The inputs of a node that are no numbers."""
    return [part for part in node.all_input_nodes if not is_number(part)]


def name_of(node: fx.Node) -> str:
    """What a function or method call is called."""
    return str(getattr(node.target, "__name__", node.target))
