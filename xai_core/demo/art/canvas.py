"""The picture while it is painted: coverage is drawn large and averaged, colour and light live on its own pixels."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from xai_core.demo.art.geometry import Camera, Points

Field = NDArray[np.float64]
"""`(size, size)`."""

FINE = 4
"""Drawn pixels per picture pixel, in each direction."""

BACKGROUND = "background"
"""The part that is there before anything is painted."""


class Canvas:
    """A square picture seen through a camera, and whose each pixel is.

    What is painted within `part` is that part's. Of a part in `without` nothing is painted and no shadow falls, while
    all that is drawn for it by chance is drawn: whatever else is painted stays the same.

    Attributes:
        rgb: `(size, size, 3)`, 0 … 1.
        owned: `(size, size)`, 0 … 1: coverage of what was painted with `owned=True` and not painted over.
        shares: by part the same of what is its; together 1 everywhere.
        light: −1 where the light comes from the left, +1 from the right.
    """

    def __init__(self, size: int, camera: Camera, light: int, without: Collection[str] = ()) -> None:
        self.size, self.camera, self.light = size, camera, light
        self.rgb = np.ones((size, size, 3))
        self.owned = np.zeros((size, size))
        self.shares = {BACKGROUND: np.ones((size, size))}
        self._part, self._without = BACKGROUND, without
        self.x, self.y = camera.grid(size)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Within, what is painted is this part's."""
        around, self._part = self._part, name
        try:
            yield
        finally:
            self._part = around

    @property
    def unit(self) -> float:
        """Pixels per body unit."""
        return self.size / self.camera.span

    @cached_property
    def fine(self) -> tuple[Field, Field]:
        """Body coordinates of the drawn (large) pixels."""
        return self.camera.grid(self.size * FINE)

    def coverage(self, *outlines: Points) -> Field:
        """How much of each pixel the union of the closed outlines covers, 0 … 1."""
        large = self.size * FINE
        image = Image.new("L", (large, large))
        draw = ImageDraw.Draw(image)
        for outline in outlines:
            # PIL's pixel i spans i … i + 1 with its centre on the integer.
            draw.polygon((self.camera.project(outline) * large - 0.5).ravel().tolist(), fill=255)
        return _averaged(image)

    def line(self, path: Points, width: float) -> Field:
        """Coverage of a line of `width` body units; never thinner than one drawn pixel."""
        large = self.size * FINE
        image = Image.new("L", (large, large))
        pixels = max(1, round(width * self.unit * FINE))
        flat = (self.camera.project(path) * large - 0.5).ravel().tolist()
        ImageDraw.Draw(image).line(flat, fill=255, width=pixels, joint="curve")
        return _averaged(image)

    def blurred(self, field: Field, radius: float) -> Field:
        """A field blurred by `radius` body units."""
        return ndimage.gaussian_filter(field, max(radius * self.unit, 0.3), mode="nearest", truncate=2.5)

    def paint(self, alpha: Field, colour: NDArray[np.float64], shade: Field | float = 1.0, owned: bool = False) -> None:
        """Lay colour `(3,)` or `(size, size, 3)` over the picture where `alpha` is, times `shade`."""
        if self._part in self._without:
            return
        box = self.box(alpha)
        part, cover = self.rgb[box], alpha[box][..., None]
        tone = (colour[box] if colour.ndim == 3 else colour) * np.broadcast_to(shade, alpha.shape)[box][..., None]
        part += cover * (tone - part)
        self.owned += alpha * ((1.0 if owned else 0.0) - self.owned)
        self._take(alpha)

    def tint(self, alpha: Field, colour: NDArray[np.float64], takes: bool = False) -> None:
        """Colour what is there: seams and buttons, which change nobody's share, or a print, which `takes` its own."""
        if self._part in self._without:
            return
        box = self.box(alpha)
        part = self.rgb[box]
        part += alpha[box][..., None] * (colour - part)
        if takes:
            self._take(alpha)

    def _take(self, alpha: Field) -> None:
        """What is covered is the part's that is painted now, and nobody else's."""
        box = self.box(alpha)
        for share in self.shares.values():
            share[box] *= 1.0 - alpha[box]
        self.shares.setdefault(self._part, np.zeros((self.size, self.size)))[box] += alpha[box]

    def darken(self, amount: Field) -> None:
        """Shadow: multiply the picture by 1 − amount."""
        if self._part in self._without:
            return
        self.rgb *= 1.0 - amount[..., None]

    def cast(self, alpha: Field, reach: float, strength: float) -> None:
        """The soft shadow that something about to be painted throws on what lies below it."""
        shift = reach * self.unit
        down, right = round(0.8 * shift), round(-0.7 * self.light * shift)
        rows = np.clip(np.arange(self.size) - down, 0, self.size - 1)
        columns = np.clip(np.arange(self.size) - right, 0, self.size - 1)
        self.darken(strength * self.blurred(alpha[rows[:, None], columns], reach))

    def box(self, alpha: Field) -> tuple[slice, slice]:
        """The rows and columns where `alpha` is not zero."""
        rows, columns = (np.flatnonzero(alpha.any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            return slice(0, 0), slice(0, 0)
        return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def large(pixels: slice) -> slice:
    """The drawn pixels of a range of picture pixels."""
    return slice(pixels.start * FINE, pixels.stop * FINE)


def reduced(mask: NDArray[np.bool_]) -> Field:
    """Shares of a large mask's pixels per picture pixel."""
    if not mask.size:
        return np.zeros((mask.shape[0] // FINE, mask.shape[1] // FINE))
    return _averaged(Image.fromarray(mask.astype(np.uint8) * np.uint8(255)))


def _averaged(image: Image.Image) -> Field:
    return np.asarray(image.reduce(FINE), dtype=np.float64) / 255.0
