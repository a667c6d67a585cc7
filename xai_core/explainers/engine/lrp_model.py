"""A copy of a model whose gradient is relevance: every part has a propagation rule, or the model is refused by name."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TypeGuard

import torch
from torch import Tensor, fx, nn

from xai_core.errors import NotApplicable
from xai_core.explainers.engine import lrp_rules as rules
from xai_core.explainers.engine.calls import HARMLESS, tensors_of, unruled_call
from xai_core.explainers.engine.lrp_attention import Attention
from xai_core.explainers.engine.rewrite import (
    OTHER_METHOD,
    Addition,
    as_modules,
    fold_batch_norm,
    insert,
    module_of,
    replace,
    same_logits,
    tidy,
)

if TYPE_CHECKING:
    from xai_core.models.classifier import Classifier

RuleOf = Callable[[nn.Module], rules.Rule]
"""Makes the rule of one layer."""

RECTIFIERS = (nn.ReLU, nn.ReLU6)
ACTIVATIONS = (*RECTIFIERS, nn.LeakyReLU, nn.ELU)
AVERAGES = (nn.AvgPool2d, nn.AdaptiveAvgPool2d)
MAXIMA = (nn.MaxPool2d, nn.AdaptiveMaxPool2d)
"""Their gradient hands everything to the largest input, as it should."""


@dataclass(frozen=True)
class Composite:
    """The rules of the first convolution, of the others, of sums and of BatchNorm; linear layers have the ε rule.

    Where a BatchNorm hands on all it got, an output before it may hold more relevance than its size tells, and to
    divide by that size is to make noise. `sums` are therefore those that are rectified next, `open_sums` the others.
    """

    first: RuleOf
    others: RuleOf
    sums: rules.Rule = rules.shared
    open_sums: rules.Rule = rules.shared_by_size
    norms: RuleOf | None = None


COMPOSITES = {
    "epsilon-plus-flat": Composite(rules.flat, rules.plus),
    "gamma": Composite(rules.flat, rules.gamma, open_sums=rules.shared, norms=rules.shifted),
    "epsilon": Composite(rules.epsilon, rules.epsilon, open_sums=rules.shared, norms=rules.shifted),
}
DEFAULT = "epsilon-plus-flat"
SIGNED = Composite(rules.flat, rules.own_sign, rules.shared_by_size)
"""In place of the default where convolutions get negative inputs, as after a linear bottleneck. The other composites
divide by next to nothing there."""

CATENATIONS = (torch.cat, torch.concat)


@dataclass(frozen=True)
class LrpModel:
    """A copy to propagate relevance through.

    Attributes:
        graph: computes the model's logits; its gradient, started with a logit, is that logit's relevance.
        head: the linear layer that gives the logits; None where something else does.
        sources: constants, such as a class token, that take a part of the relevance.
    """

    graph: fx.GraphModule
    head: nn.Linear | None
    sources: tuple[rules.Source, ...]

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
    graph = as_modules(classifier.module)
    fold_batch_norm(graph)
    head = _head(graph)
    _attend(graph)
    _mark_sources(graph)
    _give_rules(graph, head, _chosen(graph, composite))
    if (call := unruled_call(graph)) is not None:
        _refuse(call)
    tidy(graph)
    same_logits(graph, classifier)
    return LrpModel(graph, head, tuple(part for part in graph.modules() if isinstance(part, rules.Source)))


def _head(graph: fx.GraphModule) -> nn.Linear | None:
    (end,) = next(node for node in graph.graph.nodes if node.op == "output").all_input_nodes
    module = module_of(graph, end)
    return module if isinstance(module, nn.Linear) else None


def _attend(graph: fx.GraphModule) -> None:
    """Attention of a sequence with itself, of which only the tokens are read, as one module."""
    for node in list(graph.graph.nodes):
        attention = module_of(graph, node)
        if not isinstance(attention, nn.MultiheadAttention):
            continue
        readers = [user for user in node.users if user.target is operator.getitem and user.args[1] == 0]
        itself = len(node.args) == 3 and len(set(node.args)) == 1 and set(node.kwargs) <= {"need_weights"}
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
        for part in filter(_is_constant, node.all_input_nodes):
            graph.add_submodule(f"source_{part.name}", rules.Source())
            with graph.graph.inserting_after(part):
                node.replace_input_with(part, graph.graph.call_module(f"source_{part.name}", (part,)))


def _chosen(graph: fx.GraphModule, composite: str) -> Composite:
    if _all_rectified(graph):
        return COMPOSITES[composite]
    if composite != DEFAULT:
        _refuse(f"negative inputs of a convolution, under the rules of {composite}")
    return SIGNED


def _all_rectified(graph: fx.GraphModule) -> bool:
    """Whether all convolutions but the first get no negative inputs; so in a transformer, which has no other."""
    convolutions = [node for node in graph.graph.nodes if isinstance(module_of(graph, node), nn.Conv2d)]
    return all(_never_negative(graph, node.all_input_nodes[0]) for node in convolutions[1:])


def _never_negative(graph: fx.GraphModule, node: fx.Node) -> bool:
    module = module_of(graph, node)
    if isinstance(module, RECTIFIERS):
        return True
    keeps_sign = isinstance(module, (*MAXIMA, *AVERAGES, Addition)) or (module is None and node.target in HARMLESS)
    tensors = tensors_of(node)
    return keeps_sign and bool(tensors) and all(_never_negative(graph, part) for part in tensors)


def _give_rules(graph: fx.GraphModule, head: nn.Linear | None, composite: Composite) -> None:
    """Refuse the first module without a rule."""
    transformer = any(isinstance(part, Attention) for part in graph.modules())
    convolution = composite.first
    for node in list(graph.graph.nodes):
        module = module_of(graph, node)
        if module is None or isinstance(module, (*MAXIMA, Attention, rules.Source)):
            continue
        if isinstance(module, nn.Conv2d):
            rule, convolution = convolution(module), composite.others
        elif isinstance(module, nn.Linear):
            rule = (rules.head if module is head else rules.epsilon)(module)
        elif isinstance(module, Addition):
            closed = transformer or all(isinstance(module_of(graph, user), RECTIFIERS) for user in node.users)
            rule = _of_addition(node, composite.sums if closed else composite.open_sums)
        elif composite.norms and convolution is composite.others and _is_fixed_norm(module):
            rule = composite.norms(module)
        else:
            found = _of_the_rest(module, transformer)
            if found is None:
                _refuse(f"{node.target} ({type(module).__name__})")
            rule = found
        graph.set_submodule(str(node.target), rules.Ruled(module, rule))


def _of_addition(node: fx.Node, sums: rules.Rule) -> rules.Rule:
    """A constant that is added, such as a position, belongs to what it is added to."""
    if any(map(_is_constant, node.args)):  # type: ignore[arg-type]
        node.args = tuple(sorted(node.args, key=_is_constant))  # type: ignore[arg-type]
        return rules.passed
    return sums


def _of_the_rest(module: nn.Module, transformer: bool) -> rules.Rule | None:
    if isinstance(module, ACTIVATIONS) or _is_fixed_norm(module):
        return rules.passed
    if isinstance(module, AVERAGES):
        return rules.shared_by_size
    if transformer and isinstance(module, nn.GELU):
        return rules.passed
    if transformer and isinstance(module, nn.LayerNorm) and module.elementwise_affine:
        return rules.normalised(module)
    return None


def _is_fixed_norm(module: nn.Module) -> TypeGuard[nn.BatchNorm2d]:
    return isinstance(module, nn.BatchNorm2d) and module.running_mean is not None


def _is_constant(node: fx.Node) -> bool:
    """Made of the model's parameters and of sizes alone."""
    if node.op == "get_attr":
        return True
    return node.op != "placeholder" and bool(tensors_of(node)) and all(map(_is_constant, tensors_of(node)))


def _refuse(what: str) -> NoReturn:
    raise NotApplicable("relevance propagation has no rule for a part of this model", value=what, remedy=OTHER_METHOD)
