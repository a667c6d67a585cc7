"""A model's graph from one run of its code, for code that cannot be traced with stand-ins for tensors.

What is called with something that depends on the picture is written down, calls and layers of torch as they are; all
else (sizes, positions, masks, weights that are computed) is what it was in that run. Where the code decides by the
picture's values, a graph would hold for some pictures alone: that is refused.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate
from torch.overrides import TorchFunctionMode

from xai_core.errors import NotApplicable

OTHER_METHOD = "Use Grad-CAM or integrated gradients for this model."
SEEN_THROUGH = (nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.TransformerEncoder, nn.TransformerEncoderLayer)
"""Modules of torch that are made of others."""

BY_VALUE = ("__bool__", "__int__", "__float__", "__index__", "__contains__", "item", "tolist", "numpy", "nonzero")
BACKWARDS: dict[str, Callable[[Any, Any], Any]] = {
    "__rsub__": operator.sub,
    "__rdiv__": operator.truediv,
    "__rtruediv__": operator.truediv,
    "__rmatmul__": operator.matmul,
}
"""What the second operand does: the first stands behind it."""
BY_SHAPE = ("new_zeros", "new_ones", "new_full", "new_empty", "zeros_like", "ones_like", "full_like", "empty_like")
"""What takes a tensor's shape alone."""
WRITES = ("__setitem__", "copy_", "index_put_", "masked_fill_", "fill_")


def recorded(module: nn.Module, shape: tuple[int, ...]) -> fx.GraphModule:
    """The graph of a copy of the module, in eval mode, of one picture `(1, *shape)` alone.

    Raises:
        NotApplicable: its code decides by values of the picture, or writes into a part of a tensor.
    """
    model = copy.deepcopy(module).eval()
    recorder = _Recorder(model)
    hooks = [hook for name, part in model.named_modules() if _is_leaf(part) for hook in recorder.watch(name, part)]
    weight = next(model.parameters(), torch.zeros(()))
    x = torch.randn(1, *shape, generator=torch.Generator().manual_seed(1)).to(weight)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        recorder.begin(x)
        with recorder:
            out = model(x)
    for hook in hooks:
        hook.remove()
    recorder.graph.output(recorder.meant(out))
    return fx.GraphModule(model, recorder.graph)


def _is_leaf(part: nn.Module) -> bool:
    return type(part).__module__.startswith("torch.nn") and not isinstance(part, SEEN_THROUGH)


class _Recorder(TorchFunctionMode):
    """Writes a graph of what is called with tensors that depend on the picture."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.graph, self.inside = model, fx.Graph(), 0
        self.nodes: dict[int, tuple[Tensor, fx.Node]] = {}  # with the tensor: an id would be used again
        self.constants: dict[int, tuple[Tensor, fx.Node]] = {}
        self.names = {id(tensor): name for name, tensor in (*model.named_parameters(), *model.named_buffers())}

    def begin(self, x: Tensor) -> None:
        """The picture."""
        self.nodes[id(x)] = x, self.graph.placeholder("x")

    def watch(self, name: str, part: nn.Module) -> list[Any]:
        """Hooks that write a layer down as a whole."""

        def enter(*_: Any) -> None:
            self.inside += 1

        def leave(_: nn.Module, args: Any, kwargs: Any, out: Any) -> None:
            self.inside -= 1
            if not self.inside and self._depends((args, kwargs)):
                self._write(out, self.graph.call_module(name, *self._meant_all(args, kwargs)))

        return [part.register_forward_pre_hook(enter), part.register_forward_hook(leave, with_kwargs=True)]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The call itself; written down where it depends on the picture."""
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if self.inside or not self._depends((args, kwargs)):
            return out
        name = getattr(func, "__name__", str(func))
        if name in BY_SHAPE:
            return out
        if name in BY_VALUE:
            problem = "this method cannot follow the model's code: it decides by what is in the picture"
            raise NotApplicable(problem, value=name.strip("_"), remedy=OTHER_METHOD)
        if name in WRITES:
            problem = "this method cannot follow the model's code: it writes into a part of a tensor"
            raise NotApplicable(problem, value=name.strip("_"), remedy=OTHER_METHOD)
        if isinstance(out, Tensor) or (isinstance(out, tuple | list) and any(isinstance(part, Tensor) for part in out)):
            self._write(out, self._call(func, name, *self._meant_all(args, kwargs)))
        return out

    def _call(self, func: Any, name: str, args: Any, kwargs: Any) -> fx.Node:
        if name == "__get__":  # as in x.T
            return self.graph.call_function(getattr, (args[0], func.__self__.__name__))
        if name == "__getitem__":
            return self.graph.call_function(operator.getitem, args)
        if name in BACKWARDS:
            return self.graph.call_function(BACKWARDS[name], args[::-1])
        if getattr(torch.Tensor, name, None) is func or getattr(func, "__qualname__", "").startswith("TensorBase."):
            return self.graph.call_method(name, args, kwargs)
        return self.graph.call_function(func, args, kwargs)

    def _write(self, out: Any, node: fx.Node) -> None:
        if isinstance(out, Tensor):
            self.nodes[id(out)] = out, node
        elif isinstance(out, tuple | list):
            for number, part in enumerate(out):
                if isinstance(part, Tensor):
                    self.nodes[id(part)] = part, self.graph.call_function(operator.getitem, (node, number))

    def _depends(self, given: Any) -> bool:
        found = False

        def look(part: Any) -> Any:
            nonlocal found
            found = found or (isinstance(part, Tensor) and id(part) in self.nodes)
            return part

        map_aggregate(given, look)
        return found

    def _meant_all(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        return tuple(map(self.meant, args)), {name: self.meant(value) for name, value in kwargs.items()}

    def meant(self, given: Any) -> Any:
        """With nodes for tensors: those that depend on the picture, else constants of the model."""
        return map_aggregate(given, lambda part: self._of_tensor(part) if isinstance(part, Tensor) else part)

    def _of_tensor(self, tensor: Tensor) -> fx.Node:
        if id(tensor) in self.nodes:
            return self.nodes[id(tensor)][1]
        if id(tensor) not in self.constants:
            name = self.names.get(id(tensor))
            if name is None:
                name = f"constant_{len(self.constants)}"
                self.model.register_buffer(name, tensor.detach().clone())
            self.constants[id(tensor)] = tensor, self.graph.get_attr(name)
        return self.constants[id(tensor)][1]
