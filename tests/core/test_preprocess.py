"""From a picture to a model's input: what is seen, and where it lies."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from xai_core.models.preprocess import Preprocess

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
