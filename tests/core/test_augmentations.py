"""The contract of every augmentation, over the registry; and what each one must do, on analytic pictures."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from xai_core.errors import BadParameter, NotFound
from xai_core.params import build, specs
from xai_core.training.augmentations import AUGMENTATIONS, COLOUR, ERASING, GEOMETRY, Augmentation, augment, chosen

KEYS = AUGMENTATIONS.keys()
pytestmark = pytest.mark.filterwarnings("error")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def always(key: str, **values: float) -> tuple[Augmentation, object]:
    member = AUGMENTATIONS[key]
    return member, build(member.params, {"probability": 1.0, **values})


def run(key: str, x: Tensor, seed: int = 0, **values: float) -> Tensor:
    member, params = always(key, **values)
    return member.apply(x, params, seeded(seed))


def vertical_gradient(size: int = 32, count: int = 16) -> Tensor:
    """Each pixel's value is the height of its centre: 0 at the top edge, 1 at the bottom edge."""
    column = (torch.arange(size) + 0.5) / size
    return column[None, None, :, None].expand(count, 1, size, size).contiguous()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("key", KEYS)
def test_contract(key: str, channels: int) -> None:
    x = torch.rand(8, channels, 20, 24, generator=seeded(9))
    before, global_state = x.clone(), torch.random.get_rng_state()
    y = run(key, x)
    assert y.shape == x.shape
    assert y.dtype == torch.float32
    assert y.min() >= 0
    assert y.max() <= 1
    assert torch.equal(x, before), "the input was changed"
    assert torch.equal(torch.random.get_rng_state(), global_state), "global randomness was used"
    assert torch.equal(y, run(key, x)), "a seed does not repeat"
    assert not torch.equal(y, x)


@pytest.mark.parametrize("key", KEYS)
def test_probability_zero_changes_nothing_and_a_half_changes_some(key: str) -> None:
    x = torch.rand(64, 3, 16, 16, generator=seeded(9))
    assert torch.equal(run(key, x, probability=0.0), x)
    changed = (run(key, x, probability=0.5) != x).flatten(1).any(dim=1).sum()
    assert 16 < changed < 48


@pytest.mark.parametrize("key", [k for k in KEYS if k != "flip"])
def test_each_sample_has_a_draw_of_its_own(key: str) -> None:
    x = torch.rand(1, 3, 16, 16, generator=seeded(9)).expand(8, -1, -1, -1).contiguous()
    assert len({tuple(sample.flatten().tolist()) for sample in run(key, x)}) == 8


@pytest.mark.parametrize("member", list(AUGMENTATIONS), ids=KEYS)
def test_card_order_and_parameters(member: Augmentation) -> None:
    assert member.order in (GEOMETRY, COLOUR, ERASING)
    assert "probability" in {spec.name for spec in specs(member.params)}
    assert member.card.blind_spot


@pytest.mark.parametrize("key", [m.card.key for m in AUGMENTATIONS if m.order == GEOMETRY])
def test_geometry_moves_the_mask_with_the_picture(key: str) -> None:
    masks = torch.zeros(8, 20, 20, dtype=torch.bool)
    masks[:, 4:14, 2:9] = True
    x = masks[:, None].float().expand(-1, 3, -1, -1).contiguous()
    y, moved = augment(x, masks, [always(key)], seeded())
    assert y.shape == x.shape
    assert moved is not None
    assert torch.equal(moved, y[:, 0] > 0.5)
    assert not torch.equal(moved, masks)


def test_colour_and_erasing_leave_the_mask_alone() -> None:
    masks = torch.rand(8, 20, 20, generator=seeded(1)) > 0.5
    _, after = augment(torch.rand(8, 3, 20, 20), masks, [always("color_jitter"), always("random_erasing")], seeded())
    assert after is masks


def test_steps_are_put_in_order_and_their_parameters_checked() -> None:
    steps = chosen({"random_erasing": {}, "color_jitter": {}, "flip": {"probability": "0.25"}})
    assert [member.card.key for member, _ in steps] == ["flip", "color_jitter", "random_erasing"]
    assert dataclasses.asdict(steps[0][1])["probability"] == 0.25
    with pytest.raises(BadParameter, match="probability"):
        chosen({"flip": {"probability": 2}})
    with pytest.raises(NotFound, match="flip"):
        chosen({"flipp": {}})


def test_flip_mirrors() -> None:
    x = torch.rand(2, 3, 5, 7)
    assert torch.equal(run("flip", x), x.flip(-1))
    assert torch.equal(run("flip", x, vertical=True), x.flip(-2))


def test_a_half_turn_is_two_flips_and_a_quarter_turn_keeps_angles_in_pixels() -> None:
    from xai_core.training.augmentations.base import resample

    x = torch.rand(1, 1, 6, 6)
    turned = resample(x, torch.tensor([[[-1.0, 0, 0], [0, -1, 0]]]))
    torch.testing.assert_close(turned, x.flip(-1, -2))
    # A disc in an oblong picture stays a disc under any turn.
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(80.0), indexing="ij")
    disc = torch.sigmoid(12 - ((rows - 19.5) ** 2 + (columns - 39.5) ** 2).sqrt())[None, None].expand(6, -1, -1, -1)
    turned = run("affine", disc.contiguous(), degrees=180, shift=0, scale=0)
    torch.testing.assert_close(turned, disc.contiguous(), atol=0.03, rtol=0)


def test_affine_shifts_by_at_most_its_limit() -> None:
    x = vertical_gradient()
    moved = (run("affine", x, degrees=0, scale=0, shift=0.1) - x)[:, 0, 8:-8, 16].mean(dim=1)
    assert moved.abs().max() <= 0.1 + 1e-5
    assert moved.abs().max() > 0.05


def test_a_top_biased_crop_shows_a_window_of_the_gradient() -> None:
    """On a vertical gradient, the window from t of height k reads t + k·y at height y: both can be measured."""
    x = vertical_gradient()
    y = run("top_biased_crop", x, keep_low=0.5, keep_high=0.8, top_bias=0.6)[:, 0, :, 7]
    inner = y[:, 4:-4]
    kept = (inner[:, -1] - inner[:, 0]) / (x[0, 0, -5, 0] - x[0, 0, 4, 0])
    top = inner[:, 0] - kept * x[0, 0, 4, 0]
    assert ((kept > 0.5 - 1e-4) & (kept < 0.8 + 1e-4)).all()
    assert ((top > -1e-4) & (top < (1 - kept) * 0.4 + 1e-4)).all()
    assert kept.std() > 0.03
    assert top.std() > 0.01
    steps = inner.diff(dim=1)
    torch.testing.assert_close(steps, (kept / 32)[:, None].expand_as(steps), atol=1e-5, rtol=0)


def test_full_bias_keeps_the_top_edge_and_none_reaches_the_bottom() -> None:
    x = vertical_gradient(count=64)
    half = {"keep_low": 0.5, "keep_high": 0.5}
    torch.testing.assert_close(run("top_biased_crop", x, top_bias=1.0, **half)[:, 0, 8:24].mean(), torch.tensor(0.25))
    anywhere = run("top_biased_crop", x, top_bias=0.0, **half)[:, 0, 16].mean(dim=1)
    assert anywhere.min() < 0.3
    assert anywhere.max() > 0.7


def test_color_jitter_follows_its_formula() -> None:
    x = torch.rand(4, 3, 8, 8, generator=seeded(2)) * 0.5
    bright = run("color_jitter", x, brightness=0.4, contrast=0, saturation=0)
    factor = bright / x
    torch.testing.assert_close(factor, factor[:, :1, :1, :1].expand_as(factor))
    flat = torch.full((4, 3, 8, 8), 0.3)
    torch.testing.assert_close(run("color_jitter", flat, brightness=0, contrast=0.9, saturation=0.9), flat)
    grey = x.mean(dim=1, keepdim=True).expand_as(x)
    torch.testing.assert_close(run("color_jitter", grey, brightness=0, contrast=0, saturation=0.9), grey)


def test_random_erasing_covers_about_the_area_asked_for() -> None:
    x = torch.full((200, 1, 40, 40), 2.0)  # a value that noise never has
    y = run("random_erasing", x, area_low=0.2, area_high=0.2)
    gone = y != 2.0
    share = gone.float().mean(dim=(1, 2, 3))
    assert 0.16 < share.median() < 0.24
    rows, columns = gone[:, 0].any(dim=2), gone[:, 0].any(dim=1)
    assert torch.equal(gone[:, 0], rows[:, :, None] & columns[:, None, :]), "not a rectangle"


def test_listing_loads_no_torch() -> None:
    code = (
        "import sys; from xai_core.training.augmentations import AUGMENTATIONS;"
        "from xai_core.training.losses import LOSSES; from xai_core.training.config import TrainConfig;"
        "AUGMENTATIONS.keys(); LOSSES.keys(); TrainConfig().resolved(); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
