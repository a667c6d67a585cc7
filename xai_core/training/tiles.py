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
        draws = torch.rand(len(rows), 5, generator=generator, dtype=torch.float64).tolist()
        places = [self._place(row, one, draw) for row, one, draw in zip(rows.tolist(), label_maps, draws, strict=True)]
        cut = [np.s_[at, top : top + self.height, left : left + self.width] for at, (left, top) in enumerate(places)]
        return np.stack([pixels[each] for each in cut]), np.stack([label_maps[each] for each in cut])

    def whole(self, row: int, canvas: Pixels) -> Pixels:
        """The picture that lies on a canvas `(R, R, …)`."""
        left, top, right, bottom = self.inside[row].tolist()
        return canvas[top:bottom, left:right]

    def _place(self, row: int, label_map: LabelMap, draw: list[float]) -> tuple[int, int]:
        """Left and top of a tile on the canvas: within the picture where it is large enough, else around it."""
        kind, of_class, of_pixel, *draws = draw
        found = self._object(label_map, of_class, of_pixel) if kind < ON_OBJECTS else None
        begins, ends = self.inside[row, :2].tolist(), self.inside[row, 2:].tolist()
        place = []
        for axis, side in enumerate((self.width, self.height)):
            low, last = begins[axis], ends[axis] - side
            if found is not None:  # wherever it shows the pixel
                low, last = max(low, found[axis] - side + 1), min(last, found[axis])
            if ends[axis] - begins[axis] < side:
                low = last = min(max(ends[axis] - side, 0), len(label_map) - side)
            place.append(low + int(draws[axis] * (last - low + 1)))
        return place[0], place[1]

    def _object(self, label_map: LabelMap, of_class: float, of_pixel: float) -> tuple[int, int] | None:
        """Column and row of a pixel of an object; None where there is none."""
        there = objects(label_map, self.background)
        classes = np.unique(label_map[there])
        if not len(classes):
            return None
        places = np.flatnonzero(label_map == classes[int(of_class * len(classes))])
        row, column = divmod(int(places[int(of_pixel * len(places))]), label_map.shape[1])
        return column, row
