"""Pictures and heat layers for the browser, by names that only this server can make.

A name is a keyed hash of what it stands for, looked up in a table: it is never a path and cannot be guessed. Content
is drawn when first asked for; the browser keeps it for good, since another content has another name.
"""

from __future__ import annotations

import hmac
import io
import json
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from dashboard.colours import heat_layer
from xai_core.models.preprocess import Preprocess
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.types import Array

LARGEST_SIDE = 256
SMALL_SIDE = 96
ROUTE = "/tiles/"
_NAMES_KEPT = 200_000
_BYTES_KEPT = 96 * 2**20


@dataclass(frozen=True)
class Tile:
    """A drawn picture."""

    content: bytes
    media_type: str


class Tiles:
    """Names and drawn tiles of one server. Safe for many threads."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._makers: OrderedDict[str, Callable[[], Tile]] = OrderedDict()
        self._drawn: OrderedDict[str, Tile] = OrderedDict()
        self._bytes = 0

    def register(self, identity: Mapping[str, Any], make: Callable[[], Tile]) -> str:
        """The address of what `make` draws.

        Args:
            identity: JSON-able; everything that the drawn bytes depend on. The same identity has the same address.
            make: called when the tile is first asked for, on any thread.
        """
        text = json.dumps(identity, sort_keys=True, default=str)
        name = hmac.digest(self._secret, text.encode(), "sha256").hex()[:40]
        with self._lock:
            self._makers[name] = make
            self._makers.move_to_end(name)
            while len(self._makers) > _NAMES_KEPT:
                self._makers.popitem(last=False)
        return ROUTE + name

    def draw(self, name: str) -> Tile | None:
        """The tile of this name (the last part of its address), or None where there is none."""
        with self._lock:
            if name in self._drawn:
                self._drawn.move_to_end(name)
                return self._drawn[name]
            make = self._makers.get(name)
        if make is None:
            return None
        tile = make()
        with self._lock:
            self._keep(name, tile)
        return tile

    def _keep(self, name: str, tile: Tile) -> None:
        if name not in self._drawn:
            self._bytes += len(tile.content)
        self._drawn[name] = tile
        while self._bytes > _BYTES_KEPT and len(self._drawn) > 1:
            _, dropped = self._drawn.popitem(last=False)
            self._bytes -= len(dropped.content)


def picture_tile(tiles: Tiles, study: Study, run: Run | None, row: int, *, side: int = LARGEST_SIDE) -> str:
    """The address of a sample's picture: the part that the run's model sees, the whole where there is no model."""
    preprocess = run.info.preprocess if run else None
    identity = {"study": str(study.path), "row": int(row), "seen": preprocess, "side": side}
    return tiles.register(identity, lambda: draw_picture(study.picture(row), preprocess, side=side))


def heat_tile(
    tiles: Tiles, heat: Array, *, signed: bool, scale: float, seen: tuple[float, float], identity: Mapping[str, Any]
) -> str:
    """The address of a map's layer.

    Args:
        heat: `(h, w)` raw map.
        signed: on the diverging scale around zero; else rectified.
        scale: the value drawn as full strength.
        seen: width and height of the part of the picture that it lies on, in any unit.
        identity: what the map is (run, method, parameters, row, target), JSON-able.
    """
    whole = {**identity, "signed": signed, "scale": round(scale, 9), "seen": seen}
    return tiles.register(whole, lambda: draw_heat(heat, signed=signed, scale=scale, seen=seen))


def seen_size(preprocess: Mapping[str, Any] | None, width: int, height: int) -> tuple[float, float]:
    """Width and height of the part of a picture that the model sees."""
    if preprocess is None:
        return float(width), float(height)
    left, top, right, bottom = Preprocess.from_dict(preprocess).box(width, height)
    return right - left, bottom - top


def draw_picture(picture: Image.Image, preprocess: Mapping[str, Any] | None, *, side: int) -> Tile:
    """A picture as JPEG, at most `side` pixels; very small ones as PNG, which keeps their pixels."""
    width, height = picture.size
    box = Preprocess.from_dict(preprocess).box(width, height) if preprocess else (0.0, 0.0, float(width), float(height))
    size = _fit(box[2] - box[0], box[3] - box[1], side)
    mode = "L" if picture.mode == "L" or (preprocess and preprocess["channels"] == 1) else "RGB"
    drawn = picture.convert(mode).resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
    if max(size) <= SMALL_SIDE:
        return Tile(_encoded(drawn, "PNG"), "image/png")
    return Tile(_encoded(drawn, "JPEG", quality=88), "image/jpeg")


def draw_heat(heat: Array, *, signed: bool, scale: float, seen: tuple[float, float]) -> Tile:
    """A map as RGBA WebP in the shape of the picture under it.

    Coarse maps (of a layer) are interpolated to 224 pixels, which a browser would do less well; maps with a value per
    pixel keep them, and are averaged down where they are larger than a tile.
    """
    coarse = max(heat.shape) <= 20
    width, height = _fit(*seen, 224 if coarse else min(max(heat.shape), LARGEST_SIDE), enlarge=True)
    method = Image.Resampling.BILINEAR if coarse else Image.Resampling.BOX
    floats = Image.fromarray(np.nan_to_num(heat).astype(np.float32), mode="F")
    if floats.size != (width, height):
        floats = floats.resize((width, height), method)
    layer = heat_layer(np.asarray(floats), signed=signed, scale=scale)
    lossless = not coarse
    return Tile(_encoded(Image.fromarray(layer), "WEBP", lossless=lossless, quality=80, method=2), "image/webp")


def _fit(width: float, height: float, side: int, *, enlarge: bool = False) -> tuple[int, int]:
    factor = side / max(width, height)
    factor = factor if enlarge else min(1.0, factor)
    return max(1, round(width * factor)), max(1, round(height * factor))


def _encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
