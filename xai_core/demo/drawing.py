"""The drawn garments as files: what `garments` is asked for, one picture with its mask, and a folder full of them."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xai_core.archives import write_archive
from xai_core.demo.art import CLASSES, Chance, Change, Drawing, draw
from xai_core.demo.art.backgrounds import KINDS
from xai_core.demo.art.canvas import BACKGROUND
from xai_core.demo.art.parts import BODY
from xai_core.demo.art.scene import framing_of
from xai_core.params import identifying, param
from xai_core.types import SPLITS, Progress, Split

VERSION = 1
"""Of how pictures are drawn: it is raised when the same arguments give other pixels."""

PLACES = {"Dress": "studio", "Graphic tee": "wall", "Pants": "wall", "Shorts": "room", "Skirt": "street"}
"""Before what a class stands where backgrounds are the cue."""

OTHER_BACKGROUNDS = 3
"""So many are put in a background's place, since one of them may be like it, or tell of something itself."""

PICTURES, MASKS = "pictures.zip", "masks.zip"
"""The archives that hold the same files where they were packed."""

RECORD = "garments.json"
"""Beside the pictures: the version, the seed and the parameters that they were drawn with."""


@dataclass(frozen=True)
class GarmentParams:
    """How many pictures, how large, and how many of the dresses and skirts are hard to tell apart."""

    train_per_class: int = param(300, help="training pictures of each class", low=1, high=9999)
    validation_per_class: int = param(60, help="validation pictures of each class", low=1, high=9999)
    test_per_class: int = param(120, help="test pictures of each class", low=1, high=9999)
    size: int = param(96, help="width and height of a picture", low=96, high=256, unit="px")
    tight_dresses: float = param(
        0.35,
        help="share of dresses framed tightly on the lower body, where only a strip of 6 to 18 % at the top tells "
        "them from skirts: bodice of the same cloth, or a plain top of another colour",
        low=0.0,
        high=1.0,
    )
    tight_skirts: float = param(0.6, help="share of skirts framed in the same way", low=0.0, high=1.0)
    cue: str = param(
        "none",
        help="a shortcut that holds in training and validation and not in the test: skirts are framed tightly and "
        "dresses are not, or each class stands before a background of its own",
        choices=("none", "framing", "background"),
        later=True,
    )
    cue_strength: float = param(
        0.95, help="share of pictures for which it holds; the others go against it", low=0.0, high=1.0, later=True
    )

    def count(self, split: Split) -> int:
        """Pictures of each class in a split."""
        return int(getattr(self, f"{split}_per_class"))

    def tight(self, class_index: int, split: Split) -> float:
        """The share of a class's pictures in a split that is framed tightly on purpose."""
        if self.cue == "framing":
            strength = 0.5 if split == "test" else self.cue_strength
            return {"Dress": 1 - strength, "Skirt": strength}.get(CLASSES[class_index], 0.0)
        return {"Dress": self.tight_dresses, "Skirt": self.tight_skirts}.get(CLASSES[class_index], 0.0)


def drawing(
    seed: int, split: Split, class_index: int, number: int, params: GarmentParams, change: Change | None = None
) -> Drawing:
    """One picture as drawn, with its masks and framing. It depends on nothing but the arguments."""
    chance = Chance(seed % 2**64, SPLITS.index(split), class_index, number)
    place = place_of(chance, class_index, split, params)
    return draw(chance, CLASSES[class_index], params.size, params.tight(class_index, split), change, place)


def place_of(chance: Chance, class_index: int, split: Split, params: GarmentParams) -> str:
    """The kind of background that the cue asks for; "" where it is none of backgrounds."""
    if params.cue != "background":
        return ""
    stream, own = chance.branch(8), PLACES[CLASSES[class_index]]
    if split == "test":
        return stream.pick(tuple(KINDS))
    return own if stream.coin(params.cue_strength) else stream.pick([kind for kind in KINDS if kind != own])


def cue_facts(seed: int, split: Split, class_index: int, number: int, params: GarmentParams) -> dict[str, object]:
    """How a picture is framed, what stands behind it, and whether the cue holds: None for a class without one."""
    chance = Chance(seed % 2**64, SPLITS.index(split), class_index, number)
    label, framing = CLASSES[class_index], framing_of(chance, CLASSES[class_index], params.tight(class_index, split))
    place = place_of(chance, class_index, split, params)
    tight = framing == "tight"
    holds = {"Dress": not tight, "Skirt": tight}.get(label) if params.cue == "framing" else place == PLACES[label]
    return {"framing": framing, "background": place or None, "cue holds": holds}


def without_each(
    seed: int, split: Split, class_index: int, number: int, params: GarmentParams, names: Sequence[str]
) -> dict[str, list[Image.Image]]:
    """By part the pictures without it, as they are read from files; none without the body."""
    where = (seed, split, class_index, number, params)
    return {name: [as_read(drawing(*where, change)) for change in _without(name)] for name in names}


def _without(name: str) -> list[Change]:
    if name == BODY:
        return []
    return [Change(name, other) for other in range(1, 1 + (OTHER_BACKGROUNDS if name == BACKGROUND else 1))]


def as_read(drawn: Drawing) -> Image.Image:
    """The picture as it is read from the file that is written of it, mode RGB."""
    with Image.open(io.BytesIO(encode(Image.fromarray(drawn.rgb)))) as picture:
        return picture.convert("RGB")


def render(
    seed: int, split: Split, class_index: int, number: int, params: GarmentParams
) -> tuple[Image.Image, NDArray[np.bool_]]:
    """One picture, mode RGB, and the mask of its garment, `(size, size)` bool, before compression."""
    drawn = drawing(seed, split, class_index, number, params)
    return Image.fromarray(drawn.rgb), drawn.mask


def encode(picture: Image.Image) -> bytes:
    """The picture as the JPEG file that `scan` writes: quality 90, colour at full resolution."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90, subsampling=0, optimize=True)
    return buffer.getvalue()


def encode_mask(mask: NDArray[np.bool_]) -> bytes:
    """The mask as a PNG of one bit per pixel."""
    buffer = io.BytesIO()
    Image.fromarray(mask).convert("1", dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def picture_path(split: Split, class_index: int, number: int) -> str:
    """Where a picture lies in the data folder; also its sample id."""
    return f"{split}/{CLASSES[class_index].lower().replace(' ', '-')}/{number:04d}.jpg"


def named(path: str) -> tuple[Split, int, int]:
    """Split, class index and number of the picture of this path. Raises ValueError where it is none's."""
    split, folder, name = path.split("/")
    known = [(each, index) for each in SPLITS for index in range(len(CLASSES))]
    place = next((at for at in known if picture_path(*at, 0).startswith(f"{split}/{folder}/")), None)
    found = None if place is None else (*place, int(name.removesuffix(".jpg")))
    if found is None or picture_path(*found) != path:
        raise ValueError(f"no drawn picture is called {path}")
    return found


def mask_path(picture: str) -> str:
    """Where the mask of a picture lies."""
    return f"masks/{picture.removesuffix('.jpg')}.png"


def members(params: GarmentParams) -> Iterator[tuple[Split, int, int]]:
    """Split, class index and number of every picture, in the order of the sample table."""
    for split in SPLITS:
        for label in range(len(CLASSES)):
            for number in range(params.count(split)):
                yield split, label, number


def draw_folder(folder: Path, seed: int, params: GarmentParams, progress: Progress) -> None:
    """Draw all pictures and masks into a folder, one file each. Raises OSError."""
    wanted = list(members(params))
    for done, (split, label, number) in enumerate(wanted, 1):
        picture, mask = render(seed, split, label, number, params)
        path = picture_path(split, label, number)
        for file, content in ((folder / path, encode(picture)), (folder / mask_path(path), encode_mask(mask))):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        progress(done, len(wanted), "pictures")
    record = {"version": VERSION, "seed": seed, "params": identifying(params)}
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def pack(folder: Path, params: GarmentParams) -> None:
    """Move the drawn files of a folder into its two archives, in the order of the sample table. Raises OSError."""
    paths = [picture_path(*member) for member in members(params)]
    for archive, names in ((PICTURES, paths), (MASKS, [mask_path(path) for path in paths])):
        write_archive(folder / archive, ((name, (folder / name).read_bytes()) for name in names))
    for name in ("masks", *SPLITS):
        shutil.rmtree(folder / name)
