"""Layers that stand as function calls in a model's code, as modules; and padding with zeros, as the convolution's own.

A rule that shares among the inputs of a window must see which of them are pixels and which are padding.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from xai_core.explainers.engine.calls import PADS, is_constant, padding_of

CALLS: dict[Any, tuple[str, ...]] = {
    F.linear: ("input", "weight", "bias"),
    **dict.fromkeys((F.conv2d, torch.conv2d), ("input", "weight", "bias", "stride", "padding", "dilation", "groups")),
    **dict.fromkeys((F.layer_norm, torch.layer_norm), ("input", "normalized_shape", "weight", "bias", "eps")),
    F.batch_norm: ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps"),
}
"""Functions, and what their arguments are called in order."""

PADDINGS: dict[type[nn.Module], str] = {
    nn.ZeroPad2d: "constant",
    nn.ConstantPad2d: "constant",
    nn.ReflectionPad2d: "reflect",
    nn.ReplicationPad2d: "replicate",
    nn.CircularPad2d: "circular",
}


class PaddedConv2d(nn.Conv2d):
    """A convolution that pads with zeros first, `(left, right, top, bottom)` pixels in `border`."""

    border: tuple[int, ...] = ()

    def forward(self, x: Tensor) -> Tensor:
        """As the padding and the convolution one after the other."""
        return super().forward(F.pad(x, self.border))


class Mean(nn.Module):
    """The mean over some axes, as a module."""

    def __init__(self, axes: tuple[int, ...], *, keeps: bool) -> None:
        super().__init__()
        self.axes, self.keeps = axes, keeps

    def forward(self, x: Tensor) -> Tensor:
        """The mean."""
        return x.mean(self.axes, self.keeps)


class Resized(nn.Module):
    """`F.interpolate` with fixed arguments, which is linear, as a module."""

    def __init__(self, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        super().__init__()
        self.arguments, self.options = arguments, options

    def forward(self, x: Tensor) -> Tensor:
        """The larger or smaller grid."""
        return F.interpolate(x, *self.arguments, **self.options)


def layer_for(model: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    """The layer that a call with constant weights is; None for other calls."""
    names = CALLS.get(node.target)
    if names is None:
        return None
    given = dict(zip(names, node.args, strict=False)) | dict(node.kwargs)
    tensors = {name: part for name, part in given.items() if isinstance(part, fx.Node) and name != "input"}
    if given.get("training") or not all(map(is_constant, tensors.values())):
        return None
    with torch.no_grad():
        values = {name: value_of(model, part) for name, part in tensors.items()}
        return _layer({**given, **values})


def _layer(given: dict[str, Any]) -> nn.Module | None:
    weight, bias = given.get("weight"), given.get("bias")
    made: nn.Module
    if "running_mean" in given:
        if given["running_mean"] is None or weight is None or bias is None:
            return None
        made = nn.BatchNorm2d(len(weight), eps=given.get("eps", 1e-5))
        made.running_mean, made.running_var = given["running_mean"].clone(), given["running_var"].clone()
    elif "normalized_shape" in given:
        if weight is None:
            return None
        made = nn.LayerNorm(tuple(given["normalized_shape"]), given.get("eps", 1e-5))
    elif weight is not None and weight.ndim == 4:
        groups = given.get("groups", 1)
        shape = {name: given[name] for name in ("stride", "padding", "dilation") if name in given}
        made = nn.Conv2d(weight.shape[1] * groups, len(weight), tuple(weight.shape[2:]), groups=groups, **shape)
    elif weight is not None and weight.ndim == 2:
        made = nn.Linear(weight.shape[1], weight.shape[0])
    else:
        return None
    made.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
    made.register_parameter("bias", None if bias is None else nn.Parameter(bias.detach().clone(), requires_grad=False))
    return made.to(weight.device)


def value_of(model: fx.GraphModule, node: fx.Node) -> Any:
    """What a node made of the model's constants alone gives."""
    if node.op == "get_attr":
        found: Any = model
        for part in str(node.target).split("."):
            found = getattr(found, part)
        return found
    args = fx.node.map_arg(node.args, lambda part: value_of(model, part))
    kwargs = fx.node.map_arg(node.kwargs, lambda part: value_of(model, part))
    if node.op == "call_function":
        return node.target(*args, **kwargs)  # type: ignore[operator]
    if node.op == "call_module":
        return model.get_submodule(str(node.target))(*args, **kwargs)
    return getattr(args[0], str(node.target))(*args[1:], **kwargs)


def paddings_as_calls(model: fx.GraphModule) -> None:
    """Modules that pad as calls of `F.pad`."""
    for node in list(model.graph.nodes):
        module: Any = model.get_submodule(str(node.target)) if node.op == "call_module" else None
        if type(module) not in PADDINGS:
            continue
        with model.graph.inserting_after(node):
            args = (node.args[0], tuple(module.padding), PADDINGS[type(module)], getattr(module, "value", None))
            new = model.graph.call_function(F.pad, args)
        node.replace_all_uses_with(new)
        model.graph.erase_node(node)


def fold_zero_padding(model: fx.GraphModule) -> None:
    """Padding of height and width with zeros, which convolutions alone read, into these."""
    for node in list(model.graph.nodes):
        if node.target not in PADS:
            continue
        sides, mode, value = padding_of(node)
        readers = {user: _plain_convolution(model, user) for user in node.users}
        numbers = all(isinstance(side, int) for side in sides) and len(sides) <= 4
        if mode != "constant" or value or not numbers or None in readers.values():
            continue
        for user, convolution in readers.items():
            padded = copy.deepcopy(convolution)
            assert padded is not None, "of all readers"
            padded.__class__ = PaddedConv2d
            padded.border = sides  # type: ignore[assignment]
            model.set_submodule(str(user.target), padded)
            user.replace_input_with(node, node.args[0])
        model.graph.erase_node(node)


def _plain_convolution(model: fx.GraphModule, node: fx.Node) -> nn.Conv2d | None:
    module = model.get_submodule(str(node.target)) if node.op == "call_module" else None
    return module if type(module) is nn.Conv2d and module.padding_mode == "zeros" else None
