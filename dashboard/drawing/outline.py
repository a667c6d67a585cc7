"""The outline of an object's mask, as a layer over its picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

LINE, HALO = 3, 7
"""Pixels of the light line, and of the dark one under it: on any picture one of them is seen."""


def outline(mask: NDArray[np.bool_]) -> Image.Image:
    """RGBA of the mask's size, transparent but for the line between object and background.

    Where the object goes on beyond the border of the picture there is none.
    """
    edge = np.zeros(mask.shape, dtype=bool)
    edge[1:] |= mask[1:] != mask[:-1]
    edge[:, 1:] |= mask[:, 1:] != mask[:, :-1]
    thin = Image.fromarray(edge.astype(np.uint8) * 255)
    line, halo = (np.asarray(thin.filter(ImageFilter.MaxFilter(width))) > 0 for width in (LINE, HALO))
    layer = np.zeros((*mask.shape, 4), dtype=np.uint8)
    layer[halo] = (0, 0, 0, 150)
    layer[line] = (255, 255, 255, 255)
    return Image.fromarray(layer)
