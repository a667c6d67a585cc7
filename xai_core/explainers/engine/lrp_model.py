"""A copy of a model whose gradient is relevance: every part has a propagation rule, or the model is refused by name."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace as replaced
from typing import TYPE_CHECKING, NoReturn, TypeGuard

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from xai_core.errors import NotApplicable
from xai_core.explainers.engine import lrp_rules as rules
from xai_core.explainers.engine.affine_end import Boundary, affine_end, constant_part, mark_boundary, reads_pixels
from xai_core.explainers.engine.calls import is_constant, is_number, only_moves, tensors_of, unruled_call
from xai_core.explainers.engine.lrp_attention import Attention, HeldFixed, held_fixed, hold_attention
from xai_core.explainers.engine.rewrite import (
    OTHER_METHOD,
    Addition,
    WithConstant,
    as_modules,
    fold_batch_norm,
    insert,
    module_of,
    replace,
    same_logits,
    tidy,
)
from xai_core.explainers.engine.weighted_calls import Mean, Resized

if TYPE_CHECKING:
    from xai_core.models.classifier import Classifier

RuleOf = Callable[[nn.Module], rules.Rule]
"""Makes the rule of one layer."""

RECTIFIERS = (nn.ReLU, nn.ReLU6)
ACTIVATIONS = (*RECTIFIERS, nn.LeakyReLU, nn.ELU)
AVERAGES = (nn.AvgPool2d, nn.AdaptiveAvgPool2d, Mean, Resized)
MAXIMA = (nn.MaxPool2d, nn.AdaptiveMaxPool2d)
"""Their gradient hands everything to the largest input, as it should."""


@dataclass(frozen=True)
class Composite:
    """The rules of the convolutions that read pixels, of those that are rectified next, and of the others."""

    first: RuleOf
    rectified: RuleOf
    open: RuleOf


COMPOSITES = {
    "epsilon-plus-flat": Composite(rules.flat, rules.plus, rules.own_sign),
    "gamma": Composite(rules.flat, rules.gamma, rules.gamma),
    "epsilon": Composite(rules.epsilon, rules.epsilon, rules.epsilon),
}
DEFAULT = "epsilon-plus-flat"
SIGNED = Composite(rules.flat, rules.own_sign, rules.own_sign)
"""In place of the default where convolutions get negative inputs, as after a linear bottleneck. The other composites
divide by next to nothing there."""

CANNOT_FOLLOW = "this method cannot follow the model's code"
CATENATIONS = (torch.cat, torch.concat)


@dataclass(frozen=True)
class LrpModel:
    """A copy to propagate relevance through.

    Attributes:
        graph: computes the model's logits; its gradient, started with `start`, is relevance.
        constant: of the output's shape, what the affine end adds to each logit whatever the picture.
        sources: constants, such as a class token, that take a part of the relevance.
        single: the graph holds for one picture at a time.
    """

    graph: fx.GraphModule
    constant: Tensor
    sources: tuple[rules.Source, ...]
    single: bool = False

    def constants(self) -> list[Tensor]:
        """What the sources gave in the last forward pass; they let go of it."""
        return [source.taken() for source in self.sources]


def lrp_model(classifier: Classifier, composite: str) -> LrpModel:
    """The copy, float32.

    Args:
        classifier: the model.
        composite: a key of COMPOSITES.

    Raises:
        NotApplicable: the model cannot be traced, or a part of it has no rule; the error names it.
    """
    try:
        return _ruled(classifier, composite, as_modules(classifier.module))
    except NotApplicable as refusal:
        # A trace stops at what a run goes through: sizes that decide, functions of others. It costs one forward more.
        try:
            run = as_modules(classifier.module, classifier.input_shape)
            return replaced(_ruled(classifier, composite, run), single=True)
        except NotApplicable as other:
            lost = other.problem.startswith(CANNOT_FOLLOW) and not refusal.problem.startswith(CANNOT_FOLLOW)
            raise (refusal if lost else other) from other


def _ruled(classifier: Classifier, composite: str, graph: fx.GraphModule) -> LrpModel:
    _attend(graph)
    hold_attention(graph)
    _mark_sources(graph)
    held = held_fixed(graph)
    end = affine_end(graph) - held
    fold_batch_norm(graph)
    boundary = mark_boundary(graph, end)
    _tell_shapes(graph, classifier)
    _give_rules(graph, end | held, _chosen(graph, end | held, composite))
    if (call := unruled_call(graph, end | held)) is not None:
        _refuse(call)
    tidy(graph)
    same_logits(graph, classifier)
    sources = tuple(part for part in graph.modules() if isinstance(part, rules.Source))
    return LrpModel(graph, constant_part(graph, boundary, classifier), sources)


def _tell_shapes(graph: fx.GraphModule, classifier: Classifier) -> None:
    try:
        ShapeProp(graph).propagate(torch.zeros(1, *classifier.input_shape, device=classifier.device))
    except RuntimeError as error:
        raise NotApplicable(f"{CANNOT_FOLLOW}: its copy fails", value=error, remedy=OTHER_METHOD) from error


def _attend(graph: fx.GraphModule) -> None:
    """Attention of a sequence with itself, of which only the tokens are read, as one module."""
    for node in list(graph.graph.nodes):
        attention = module_of(graph, node)
        if not isinstance(attention, nn.MultiheadAttention):
            continue
        readers = [user for user in node.users if user.target is operator.getitem and user.args[1] == 0]
        options = {name for name, value in node.kwargs.items() if value is not None and value is not False}
        itself = (
            len(node.args) == 3 and len(set(node.args)) == 1 and options <= {"need_weights", "average_attn_weights"}
        )
        if not (itself and len(readers) == len(node.users) and Attention.fits(attention)):
            _refuse(f"{node.target} (this form of attention)")
        new = insert(graph, node, Attention(attention), node.args[:1])
        for reader in readers:
            replace(graph, reader, new)


def _mark_sources(graph: fx.GraphModule) -> None:
    """A constant that is put beside the data, such as a class token, takes its part of the relevance."""
    for node in list(graph.graph.nodes):
        if node.target not in CATENATIONS:
            continue
        for part in filter(is_constant, node.all_input_nodes):
            graph.add_submodule(f"source_{part.name}", rules.Source())
            with graph.graph.inserting_after(part):
                node.replace_input_with(part, graph.graph.call_module(f"source_{part.name}", (part,)))


def _chosen(graph: fx.GraphModule, end: frozenset[fx.Node], composite: str) -> Composite:
    if _all_rectified(graph, end):
        return COMPOSITES[composite]
    if composite != DEFAULT:
        _refuse(f"negative inputs of a convolution, under the rules of {composite}")
    return SIGNED


def _all_rectified(graph: fx.GraphModule, end: frozenset[fx.Node]) -> bool:
    """Whether no convolution gets negative inputs, but for those that read pixels or belong to the affine end."""
    convolutions = [node for node in graph.graph.nodes if isinstance(module_of(graph, node), nn.Conv2d)]
    inputs = [node.all_input_nodes[0] for node in convolutions if node not in end]
    return all(reads_pixels(graph, part) or _never_negative(graph, part) for part in inputs)


def _never_negative(graph: fx.GraphModule, node: fx.Node) -> bool:
    module = module_of(graph, node)
    if isinstance(module, RECTIFIERS):
        return True
    keeps_sign = isinstance(module, (*MAXIMA, *AVERAGES, Addition)) or (module is None and only_moves(node))
    tensors = tensors_of(node)
    return keeps_sign and bool(tensors) and all(_never_negative(graph, part) for part in tensors)


def _rectified_next(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Whether all that reads it is a rectifier, or adds, averages or moves it on to one."""
    for user in node.users:
        module = module_of(graph, user)
        moves = isinstance(module, (*MAXIMA, *AVERAGES, Addition)) or (module is None and only_moves(user))
        if not (isinstance(module, RECTIFIERS) or (moves and _rectified_next(graph, user)) or is_number(user)):
            return False
    return bool(node.users)


def _give_rules(graph: fx.GraphModule, end: frozenset[fx.Node], composite: Composite) -> None:
    """Refuse the first module without a rule."""
    transformer = any(isinstance(part, (Attention, HeldFixed)) for part in graph.modules())
    ruled: dict[str, rules.Ruled] = {}  # put in place at the end: what a module is decides on the rules of others
    for node in graph.graph.nodes:
        module = module_of(graph, node)
        if module is None or node in end or isinstance(module, (*MAXIMA, Attention, HeldFixed, rules.Source, Boundary)):
            continue
        rule = _of_convolution(graph, node, module, composite) if isinstance(module, nn.Conv2d) else None
        rule = rule or _of_arithmetic(graph, node, module, transformer) or _of_the_rest(module, transformer)
        if rule is None:
            arithmetic = isinstance(module, WithConstant) and f"{module.function.__name__} in the model's code"
            _refuse(arithmetic or f"{node.target} ({type(module).__name__})")
        ruled[str(node.target)] = rules.Ruled(module, rule)
    for name, module in ruled.items():
        graph.set_submodule(name, module)


def _of_convolution(graph: fx.GraphModule, node: fx.Node, module: nn.Conv2d, composite: Composite) -> rules.Rule:
    if reads_pixels(graph, node.all_input_nodes[0]):
        # With one place for the whole picture it is a linear layer; the flat rule would not tell pixels apart.
        places = node.meta["tensor_meta"].shape[2:].numel()
        return (composite.first if places > 1 else rules.epsilon)(module)
    return (composite.rectified if _rectified_next(graph, node) else composite.open)(module)


def _of_arithmetic(graph: fx.GraphModule, node: fx.Node, module: nn.Module, transformer: bool) -> rules.Rule | None:
    if not isinstance(module, WithConstant):
        return None
    added = transformer and not module.mirrors  # a constant that is added, such as a position, belongs to its token
    if module.scales or added or reads_pixels(graph, node):
        return rules.passed
    return None


def _of_the_rest(module: nn.Module, transformer: bool) -> rules.Rule | None:
    if isinstance(module, ACTIVATIONS) or (transformer and isinstance(module, nn.GELU)):
        return rules.passed
    if isinstance(module, nn.Linear):
        return rules.epsilon(module)
    if isinstance(module, Addition):
        return rules.shared
    if _is_fixed_norm(module):
        return rules.shifted(module)
    if isinstance(module, AVERAGES):
        return rules.averaged
    if transformer and isinstance(module, nn.LayerNorm) and module.elementwise_affine:
        return rules.normalised(module)
    return None


def _is_fixed_norm(module: nn.Module | None) -> TypeGuard[nn.BatchNorm2d]:
    return isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)) and module.running_mean is not None


def _refuse(what: str) -> NoReturn:
    raise NotApplicable("relevance propagation has no rule for a part of this model", value=what, remedy=OTHER_METHOD)
