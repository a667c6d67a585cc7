"""From a picture to a model's input: what is seen, and where it lies."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from xai_core.errors import BadParameter
from xai_core.models.preprocess import Preprocess, check_scale

SIDES = st.integers(1, 3000)


def preprocess(height: int = 8, width: int = 8, channels: int = 3, fit: str = "squash") -> Preprocess:
    return Preprocess(height, width, channels, (0.5,) * channels, (0.25,) * channels, fit)  # type: ignore[arg-type]


@given(SIDES, SIDES, st.integers(1, 512), st.integers(1, 512), st.sampled_from(["squash", "crop"]))
def test_the_box_lies_inside_the_picture(width: int, height: int, to_width: int, to_height: int, fit: str) -> None:
    left, top, right, bottom = preprocess(to_height, to_width, fit=fit).box(width, height)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


@given(SIDES, SIDES, st.integers(1, 512), st.integers(1, 512))
def test_a_crop_keeps_the_aspect_ratio_and_touches_two_borders(width: int, height: int, to_w: int, to_h: int) -> None:
    left, top, right, bottom = preprocess(to_h, to_w, fit="crop").box(width, height)
    assert (right - left) / (bottom - top) == pytest.approx(to_w / to_h)
    assert left == pytest.approx(width - right, abs=1e-6)
    assert top == pytest.approx(height - bottom, abs=1e-6)
    assert min(left, top) == pytest.approx(0, abs=1e-6)


def test_a_square_squash_sees_everything() -> None:
    assert preprocess().box(30, 20) == (0, 0, 30, 20)
    assert preprocess(fit="crop").box(30, 20) == (5, 0, 25, 20)


@given(
    st.integers(1, 90), st.integers(1, 90), st.integers(1, 40), st.integers(1, 40), st.sampled_from(["squash", "crop"])
)
def test_every_size_can_be_resized(width: int, height: int, to_width: int, to_height: int, fit: str) -> None:
    pixels = preprocess(to_height, to_width, fit=fit).pixels(Image.new("RGB", (width, height), (10, 20, 30)))
    assert pixels.shape == (to_height, to_width, 3)
    assert (pixels == (10, 20, 30)).all()


@pytest.mark.parametrize("size", [(64, 32), (32, 64)])
def test_a_crop_is_the_centre_of_the_resized_picture(size: tuple[int, int]) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    whole = noise.resize((size[0] // 2, size[1] // 2), Image.Resampling.BILINEAR)
    left, top = (whole.width - 16) // 2, (whole.height - 16) // 2
    expected = np.asarray(whole.crop((left, top, left + 16, top + 16)), int)
    found = preprocess(16, 16, fit="crop").pixels(noise)
    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("size", [(50, 37), (37, 50), (36, 36), (33, 90), (400, 401)])
def test_resize_and_crop_is_torchvisions(size: tuple[int, int]) -> None:
    from torchvision import transforms

    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    theirs = transforms.Compose([transforms.Resize(36), transforms.CenterCrop(32)])(noise)
    own = replace(preprocess(32, 32, fit="crop"), resize=36)
    np.testing.assert_array_equal(own.pixels(noise), np.asarray(theirs))


NOISE = [
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (high, wide, 3), dtype=np.uint8))
    for wide, high in [(50, 37), (37, 50), (32, 32), (20, 90), (200, 203)]
]
FILTERS = ["bilinear", "bicubic", "nearest", "lanczos", "box"]


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize("picture", NOISE, ids=lambda p: str(p.size))
def test_every_filter_is_torchvisions(picture: Image.Image, interpolation: Any) -> None:
    """Squashed to a size that is no square, squashed and cut, and resized by the shorter side and cut."""
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

    mode = InterpolationMode(interpolation)
    for theirs, own in (
        (Resize((24, 32), mode), preprocess(24, 32)),
        (Compose([Resize((36, 36), mode), CenterCrop(32)]), replace(preprocess(32, 32), resize=36)),
        (Compose([Resize(36, mode), CenterCrop((24, 32))]), replace(preprocess(24, 32, fit="crop"), resize=36)),
    ):
        found = replace(own, interpolation=interpolation).pixels(picture)
        np.testing.assert_array_equal(found, np.asarray(theirs(picture)))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("picture", NOISE, ids=lambda p: str(p.size))
def test_without_antialiasing_it_is_torchs_on_tensors(picture: Image.Image, interpolation: Any) -> None:
    """On noise, where averaging would show; a value that lies half way may be rounded either way."""
    from torch.nn.functional import interpolate
    from torchvision.transforms.functional import center_crop, pil_to_tensor

    tensor, own = pil_to_tensor(picture)[None].double(), replace(preprocess(24, 32), antialias=False)
    small = interpolate(tensor, (24, 32), mode=interpolation, antialias=False).clamp(0, 255)[0].permute(1, 2, 0)
    found = replace(own, interpolation=interpolation).pixels(picture).astype(float)
    assert np.abs(found - small.numpy()).max() <= 0.501
    cut = replace(preprocess(32, 32, fit="crop"), resize=40, interpolation=interpolation, antialias=False)
    sides = [int(40 * side / min(picture.size)) for side in (picture.height, picture.width)]
    large = interpolate(tensor, sides, mode=interpolation, antialias=False).clamp(0, 255)
    assert np.abs(cut.pixels(picture) - center_crop(large, [32, 32])[0].permute(1, 2, 0).numpy()).max() <= 0.501
    assert np.abs(found - replace(own, antialias=True).pixels(picture)).max() > 20


@pytest.mark.parametrize("fill", [(), (255, 0, 114)])
@pytest.mark.parametrize("picture", NOISE, ids=lambda p: str(p.size))
def test_a_padded_picture_is_pillows(picture: Image.Image, fill: tuple[int, ...]) -> None:
    from PIL import ImageOps

    own = replace(preprocess(24, 32, fit="pad"), fill=fill)
    theirs = ImageOps.pad(picture, (32, 24), Image.Resampling.BILINEAR, fill or (0, 0, 0))
    np.testing.assert_array_equal(own.pixels(picture), np.asarray(theirs))


FITS = {
    "squash": {"fit": "squash"},
    "squash and cut": {"fit": "squash", "resize": 40},
    "crop": {"fit": "crop"},
    "resize and cut": {"fit": "crop", "resize": 40},
    "pad": {"fit": "pad"},
}


@pytest.mark.parametrize(("width", "height"), [(120, 80), (80, 120), (90, 90)])
@pytest.mark.parametrize("sides", [(32, 32), (24, 36)])
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("fit", FITS)
def test_what_lies_on_the_input_lies_at_its_place_in_the_picture(
    width: int, height: int, sides: tuple[int, int], antialias: bool, fit: str
) -> None:
    """A white patch, found on the input and taken back through the box, is where it was painted."""
    own = replace(preprocess(*sides), antialias=antialias, **FITS[fit])  # type: ignore[arg-type]
    middle = np.array([width * 0.62, height * 0.41])
    left, top = (middle - 6).astype(int)
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[top : top + 12, left : left + 12] = 255
    seen = own.pixels(Image.fromarray(pixels))[..., 0].astype(float)
    rows, columns = np.indices(seen.shape) + 0.5
    x0, y0, x1, y1 = own.box(width, height)
    found_x = x0 + (columns * seen).sum() / seen.sum() * (x1 - x0) / own.width
    found_y = y0 + (rows * seen).sum() / seen.sum() * (y1 - y0) / own.height
    within = 1.2 * max((x1 - x0) / own.width, (y1 - y0) / own.height)
    assert found_x == pytest.approx(left + 6, abs=within)
    assert found_y == pytest.approx(top + 6, abs=within)
    mask = own.mask(pixels[..., 0] > 0)
    assert mask[seen == 255].all()
    assert not mask[seen == 0].any()


@given(SIDES, SIDES, st.integers(1, 512), st.integers(1, 512))
def test_a_padded_picture_is_seen_whole(width: int, height: int, to_width: int, to_height: int) -> None:
    own = preprocess(to_height, to_width, fit="pad")
    left, top, right, bottom = own.box(width, height)
    assert left <= 0 < width <= right + 1e-6
    assert top <= 0 < height <= bottom + 1e-6


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"fit": "pad", "resize": 40}, "Leave --resize out"),
        ({"interpolation": "lanczos", "antialias": False}, "always antialiased"),
        ({"interpolation": "cubic"}, "Give one of bilinear, bicubic"),
        ({"antialias": 1}, "with antialias true or false"),
        ({"fill": (1, 2, 3)}, "with the fit pad alone"),
        ({"fit": "pad", "fill": (1, 2)}, "Give 3 whole numbers"),
        ({"fit": "pad", "fill": (1, 2, 256)}, "from 0 to 255"),
        ({"fit": "crop", "resize": 2**31}, "up to 32768"),
        ({"fit": "crop", "resize": 40.5}, "whole number"),
    ],
)
def test_what_does_not_go_together_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(BadParameter, match=says):
        replace(preprocess(32, 32), **change)


@given(SIDES, SIDES, st.integers(1, 300), st.integers(0, 60))
def test_the_box_of_a_smaller_crop_lies_inside_the_picture(width: int, height: int, side: int, more: int) -> None:
    left, top, right, bottom = replace(preprocess(side, side, fit="crop"), resize=side + more).box(width, height)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


def test_a_bright_spot_lies_where_the_box_says() -> None:
    own = replace(preprocess(20, 20, fit="crop"), resize=40)
    picture = np.zeros((80, 120, 3), np.uint8)
    left, top, right, bottom = (int(side) for side in own.box(120, 80))
    assert (left, top, right, bottom) == (40, 20, 80, 60)
    picture[top : top + 20, left : left + 20] = 255
    seen = own.pixels(Image.fromarray(picture))
    assert seen[1:9, 1:9].min() == 255
    assert seen[12:, 12:].max() == 0


def test_a_resize_below_the_size_is_refused() -> None:
    with pytest.raises(BadParameter, match="Give at least the size, 32"):
        replace(preprocess(32, 32, fit="crop"), resize=31)


def test_the_json_form_and_with_it_the_fingerprint_is_as_before_where_nothing_is_resized() -> None:
    assert list(preprocess(fit="crop").as_dict()) == ["height", "width", "channels", "mean", "std", "fit"]
    own = replace(preprocess(fit="crop"), resize=9, interpolation="bicubic", antialias=False)
    padded = replace(preprocess(fit="pad"), fill=(1, 2, 3))
    for each in (own, padded):
        assert Preprocess.from_dict(json.loads(json.dumps(each.as_dict()))) == each


def test_a_picture_of_the_right_size_is_not_touched() -> None:
    values = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(preprocess().pixels(Image.fromarray(values)), values)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_grey_and_colour_fit_either_model(channels: int, mode: str) -> None:
    x = preprocess(5, 7, channels)(Image.new(mode, (9, 4), 128 if mode == "L" else (128, 128, 128)))
    assert x.shape == (channels, 5, 7)
    assert x.dtype == np.float32
    assert x.flags.c_contiguous
    np.testing.assert_allclose(x, (128 / 255 - 0.5) / 0.25, atol=1e-6)


def test_a_grey_batch_lies_row_by_row() -> None:
    x = preprocess(5, 7, 1).normalise(np.zeros((2, 5, 7, 1), np.uint8))
    assert x.strides == (5 * 7 * 4, 5 * 7 * 4, 7 * 4, 4)


@pytest.mark.parametrize(
    ("mean", "std"),
    [((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), ((0.5,), (0.5,)), ((0.0,), (1.0,)), ((0.48,), (1 / 255,))],
)
def test_a_scale_of_0_to_1_is_taken(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    check_scale(mean, std)


@pytest.mark.parametrize(
    ("mean", "std", "says"),
    [
        ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225"),
        ((127.5,), (127.5,), "divide both by 255: --mean 0.5 --std 0.5"),
        ((0.5,), (127.5,), "divide the std by 255: --mean 0.5 --std 0.5"),
        ((127.5,), (0.5,), "divide the mean by 255: --mean 0.5 --std 0.5"),
        ((0.0,), (255.0,), "divide both by 255: --mean 0 --std 1"),
        ((123.675,), (1.0,), "--mean 0.485 --std 0.003922"),
        ((0.5,), (58.0,), "not on the 0…1 scale"),
        ((-0.5,), (0.5,), "mean from 0 to 1"),
        ((0.5,), (0.0,), "std above 0"),
        ((float("nan"),), (0.5,), "not on the 0…1 scale"),
        ((0.5,), (float("inf"),), "not on the 0…1 scale"),
    ],
)
def test_another_scale_is_refused_with_what_to_give(mean: tuple[float, ...], std: tuple[float, ...], says: str) -> None:
    with pytest.raises(BadParameter, match=re.escape(says)):
        check_scale(mean, std)


def test_normalising_knows_channels_and_batches() -> None:
    own = Preprocess(2, 3, 3, (0.0, 0.5, 1.0), (1.0, 0.5, 0.25))
    pixels = np.full((4, 2, 3, 3), 255, np.uint8)
    x = own.normalise(pixels)
    assert x.shape == (4, 3, 2, 3)
    np.testing.assert_allclose(x[:, :, 0, 0], [[1.0, 1.0, 0.0]] * 4)


@given(st.integers(1, 600), st.integers(1, 600), st.sampled_from(["squash", "crop"]), st.floats(0.01, 1))
def test_the_json_form_goes_round(height: int, width: int, fit: str, std: float) -> None:
    own = Preprocess(height, width, 1, (0.1,), (std,), fit)  # type: ignore[arg-type]
    assert Preprocess.from_dict(json.loads(json.dumps(own.as_dict()))) == own


@pytest.mark.parametrize(("width", "height"), [(40, 24), (24, 40), (33, 47), (16, 16), (300, 7)])
@pytest.mark.parametrize("how", ["squash", "crop", "resize"])
def test_a_mask_lies_on_the_pixels_that_the_model_sees(width: int, height: int, how: str) -> None:
    """Painted into a picture as white, it comes out where the picture is bright: the same box, the same cut."""
    made = preprocess(16, 16, fit="squash" if how == "squash" else "crop")
    made = replace(made, resize=20) if how == "resize" else made
    mask = np.zeros((height, width), bool)
    mask[height // 4 :, : width // 2 + 1] = True
    seen = made.pixels(Image.fromarray(np.repeat(np.where(mask, 255, 0).astype(np.uint8)[..., None], 3, 2)))[..., 0]
    found = made.mask(mask)
    assert found.shape == (16, 16)
    assert found.dtype == bool
    assert found[seen == 255].all()
    assert not found[seen == 0].any()
    assert made.mask(np.ones_like(mask)).all()
    assert not made.mask(np.zeros_like(mask)).any()
