"""What turns a picture into a model's input, and a map back onto the picture. No torch here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image

from xai_core.errors import BadInput, BadParameter
from xai_core.types import Array

Fit = Literal["squash", "crop"]

LEAST_STD = 1e-5
"""Below that of pictures taken as 0…65535: such a number is a slip."""


def check_scale(mean: Sequence[float], std: Sequence[float]) -> None:
    """Raise BadParameter where these are not a mean and std on the 0…1 scale, which no picture would tell of.

    A std of 1/255 is one: it hands pictures over as 0…255.
    """
    if all(0 <= value <= 1 for value in mean) and all(LEAST_STD <= value <= 1 for value in std):
        return
    given = {"mean": mean, "std": std}
    remedy = "Give both on the 0…1 scale, mean from 0 to 1, std above 0 and up to 1."
    if max(*mean, *std) > 1 and all(0 <= value <= 255 for value in (*mean, *std)):
        large = [name for name, values in given.items() if max(values) >= 1 or not any(values)]
        scaled = {name: [v / 255 for v in values] if name in large else values for name, values in given.items()}
        which = "both" if len(large) == 2 else f"the {large[0]}"
        remedy = f"They look like the 0…255 scale; divide {which} by 255: {_flags(scaled)}."
    raise BadParameter("mean and std are not on the 0…1 scale", value=_flags(given), remedy=remedy)


def _flags(scales: Mapping[str, Sequence[float]]) -> str:
    return " ".join(f"--{name} {','.join(f'{value:.4g}' for value in values)}" for name, values in scales.items())


@dataclass(frozen=True)
class Preprocess:
    """Resize, scale to 0…1, subtract mean, divide by std.

    Attributes:
        height, width: input size in pixels.
        channels: 1 (grey) or 3 (RGB).
        mean, std: one number per channel, on the 0…1 scale.
        fit: `squash` resizes both sides freely; `crop` resizes the shorter side and cuts the centre.
        resize: with `crop`, what the shorter side becomes, in pixels, before the centre is cut to whole pixels, as
            torchvision's `Resize` and `CenterCrop` do; None for no more than is needed.

    Raises:
        BadParameter: numbers that do not fit together.
    """

    height: int
    width: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fit: Fit = "squash"
    resize: int | None = None

    def __post_init__(self) -> None:
        fits = (
            min(self.height, self.width) >= 1
            and self.channels in (1, 3)
            and len(self.mean) == len(self.std) == self.channels
            and all(isfinite(mean) for mean in self.mean)
            and all(isfinite(std) and std > 0 for std in self.std)
            and self.fit in get_args(Fit)
        )
        if self.resize is not None and (self.fit != "crop" or self.resize < max(self.height, self.width)):
            remedy = f"Give at least the size, {max(self.height, self.width)}."
            raise BadParameter("pictures are resized to less than is cut out of them", value=self.resize, remedy=remedy)
        if not fits:
            remedy = "Give one positive size, and for mean and std one number (grey) or three (RGB) each; std above 0."
            value = f"{self.width}×{self.height}, {self.mean}, {self.std}"
            raise BadParameter("size, mean and std do not fit", value=value, remedy=remedy)

    def box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """The part of a `width × height` picture that the model sees: left, top, right, bottom in its pixels."""
        if self.fit == "squash":
            return 0.0, 0.0, float(width), float(height)
        if self.resize is not None:
            (wide, high), (first, upper) = self._resized(width, height)
            across, down = width / wide, height / high
            right, bottom = (first + self.width) * across, (upper + self.height) * down
            return first * across, upper * down, min(right, width), min(bottom, height)
        scale = min(width / self.width, height / self.height)
        # rounding must not carry the box over the border: Pillow refuses such a box
        seen_width, seen_height = min(self.width * scale, width), min(self.height * scale, height)
        left, top = (width - seen_width) / 2, (height - seen_height) / 2
        return left, top, min(left + seen_width, width), min(top + seen_height, height)

    def pixels(self, picture: Image.Image) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """The resized picture, `(height, width, channels)` uint8: what the model sees, before normalising."""
        mode = "L" if self.channels == 1 else "RGB"
        converted = picture if picture.mode == mode else picture.convert(mode)  # which would copy
        size = (self.width, self.height)
        if self.resize is not None:
            (wide, high), (left, top) = self._resized(*converted.size)
            converted = converted.resize((wide, high), Image.Resampling.BILINEAR, reducing_gap=None)
            converted = converted.crop((left, top, left + self.width, top + self.height))
        elif converted.size != size:
            converted = converted.resize(
                size, Image.Resampling.BILINEAR, box=self.box(*converted.size), reducing_gap=None
            )
        return np.asarray(converted, dtype=np.uint8).reshape(self.height, self.width, self.channels)

    def mask(self, mask: np.ndarray[Any, np.dtype[np.bool_]]) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """A picture's mask `(h, w)` as `(height, width)` bool, on the pixels that `pixels` gives: nearest neighbour."""
        picture, nearest = Image.fromarray(mask.astype(np.uint8)), Image.Resampling.NEAREST
        if self.resize is not None:
            (wide, high), (left, top) = self._resized(*picture.size)
            picture = picture.resize((wide, high), nearest).crop((left, top, left + self.width, top + self.height))
        elif picture.size != (self.width, self.height):
            picture = picture.resize((self.width, self.height), nearest, box=self.box(*picture.size))
        return np.asarray(picture) > 0

    def _resized(self, width: int, height: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Width and height once the shorter side is `resize`, and where the centre then begins: left, top."""
        assert self.resize is not None
        short = min(width, height)
        wide, high = (int(self.resize * side / short) for side in (width, height))
        return (wide, high), (round((wide - self.width) / 2), round((high - self.height) / 2))

    def normalise(self, pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> Array:
        """`(…, H, W, C)` uint8 → `(…, C, H, W)` float32 as the model expects it."""
        scaled = (pixels.astype(np.float32) / 255.0 - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        planes = np.moveaxis(scaled, -1, -3)
        laid_out = np.empty(planes.shape, np.float32)  # row by row, also where a single channel could stay as it is
        laid_out[...] = planes
        return laid_out

    def __call__(self, picture: Image.Image) -> Array:
        """One picture as model input, `(C, H, W)` float32."""
        return self.normalise(self.pixels(picture))

    def as_dict(self) -> dict[str, Any]:
        """The JSON form; without `resize` where there is none, as before it was known: fingerprints hold it."""
        return {name: value for name, value in asdict(self).items() if name != "resize" or value is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocess:
        """From the JSON form. Raises BadInput for what is not one."""
        try:
            return cls(**{**values, "mean": tuple(values["mean"]), "std": tuple(values["std"])})
        except (KeyError, TypeError, BadParameter) as error:
            reason = f"{type(error).__name__}: {error}"
            raise BadInput(
                "not a preprocessing", value=reason, remedy="Restore run.json, or make the run anew."
            ) from None
