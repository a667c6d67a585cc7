"""Pictures and heat layers for the browser, by addresses that only this server can make.

An address says itself what is to be drawn, under a seal (a keyed hash): the server keeps no table of what it has shown,
so its memory does not grow with it, and a tile can be drawn for as long as a page shows it. Pixels are read from the
study when the browser asks; it keeps them for good, since another content has another address.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import io
import json
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dashboard.drawing.outline import outline
from xai_core.drawing import label_maps
from xai_core.drawing.seen import LARGEST_SIDE, fitted, map_layer, seen_picture
from xai_core.errors import XaiError
from xai_core.models.preprocess import Preprocess
from xai_core.regions import region_mask
from xai_core.store.maps import STORED, MapStore
from xai_core.store.new_pictures import NewPictures
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.store.targets import region_of
from xai_core.triage.looks import Look
from xai_core.triage.normalise import COARSE, evidence
from xai_core.types import Array, Target

LARGE_SIDE = 512
SMALL_SIDE = 96
ROUTE = "/tiles/"
LabelLayer = Literal["truth", "said", "compared", "cell"]
_BYTES_KEPT = 24 * 2**20
_SEAL = 16


@dataclass(frozen=True)
class Tile:
    """A drawn picture."""

    content: bytes
    media_type: str


@dataclass(frozen=True)
class _Seen:
    """A study's pictures, as a model sees them (as a whole where there is none)."""

    study: Study
    preprocess: Mapping[str, Any] | None

    def identity(self) -> str:
        return json.dumps([str(self.study.path), self.preprocess], sort_keys=True, default=str)

    def draw(self, row: int, side: int) -> Tile:
        return draw_picture(self.study.picture(row), self.preprocess, side=side)


@dataclass(frozen=True)
class _Outlines:
    """The outlines of a study's masks, on what a model sees of the pictures."""

    study: Study
    preprocess: Mapping[str, Any] | None

    def identity(self) -> str:
        return json.dumps(["masks", str(self.study.path), self.preprocess], sort_keys=True, default=str)

    def draw(self, row: int, side: int, _stamp: str) -> Tile:
        mask = None
        with suppress(XaiError):  # a mask that cannot be read is none here
            mask = self.study.mask(row)
        return draw_outline(np.zeros((1, 1), dtype=bool) if mask is None else mask, self.preprocess, side=side)


@dataclass(frozen=True)
class _Labels:
    """The label maps of a study and of a run, as layers on what the run's model sees of the pictures."""

    run: Run

    def identity(self) -> str:
        return json.dumps(["labels", str(self.run.path), self.run.info.fingerprint, self.run.info.preprocess])

    def draw(self, row: int, kind: str, true: int, predicted: int) -> Tile | None:
        store, study = self.run.label_maps(), self.run.study
        truth = study.label_map(row)
        stored = store.get(row) if store is not None else None
        if stored is None and kind != "truth":
            return None
        said = truth if stored is None else stored.label_map
        if kind == "truth":
            layer = label_maps.painted(truth, study.has_background)
        elif kind == "said":
            layer = label_maps.painted(said, study.has_background)
        elif kind == "compared":
            layer = label_maps.compared(truth, said, study.has_background)
        else:
            layer = label_maps.of_cell(truth, said, (true, predicted))
        return draw_labels(layer, self.run.info.preprocess)


@dataclass(frozen=True)
class _Regions:
    """The outlines of regions of a run's predictions, on what its model sees of the pictures."""

    run: Run

    def identity(self) -> str:
        return json.dumps(["regions", str(self.run.path), self.run.info.fingerprint, self.run.info.preprocess])

    def draw(self, row: int, target: str, side: int) -> Tile:
        mask = np.zeros((1, 1), dtype=bool)
        with suppress(XaiError):
            mask = region_of(self.run, row, Target.parse(target))
        return draw_outline(mask, self.run.info.preprocess, side=side)


@dataclass(frozen=True)
class _Heat:
    """The maps of one method."""

    maps: MapStore

    def identity(self) -> str:
        return str(self.maps.path)

    def lies_in(self, folder: Path) -> bool:
        return self.maps.path.is_relative_to(folder)

    def draw(
        self, row: int, target: str, signed: bool, scale: float, width: float, height: float, look: Look
    ) -> Tile | None:
        stored = self.maps.get([row], [target])
        if stored.state[0] != STORED:
            return None
        heat = evidence(stored.maps, signed=signed)[0]
        return draw_heat(heat, signed=signed, scale=scale, seen=(width, height), look=look)


@dataclass(frozen=True)
class _Dropped:
    """Pictures from outside the study that somebody has dropped, as a model sees them."""

    pictures: NewPictures

    def identity(self) -> str:
        return f"dropped:{self.pictures.path}"

    def lies_in(self, folder: Path) -> bool:
        return self.pictures.path.is_relative_to(folder)

    def draw(self, number: int, side: int) -> Tile | None:
        file = self.pictures.picture(number)
        if not file.is_file():
            return None
        with Image.open(file) as picture:
            return draw_picture(picture, self.pictures.run.info.preprocess, side=side)


@dataclass(frozen=True)
class _DroppedRegions:
    """What a segmenter says of dropped pictures: all its regions as a layer, or the outline of a target's one."""

    pictures: NewPictures

    def identity(self) -> str:
        return f"dropped regions:{self.pictures.path}"

    def lies_in(self, folder: Path) -> bool:
        return self.pictures.path.is_relative_to(folder)

    def draw(self, number: int, target: str, side: int) -> Tile | None:
        said, run = self.pictures.label_map(number), self.pictures.run
        if said is None:
            return None
        if not target:
            return draw_labels(label_maps.painted(said, run.study.has_background), run.info.preprocess)
        mask = region_mask(Target.parse(target), said, said)
        return draw_outline(mask, run.info.preprocess, side=side)


Source = _Seen | _Outlines | _Labels | _Regions | _Heat | _Dropped | _DroppedRegions


class Tiles:
    """Addresses and lately drawn tiles of one server. Safe for many threads."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._sources: dict[str, Source] = {}
        self._drawn: OrderedDict[str, Tile] = OrderedDict()
        self._bytes = 0

    def address(self, source: Source, *what: Any) -> str:
        """The address of what `source.draw(*what)` gives; the same for the same source and the same JSON-able values.

        A source (a study seen by a model, a method's maps) is remembered; there are few.
        """
        key = hashlib.sha256(source.identity().encode()).hexdigest()[:12]
        self._sources[key] = source
        text = json.dumps([key, *what], separators=(",", ":")).encode()
        return ROUTE + _text(self._seal(text) + text)

    def draw(self, name: str) -> Tile | None:
        """The tile of this name (the last part of its address), or None where there is none."""
        with self._lock:
            if name in self._drawn:
                self._drawn.move_to_end(name)
                return self._drawn[name]
        source, what = self._opened(name)
        tile = source.draw(*what) if source else None
        if tile is not None:
            with self._lock:
                self._keep(name, tile)
        return tile

    def _seal(self, text: bytes) -> bytes:
        return hmac.digest(self._secret, text, "sha256")[:_SEAL]

    def _opened(self, name: str) -> tuple[Source | None, list[Any]]:
        """What a name says; nothing where this server did not make it."""
        try:
            content = base64.b64decode(name + "=" * (-len(name) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None, []
        seal, text = content[:_SEAL], content[_SEAL:]
        if not hmac.compare_digest(seal, self._seal(text)):
            return None, []
        key, *what = json.loads(text)
        return self._sources.get(key), what

    def forget(self, folder: Path) -> None:
        """Draw nothing more of what lies in a folder that is being removed, and drop what was drawn of it."""
        with self._lock:
            for key, source in list(self._sources.items()):
                if isinstance(source, _Heat | _Dropped | _DroppedRegions) and source.lies_in(folder):
                    del self._sources[key]
            for name in [name for name in self._drawn if self._opened(name)[0] is None]:
                self._bytes -= len(self._drawn.pop(name).content)

    def _keep(self, name: str, tile: Tile) -> None:
        if name not in self._drawn:
            self._bytes += len(tile.content)
        self._drawn[name] = tile
        while self._bytes > _BYTES_KEPT and len(self._drawn) > 1:
            _, dropped = self._drawn.popitem(last=False)
            self._bytes -= len(dropped.content)


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def picture_tile(tiles: Tiles, study: Study, run: Run | None, row: int, *, side: int = LARGEST_SIDE) -> str:
    """The address of a sample's picture: the part that the run's model sees, the whole where there is no model."""
    return tiles.address(_Seen(study, run.info.preprocess if run else None), int(row), side)


def dropped_tile(tiles: Tiles, pictures: NewPictures, number: int, *, side: int = LARGEST_SIDE) -> str:
    """The address of a picture from outside the study: the part that the run's model sees."""
    return tiles.address(_Dropped(pictures), int(number), side)


def dropped_regions(
    tiles: Tiles, pictures: NewPictures, number: int, target: str = "", *, side: int = LARGE_SIDE
) -> str:
    """The address of what a segmenter says of such a picture, to lie on its `dropped_tile`: every class in its colour,
    or the outline of what a target (by its key) is about."""
    return tiles.address(_DroppedRegions(pictures), int(number), target, side)


def outline_tile(tiles: Tiles, study: Study, run: Run | None, row: int, *, side: int = LARGEST_SIDE) -> str:
    """The address of the outline of a sample's mask, to lie on its `picture_tile`; "" where it has no mask.

    An edited mask has another address.
    """
    if not study.samples["has_mask"].iat[row]:
        return ""
    try:
        stamp = study.mask_stamp(row)
    except XaiError:
        return ""
    return tiles.address(_Outlines(study, run.info.preprocess if run else None), int(row), side, stamp)


def region_tile(tiles: Tiles, run: Run, row: int, target: str, *, side: int = LARGE_SIDE) -> str:
    """The address of the outline of what a target (by its key) is about, to lie on a sample's `picture_tile`."""
    return tiles.address(_Regions(run), int(row), target, side)


def heat_tile(
    tiles: Tiles,
    maps: MapStore,
    row: int,
    target: str,
    *,
    signed: bool,
    scale: float,
    seen: tuple[float, float],
    look: Look = "heat",
) -> str:
    """The address of a stored map's layer.

    Args:
        maps: where it is stored.
        row: row number of its sample.
        target: key of what it explains.
        signed: on the diverging scale around zero; else rectified.
        scale: the value drawn as full strength.
        seen: width and height of the part of the picture that it lies on, in any unit.
        look: as what it is drawn.
    """
    return tiles.address(_Heat(maps), int(row), target, bool(signed), float(scale), *map(float, seen), look)


def label_tile(tiles: Tiles, run: Run, row: int, kind: LabelLayer, cell: tuple[int, int] = (0, 0)) -> str:
    """The address of a layer of a picture's label maps: the annotation, what the run said, how that compares, or the
    pixels of a cell of the confusion."""
    return tiles.address(_Labels(run), int(row), kind, *map(int, cell))


def draw_labels(layer: NDArray[np.uint8], preprocess: Mapping[str, Any] | None) -> Tile:
    """`(H, W, 4)` RGBA on a picture's pixels, in the shape of what the model sees of it.

    Where it becomes smaller colours are averaged: what is thin grows faint, and stays.
    """
    high, wide = layer.shape[:2]
    box = Preprocess.from_dict(preprocess).box(wide, high) if preprocess else (0.0, 0.0, float(wide), float(high))
    left, top, right, bottom = map(round, box)
    size = fitted(box[2] - box[0], box[3] - box[1], LARGE_SIDE, enlarge=True)
    cut = Image.fromarray(layer).crop((left, top, max(right, left + 1), max(bottom, top + 1)))
    how = Image.Resampling.BOX if cut.width > size[0] else Image.Resampling.NEAREST
    return Tile(_encoded(cut.resize(size, how), "WEBP", lossless=True, method=2), "image/webp")


def draw_picture(picture: Image.Image, preprocess: Mapping[str, Any] | None, *, side: int) -> Tile:
    """A picture as JPEG, at most `side` pixels; very small ones as PNG, which keeps their pixels.

    What a model sees around it is drawn too: a map lies on all that the model sees.
    """
    drawn = seen_picture(picture, preprocess, side=side)
    if max(drawn.size) <= SMALL_SIDE:
        return Tile(_encoded(drawn, "PNG"), "image/png")
    return Tile(_encoded(drawn, "JPEG", quality=88), "image/jpeg")


def draw_outline(mask: NDArray[np.bool_], preprocess: Mapping[str, Any] | None, *, side: int) -> Tile:
    """The outline of a mask, in the shape of the picture under it and `side` pixels long."""
    model = Preprocess.from_dict(preprocess) if preprocess else None
    high, wide = mask.shape
    box = model.box(wide, high) if model else (0.0, 0.0, float(wide), float(high))
    size = fitted(box[2] - box[0], box[3] - box[1], side, enlarge=True)
    if model and model.fit == "pad":
        large = replace(model, width=size[0], height=size[1]).mask(mask)
    else:
        nearest = Image.Resampling.NEAREST
        large = np.asarray(Image.fromarray(mask.astype(np.uint8)).resize(size, nearest, box=box)) > 0
    return Tile(_encoded(outline(large), "WEBP", lossless=True, method=2), "image/webp")


def draw_heat(heat: Array, *, signed: bool, scale: float, seen: tuple[float, float], look: Look = "heat") -> Tile:
    """A map as RGBA WebP in the shape of the picture under it, see `map_layer`. Sharp edges stay sharp."""
    layer = map_layer(heat, signed=signed, scale=scale, seen=seen, look=look)
    lossless = max(heat.shape) > COARSE or look in ("cells", "outline")
    effort = 2 if lossless else 0  # more of it makes smooth layers no smaller, and takes four times as long
    return Tile(_encoded(layer, "WEBP", lossless=lossless, quality=80, method=effort), "image/webp")


def _encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
