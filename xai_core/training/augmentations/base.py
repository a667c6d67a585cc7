"""The contract of an augmentation: a seeded change of a batch of pictures during training only.

Where the data has masks, geometry must move picture and mask alike. So a geometry augmentation (order 0) may be given
the mask as one more channel of 0 and 1, and has to treat all channels alike; colour and erasing get the picture alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xai_core.params import NoParams, build
from xai_core.registry import Registry
from xai_core.types import Card

if TYPE_CHECKING:
    import torch
    from torch import Tensor

GEOMETRY, COLOUR, ERASING = 0, 1, 2


@dataclass(frozen=True)
class Augmentation:
    """A registered augmentation.

    `apply(x, params, generator) -> x'`: `x` is `(N, C, H, W)` float32 on the 0…1 scale, before normalising; the
    result has the same shape and scale, and `x` is not changed. Randomness comes from `generator` only (on the CPU,
    so that every device draws the same), one draw per sample, so that a seed gives the same training run. `params`
    have a `probability` per sample. `order` says where it stands when several are chosen: GEOMETRY before COLOUR
    before ERASING.
    """

    card: Card
    params: type
    apply: Callable[[Tensor, Any, torch.Generator], Tensor]
    order: int = GEOMETRY


AUGMENTATIONS: Registry[Augmentation] = Registry("augmentation", "xai_core.training.augmentations")


def augmentation(card: Card, params: type = NoParams, *, order: int = GEOMETRY) -> Callable[..., Any]:
    """Register an augmentation."""

    def register(apply: Any) -> Any:
        AUGMENTATIONS.add(Augmentation(card, params, apply, order))
        return apply

    return register


Chosen = Sequence[tuple[Augmentation, Any]]
"""Augmentations with their parameters, in the order in which they are applied."""


def chosen(wanted: Mapping[str, Mapping[str, Any]]) -> Chosen:
    """From `{key: {parameter: value}}`; raises NotFound or BadParameter."""
    members = [AUGMENTATIONS[key] for key in wanted]
    members.sort(key=lambda member: (member.order, member.card.key))
    return [(member, build(member.params, wanted[member.card.key])) for member in members]


def augment(x: Tensor, masks: Tensor | None, steps: Chosen, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
    """All steps on a batch.

    Args:
        x: `(N, C, H, W)` float32, 0…1.
        masks: `(N, H, W)` bool, moved along with the geometry; or None.

    Returns:
        Both, of the same shapes; masks are cut at one half again.
    """
    for member, params in steps:
        if masks is None or member.order != GEOMETRY:
            x = member.apply(x, params, generator)
            continue
        both = member.apply(_with_mask(x, masks), params, generator)
        x, masks = both[:, :-1], both[:, -1] > 0.5
    return x, masks


def draw(x: Tensor, low: float, high: float, generator: torch.Generator) -> Tensor:
    """`(N, 1, 1, 1)`: one number for each sample of `x`, uniform between `low` and `high`."""
    import torch

    return (torch.rand(len(x), 1, 1, 1, generator=generator) * (high - low) + low).to(x.device)


def sometimes(x: Tensor, changed: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Each sample of `changed` with this probability, else the one of `x`, untouched."""
    import torch

    return torch.where(draw(x, 0.0, 1.0, generator) < probability, changed, x)


def resample(x: Tensor, theta: Tensor) -> Tensor:
    """Bilinear samples of `x` where `theta` (N, 2, 3) sends each output pixel; edges are continued outwards.

    `theta` maps output to input coordinates, both −1…1 over the picture's area (not its pixel centres).
    """
    from torch.nn.functional import affine_grid, grid_sample

    grid = affine_grid(theta, list(x.shape), align_corners=False)
    return grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _with_mask(x: Tensor, masks: Tensor) -> Tensor:
    import torch

    return torch.cat([x, masks[:, None].to(x.dtype)], dim=1)
