"""What turns a picture into a model's input, and a map back onto the picture. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image

from xai_core.errors import BadInput, BadParameter
from xai_core.types import Array

Fit = Literal["squash", "crop"]


@dataclass(frozen=True)
class Preprocess:
    """Resize, scale to 0…1, subtract mean, divide by std.

    Attributes:
        height, width: input size in pixels.
        channels: 1 (grey) or 3 (RGB).
        mean, std: one number per channel, on the 0…1 scale.
        fit: `squash` resizes both sides freely; `crop` resizes the shorter side and cuts the centre.

    Raises:
        BadParameter: numbers that do not fit together.
    """

    height: int
    width: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fit: Fit = "squash"

    def __post_init__(self) -> None:
        fits = (
            min(self.height, self.width) >= 1
            and self.channels in (1, 3)
            and len(self.mean) == len(self.std) == self.channels
            and all(isfinite(mean) for mean in self.mean)
            and all(isfinite(std) and std > 0 for std in self.std)
            and self.fit in get_args(Fit)
        )
        if not fits:
            remedy = "Give one positive size, and for mean and std one number (grey) or three (RGB) each; std above 0."
            value = f"{self.width}×{self.height}, {self.mean}, {self.std}"
            raise BadParameter("size, mean and std do not fit", value=value, remedy=remedy)

    def box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """The part of a `width × height` picture that the model sees: left, top, right, bottom in its pixels."""
        if self.fit == "squash":
            return 0.0, 0.0, float(width), float(height)
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
        if converted.size != size:
            converted = converted.resize(
                size, Image.Resampling.BILINEAR, box=self.box(*converted.size), reducing_gap=None
            )
        return np.asarray(converted, dtype=np.uint8).reshape(self.height, self.width, self.channels)

    def normalise(self, pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> Array:
        """`(…, H, W, C)` uint8 → `(…, C, H, W)` float32 as the model expects it."""
        scaled = (pixels.astype(np.float32) / 255.0 - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return np.ascontiguousarray(np.moveaxis(scaled, -1, -3), dtype=np.float32)

    def __call__(self, picture: Image.Image) -> Array:
        """One picture as model input, `(C, H, W)` float32."""
        return self.normalise(self.pixels(picture))

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)

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
