"""Resizing as loaders do it: Pillow's filters, and without antialiasing as torch interpolates tensors."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Interpolation = Literal["bilinear", "bicubic", "nearest", "lanczos", "box"]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom in a picture's pixels."""

FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
}
ALSO_WITHOUT_ANTIALIAS = ("bilinear", "bicubic", "nearest")
"""Those that torch knows without; the others are averages by their nature."""

KEYS = -0.75
"""Of the bicubic kernel (Keys 1981), in torch and OpenCV where nothing is antialiased; Pillow's is -0.5."""


def resized(
    picture: Image.Image, size: tuple[int, int], interpolation: Interpolation, antialias: bool, box: Box | None = None
) -> Image.Image:
    """The part `box` of a picture (the whole where None) as `size`, width and height.

    Without `antialias`, a pixel is made of its 2 × 2 (bilinear) or 4 × 4 (bicubic) nearest alone, however much smaller
    the picture becomes: `torch.nn.functional.interpolate(…, antialias=False)`, OpenCV's INTER_LINEAR, and so on.
    """
    if picture.size == size and box in (None, (0.0, 0.0, *map(float, size))):
        return picture
    if antialias or interpolation == "nearest":
        return picture.resize(size, FILTERS[interpolation], box=box, reducing_gap=None)
    left, top, right, bottom = box or (0.0, 0.0, *map(float, picture.size))
    pixels = np.asarray(picture, np.float32)
    for axis, (low, high), count in ((0, (top, bottom), size[1]), (1, (left, right), size[0])):
        places, weights = _taps(low, high, pixels.shape[axis], count, interpolation)
        shape = [1] * pixels.ndim
        shape[axis] = count
        pixels = sum(  # type: ignore[assignment]
            pixels.take(places[tap], axis) * weights[tap].reshape(shape) for tap in range(len(places))
        )
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def _taps(
    low: float, high: float, side: int, count: int, interpolation: Interpolation
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Which of `side` pixels each of `count` across `low … high` is made of, `(taps, count)`, and their weights."""
    centre = low + (np.arange(count) + 0.5) * ((high - low) / count) - 0.5
    first = np.floor(centre).astype(np.int64)
    past = centre - first
    steps, weights = [0, 1], [1 - past, past]
    if interpolation == "bicubic":
        steps, weights = [-1, 0, 1, 2], [_keys(past + 1), _keys(past), _keys(1 - past), _keys(2 - past)]
    places = np.clip(np.stack([first + step for step in steps]), 0, side - 1)  # the border goes on
    return places, np.stack(weights).astype(np.float32)


def _keys(away: NDArray[np.float64]) -> NDArray[np.float64]:
    """The bicubic kernel at distances of 0 … 2."""
    near = (KEYS + 2) * away**3 - (KEYS + 3) * away**2 + 1
    far = KEYS * (away**3 - 5 * away**2 + 8 * away - 4)
    return np.where(away <= 1, near, far)
