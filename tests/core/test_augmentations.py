"""The contract of every augmentation, over the registry; and what each one must do, on analytic pictures."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.core.training_contracts import GUIDED, applied, check_augmentation, seeded
from tests.how_to import example
from xai_core.errors import BadParameter, NotFound
from xai_core.params import build
from xai_core.training.augmentations import AUGMENTATIONS, GEOMETRY, Augmentation, augment, chosen
from xai_core.training.augmentations.base import sometimes
from xai_core.training.batch import Batch

KEYS = AUGMENTATIONS.keys()
pytestmark = pytest.mark.filterwarnings("error")
DRAWN = {
    "flip": [0.502028, 0.504257, 0.484112, 0.495084, 0.495215, 0.507065],
    "affine": [0.494785, 0.499905, 0.485718, 0.492028, 0.504038, 0.508491],
    "color_jitter": [0.568072, 0.504257, 0.560483, 0.541543, 0.559132, 0.429957],
    "random_erasing": [0.502028, 0.505169, 0.484112, 0.499092, 0.495215, 0.507065],
    "top_biased_crop": [0.50086, 0.504257, 0.484112, 0.495084, 0.495215, 0.507065],
}
"""Mean of each of six pictures, after each augmentation alone."""


def always(key: str, **values: float) -> tuple[Augmentation, object]:
    member = AUGMENTATIONS[key]
    return member, build(member.params, {"probability": 1.0, **values})


def as_batch(x: Tensor, masks: Tensor | None = None) -> Batch:
    has_mask = torch.full((len(x),), masks is not None)
    return Batch(x, torch.ones(len(x), 1), masks, has_mask, {key: torch.ones(len(x), 4, 4) for key in GUIDED})


def run(key: str, x: Tensor, seed: int = 0, **values: float) -> Tensor:
    return applied(AUGMENTATIONS[key], as_batch(x), seed, **values).x


def vertical_gradient(size: int = 32, count: int = 16) -> Tensor:
    """Each pixel's value is the height of its centre: 0 at the top edge, 1 at the bottom edge."""
    column = (torch.arange(size) + 0.5) / size
    return column[None, None, :, None].expand(count, 1, size, size).contiguous()


@pytest.mark.parametrize("member", list(AUGMENTATIONS), ids=KEYS)
def test_contract(member: Augmentation) -> None:
    check_augmentation(member)


def test_the_contract_finds_a_draw_that_samples_share() -> None:
    def shared(batch: Batch, params: object, generator: torch.Generator) -> Batch:
        factor = torch.rand(1, generator=generator)
        return sometimes(batch, replace(batch, x=batch.x * factor), params.probability, generator)

    member = replace(AUGMENTATIONS["flip"], apply=shared)
    with pytest.raises(AssertionError, match="share a draw"):
        check_augmentation(member)


def test_the_example_of_the_how_to_keeps_the_contract(tmp_path: Path) -> None:
    with example("add-an-augmentation", AUGMENTATIONS, tmp_path) as member:
        check_augmentation(member)
        x = torch.rand(4, 3, 8, 8)
        assert torch.equal(applied(member, as_batch(x)).x, 1 - x)


def test_the_draws_stay_those_of_runs_that_are_stored() -> None:
    """Digests of what these steps gave when augmentations took a picture alone: a rebuilt run must not differ."""
    x = torch.rand(6, 3, 20, 24, generator=seeded(3))
    masks = torch.rand(6, 20, 24, generator=seeded(4)) > 0.5
    for key, means in DRAWN.items():
        after = augment(as_batch(x), chosen({key: {}}), seeded(5))
        torch.testing.assert_close(after.x.mean((1, 2, 3)), torch.tensor(means), atol=2e-6, rtol=0)
    steps = chosen({key: {} for key in DRAWN} | {"affine": {"probability": 0.5}})
    after = augment(as_batch(x, masks), steps, seeded(5))
    assert after.masks is not None
    assert after.masks.flatten(1).sum(1).tolist() == [258, 286, 235, 259, 212, 227]
    assert float(after.x.double().sum()) == pytest.approx(4319.57506, abs=1e-3)


@pytest.mark.parametrize("key", [m.card.key for m in AUGMENTATIONS if m.order == GEOMETRY])
def test_geometry_moves_the_mask_with_the_picture(key: str) -> None:
    masks = torch.zeros(8, 20, 20, dtype=torch.bool)
    masks[:, 4:14, 2:9] = True
    x = masks[:, None].float().expand(-1, 3, -1, -1).contiguous()
    after = augment(as_batch(x, masks), [always(key)], seeded())
    assert after.masks is not None
    assert torch.equal(after.masks, after.x[:, 0] > 0.5)
    assert not torch.equal(after.masks, masks)


def test_colour_and_erasing_leave_the_mask_alone() -> None:
    masks = torch.rand(8, 20, 20, generator=seeded(1)) > 0.5
    batch = as_batch(torch.rand(8, 3, 20, 20), masks)
    assert augment(batch, [always("color_jitter"), always("random_erasing")], seeded()).masks is masks


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
