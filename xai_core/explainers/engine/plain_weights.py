"""Weights that are computed each time, as plain ones: rules put others in their place."""

from __future__ import annotations

from torch import nn
from torch.nn.utils import parametrize, prune, remove_spectral_norm, remove_weight_norm
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from xai_core.models.wrappers import unwrapped


def with_plain_weights(model: nn.Module) -> nn.Module:
    """Weights that are computed (weight norm, spectral norm, pruning, …) as they are now: rules put others in their
    place. Parts within DataParallel or torch.compile as they are without."""
    for part in list(model.modules()):
        for name, child in part.named_children():
            if unwrapped(child) is not child:
                part.add_module(name, unwrapped(child))
        if parametrize.is_parametrized(part):
            _freeze_parametrized(part)
        for hook in list(part._forward_pre_hooks.values()):
            if isinstance(hook, WeightNorm):
                remove_weight_norm(part, hook.name)
            elif isinstance(hook, SpectralNorm):
                remove_spectral_norm(part, hook.name)
        if prune.is_pruned(part):
            _freeze_pruned(part)
    return model


def _freeze_pruned(part: nn.Module) -> None:
    for hook in list(part._forward_pre_hooks.values()):
        if isinstance(hook, prune.BasePruningMethod):
            prune.remove(part, hook._tensor_name)  # type: ignore[no-untyped-call]


def _freeze_parametrized(part: nn.Module) -> None:
    """torch's own way of removal changes the class, which the original model shares."""
    found = {name: getattr(part, name).detach().clone() for name in part.parametrizations}  # type: ignore[union-attr]
    part.__class__ = parametrize.type_before_parametrizations(part)
    del part.parametrizations
    for name, weight in found.items():
        part.register_parameter(name, nn.Parameter(weight, requires_grad=False))
