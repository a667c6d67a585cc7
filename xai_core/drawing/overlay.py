"""One picture with one map over it, as pages show them: for a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image

from xai_core.drawing.looks import fade_of
from xai_core.drawing.seen import map_layer, seen_picture
from xai_core.drawing.sheet import laid_over, tile
from xai_core.triage.normalise import evidence, is_fine, limits, percentile_of
from xai_core.types import Array

SIDE = 448


def overlay(
    picture: Image.Image, preprocess: Mapping[str, Any] | None, heat: Array, *, signed: bool, side: int = SIDE
) -> Image.Image | None:
    """What a model sees of a picture with a map over it, RGB, `side` pixels at its longer side.

    Args:
        picture: mode `RGB` or `L`.
        preprocess: of the run, as it is stored.
        heat: `(h, w)`, raw.
        signed: its card's.
        side: of what is drawn.

    Returns:
        None where there is nothing to draw: a refused map, or one without evidence anywhere.
    """
    values = evidence(heat[None], signed=signed)
    scale = float(limits(values, scaling="per image", percentile=percentile_of(values))[0])
    if not scale > 0:
        return None
    seen = seen_picture(picture, preprocess, side=side)
    layer = map_layer(values[0], signed=signed, scale=scale, seen=(float(seen.width), float(seen.height)))
    return laid_over(tile(seen, side), layer, fade_of("heat", signed=signed, fine=is_fine(values)), "heat")
