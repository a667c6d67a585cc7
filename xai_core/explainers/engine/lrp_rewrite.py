"""Rewrites a model, on a copy, into the form in which Captum's relevance propagation conserves relevance.

Captum sees modules only. So additions and poolings that are function calls become modules, a module that is used
twice becomes two, BatchNorm is folded into the convolution before it, and what does nothing in eval mode goes.
What remains and has no rule is refused by name: a wrong map is worse than none.
"""

from __future__ import annotations

import copy
import operator
from typing import Any

import torch
import torch.nn.functional as F
from captum.attr._core.lrp import SUPPORTED_LAYERS_WITH_RULES, SUPPORTED_NON_LINEAR_LAYERS
from captum.attr._utils.custom_modules import Addition_Module
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from xai_core.errors import NotApplicable

OTHER_METHOD = "Use Grad-CAM or integrated gradients for this model."
ADDITIONS = (operator.add, operator.iadd, torch.add, "add", "add_")
RELUS = (torch.relu, torch.relu_, F.relu, F.relu_, "relu", "relu_")
POOLINGS = {F.adaptive_avg_pool2d: nn.AdaptiveAvgPool2d, F.avg_pool2d: nn.AvgPool2d}
"""Functions and the modules that take the same arguments in the same order."""
MEANS = (torch.mean, "mean")
DROPOUTS = (F.dropout, F.dropout2d)
IDLE_IN_EVAL = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
HARMLESS = frozenset(
    {
        # Move numbers without changing them, or pick one of them: their gradient passes relevance on as it should.
        *(torch.flatten, torch.cat, torch.concat, torch.reshape, torch.permute, torch.transpose, torch.unsqueeze),
        *(torch.chunk, torch.split, torch.squeeze, F.max_pool2d, torch.max_pool2d, operator.getitem, getattr),
        *("flatten", "reshape", "view", "permute", "transpose", "unsqueeze", "squeeze", "chunk", "split"),
        # Arithmetic of shapes.
        *("contiguous", "size", "dim", operator.floordiv, operator.eq, torch._assert),
    }
)


def rewritten(module: nn.Module) -> fx.GraphModule:
    """The copy, in eval mode, frozen, nothing in place; its logits equal the original's up to rounding.

    Raises:
        NotApplicable: the model cannot be traced, or holds something without a rule; the error names it.
    """
    model = _traced(module)
    for step in (_modules_for_functions, _without_idle_modules, _one_use_per_module, _fold_batch_norm):
        step(model)
    model.graph.lint()
    model.recompile()
    model.delete_all_unused_submodules()
    _check(model)
    for part in model.modules():
        if hasattr(part, "inplace"):
            part.inplace = False  # type: ignore[assignment]
    return model.eval().requires_grad_(False)


def _traced(module: nn.Module) -> fx.GraphModule:
    try:
        return fx.symbolic_trace(copy.deepcopy(module).eval())
    except Exception as error:
        # Tracing runs the model's own code with stand-ins for tensors: anything may come out of it.
        problem = "relevance propagation cannot follow this model's code"
        raise NotApplicable(problem, value=error, remedy=OTHER_METHOD) from error


def _modules_for_functions(model: fx.GraphModule) -> None:
    for number, node in enumerate(list(model.graph.nodes)):
        if node.op not in ("call_function", "call_method"):
            continue
        if node.target in DROPOUTS:
            _replace(model, node, node.args[0])
            continue
        module = _module_for(node)
        if module is not None:
            name = f"lrp_{type(module).__name__.lower()}_{number}"
            model.add_submodule(name, module)
            inputs = node.args[: 2 if isinstance(module, Addition_Module) else 1]
            with model.graph.inserting_after(node):
                new = model.graph.call_module(name, inputs)
            if node.target in MEANS and not _keeps_dimensions(node):
                with model.graph.inserting_after(new):
                    flat = model.graph.call_function(torch.flatten, (new, 1))
                _replace(model, node, flat)
            else:
                _replace(model, node, new)


def _module_for(node: fx.Node) -> nn.Module | None:
    """The module that does what a function call does; None where it must or may stay a call."""
    if node.target in ADDITIONS and all(isinstance(part, fx.Node) for part in node.args) and not node.kwargs:
        return Addition_Module()
    if node.target in RELUS:
        return nn.ReLU()
    if node.target in POOLINGS:
        pooling: Any = POOLINGS[node.target]
        return pooling(*node.args[1:], **node.kwargs)
    if node.target in MEANS and _mean_dimensions(node) in ({2, 3}, {-1, -2}):
        return nn.AdaptiveAvgPool2d(1)
    return None


def _mean_dimensions(node: fx.Node) -> set[object]:
    found = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else ())
    return set(found) if isinstance(found, (tuple, list)) else {found}


def _keeps_dimensions(node: fx.Node) -> bool:
    return bool(node.kwargs.get("keepdim", node.args[2] if len(node.args) > 2 else False))


def _without_idle_modules(model: fx.GraphModule) -> None:
    for node in list(model.graph.nodes):
        module = _module(model, node)
        if isinstance(module, IDLE_IN_EVAL):
            _replace(model, node, node.args[0])
        elif isinstance(module, nn.Flatten):
            with model.graph.inserting_after(node):
                new = model.graph.call_function(torch.flatten, (node.args[0], module.start_dim, module.end_dim))
            _replace(model, node, new)


def _one_use_per_module(model: fx.GraphModule) -> None:
    seen: set[int] = set()
    for number, node in enumerate(model.graph.nodes):
        module = _module(model, node)
        if module is not None and id(module) in seen:
            node.target = f"lrp_again_{number}"
            model.add_submodule(node.target, copy.deepcopy(module))
        seen.add(id(module))


def _fold_batch_norm(model: fx.GraphModule) -> None:
    """Into the convolution before it, where nothing else reads that convolution's output."""
    for node in list(model.graph.nodes):
        norm = _module(model, node)
        if not isinstance(norm, nn.BatchNorm2d) or norm.running_mean is None:
            continue
        before = node.all_input_nodes[0]
        convolution = _module(model, before)
        if isinstance(convolution, nn.Conv2d) and len(before.users) == 1:
            model.set_submodule(str(before.target), fuse_conv_bn_eval(convolution, norm))
            _replace(model, node, before)


def _module(model: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return model.get_submodule(str(node.target)) if node.op == "call_module" else None


def _replace(model: fx.GraphModule, node: fx.Node, new: object) -> None:
    node.replace_all_uses_with(new)  # type: ignore[arg-type]
    model.graph.erase_node(node)


def _check(model: fx.GraphModule) -> None:
    """Raise for the first module that has no rule, or else the first function."""
    ruled = (*SUPPORTED_LAYERS_WITH_RULES, *SUPPORTED_NON_LINEAR_LAYERS)
    for node in model.graph.nodes:
        module = _module(model, node)
        if module is not None and type(module) not in ruled:
            _refuse(f"{node.target} ({type(module).__name__})")
    for node in model.graph.nodes:
        if node.op in ("call_function", "call_method") and node.target not in HARMLESS:
            _refuse(f"{getattr(node.target, '__name__', node.target)} in the model's code")


def _refuse(what: str) -> None:
    raise NotApplicable("relevance propagation has no rule for a part of this model", value=what, remedy=OTHER_METHOD)
