"""Large pictures in tiles: windows of the model's input size that overlap, and one answer for all of the picture.

A tile's answers near its own border were made without what lies beyond it. So tiles overlap by half, and each counts by
a window (Hann's) that is 0 on the outer eighth of its side and 1 in its middle; at the picture's border, where no other
tile sees more, it stays 1. A network in which each pixel depends on no more than that eighth around it says of tiles
what it says of the whole picture, to the bit of rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from math import pi

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xai_core.models.preprocess import Preprocess

MARGIN = 8
"""One over the share of a tile's side at each border that does not count."""

AT_ONCE = 8
"""Tiles that a model is asked together, at most."""


def starts(length: int, side: int, *, overlap: bool = True) -> list[int]:
    """Where tiles of this side begin, so that they cover the length: half a side apart, or a whole one."""
    if length <= side:
        return [0]
    step = max(1, side // 2) if overlap else side
    return [*range(0, length - side, step), length - side]


def window(start: int, length: int, side: int) -> Tensor:
    """`(side,)` in 0…1: how much each place of a tile that starts there counts along one axis."""
    margin, places = side // MARGIN, torch.arange(side)
    inner = (places - margin + 0.5) / (side - 2 * margin)
    weights = torch.where((inner > 0) & (inner < 1), torch.sin(pi * inner) ** 2, torch.zeros(side))
    if start == 0:
        weights = torch.where(places < side / 2, torch.ones(side), weights)
    if start + side >= length:
        weights = torch.where(places >= side / 2, torch.ones(side), weights)
    return weights


def in_tiles(
    ask: Callable[[Tensor], Tensor], x: Tensor, height: int, width: int, *, outside: Tensor, overlap: bool = True
) -> Tensor:
    """Probabilities of all of one picture, `(K, h, w)`, from a model that sees `height × width` of it at a time.

    Args:
        ask: `(N, C, height, width)` → logits `(N, K, height, width)`.
        x: `(C, h, w)`, as the model expects it.
        outside: `(C, 1, 1)`, what is around a picture that is smaller than a tile.
        overlap: tiles that lie side by side instead, each with its whole, cost a quarter and have seams.
    """
    high, wide = x.shape[-2:]
    long, across = max(high, height), max(wide, width)
    whole = outside.expand(-1, long, across).clone()
    whole[:, :high, :wide] = x
    places = list(product(starts(long, height, overlap=overlap), starts(across, width, overlap=overlap)))
    total: Tensor | None = None
    weight = torch.zeros(long, across, device=x.device)
    for some in _some(places):
        tiles = torch.stack([whole[:, top : top + height, left : left + width] for top, left in some])
        for (top, left), said in zip(some, ask(tiles).float().softmax(1), strict=True):
            counts = torch.ones(height, width)
            if overlap:
                counts = window(top, long, height)[:, None] * window(left, across, width)
            counts = counts.to(x.device)
            total = said.new_zeros(len(said), long, across) if total is None else total
            total[:, top : top + height, left : left + width] += said * counts
            weight[top : top + height, left : left + width] += counts
    assert total is not None
    return (total / weight)[:, :high, :wide]


def one_tile(pixels: NDArray[np.uint8], preprocess: Preprocess) -> NDArray[np.uint8]:
    """Of a picture `(h, w, C)` what a model sees of it at once: of tiles the one in the middle, black around it where
    the picture is smaller; else the picture."""
    if not preprocess.tiled:
        return pixels
    tile = np.zeros((preprocess.height, preprocess.width, preprocess.channels), np.uint8)
    top, left = (max(0, (has - side) // 2) for has, side in zip(pixels.shape[:2], tile.shape[:2], strict=True))
    part = pixels[top : top + preprocess.height, left : left + preprocess.width]
    tile[: part.shape[0], : part.shape[1]] = part
    return tile


def _some(places: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    for start in range(0, len(places), AT_ONCE):
        yield places[start : start + AT_ONCE]
