"""Tiles of large pictures, as training draws them: one of each picture in each epoch, at another place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from xai_core.label_maps import LabelMap, objects

ON_OBJECTS = 1 / 3
"""Share of tiles with a pixel of an object, of a class drawn evenly among those of the picture, at a random place of
them (Isensee et al. 2021, nnU-Net): evenly drawn tiles would show a rare object rarely."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Tiles:
    """How n pictures lie on their canvases, and what is cut of them.

    Attributes:
        height, width: of a tile, in pixels.
        inside: `(n, 4)` where each picture lies: left, top, right, bottom.
        background: whether class 0 is no object.
    """

    height: int
    width: int
    inside: NDArray[np.int64]
    background: bool

    def drawn(
        self, rows: NDArray[np.int64], pixels: Pixels, label_maps: Pixels, generator: torch.Generator
    ) -> tuple[Pixels, Pixels]:
        """A tile of each: `(N, height, width, C)`, and `(N, height, width)`.

        Args:
            rows: which of the n pictures these are.
            pixels, label_maps: their canvases, `(N, R, R, C)` and `(N, R, R)`.
            generator: draws the same numbers for each picture, whatever it shows.
        """
        draws = torch.rand(len(rows), 7, generator=generator, dtype=torch.float64).tolist()
        places = [self._place(row, one, draw) for row, one, draw in zip(rows.tolist(), label_maps, draws, strict=True)]
        cut = [np.s_[at, top : top + self.height, left : left + self.width] for at, (left, top) in enumerate(places)]
        return np.stack([pixels[each] for each in cut]), np.stack([label_maps[each] for each in cut])

    def whole(self, row: int, canvas: Pixels) -> Pixels:
        """The picture that lies on a canvas `(R, R, …)`."""
        left, top, right, bottom = self.inside[row].tolist()
        return canvas[top:bottom, left:right]

    def _place(self, row: int, label_map: LabelMap, draw: list[float]) -> tuple[int, int]:
        """Left and top of a tile on the canvas: within the picture where it is large enough, else around it."""
        kind, of_class, of_pixel, *shares = draw
        left, top, right, bottom = self.inside[row].tolist()
        if kind < ON_OBJECTS and (found := self._object(label_map, of_class, of_pixel)) is not None:
            # anywhere that shows the pixel
            wished = [at - int(share * side) for at, share, side in zip(found, shares[2:], self._sides, strict=True)]
        else:
            free = right - left - self.width, bottom - top - self.height
            wished = [
                low + int(share * (max(0, room) + 1))
                for low, share, room in zip((left, top), shares[:2], free, strict=True)
            ]
        side = len(label_map)
        return (
            _within(wished[0], left, right, self.width, side),
            _within(wished[1], top, bottom, self.height, side),
        )

    @property
    def _sides(self) -> tuple[int, int]:
        return self.width, self.height

    def _object(self, label_map: LabelMap, of_class: float, of_pixel: float) -> tuple[int, int] | None:
        """Column and row of a pixel of an object; None where there is none."""
        there = objects(label_map, self.background)
        classes = np.unique(label_map[there])
        if not len(classes):
            return None
        places = np.flatnonzero(label_map == classes[int(of_class * len(classes))])
        row, column = divmod(int(places[int(of_pixel * len(places))]), label_map.shape[1])
        return column, row


def _within(wished: int, low: int, high: int, length: int, canvas: int) -> int:
    """A beginning as near as can be, for which a tile lies in the picture, or else has all of it."""
    if high - low >= length:
        return min(max(wished, low), high - length)
    return min(max(high - length, 0), canvas - length)
