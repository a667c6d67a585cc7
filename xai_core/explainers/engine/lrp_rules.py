"""Which propagation rule each module of a rewritten model gets: Captum's, and the flat rule that it lacks."""

from __future__ import annotations

from typing import Any

import torch
from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule, EpsilonRule, PropagationRule
from torch import fx, nn

EPSILON = 1e-6


class FlatRule(PropagationRule):
    """Every input in a window gets the same share of the output's relevance (Bach et al. 2015, eq. 69).

    For the first convolution, whose inputs may be negative, where z⁺ would not conserve.
    """

    STABILITY_FACTOR = EPSILON

    def _manipulate_weights(self, module: nn.Module, inputs: Any, outputs: Any) -> None:  # noqa: ARG002
        assert isinstance(module, nn.Conv2d)
        module.weight.data = torch.ones_like(module.weight)
        if module.bias is not None:
            module.bias.data = torch.zeros_like(module.bias)
        seen: dict[torch.device, tuple[torch.Tensor, ...]] = module.activations  # type: ignore[assignment]
        for device, tensors in seen.items():
            seen[device] = tuple(map(torch.ones_like, tensors))


class HeadRule(EpsilonRule):
    """The ε rule without bias: pixels share the whole logit, also the part that the head's bias adds.

    For the last layer alone, where this is one factor for the whole map. In hidden layers the bias stays, and keeps
    its relevance: without it a unit that its bias switched on would divide by almost nothing.
    """

    def _manipulate_weights(self, module: nn.Module, inputs: Any, outputs: Any) -> None:  # noqa: ARG002
        assert isinstance(module, nn.Linear)
        if module.bias is not None:
            module.bias.data = torch.zeros_like(module.bias)


def head_of(model: fx.GraphModule) -> nn.Linear | None:
    """The linear layer that gives the logits; None where something else does."""
    (end,) = next(node for node in model.graph.nodes if node.op == "output").all_input_nodes
    module = model.get_submodule(str(end.target)) if end.op == "call_module" else None
    return module if isinstance(module, nn.Linear) else None


def attach_rules(model: fx.GraphModule) -> None:
    """Flat on the first convolution, z⁺ without bias on the others, ε on linear layers; the rest as Captum has it.

    Captum deletes rules after each call, so this comes before every one.
    """
    first, head = True, head_of(model)
    for node in model.graph.nodes:
        module = model.get_submodule(node.target) if node.op == "call_module" else None
        if isinstance(module, nn.Conv2d):
            module.rule = FlatRule() if first else Alpha1_Beta0_Rule(set_bias_to_zero=True)  # type: ignore[assignment]
            first = False
        elif isinstance(module, nn.Linear):
            module.rule = (HeadRule if module is head else EpsilonRule)(EPSILON)  # type: ignore[assignment]
