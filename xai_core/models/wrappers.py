"""Modules that stand around or in place of a person's own: parallel, compiled, TorchScript, exported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress

import torch
from torch import fx, nn

COMPILED = "OptimizedModule"
"""The class of what torch.compile makes of a module has no public name."""

PREFIXES = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put before the names of layers."""


def unwrapped(module: nn.Module) -> nn.Module:
    """The module that DataParallel, DistributedDataParallel and torch.compile were given; others as they are."""
    while (inner := _inside(module)) is not None:
        module = inner
    return module


def _inside(module: nn.Module) -> nn.Module | None:
    if isinstance(module, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        found: object = module.module
    else:
        found = module._modules.get("_orig_mod") if type(module).__name__ == COMPILED else None
    return found if isinstance(found, nn.Module) else None


def layer_named(module: nn.Module, name: str) -> nn.Module | None:
    """The layer of this dotted name, with or without what a wrapper puts before it; None where there is none."""
    plain = name
    while plain.startswith(PREFIXES):
        plain = plain.partition(".")[2]
    for root, wanted in ((module, name), (unwrapped(module), plain)):
        # Not get_submodule, which TorchScript lacks.
        found = dict(root.named_modules(remove_duplicate=False)).get(wanted)
        if found is not None:
            return found
    return None


def is_scripted(module: nn.Module) -> bool:
    """Whether the module runs as TorchScript, outside of Python: no hook sees what its layers give."""
    return isinstance(module, torch.jit.ScriptModule)


def hides_layers(module: nn.Module) -> bool:
    """Whether all of the model is TorchScript, or a graph of torch.export, which calls functions instead of layers."""
    inner = unwrapped(module)
    if isinstance(inner, fx.GraphModule):
        return all(node.op != "call_module" or node.target == "_guards_fn" for node in inner.graph.nodes)
    return is_scripted(inner)


def is_quantised(module: nn.Module) -> bool:
    """Whether the module computes with whole numbers: it has neither weights to look at nor a derivative."""
    return "quantized" in type(module).__module__.split(".")


def device_of(module: nn.Module) -> torch.device:
    """Where the weights are; the CPU where there are none, as in a model of pooling or a frozen script."""
    return next((tensor.device for tensor in (*module.parameters(), *module.buffers())), torch.device("cpu"))


def dtype_of(module: nn.Module) -> torch.dtype:
    """Of the weights; float32 where there are none."""
    tensors = (*module.parameters(), *module.buffers())
    return next((tensor.dtype for tensor in tensors if tensor.is_floating_point()), torch.float32)


@contextmanager
def eagerly(module: nn.Module) -> Iterator[None]:
    """Within, what torch.compile made runs as it was written: code compiled before does not see hooks set later."""
    parts = list(module.modules())
    compiled = any(type(part).__name__ == COMPILED or part._compiled_call_impl is not None for part in parts)
    with torch.compiler.set_stance("force_eager") if compiled else nullcontext():
        yield


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Within: eval mode, and nothing compiled. After: every part in its own mode."""
    modes = [(part, part.training) for part in module.modules() if hasattr(part, "training")]
    try:
        if any(training for _, training in modes):
            to_eval(module)
        with eagerly(module):
            yield
    finally:
        for part, training in modes:
            part.training = training


@contextmanager
def buffers_kept(module: nn.Module) -> Iterator[None]:
    """Within, the model is tried. What it counts while asked is put back: a model is known by all that it holds."""
    before = [(buffer, buffer.detach().clone()) for buffer in module.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in before:
                if buffer.shape == value.shape and not torch.equal(buffer, value):
                    buffer.copy_(value)


def to_eval(module: nn.Module) -> nn.Module:
    """The module itself, in eval mode; an exported program has one mode, and says that it knows no other."""
    with suppress(NotImplementedError):
        module.eval()
    return module
