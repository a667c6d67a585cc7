"""What a model sees of a picture, and a map that lies on it: both in one shape, as tiles and sheets show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xai_core.drawing.looks import cells_layer, outline_layer, smooth_layer
from xai_core.models.preprocess import Preprocess
from xai_core.triage.around import cut
from xai_core.triage.looks import Look
from xai_core.triage.normalise import COARSE
from xai_core.types import Array

LARGEST_SIDE = 256
SMOOTH_SIDE = AROUND_SIDE = 224
OUTLINE_SIDE = 448


def seen_size(preprocess: Mapping[str, Any] | None, width: int, height: int) -> tuple[float, float]:
    """Width and height of what the model sees of a picture, in its pixels; with what is filled around it."""
    if preprocess is None:
        return float(width), float(height)
    left, top, right, bottom = Preprocess.from_dict(preprocess).box(width, height)
    return right - left, bottom - top


def seen_picture(picture: Image.Image, preprocess: Mapping[str, Any] | None, *, side: int) -> Image.Image:
    """The part of a picture that a model sees, at most `side` pixels; mode L where either has no colours, else RGB.

    What a model sees around it is drawn too: a map lies on all that the model sees.
    """
    model = Preprocess.from_dict(preprocess) if preprocess else None
    box = model.box(*picture.size) if model else (0.0, 0.0, float(picture.width), float(picture.height))
    size = fitted(box[2] - box[0], box[3] - box[1], side)
    if model and model.fit == "pad":
        as_drawn = replace(model, width=size[0], height=size[1], interpolation="lanczos", antialias=True)
        return as_drawn.picture(picture)
    mode = "L" if picture.mode == "L" or (model and model.channels == 1) else "RGB"
    return picture.convert(mode).resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)


def map_layer(
    heat: Array, *, signed: bool, scale: float, seen: tuple[float, float], look: Look = "heat"
) -> Image.Image:
    """A map as an RGBA layer in the shape of the picture under it, whose size in any unit is `seen`.

    Coarse maps (of a layer) are interpolated to 224 pixels, which a browser would do less well; maps with a value per
    pixel keep them, and are averaged down where they are larger than a tile. Blocks and lines have sharp edges.
    """
    if look == "outline":
        return Image.fromarray(outline_layer(heat, fitted(*seen, OUTLINE_SIDE, enlarge=True)))
    if look == "cells":
        size = fitted(*seen, SMOOTH_SIDE, enlarge=True)
        return Image.fromarray(cells_layer(heat, size, signed=signed, scale=scale))
    coarse = max(heat.shape) <= COARSE
    size = fitted(*seen, SMOOTH_SIDE if coarse else min(max(heat.shape), LARGEST_SIDE), enlarge=True)
    return Image.fromarray(smooth_layer(heat, size, signed=signed, scale=scale))


def fitted(width: float, height: float, side: int, *, enlarge: bool = False) -> tuple[int, int]:
    """A size of this shape whose longer side has `side` pixels; a smaller one stays as it is unless it may grow."""
    factor = side / max(width, height)
    factor = factor if enlarge else min(1.0, factor)
    return max(1, round(width * factor)), max(1, round(height * factor))


def pixels_around(pixels: NDArray[np.uint8], box: NDArray[np.float64]) -> NDArray[np.float32]:
    """`(AROUND_SIDE, AROUND_SIDE, C)` of what a model sees, `(H, W, C)`, around a box in shares of it; see `around`."""
    left, top, right, bottom = box.tolist()
    planes = np.moveaxis(pixels.astype(np.float32), -1, 0)
    return np.stack([cut(plane, (left, top, right, bottom), AROUND_SIDE) for plane in planes], axis=-1)
