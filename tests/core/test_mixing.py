"""Augmentations that put samples together: targets, masks and pixels follow their formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.core.training_contracts import applied, seeded, some
from xai_core.training.augmentations import AUGMENTATIONS
from xai_core.training.augmentations.background_swap import without_object
from xai_core.training.augmentations.mixing import partners, shares
from xai_core.training.batch import Batch

pytestmark = pytest.mark.filterwarnings("error")


def one_grey_each(count: int = 12) -> Batch:
    """Each sample is of one grey of its own, and of a class of its own; its mask is a quarter of it."""
    x = (torch.arange(count) / count)[:, None, None, None].expand(-1, 3, 16, 16).contiguous()
    masks = torch.zeros(count, 16, 16, dtype=torch.bool)
    masks[:, :8, :8] = True
    return Batch(x, torch.eye(count), masks, torch.ones(count, dtype=torch.bool))


def test_mixup_blends_pictures_and_targets_by_one_share() -> None:
    batch = one_grey_each()
    after = applied(AUGMENTATIONS["mixup"], batch, alpha=1.0)
    greys = torch.arange(12) / 12
    torch.testing.assert_close(after.x.mean((1, 2, 3)), after.targets @ greys)
    assert after.masks is not None
    assert torch.equal(after.masks, batch.masks)
    assert ((after.targets > 0).sum(1) == 2).any()


def test_cutmix_shares_the_targets_by_the_area_that_is_seen() -> None:
    batch = one_grey_each()
    after = applied(AUGMENTATIONS["cutmix"], batch)
    own = torch.arange(12)
    kept = (after.x[:, 0] == batch.x[:, 0]).float().mean((1, 2))
    mixed = kept < 1
    assert mixed.sum() >= 6
    torch.testing.assert_close(after.targets[own, own][mixed], kept[mixed])


def test_a_pasted_rectangle_brings_its_mask() -> None:
    batch = one_grey_each()
    batch = Batch(batch.x, batch.targets, batch.masks & (torch.arange(12) % 2 == 0)[:, None, None], batch.has_mask)
    after = applied(AUGMENTATIONS["cutmix"], batch)
    assert after.masks is not None
    even = (after.x[:, 0] * 12).round().long() % 2 == 0  # whose pixel it is
    corner = torch.zeros(16, 16, dtype=torch.bool)
    corner[:8, :8] = True
    assert torch.equal(after.masks, even & corner)


def test_a_mixed_sample_has_a_mask_only_where_both_have_one() -> None:
    for key in ("mixup", "cutmix"):
        batch = some(32)
        after = applied(AUGMENTATIONS[key], batch)
        other = partners(batch, seeded())
        assert torch.equal(after.has_mask, batch.has_mask & other.has_mask)


def test_shares_are_those_of_a_beta_distribution() -> None:
    """Beta(α, α) has mean 1/2 and variance 1 / (4·(2α + 1))."""
    batch = some(8).take(torch.zeros(4000, dtype=torch.int64))
    for alpha in (0.2, 1.0, 3.0):
        drawn = shares(batch, alpha, seeded()).flatten().double().numpy()
        assert abs(drawn.mean() - 0.5) < 0.03
        assert np.var(drawn) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.08)


def test_a_swapped_background_leaves_the_object_and_comes_from_the_partner() -> None:
    batch = one_grey_each()
    after = applied(AUGMENTATIONS["background_swap"], batch)
    other = partners(batch, seeded())
    torch.testing.assert_close(after.x[:, :, :7, :7], batch.x[:, :, :7, :7])
    torch.testing.assert_close(after.x[:, :, 9:, 9:], other.x[:, :, 9:, 9:])
    assert torch.equal(after.targets, batch.targets)
    assert after.masks is batch.masks


def test_nothing_is_swapped_without_both_masks_or_for_an_empty_one() -> None:
    batch = some(64)
    after = applied(AUGMENTATIONS["background_swap"], batch)
    assert batch.masks is not None
    possible = batch.has_mask & partners(batch, seeded()).has_mask & batch.masks.any(2).any(1)
    assert torch.equal((after.x != batch.x).flatten(1).any(1), possible & after.has_mask)


def _ramp(size: int) -> Tensor:
    return ((torch.arange(size) + 0.5) / size)[None, None, :, None].expand(1, 1, size, size).contiguous()


def test_an_object_is_filled_from_around_it() -> None:
    x = _ramp(32)
    masks = torch.zeros(1, 32, 32, dtype=torch.bool)
    masks[:, 12:20, 8:24] = True
    holed = torch.where(masks[:, None], 5.0, x)  # a value that must not come through
    filled = without_object(holed, masks)
    torch.testing.assert_close(filled[~masks[:, None]], x[~masks[:, None]])
    assert (filled - x).abs().max() < 0.2
    assert torch.equal(without_object(x, masks | True), torch.full_like(x, 0.5))
