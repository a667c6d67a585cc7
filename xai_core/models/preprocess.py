"""What turns a picture into a model's input, and a map back onto the picture. No torch here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields, replace
from math import isfinite
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from PIL import Image

from xai_core.errors import BadInput, BadParameter
from xai_core.label_maps import LabelMap, share_in
from xai_core.label_maps import resized as resized_labels
from xai_core.models.resample import ALSO_WITHOUT_ANTIALIAS, Interpolation, resized
from xai_core.types import Array

Fit = Literal["squash", "crop", "pad", "tiles"]

LATER = ("resize", "interpolation", "antialias", "fill")
"""Fields that were not there at first: see `Preprocess.as_dict`."""

LARGEST_RESIZE = 32_768
"""Pixels beyond which no picture could be held: such a number is damage."""

LARGEST_MAP = 1024
"""Side of the largest maps of pictures in tiles: two megabytes each."""

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


class Placed(NamedTuple):
    """How a picture comes to lie in the input: its size once resized, and where the input begins in it, in its pixels.

    Where the input begins before it (below 0) or ends behind it, the rest is filled.
    """

    wide: int
    high: int
    left: int
    top: int


@dataclass(frozen=True)
class Preprocess:
    """Resize, scale to 0…1, subtract mean, divide by std.

    What came later than the first five fields is left out of the JSON form at its default, and means there what it
    always meant: fingerprints, and with them all that is stored, hold that form.

    Attributes:
        height, width: input size in pixels.
        channels: 1 (grey) or 3 (RGB).
        mean, std: one number per channel, on the 0…1 scale.
        fit: `squash` resizes both sides freely; `crop` resizes the shorter side and cuts the centre; `pad` resizes
            the longer side, lays the picture into the middle and fills the rest; `tiles`, of segmenters alone, resizes
            the longer side to `resize`, and the model sees windows of its input size of that: see `models.tiles`.
        resize: with `tiles`, what the longer side becomes; with `crop`, what the shorter side becomes, in pixels,
            before the centre is cut to whole pixels, as torchvision's `Resize` and `CenterCrop` do; with `squash`, what
            both sides become before that. None for no more than is needed.
        interpolation: the filter; `box` is also called area.
        antialias: whether pictures that become smaller are averaged, as Pillow does it; without, only the nearest
            pixels count, as on tensors in torch and in OpenCV.
        fill: with `pad`, what is around the picture: one number per channel, 0…255; () is black.

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
    interpolation: Interpolation = "bilinear"
    antialias: bool = True
    fill: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        fits = (
            min(self.height, self.width) >= 1
            and self.channels in (1, 3)
            and len(self.mean) == len(self.std) == self.channels
            and all(isfinite(mean) for mean in self.mean)
            and all(isfinite(std) and std > 0 for std in self.std)
            and self.fit in get_args(Fit)
        )
        if self.tiled and self.resize is None:
            remedy = "Give --resize: how many pixels the longer side becomes before tiles of the size are cut."
            raise BadParameter("tiles of what?", value=self.fit, remedy=remedy)
        if self.resize is not None and self.fit == "pad":
            remedy = "Leave --resize out: the longer side becomes the size."
            raise BadParameter("a picture that is padded is not cut", value=self.resize, remedy=remedy)
        if self.resize is not None and self.resize < max(self.height, self.width):
            remedy = f"Give at least the size, {max(self.height, self.width)}."
            raise BadParameter("pictures are resized to less than is cut out of them", value=self.resize, remedy=remedy)
        if not fits:
            remedy = "Give one positive size, and for mean and std one number (grey) or three (RGB) each; std above 0."
            value = f"{self.width}×{self.height}, {self.mean}, {self.std}"
            raise BadParameter("size, mean and std do not fit", value=value, remedy=remedy)
        self._check_resampling()

    def _check_resampling(self) -> None:
        if self.resize is not None and (type(self.resize) is not int or self.resize > LARGEST_RESIZE):
            remedy = f"Give a whole number of pixels up to {LARGEST_RESIZE}."
            raise BadParameter("not a side that pictures are resized to", value=self.resize, remedy=remedy)
        if self.interpolation not in get_args(Interpolation) or type(self.antialias) is not bool:
            remedy = f"Give one of {', '.join(get_args(Interpolation))}, with antialias true or false."
            raise BadParameter("not an interpolation", value=self.interpolation, remedy=remedy)
        if not self.antialias and self.interpolation not in ALSO_WITHOUT_ANTIALIAS:
            remedy = f"Without antialiasing give one of {', '.join(ALSO_WITHOUT_ANTIALIAS)}."
            raise BadParameter("this interpolation is always antialiased", value=self.interpolation, remedy=remedy)
        if self.fill and self.fit != "pad":
            raise BadParameter("nothing is filled", value=self.fill, remedy="Give a fill with the fit pad alone.")
        if self.fill and (
            len(self.fill) != self.channels or not all(type(v) is int and 0 <= v <= 255 for v in self.fill)
        ):
            remedy = f"Give {self.channels} whole numbers from 0 to 255."
            raise BadParameter("not a colour to fill with", value=self.fill, remedy=remedy)

    @property
    def tiled(self) -> bool:
        """Whether the model sees a picture in tiles, and never as a whole."""
        return self.fit == "tiles"

    @property
    def canvas(self) -> Preprocess:
        """What training keeps of a picture: of tiles all of it, in the middle of a square; else this itself."""
        if not self.tiled:
            return self
        assert self.resize is not None
        return replace(self, height=self.resize, width=self.resize, fit="pad", resize=None)

    @property
    def whole(self) -> Preprocess:
        """What maps lie on, and masks that they are compared with: of tiles the whole picture, squashed to a square as
        large as its longer side becomes, up to LARGEST_MAP; else this itself."""
        if not self.tiled:
            return self
        assert self.resize is not None
        side = min(self.resize, LARGEST_MAP)
        return replace(self, height=side, width=side, fit="squash", resize=None)

    def box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """What the model sees of a `width × height` picture: left, top, right, bottom in its pixels.

        With `pad` it is larger than the picture: it begins before 0, or ends behind the border.
        """
        placed = self._placed(width, height)
        if placed is None:
            return self._centre(width, height)
        if self.tiled:
            return 0.0, 0.0, float(width), float(height)
        across, down = width / placed.wide, height / placed.high
        left, right = placed.left * across, (placed.left + self.width) * across
        top, bottom = placed.top * down, (placed.top + self.height) * down
        if self.fit == "pad":
            return left, top, right, bottom
        return left, top, min(right, width), min(bottom, height)  # rounding must not carry it over the border

    def pixels(self, picture: Image.Image) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """The resized picture, `(height, width, channels)` uint8: what the model sees, before normalising.

        Of tiles the whole picture that they are cut from, in its own shape.
        """
        seen = self.picture(picture)
        return np.asarray(seen, dtype=np.uint8).reshape(seen.height, seen.width, self.channels)

    def picture(self, picture: Image.Image) -> Image.Image:
        """The same as a picture of mode L or RGB."""
        mode = "L" if self.channels == 1 else "RGB"
        converted = picture if picture.mode == mode else picture.convert(mode)  # which would copy
        placed = self._placed(*converted.size)
        size = (self.width, self.height)
        if placed is None:
            box = None if converted.size == size else self._centre(*converted.size)
            return resized(converted, size, self.interpolation, self.antialias, box)
        whole = resized(converted, (placed.wide, placed.high), self.interpolation, self.antialias)
        return self._cut(whole, placed)

    def mask(self, mask: np.ndarray[Any, np.dtype[np.bool_]]) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """A picture's mask `(h, w)` as `(height, width)` bool, on the pixels that `pixels` gives: nearest neighbour.

        What is filled around a picture is not in it.
        """
        picture, nearest = Image.fromarray(mask.astype(np.uint8)), Image.Resampling.NEAREST
        placed = self._placed(*picture.size)
        if placed is not None:
            picture = picture.resize((placed.wide, placed.high), nearest)
            if self.tiled:
                return np.asarray(picture) > 0
            picture = picture.crop((placed.left, placed.top, placed.left + self.width, placed.top + self.height))
        elif picture.size != (self.width, self.height):
            picture = picture.resize((self.width, self.height), nearest, box=self._centre(*picture.size))
        return np.asarray(picture) > 0

    def label_map(self, label_map: LabelMap, background: bool) -> LabelMap:
        """A picture's label map as `(height, width)`, on the pixels that `pixels` gives: see `label_maps.resized`.

        What is filled around a picture is to be ignored.
        """
        high, wide = label_map.shape
        return resized_labels(label_map, self.box(wide, high), *self._seen(wide, high), background)

    def inside(self, width: int, height: int) -> tuple[int, int, int, int]:
        """With `pad`, where in the input a `width × height` picture lies: left, top, right, bottom in its pixels."""
        placed = self._placed(width, height)
        assert placed is not None
        return -placed.left, -placed.top, placed.wide - placed.left, placed.high - placed.top

    def share(self, mask: np.ndarray[Any, np.dtype[np.bool_]]) -> Array:
        """A picture's mask as `(height, width)` 0…1, on the pixels that `pixels` gives: how much of each is in it."""
        high, wide = mask.shape
        return share_in(mask, self.box(wide, high), *self._seen(wide, high))

    def _seen(self, width: int, height: int) -> tuple[int, int]:
        """Height and width of what `pixels` gives of a picture of this size."""
        placed = self._placed(width, height) if self.tiled else None
        return (placed.high, placed.wide) if placed else (self.height, self.width)

    def _placed(self, width: int, height: int) -> Placed | None:
        """How a picture of this size is placed; None where a part of it is resized to the input at once."""
        if self.tiled:
            assert self.resize is not None
            scale = self.resize / max(width, height)
            return Placed(max(1, round(width * scale)), max(1, round(height * scale)), 0, 0)
        if self.fit == "pad":
            scale = min(self.width / width, self.height / height)
            wide, high = (max(1, round(side * scale)) for side in (width, height))
        elif self.resize is None:
            return None if self.fit == "crop" else Placed(self.width, self.height, 0, 0)
        elif self.fit == "crop":
            wide, high = (int(self.resize * side / min(width, height)) for side in (width, height))
        else:
            wide, high = self.resize, self.resize
        if self.fit == "pad":  # as ImageOps.pad lays it
            return Placed(wide, high, -round((self.width - wide) / 2), -round((self.height - high) / 2))
        return Placed(wide, high, round((wide - self.width) / 2), round((high - self.height) / 2))

    def _centre(self, width: int, height: int) -> tuple[float, float, float, float]:
        """The largest part in the middle that has the input's shape."""
        scale = min(width / self.width, height / self.height)
        # rounding must not carry the box over the border: Pillow refuses such a box
        seen_width, seen_height = min(self.width * scale, width), min(self.height * scale, height)
        left, top = (width - seen_width) / 2, (height - seen_height) / 2
        return left, top, min(left + seen_width, width), min(top + seen_height, height)

    def _cut(self, picture: Image.Image, placed: Placed) -> Image.Image:
        if self.tiled or picture.size == (self.width, self.height):
            return picture
        if self.fit != "pad":
            return picture.crop((placed.left, placed.top, placed.left + self.width, placed.top + self.height))
        fill = self.fill or (0,) * self.channels
        ground = Image.new(picture.mode, (self.width, self.height), fill if len(fill) > 1 else fill[0])
        ground.paste(picture, (-placed.left, -placed.top))
        return ground

    def described(self) -> str:
        """What the model is shown of a picture, in words: nothing tells of a wrong one but a lower accuracy."""
        size, how = f"{self.width}×{self.height}", self.interpolation + ("" if self.antialias else ", no antialiasing")
        also = "" if how == "bilinear" else f" ({how})"
        if self.tiled:
            return f"A picture's longer side becomes {self.resize} pixels{also}; the model sees it in tiles of {size}."
        if self.fit == "pad":
            around = f"filled with {','.join(map(str, self.fill))}" if any(self.fill) else "black"
            return f"Pictures are fitted into {size} whole{also}; what is around them is {around}."
        if self.resize is not None:
            side = "A picture's shorter side becomes" if self.fit == "crop" else "Both sides of a picture become"
            return f"{side} {self.resize} pixels{also}; the model sees {size} in the middle."
        if self.fit == "crop":
            return f"The model sees the largest part in the middle of a picture, as {size}{also}."
        return f"Pictures are squashed to {size}{also}."

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
        """The JSON form; what came later is left out at its default, as before it was known: fingerprints hold it."""
        defaults = {f.name: f.default for f in fields(self) if f.name in LATER and f.default is not MISSING}
        return {name: value for name, value in asdict(self).items() if name not in LATER or value != defaults[name]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocess:
        """From the JSON form. Raises BadInput for what is not one."""
        try:
            tuples = {name: tuple(values[name]) for name in ("mean", "std", "fill") if name in values}
            return cls(**{**values, **tuples})
        except (KeyError, TypeError, BadParameter) as error:
            reason = f"{type(error).__name__}: {error}"
            raise BadInput(
                "not a preprocessing", value=reason, remedy="Restore run.json, or make the run anew."
            ) from None
