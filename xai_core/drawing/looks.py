"""Maps as layers in the ways of looking at them, and the picture that is faded under them. Pure."""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image
from scipy.ndimage import binary_dilation, binary_erosion

from xai_core.drawing.colours import Bytes, heat_layer, sign_scale
from xai_core.triage.looks import SMOOTHED, Look, cell_sums, strongest_region
from xai_core.triage.normalise import COARSE
from xai_core.types import Array

Fade = Literal["light", "dark"]

FADED = 0.38
"""How much of a picture is left under a map that could not be read on its colours."""

_FIELD = 128
_HALO = (255, 255, 255, 235)


def faded(picture: Image.Image, to: Fade, kept: float = FADED) -> Image.Image:
    """The picture in grey, lightened or darkened: what is brighter than its neighbour stays so, and shapes with it.

    The browser does the same by a filter of its own (see `tiles.css`).

    Args:
        picture: any mode.
        to: towards white (`light`) or black (`dark`).
        kept: share of the picture's contrast that is left; 0 for none of the picture.

    Returns:
        An RGB picture of the same size.
    """
    grey = picture.convert("L").convert("RGB")
    return Image.blend(Image.new("RGB", picture.size, "white" if to == "light" else "black"), grey, kept)


def fade_of(look: Look, *, signed: bool, fine: bool) -> Fade | None:
    """Where a picture fades to so that the map over it can be read; None where it keeps its colours.

    To where the scale has no evidence: white between the signs, dark below all strengths. The few large spots of a
    layer can be read on any picture, and so can a line.
    """
    fades = look in ("cells", "alone") or (look == "heat" and fine)
    return ("light" if signed else "dark") if fades else None


def smooth_layer(heat: Array, size: tuple[int, int], *, signed: bool, scale: float) -> Bytes:
    """A map as `heat_layer`, `(h, w, 4)`: a coarse one interpolated to `size`, a fine one averaged down to it."""
    method = Image.Resampling.BILINEAR if max(heat.shape) <= COARSE else Image.Resampling.BOX
    return heat_layer(_resized(heat, size, method), signed=signed, scale=scale)


def cells_layer(heat: Array, size: tuple[int, int], *, signed: bool, scale: float) -> Bytes:
    """The map's sums over cells as blocks, `(h, w, 4)`; `scale` is the sum drawn as full strength."""
    sums = cell_sums(heat[None])[0]
    return heat_layer(_resized(sums, size, Image.Resampling.NEAREST), signed=signed, scale=scale)


def outline_layer(heat: Array, size: tuple[int, int]) -> Bytes:
    """A line around the map's strongest region, in the colour of evidence for, with a light seam; `(h, w, 4)`."""
    largest = max(size)
    field = tuple(max(1, round(side * min(1, _FIELD / largest))) for side in size)
    fine = max(heat.shape) > COARSE
    values = _resized(heat, (field[0], field[1]), Image.Resampling.BOX if fine else Image.Resampling.BILINEAR)
    region = strongest_region(values, smoothed=SMOOTHED * max(field) if fine else 0.0)
    grown = Image.fromarray(region.astype(np.uint8) * 255).resize(size, Image.Resampling.BICUBIC)
    inside = np.asarray(grown) > 127
    layer = np.zeros((*inside.shape, 4), np.uint8)
    layer[_border(inside, max(3, largest // 80))] = _HALO
    layer[_border(inside, max(1, largest // 200))] = (*sign_scale()[-1], 255)
    return layer


def _border(inside: Array | np.ndarray, width: int) -> np.ndarray:
    """Pixels at most `width` from the border of a region, on either side of it."""
    return binary_dilation(inside, iterations=width) & ~binary_erosion(inside, iterations=width)


def _resized(heat: Array, size: tuple[int, int], method: Image.Resampling) -> Array:
    floats = Image.fromarray(np.nan_to_num(heat).astype(np.float32), mode="F")
    return np.asarray(floats if floats.size == size else floats.resize(size, method))
