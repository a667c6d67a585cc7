"""Rewrites a model, on a copy, into a graph of modules that methods with a rule per layer can work on.

Such methods see modules only. So additions, poolings and activations that are function calls become modules, a module
that is used twice becomes two, and what does nothing in eval mode goes. The copies are kept for a few models.
"""

from __future__ import annotations

import copy
import inspect
import operator
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from xai_core.errors import NotApplicable
from xai_core.explainers.engine.calls import is_constant, is_number, name_of, tensors_of
from xai_core.explainers.engine.output import checked_logits
from xai_core.explainers.engine.plain_weights import with_plain_weights
from xai_core.explainers.engine.recorded import recorded
from xai_core.explainers.engine.weighted_calls import Mean, Resized, fold_zero_padding, layer_for, paddings_as_calls
from xai_core.models.wrappers import computing, hides_layers, is_quantised

if TYPE_CHECKING:
    from xai_core.models.classifier import Classifier

OTHER_METHOD = "Use Grad-CAM or integrated gradients for this model."
ADDITIONS = (operator.add, operator.iadd, torch.add, "add", "add_")
RELUS = (torch.relu, torch.relu_, F.relu, F.relu_, "relu", "relu_")
ACTIVATIONS: dict[Any, Any] = {
    F.relu6: nn.ReLU6,
    F.silu: nn.SiLU,
    F.gelu: nn.GELU,
    F.hardswish: nn.Hardswish,
    F.softplus: nn.Softplus,
    F.elu: nn.ELU,
    F.elu_: nn.ELU,
    F.leaky_relu: nn.LeakyReLU,
    F.leaky_relu_: nn.LeakyReLU,
    **dict.fromkeys((torch.sigmoid, F.sigmoid, "sigmoid"), nn.Sigmoid),
    **dict.fromkeys((torch.tanh, F.tanh, "tanh"), nn.Tanh),
}
POOLINGS = {F.adaptive_avg_pool2d: nn.AdaptiveAvgPool2d, F.avg_pool2d: nn.AvgPool2d}
"""Functions and the modules that take the same arguments in the same order."""
MULTIPLICATIONS = (operator.mul, operator.imul, torch.mul, "mul", "mul_")
DIVISIONS = (operator.truediv, operator.itruediv, torch.div, "div", "div_")
SUBTRACTIONS = (operator.sub, operator.isub, torch.sub, "sub", "sub_")
ARITHMETIC: dict[Any, Callable[[Any, Any], Any]] = {
    **dict.fromkeys(MULTIPLICATIONS, operator.mul),
    **dict.fromkeys(DIVISIONS, operator.truediv),
    **dict.fromkeys(ADDITIONS, operator.add),
    **dict.fromkeys(SUBTRACTIONS, operator.sub),
}
MEANS = (torch.mean, "mean")
RESIZING = ("nearest", "nearest-exact", "bilinear", "area")
"""Means of few places; bicubic is none: some of its weights are negative."""
DROPOUTS = (F.dropout, F.dropout2d, "stochastic_depth")
IDLE_IN_EVAL = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)

CACHED = 4
_kept: OrderedDict[tuple[str, str, str], tuple[object, Any]] = OrderedDict()
CLOSE, CLOSE_IN_HALF = 1e-4, 0.02
"""How far a copy's logits may be from the model's, in the largest; more where the model is of half precision."""
T = TypeVar("T")


class Addition(nn.Module):
    """`(a, b) -> a + b`, as a module."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """The sum."""
        return a + b


class WithConstant(nn.Module):
    """`(tensor, *constants) -> tensor`: scaled, or shifted, by numbers and constants of the model.

    Attributes:
        scales: multiplies or divides; else it adds or subtracts.
        mirrors: subtracts the tensor from the constant.
    """

    def __init__(self, function: Callable[[Any, Any], Any], number: Any, *, second: bool) -> None:
        super().__init__()
        self.function, self.number, self.second = function, number, second
        self.scales = function in (operator.mul, operator.truediv)
        self.mirrors = second and function is operator.sub

    def forward(self, x: Tensor, *constants: Tensor) -> Tensor:
        """The tensor, changed."""
        (other,) = constants or (self.number,)
        return self.function(other, x) if self.second else self.function(x, other)


def as_modules(module: nn.Module, run: tuple[int, ...] = ()) -> fx.GraphModule:
    """The copy: float32, eval mode, frozen, nothing in place; its logits equal the original's up to rounding.

    Args:
        module: the model.
        run: `(C, H, W)` to take its graph from a run on one such picture, for which alone it then holds; by default
            it is traced with stand-ins.

    Raises:
        NotApplicable: the model's code cannot be traced, or recorded.
    """
    model = _traced(module, run)
    model.graph.eliminate_dead_code()
    steps = (_modules_for_functions, _without_idle_modules, paddings_as_calls, _one_use_per_module, fold_zero_padding)
    for step in steps:
        step(model)
    tidy(model)
    for part in model.modules():
        if hasattr(part, "inplace"):
            part.inplace = False  # type: ignore[assignment]
    return model.float().eval().requires_grad_(False)


def kept_copy(classifier: Classifier, kind: str, make: Callable[[], T]) -> T:
    """What `make` gives, made once per model, device and kind, and again where weights have changed; a few are kept."""
    key, state = (kind, classifier.fingerprint, str(classifier.device)), _state(classifier.module)
    if key not in _kept or _kept[key][0] != state:
        _kept[key] = state, make()
    _kept.move_to_end(key)
    while len(_kept) > CACHED:
        _kept.popitem(last=False)
    return _kept[key][1]


def _state(module: nn.Module) -> list[tuple[int, int]]:
    """Where each weight lies and how often it was changed in place: a fingerprint is taken once, on loading."""
    weights = (*module.parameters(), *module.buffers())
    return [(weight.data_ptr(), 0 if weight.is_inference() else weight._version) for weight in weights]


def same_logits(copied: nn.Module, classifier: Classifier) -> None:
    """Check a rewritten copy on one picture of noise.

    Raises:
        NotApplicable: the model's outputs are no logits, or the copy's differ: its code did what a trace cannot hold.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, *classifier.input_shape, generator=generator).to(classifier.device)
    model = classifier.module
    precision = classifier.dtype
    with torch.no_grad():
        expected = checked_logits(model(x.to(precision, copy=True)), classifier.output_shape).float()
        found = copied(x)
    close = CLOSE if precision in (torch.float32, torch.float64) else CLOSE_IN_HALF
    if not _near(found, expected, close) and not (precision is torch.float32 and _same_in_double(copied, model, x)):
        problem = "this method cannot follow the model's code: its copy computes something else"
        raise NotApplicable(problem, value=type(model).__name__, remedy=OTHER_METHOD)


def _near(found: Tensor, expected: Tensor, close: float) -> bool:
    return found.shape == expected.shape and bool((found - expected).abs().max() <= close * expected.abs().max())


def _same_in_double(copied: nn.Module, model: nn.Module, x: Tensor) -> bool:
    """In a deep net float32 rounds by more than CLOSE; float64 tells rounding from another computation."""
    with torch.no_grad():
        found, expected = (copy.deepcopy(each).double()(x.double()) for each in (copied, model))
    return _near(found, expected, CLOSE)


def fold_batch_norm(model: fx.GraphModule) -> None:
    """Into the convolution before it, where nothing else reads that convolution's output."""
    for node in list(model.graph.nodes):
        norm = module_of(model, node)
        if not isinstance(norm, nn.BatchNorm2d) or norm.running_mean is None:
            continue
        before = node.all_input_nodes[0]
        convolution = module_of(model, before)
        if isinstance(convolution, nn.Conv2d) and len(before.users) == 1:
            model.set_submodule(str(before.target), fuse_conv_bn_eval(convolution, norm))
            replace(model, node, before)
    tidy(model)


def module_of(model: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    """The module that a node calls; None where it calls something else."""
    return model.get_submodule(str(node.target)) if node.op == "call_module" else None


def insert(model: fx.GraphModule, node: fx.Node, module: nn.Module, inputs: tuple[Any, ...]) -> fx.Node:
    """A call of a new module in place of `node`, whose users read the new one."""
    name = f"{type(module).__name__.lower()}_{node.name}"
    model.add_submodule(name, module)
    with model.graph.inserting_after(node):
        new = model.graph.call_module(name, inputs)
    replace(model, node, new)
    return new


def replace(model: fx.GraphModule, node: fx.Node, new: object) -> None:
    """`new` for `node` wherever it is read; `node` goes."""
    node.replace_all_uses_with(new, delete_user_cb=lambda user: user is not new)  # type: ignore[arg-type]
    model.graph.erase_node(node)


def tidy(model: fx.GraphModule) -> None:
    """After changes of the graph: check it, compile it, drop modules that nothing calls."""
    model.graph.lint()
    model.recompile()
    model.delete_all_unused_submodules()


def _traced(module: nn.Module, run: tuple[int, ...]) -> fx.GraphModule:
    plain = computing(module)
    _refuse_unreadable(plain)
    try:
        model = with_plain_weights(copy.deepcopy(plain).eval())
        if run:
            return recorded(model, run)
        return fx.symbolic_trace(model, concrete_args=_defaults(model))
    except NotApplicable:
        raise
    except (Exception, SystemExit) as error:
        # Tracing runs the model's own code with stand-ins for tensors: anything may come out of it.
        problem = "this method cannot follow the model's code"
        raise NotApplicable(problem, value=error, remedy=OTHER_METHOD) from error


def _refuse_unreadable(module: nn.Module) -> None:
    """What shows neither code nor weights: TorchScript, exported graphs, quantised layers."""
    if hides_layers(module):
        problem = "this method needs layers, and this model's run outside of Python"
        raise NotApplicable(problem, value=type(module).__name__, remedy="Use integrated gradients for this model.")
    for name, part in module.named_modules():
        if is_quantised(part):
            problem, shown = "this method has no rule for quantised layers", f"{name} ({type(part).__name__})"
            raise NotApplicable(problem, value=shown, remedy="Use Score-CAM, Ablation-CAM or occlusion.")


def _defaults(model: nn.Module) -> dict[str, Any]:
    """Arguments that may be left out, as they are then: what they decide is decided in the copy."""
    parameters = inspect.signature(model.forward).parameters.values()
    return {each.name: each.default for each in parameters if each.default is not each.empty}


def _modules_for_functions(model: fx.GraphModule) -> None:
    for node in list(model.graph.nodes):
        if node.op not in ("call_function", "call_method"):
            continue
        if node.target in DROPOUTS or name_of(node) in DROPOUTS:
            replace(model, node, node.args[0])
        elif (arithmetic := _with_constant(node)) is not None:
            insert(model, node, arithmetic, tuple(sorted(tensors_of(node), key=is_constant)))
        elif (layer := layer_for(model, node)) is not None:
            insert(model, node, layer, node.args[:1] or (node.kwargs["input"],))
        elif (module := _module_for(node)) is not None:
            new = insert(model, node, module, node.args[: 2 if isinstance(module, Addition) else 1])
            if isinstance(module, nn.AdaptiveAvgPool2d) and node.target in MEANS and not _keeps_dimensions(node):
                _flatten_after(model, new)


def _flatten_after(model: fx.GraphModule, node: fx.Node) -> None:
    with model.graph.inserting_after(node):
        flat = model.graph.call_function(torch.flatten, (node, 1))
    node.replace_all_uses_with(flat, delete_user_cb=lambda user: user is not flat)


def _module_for(node: fx.Node) -> nn.Module | None:
    """The module that does what a function call does; None where it must or may stay a call."""
    target: Any = node.target
    if not node.args:
        return None
    if target in ADDITIONS and len(tensors_of(node)) == len(node.args) == 2 and not node.kwargs:
        return Addition()
    if target in RELUS:
        return nn.ReLU()
    if target in ACTIVATIONS:
        return ACTIVATIONS[target](*node.args[1:], **node.kwargs)
    if target in POOLINGS:
        pooling: Any = POOLINGS[target]
        return pooling(*node.args[1:], **node.kwargs)
    if target in MEANS and _mean_dimensions(node) in ({2, 3}, {-1, -2}):
        return nn.AdaptiveAvgPool2d(1)
    if target is F.interpolate and len(node.all_input_nodes) == 1 and _resizing(node) in RESIZING:
        return Resized(node.args[1:], dict(node.kwargs))
    axes = [axis for axis in _mean_dimensions(node) if isinstance(axis, int) and axis] if target in MEANS else []
    if axes and len(axes) == len(_mean_dimensions(node)):
        return Mean(tuple(axes), keeps=_keeps_dimensions(node))
    return None


def _with_constant(node: fx.Node) -> WithConstant | None:
    """Arithmetic of one tensor that depends on the picture with something that does not."""
    function = ARITHMETIC.get(node.target)
    if function is None or len(node.args) != 2 or node.kwargs or is_number(node) or all(map(_is_fixed, node.args)):
        return None
    second = _is_fixed(node.args[0])
    if not (second or _is_fixed(node.args[1])) or (second and function is operator.truediv):
        return None
    return WithConstant(function, node.args[0 if second else 1], second=second)


def _is_fixed(part: Any) -> bool:
    return isinstance(part, (int, float)) or (isinstance(part, fx.Node) and is_constant(part))


def _resizing(node: fx.Node) -> object:
    return node.kwargs.get("mode", node.args[3] if len(node.args) > 3 else "nearest")


def _mean_dimensions(node: fx.Node) -> set[object]:
    found = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else ())
    return set(found) if isinstance(found, (tuple, list)) else {found}


def _keeps_dimensions(node: fx.Node) -> bool:
    return bool(node.kwargs.get("keepdim", node.args[2] if len(node.args) > 2 else False))


def _without_idle_modules(model: fx.GraphModule) -> None:
    for node in list(model.graph.nodes):
        module = module_of(model, node)
        if isinstance(module, IDLE_IN_EVAL):
            replace(model, node, node.args[0])
        elif isinstance(module, nn.Upsample) and module.mode in RESIZING:
            options = {"size": module.size, "scale_factor": module.scale_factor, "mode": module.mode}
            model.set_submodule(str(node.target), Resized((), options | {"align_corners": module.align_corners}))
        elif isinstance(module, nn.Flatten):
            with model.graph.inserting_after(node):
                new = model.graph.call_function(torch.flatten, (node.args[0], module.start_dim, module.end_dim))
            replace(model, node, new)


def _one_use_per_module(model: fx.GraphModule) -> None:
    seen: set[int] = set()
    for number, node in enumerate(model.graph.nodes):
        module = module_of(model, node)
        if module is not None and id(module) in seen:
            node.target = f"again_{number}"
            model.add_submodule(node.target, copy.deepcopy(module))
        seen.add(id(module))
