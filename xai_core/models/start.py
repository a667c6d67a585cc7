"""Weights that a training starts from: of the same architecture, or of the classifier's network within a segmenter."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from xai_core.models.architectures import Architecture
from xai_core.models.weights import load_into, names_any, plain_state


def start_from(module: nn.Module, state: Mapping[str, Tensor], member: Architecture) -> list[str]:
    """Copy weights into a fresh module of an architecture; class-specific layers of other classes stay fresh.

    A segmenter on a classifier's network also takes that classifier's weights: then all behind it stays fresh.

    Returns what a person should know, one sentence each. Raises BadInput as `load_into`.
    """
    within = [name for name in plain_state(module) if member.backbone and name.startswith(f"{member.backbone}.")]
    if not within or names_any(state, within):
        return load_into(module, state, member.heads)
    notes = load_into(module.get_submodule(member.backbone), state, partly=True)
    return [f"Layers of {member.decoder} start fresh: the file has the weights of a classifier.", *notes]
