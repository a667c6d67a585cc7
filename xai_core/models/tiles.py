"""Large pictures in tiles: windows of the model's input size that overlap, and one answer for all of the picture.

A tile's answers near its own border were made without what lies beyond it. So tiles overlap by half, and each counts by
a window (Hann's) that is 0 on the outer eighth of its side and 1 in its middle; at the picture's border, where no other
tile sees more, it stays 1. A network in which each pixel depends on no more than that eighth around it says of tiles
what it says of the whole picture, to the bit of rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import pi
from typing import NamedTuple

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


class Tile(NamedTuple):
    """One tile of a picture: where it begins, in the picture's pixels, and how much it counts at each of its places.

    Attributes:
        share: `(height, width)` 0…1; at each place of the picture those of all tiles add up to 1.
    """

    top: int
    left: int
    share: Tensor

    def of(self, planes: Tensor) -> Tensor:
        """What of `(…, h, w)` lies in the tile: a view, as large as the tile where that ends within it."""
        height, width = self.share.shape
        return planes[..., self.top : self.top + height, self.left : self.left + width]


def tiles_over(height: int, width: int, high: int, wide: int, *, overlap: bool = True) -> list[Tile]:
    """The tiles `high × wide` of a picture `height × width`, row by row; one along a side no longer than theirs."""
    down, across = _along(height, high, overlap=overlap), _along(width, wide, overlap=overlap)
    return [Tile(top, left, rows[:, None] * columns) for (top, rows), (left, columns) in product(down, across)]


def _along(length: int, side: int, *, overlap: bool) -> list[tuple[int, Tensor]]:
    """Where tiles begin along one axis, and what each counts `(side,)` among all: windows of a grid are products."""
    begin = starts(length, side, overlap=overlap)
    counts = [window(start, length, side) if overlap else torch.ones(side) for start in begin]
    whole = torch.zeros(max(length, side))
    for start, each in zip(begin, counts, strict=True):
        whole[start : start + side] += each
    return [(start, each / whole[start : start + side]) for start, each in zip(begin, counts, strict=True)]


def surrounded(x: Tensor, high: int, wide: int, outside: Tensor) -> Tensor:
    """`(C, h, w)` with `outside` `(C, 1, 1)` to the right and below, so that it is no smaller than a tile."""
    height, width = x.shape[-2:]
    if height >= high and width >= wide:
        return x
    whole = outside.expand(-1, max(height, high), max(width, wide)).clone()
    whole[:, :height, :width] = x
    return whole


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
    whole = surrounded(x, height, width, outside)
    tiles, total = tiles_over(high, wide, height, width, overlap=overlap), None
    for some in (tiles[start : start + AT_ONCE] for start in range(0, len(tiles), AT_ONCE)):
        answers = ask(torch.stack([tile.of(whole) for tile in some])).float().softmax(1)
        total = answers.new_zeros(answers.shape[1], *whole.shape[1:]) if total is None else total
        for tile, said in zip(some, answers, strict=True):
            tile.of(total).add_(said * tile.share.to(said.device))
    assert total is not None
    return total[:, :high, :wide]


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
