"""Pictures as files, which the tests of reading them share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from xai_core.pictures import PictureInfo, inspect_picture

RAMP = np.tile(np.arange(256, dtype=np.uint8), (4, 1))


def saved(picture: Image.Image, path: Path, **options: object) -> Path:
    picture.save(path, **options)
    return path


def colours(width: int = 40, height: int = 30) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], -1).astype(np.uint8))


def info_of(path: Path) -> PictureInfo:
    with path.open("rb") as stream:
        return inspect_picture(stream, path.name)
