"""What every augmentation and every loss must do: run over the registries, over examples, and over members of tests."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from xai_core.label_maps import IGNORE
from xai_core.models.preprocess import Preprocess
from xai_core.params import build, specs
from xai_core.task import CLASSIFICATION, SEGMENTATION, TASKS
from xai_core.training.augmentations import AUGMENTATIONS, COLOUR, ERASING, GEOMETRY, MIXING, Augmentation
from xai_core.training.batch import Batch
from xai_core.training.data import PictureArrays, TrainingData
from xai_core.training.history import MEASURES
from xai_core.training.losses import Loss, LossInput
from xai_core.training.model import TrainingModel

CLASSES = 3
GUIDED = [m.card.key for m in AUGMENTATIONS if m.card.needs & {"evidence", "cell_evidence"}]
"""Augmentations that go by heatmaps."""


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some(count: int = 8, channels: int = 3, *, masked: bool = True, seed: int = 9, of_pixels: bool = False) -> Batch:
    """Noise, one class for each sample; every fourth sample has no mask, every eighth an empty one.

    `of_pixels`: a label map for each sample instead, of a thin line, a square, and pixels to ignore.
    """
    generator = seeded(seed)
    x = torch.rand(count, channels, 20, 24, generator=generator)
    labels = torch.randint(CLASSES, (count,), generator=generator)
    targets = nn.functional.one_hot(labels, CLASSES).float()
    if of_pixels:
        targets = torch.zeros(count, 20, 24, dtype=torch.int64)
        targets[:, 3, 2:20], targets[:, 10:18, 12:20], targets[:, 0, :5] = 1, 2, IGNORE
    has_mask = torch.arange(count) % 4 != 3
    masks = torch.zeros(count, 20, 24, dtype=torch.bool)
    masks[:, 4:14, 2:9] = has_mask[:, None, None]
    masks[1::8] = False
    planes = {key: torch.rand(count, 5, 6, generator=generator) for key in GUIDED}
    return Batch(x, targets, masks if masked else None, has_mask & masked, planes)


def tensors(batch: Batch) -> dict[str, torch.Tensor]:
    found = {f.name: getattr(batch, f.name) for f in fields(batch) if f.name != "evidence"}
    return {name: value for name, value in found.items() if value is not None} | dict(batch.evidence)


def same(one: Batch, other: Batch) -> bool:
    return all(torch.equal(value, tensors(other)[name]) for name, value in tensors(one).items())


def applied(member: Augmentation, batch: Batch, seed: int = 0, **values: Any) -> Batch:
    """With certainty, unless a `probability` is given."""
    params = build(member.params, {"probability": 1.0, **values})
    if member.settle is not None:
        params = member.settle(params, data_of(batch))
    return member.apply(batch, params, seeded(seed))


def data_of(batch: Batch) -> TrainingData:
    """The label maps of a batch, as training reads them."""
    maps = batch.targets.numpy().astype(np.uint8)
    pixels = np.zeros((*maps.shape, 1), np.uint8)
    arrays = PictureArrays(pixels, np.zeros(len(maps), np.int64), label_maps=maps)
    size = maps.shape[1:]
    preprocess = Preprocess(size[1], size[0], 1, (0.0,), (1.0,))
    return TrainingData(arrays, arrays, ("background", "line", "square"), preprocess, TASKS[SEGMENTATION])


def changed(one: Batch, other: Batch) -> torch.Tensor:
    """`(N,)` bool: which samples differ in anything."""
    pairs = [(value, tensors(other)[name]) for name, value in tensors(one).items()]
    return torch.stack([(a != b).reshape(len(one), -1).any(1) for a, b in pairs]).any(0)


def check_augmentation(member: Augmentation) -> None:
    """All of the contract."""
    assert member.order in (GEOMETRY, COLOUR, ERASING, MIXING)
    assert "probability" in {spec.name for spec in specs(member.params)}
    assert member.card.blind_spot
    of_pixels = CLASSIFICATION not in member.tasks
    for channels in (1, 3):
        for masked in {True, "mask" in member.card.needs}:
            _check_change(member, some(channels=channels, masked=masked, of_pixels=of_pixels))
    batch = some(64, of_pixels=of_pixels)
    assert same(applied(member, batch, probability=0.0), batch)
    possible = int(changed(applied(member, batch), batch).sum())
    share = int(changed(applied(member, batch, probability=0.5), batch).sum()) / possible
    assert 0.25 < share < 0.75, "half of what can be changed is not"
    _check_draws(member, some(1, of_pixels=of_pixels))


def _check_change(member: Augmentation, batch: Batch) -> None:
    before = batch.take(torch.arange(len(batch)))
    global_state = torch.random.get_rng_state()
    after = applied(member, batch)
    assert tensors(after).keys() == tensors(batch).keys()
    for name, value in tensors(after).items():
        given = tensors(batch)[name]
        assert (value.shape, value.dtype) == (given.shape, given.dtype), name
    assert 0 <= after.x.min() <= after.x.max() <= 1
    assert after.targets.min() >= 0
    if after.targets.is_floating_point():
        torch.testing.assert_close(after.targets.sum(1), torch.ones(len(batch)))
    else:
        assert torch.equal(after.targets == IGNORE, batch.targets == IGNORE), "what is ignored stays so"
    if after.masks is not None:
        assert not after.masks[~after.has_mask].any(), "a sample without a mask got one"
    assert same(batch, before), "the input was changed"
    assert torch.equal(torch.random.get_rng_state(), global_state), "global randomness was used"
    assert same(after, applied(member, batch)), "a seed does not repeat"
    assert changed(after, batch).any()


def _check_draws(member: Augmentation, alone: Batch) -> None:
    """What differs from batch to batch of one sample differs between the samples of a batch."""
    across = {_digest(applied(member, alone, seed), 0) for seed in range(8)}
    twins = alone.take(torch.zeros(64, dtype=torch.int64))
    together = applied(member, twins)
    within = {_digest(together, row) for row in range(64)}
    assert len(within) >= len(across), "the samples of a batch share a draw"


def _digest(batch: Batch, row: int) -> tuple[float, ...]:
    return (*batch.x[row].flatten().tolist(), *batch.targets[row].flatten().tolist())


class Small(nn.Module):
    """Two convolutions and a head; the second works in place on what the CAM layer gives."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.features = nn.Conv2d(channels, 4, 3, padding=1, stride=2)
        self.after = nn.ReLU(inplace=True)
        self.head = nn.Linear(4, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.after(self.features(x)).mean((2, 3)))


def small_model(seed: int = 0) -> TrainingModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TrainingModel(Small(), "features")


def loss_input(batch: Batch, model: TrainingModel | None = None, weights: torch.Tensor | None = None) -> LossInput:
    has_mask = None if batch.masks is None else batch.has_mask
    shares = batch.targets.mean(0)
    return LossInput(model or small_model(), batch.x, batch.targets, weights, batch.masks, has_mask, shares)


def check_loss(member: Loss) -> None:
    """All of the contract."""
    assert member.card.blind_spot
    assert member.card.cost > 0
    params = build(member.params, {})
    plain = some()
    mixed = replace(plain, targets=0.7 * plain.targets + 0.3 * plain.targets.flip(0))
    without = replace(plain, masks=torch.zeros_like(plain.masks), has_mask=torch.zeros(8, dtype=torch.bool))
    weights = torch.tensor([0.5, 1.0, 1.5])
    for batch in (plain, mixed, without, *([] if "mask" in member.card.needs else [some(masked=False)])):
        for given in (loss_input(batch), loss_input(batch, weights=weights), loss_input(batch, frozen())):
            output = member.compute(given, params)
            assert output.value.shape == ()
            assert output.value.isfinite()
            torch.testing.assert_close(output.logits, given.model(batch.x))
            assert not set(output.parts) & set(MEASURES), "a name of a measure that every training has"
            assert all(part.shape == () and part.isfinite() for part in output.parts.values())
            output.value.backward()
            gradients = [p.grad for p in given.model.module.parameters() if p.requires_grad]
            assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
            assert any(gradient.any() for gradient in gradients)


def frozen() -> TrainingModel:
    """As while the head alone is trained."""
    model = small_model()
    model.module.requires_grad_(False).eval()
    model.module.head.requires_grad_(True)
    return model
