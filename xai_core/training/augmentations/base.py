"""The contract of an augmentation: a seeded change of a batch during training only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from xai_core.params import NoParams, build
from xai_core.registry import Registry
from xai_core.task import TASKS, TaskKey
from xai_core.training.batch import Batch
from xai_core.types import Card

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from xai_core.training.data import TrainingData

GEOMETRY, COLOUR, ERASING, MIXING = 0, 1, 2, 3
PREVIEWED, DRAWS = 8, 3
"""Of a preview: training pictures, and how often each is drawn."""


@dataclass(frozen=True)
class Augmentation:
    """A registered augmentation.

    `apply(batch, params, generator) -> batch'`: a new batch of as many samples, pictures of the same shape and scale,
    targets that still add up to 1, masks that still lie on their objects; what it was given is not changed. Randomness
    comes from `generator` only (on the CPU, so that every device draws the same), with draws of its own for each
    sample, so that a seed gives the same training run. `params` have a `probability` per sample. `order` says where it
    stands when several are chosen: GEOMETRY moves pixels (and the masks with them, see `moved`), COLOUR and ERASING
    change them in place, MIXING puts samples together. A card that `needs` masks has them read; samples that have none
    (`has_mask`) are left as they are. `tasks` are those for whose targets it knows what becomes of them.
    `settle(params, data) -> params'` is for what only the data say, such as which class a name means: it is asked once,
    before the first batch, and raises XaiError where the data do not fit.
    """

    card: Card
    params: type
    apply: Callable[[Batch, Any, torch.Generator], Batch]
    order: int = GEOMETRY
    tasks: frozenset[TaskKey] = frozenset(TASKS)
    settle: Callable[[Any, TrainingData], Any] | None = None


AUGMENTATIONS: Registry[Augmentation] = Registry("augmentation", "xai_core.training.augmentations")


def augmentation(
    card: Card,
    params: type = NoParams,
    *,
    order: int = GEOMETRY,
    tasks: Iterable[TaskKey] = tuple(TASKS),
    settle: Callable[[Any, TrainingData], Any] | None = None,
) -> Callable[..., Any]:
    """Register an augmentation."""

    def register(apply: Any) -> Any:
        AUGMENTATIONS.add(Augmentation(card, params, apply, order, frozenset(tasks), settle))
        return apply

    return register


Chosen = Sequence[tuple[Augmentation, Any]]
"""Augmentations with their parameters, in the order in which they are applied."""


def chosen(wanted: Mapping[str, Mapping[str, Any]]) -> Chosen:
    """From `{key: {parameter: value}}`; raises NotFound or BadParameter."""
    members = [AUGMENTATIONS[key] for key in wanted]
    members.sort(key=lambda member: (member.order, member.card.key))
    return [(member, build(member.params, wanted[member.card.key])) for member in members]


def settled(steps: Chosen, data: TrainingData) -> Chosen:
    """The same with what the data say. Raises what their `settle` raises."""
    return [(member, member.settle(params, data) if member.settle else params) for member, params in steps]


def augment(batch: Batch, steps: Chosen, generator: torch.Generator) -> Batch:
    """All steps on a batch."""
    for member, params in steps:
        batch = member.apply(batch, params, generator)
    return batch


def draw(batch: Batch, low: float, high: float, generator: torch.Generator) -> Tensor:
    """`(N, 1, 1, 1)`: one number for each sample, uniform between `low` and `high`."""
    import torch

    return (torch.rand(len(batch), 1, 1, 1, generator=generator) * (high - low) + low).to(batch.x.device)


def sometimes(batch: Batch, changed: Batch, probability: float, generator: torch.Generator) -> Batch:
    """Each sample of `changed` with this probability, else the one of `batch`, untouched."""
    import torch

    picked = draw(batch, 0.0, 1.0, generator) < probability

    def either(new: Tensor, old: Tensor) -> Tensor:
        return old if new is old else torch.where(picked.reshape(-1, *[1] * (old.ndim - 1)), new, old)

    masks = batch.masks
    if masks is not None and changed.masks is not None:
        masks = either(changed.masks, masks)
    return Batch(
        either(changed.x, batch.x),
        either(changed.targets, batch.targets),
        masks,
        either(changed.has_mask, batch.has_mask),
        {key: either(changed.evidence[key], planes) for key, planes in batch.evidence.items()},
    )


def moved(batch: Batch, move: Callable[[Tensor], Tensor]) -> Batch:
    """Pictures, label maps, masks and evidence moved alike.

    Args:
        move: gets `(N, channels, H, W)` float32, the pictures and then the masks as one channel of 0 and 1, which are
            cut at one half again, each plane of evidence on its own grid, and of label maps a channel for each class
            that occurs, of which the largest is taken; it treats all channels alike.
    """
    targets = batch.targets if batch.targets.is_floating_point() else _moved_labels(batch.targets, move, batch.x.dtype)
    masks = None if batch.masks is None else move(batch.masks[:, None].to(batch.x.dtype))[:, 0] > 0.5
    evidence = {key: move(planes[:, None])[:, 0] for key, planes in batch.evidence.items()}
    return replace(batch, x=move(batch.x), targets=targets, masks=masks, evidence=evidence)


def _moved_labels(labels: Tensor, move: Callable[[Tensor], Tensor], dtype: torch.dtype) -> Tensor:
    """`(N, H, W)` class indices: numbers between two classes would be a third, so each class moves by itself."""
    classes: Tensor = labels.unique()  # type: ignore[no-untyped-call]
    planes = (labels[:, None] == classes[None, :, None, None]).to(dtype)
    moved_labels: Tensor = classes[move(planes).argmax(1)]
    return moved_labels


@dataclass(frozen=True)
class Window:
    """One window of each picture: `(N, 1, 1, 1)` each, shares of the picture's height and width."""

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor

    def cut(self, planes: Tensor) -> Tensor:
        """`(N, C, H, W)`: what is inside, stretched to the size of the whole again."""
        import torch

        zero = torch.zeros_like(self.top)
        # In the coordinates of `resample` the picture reaches from -1 to 1: a centre is 2·(begin + length/2) − 1.
        across, down = 2 * self.left + self.width - 1, 2 * self.top + self.height - 1
        theta = torch.cat([self.width, zero, across, zero, self.height, down], dim=1).reshape(-1, 2, 3)
        return resample(planes, theta.to(planes.dtype))


def resample(x: Tensor, theta: Tensor) -> Tensor:
    """Bilinear samples of `x` where `theta` (N, 2, 3) sends each output pixel; edges are continued outwards.

    `theta` maps output to input coordinates, both −1…1 over the picture's area (not its pixel centres).
    """
    from torch.nn.functional import affine_grid, grid_sample

    grid = affine_grid(theta, list(x.shape), align_corners=False)
    return grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
