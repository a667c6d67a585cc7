"""The layers of a model that are randomised one after the other: few, in the order in which a picture meets them.

A layer is a module that holds learned tensors itself. Their order is that of one forward; one that is never called by
itself (the projection within an attention) comes with the module around it, tokens and position embeddings with the
module that owns them. Norms belong to the layer before them. Of a deep model neighbours are put together, those first
that lie deepest in the same block, until MOST stages are left. Every learned tensor is in exactly one stage.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import torch
from torch import nn

from xai_core.models.classifier import Classifier
from xai_core.models.wrappers import asked, evaluating, is_scripted
from xai_core.sanity.randomise import learned

MOST = 10
"""Stages of a model: each is a pass of all methods over all samples, for every seed."""


@dataclass(frozen=True)
class Stage:
    """Layers that are randomised together.

    Attributes:
        name: for people, by the model's own names: `layer3.1`, `features.0 … features.3`, `class_token`.
        tensors: dotted names of all learned tensors in it.
    """

    name: str
    tensors: tuple[str, ...]


@dataclass(frozen=True)
class _Part:
    """Neighbouring layers: the dotted names of their modules, and their tensors."""

    owners: tuple[str, ...]
    tensors: tuple[str, ...]


def stages(classifier: Classifier) -> list[Stage]:
    """At most MOST stages, from the input to the output; empty where nothing is learned."""
    module = asked(classifier.module)
    parts = _layers(module, _order(classifier, module))
    parts = _with_norms(parts, module)
    while len(parts) > MOST:
        place = min(range(len(parts) - 1), key=lambda at: _apart(parts[at], parts[at + 1]))
        parts[place : place + 2] = [_joined(parts[place], parts[place + 1])]
    return [Stage(_name(part, parts), part.tensors) for part in parts]


def _order(classifier: Classifier, module: nn.Module) -> dict[str, int]:
    """When each module is called first in a forward, by name; empty where no hook sees it."""
    seen: dict[str, int] = {}
    with suppress(Exception), ExitStack() as stack, torch.no_grad():
        for name, part in module.named_modules():
            if not is_scripted(part):
                call = lambda *_, name=name: seen.setdefault(name, len(seen))  # noqa: E731
                stack.callback(part.register_forward_pre_hook(lambda *_, call=call: (call(), None)[1]).remove)
        stack.enter_context(evaluating(module))
        noise = torch.randn(1, *classifier.input_shape, generator=torch.Generator().manual_seed(0))
        classifier.logits(noise.to(classifier.device))
    return seen


def _layers(module: nn.Module, order: dict[str, int]) -> list[_Part]:
    owned: dict[str, list[str]] = {}
    for name, _ in learned(module):
        owned.setdefault(name.rpartition(".")[0], []).append(name)
    registered = {name: place for place, (name, _) in enumerate(module.named_modules())}

    def place(owner: str) -> tuple[int, int]:
        return order.get(_called(owner, order), 0), registered.get(owner, 0)

    unused = [owner for owner in owned if order and owner and not _called(owner, order)]
    parts = [_Part((owner,), tuple(owned[owner])) for owner in sorted(owned.keys() - unused, key=place)]
    if unused and parts:  # such as heads that only training asks: they change no map, and need no stage of their own
        rest = tuple(name for owner in unused for name in owned[owner])
        parts[-1] = _Part(parts[-1].owners, (*parts[-1].tensors, *rest))
    return parts


def _called(owner: str, order: dict[str, int]) -> str:
    """The innermost module around a layer, or the layer itself, that the forward calls; "" for the model."""
    while owner and owner not in order:
        owner = owner.rpartition(".")[0]
    return owner


def _with_norms(parts: Sequence[_Part], module: nn.Module) -> list[_Part]:
    """Layers that hold nothing but vectors join the one before them in the same module."""
    shapes = {name: tensor.ndim for name, tensor in learned(module)}
    found: list[_Part] = []
    for part in parts:
        flat = all(shapes[name] <= 1 for name in part.tensors)
        if flat and found and found[-1].owners[-1] and part.owners[0] and _parent(found[-1]) == _parent(part):
            found[-1] = _joined(found[-1], part)
        else:
            found.append(part)
    return found


def _parent(part: _Part) -> str:
    return part.owners[-1].rpartition(".")[0]


def _joined(first: _Part, second: _Part) -> _Part:
    return _Part((*first.owners, *second.owners), (*first.tensors, *second.tensors))


def _apart(first: _Part, second: _Part) -> tuple[int, int]:
    """How far two neighbours are from belonging together: deep common blocks first, small ones first."""
    return -len(_common((*first.owners, *second.owners))), len(first.owners) + len(second.owners)


def _common(owners: Sequence[str]) -> list[str]:
    """The parts of the dotted name of the innermost module around all of them."""
    split = [owner.split(".") if owner else [] for owner in owners]
    shared = []
    for names in zip(*split, strict=False):
        if len(set(names)) > 1:
            break
        shared.append(names[0])
    return shared


def _name(part: _Part, parts: Sequence[_Part]) -> str:
    """The outermost block that holds nothing else; else the first and the last within the block around them."""
    around = ".".join(_common(part.owners))
    if around and not _shared(around, part, parts):
        while (outer := around.rpartition(".")[0]) and not _shared(outer, part, parts):
            around = outer
        return around
    if len(part.owners) == 1:
        return _ends(part.tensors)
    depth = len(_common(part.owners))
    inner = [owner.split(".")[depth] if owner else part.tensors[0] for owner in part.owners]
    return f"{around}.{_ends(inner)}" if around else _ends(inner)


def _shared(block: str, part: _Part, parts: Sequence[_Part]) -> bool:
    """Whether another stage holds layers of this block too."""
    others = (owner for other in parts if other is not part for owner in other.owners)
    return any(owner == block or owner.startswith(f"{block}.") for owner in others)


def _ends(names: Sequence[str]) -> str:
    return names[0] if names[0] == names[-1] else f"{names[0]} … {names[-1]}"
