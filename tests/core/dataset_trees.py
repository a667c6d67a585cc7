"""Small trees of the form of well-known data sets with masks, each with a few samples of two classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = 24, 20
"""Width and height of every picture."""


def photo(path: Path, number: int) -> None:
    """Noise of its own around a middle that is red (even) or green (odd)."""
    pixels = np.random.default_rng(number).integers(0, 255, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
    pixels[6:14, 8:16] = (230, 20, 20) if number % 2 == 0 else (20, 230, 20)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, "PNG")  # a suffix says nothing of what is in a file


def numbers(path: Path, outside: int, inside: int, border: int, *, size: tuple[int, int] = SIZE) -> None:
    """A mask: a square of 8 by 8 with a border of one pixel around it."""
    values = np.full((size[1], size[0]), outside, np.uint8)
    values[5:15, 7:17], values[6:14, 8:16] = border, inside
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def _lines(path: Path, lines: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def cub(root: Path, *, each: int = 12) -> dict[str, object]:
    """CUB_200_2011 in a folder, with its masks beside it; a third is for the test."""
    base, birds = root / "CUB_200_2011", ("001.Black_footed_Albatross", "002.Laysan_Albatross")
    images, labels, split = [], [], []
    for number in range(2 * each):
        name = f"{birds[number % 2]}/Bird_{number:04d}"
        images.append(f"{number + 1} {name}.jpg")
        labels.append(f"{number + 1} {number % 2 + 1}")
        split.append(f"{number + 1} {int(number % 6 < 4)}")
        photo(base / "images" / f"{name}.jpg", number)
        numbers(root / "segmentations" / f"{name}.png", 0, 255, 102)
    _lines(base / "images.txt", images)
    _lines(base / "image_class_labels.txt", labels)
    _lines(base / "train_test_split.txt", split)
    _lines(base / "classes.txt", [f"{number} {bird}" for number, bird in enumerate(birds, 1)])
    return {}


def pet(root: Path, *, each: int = 12) -> dict[str, object]:
    """Two breeds; the trimaps have a Mac's hidden files among them."""
    breeds = (("Abyssinian", "1 1 1"), ("american_bulldog", "2 2 1"))
    lists: dict[str, list[str]] = {"trainval": [], "test": []}
    for number in range(2 * each):
        breed, rest = breeds[number % 2]
        name = f"{breed}_{number}"
        lists["trainval" if number % 6 < 4 else "test"].append(f"{name} {rest}")
        photo(root / "images" / f"{name}.jpg", number)
        numbers(root / "annotations" / "trimaps" / f"{name}.png", 2, 1, 3)
        (root / "annotations" / "trimaps" / f"._{name}.png").write_bytes(b"\0\5\26\7")
    _lines(root / "annotations" / "list.txt", ["#Image CLASS-ID SPECIES BREED ID", *lists["trainval"], *lists["test"]])
    for name, lines in lists.items():
        _lines(root / "annotations" / f"{name}.txt", lines)
    return {}


def voc(root: Path, *, each: int = 12) -> dict[str, object]:
    """VOCdevkit/VOC2012 with birds and dogs, one picture of both and one of none."""
    base, lists = root / "VOCdevkit" / "VOC2012", dict[str, list[str]](train=[], val=[])
    for number in range(2 * each + 2):
        name = f"2007_{number:06d}"
        lists["train" if number % 6 < 4 else "val"].append(name)
        photo(base / "JPEGImages" / f"{name}.jpg", number)
        bird, dog = 3, 12
        inside, border = (
            (dog if number % 2 else bird, 255) if number < 2 * each else ((bird, dog), (0, 255))[number % 2]
        )
        mask = base / "SegmentationClass" / f"{name}.png"
        numbers(mask, 0, inside, border)
        with Image.open(mask) as grey:
            colours = grey.copy()
        colours.putpalette([value for number in range(256) for value in (number, 255 - number, 90)])
        colours.save(mask)
    for split, names in lists.items():
        _lines(base / "ImageSets" / "Segmentation" / f"{split}.txt", names)
    return {}


TREES: dict[str, Callable[..., dict[str, object]]] = {"cub-200": cub, "oxford-pet": pet, "pascal-voc": voc}
"""By key of the dataset: fills a folder and returns the parameters to read it with."""
