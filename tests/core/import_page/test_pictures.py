"""`docs/import.md`: every line of its tables is run, on files made as the line says: pictures and their labels."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

import xai_core as xai
from tests.core.dataset_trees import TREES
from tests.core.import_page.page import CLASSES, covered, folders, line, lines_of, picture, put
from tests.core.test_datasets_contract import SMALL
from xai_core.cli.main import main
from xai_core.store.study import Study


def splits(root: Path) -> None:
    for start, split in enumerate(("Train", "val", "TEST")):
        for number in range(6):
            put(root / split / CLASSES[number % 2] / f"{number}.png", 100 * start + number)


def kaggle(root: Path) -> None:
    for start, split in enumerate(("training_set", "test_set")):
        for number in range(12):
            name = CLASSES[number % 2]
            put(root / split / split / f"{name}s" / f"{name}.{number}.jpg", 100 * start + number)


def sites(root: Path) -> None:
    for start, site in enumerate(("site-a", "site-b")):
        for number in range(8):
            put(root / site / CLASSES[number % 2] / f"{number}.png", 100 * start + number)


def by_id(root: Path) -> None:
    folders(root / "photos", names=("n02121808", "n02084071"))
    (root / "names.txt").write_text("n02121808 cat\nn02084071 dog\n")


def beside(root: Path) -> None:
    folders(root)
    for file, corner in (("1_mask.png", 0), ("1_mask_2.png", 20)):
        mask = Image.new("L", (40, 40))
        ImageDraw.Draw(mask).rectangle((corner, corner, corner + 9, corner + 9), fill=255)
        mask.save(root / "cat" / file)


def apart(root: Path) -> None:
    folders(root / "photos")
    (root / "masks" / "cat").mkdir(parents=True)
    Image.new("1", (40, 40), 1).save(root / "masks" / "cat" / "1.png")


def table(root: Path, path: str = "path", label: str = "label", names: tuple[Any, Any] = CLASSES) -> pd.DataFrame:
    lines = []
    for number in range(16):
        put(root / f"{number}.png", number)
        lines.append({path: f"{number}.png", label: names[number % 2], "camera": "AB"[number // 8]})
    return pd.DataFrame(lines)


def csv(root: Path, *names: Any) -> None:
    table(root, *names).to_csv(root / "labels.csv", index=False)


def excel(root: Path) -> None:
    lines = table(root / "pictures" / "day 1")
    lines["path"] = "day 1\\" + lines["path"]
    lines.to_csv(root / "labels.csv", index=False, sep=";", encoding="utf-16")


DATA: dict[str, Callable[[Path], object]] = {
    "a folder for each class": lambda root: folders(root / "photos"),
    "folders of splits": lambda root: splits(root / "photos"),
    "Kaggle": lambda root: kaggle(root / "archive"),
    "deeper down": lambda root: sites(root / "photos"),
    "test alone": lambda root: folders(root / "photos", each=1),
    "called by ids": by_id,
    "beside their pictures": lambda root: beside(root / "photos"),
    "masks in a folder": apart,
    "CSV file of paths": csv,
    "Excel": excel,
    "as Parquet": lambda root: table(root).to_parquet(root / "labels.parquet"),
    "table beside them": lambda root: csv(root / "photos"),
    "nobody could guess": lambda root: csv(root, "where", "what"),
    "labels that are numbers": lambda root: csv(root, "path", "label", (0, 1)),
    "Fashion-MNIST": lambda root: SMALL["fashion-mnist"](root / "fashion"),
    "CUB-200-2011": lambda root: TREES["cub-200"](root / "birds"),
    "Oxford-IIIT Pet": lambda root: TREES["oxford-pet"](root / "pets"),
    "PASCAL VOC": lambda root: TREES["pascal-voc"](root / "voc"),
    "data frame": table,
    "torch `Dataset`": lambda root: [(picture(number), number % 2) for number in range(16)],
}
NAMES: dict[str, tuple[str, ...]] = {
    "Kaggle": ("cats", "dogs"),
    "CUB-200-2011": ("Black footed Albatross", "Laysan Albatross"),
    "Oxford-IIIT Pet": ("Abyssinian", "american bulldog"),
    "PASCAL VOC": ("bird", "dog"),
}
EXPECTED: dict[str, dict[str, int]] = {
    "folders of splits": {"train": 6, "validation": 6, "test": 6},
    "test alone": {"train": 0, "validation": 0, "test": 2},
}
DATA_LINES = lines_of("Pictures and their labels")


def test_each_way_to_bring_pictures_is_tried() -> None:
    covered(DATA_LINES, DATA)


@pytest.mark.parametrize("about", DATA)
def test_pictures_and_labels_come_in(about: str, here: Path) -> None:
    (here / "fashion").mkdir()
    given = DATA[about](here)
    said = line(DATA_LINES, about)
    if said.startswith("xai "):
        said += " --set fashion-mnist.validation=20" if "fashion" in said else ""
        assert main(shlex.split(said)[1:]) == 0
    else:
        exec(said, {"xai": xai, "frame": given, "pairs": given})
    study = Study.open(here / "mine")
    names = NAMES.get(about, CLASSES)
    assert len(study.class_names) == 10 if about == "Fashion-MNIST" else set(study.class_names) == set(names)
    counts = study.samples["split"].value_counts().to_dict()
    assert EXPECTED.get(about, {}).items() <= ({"train": 0, "validation": 0} | counts).items()
    masks = 24 if about in list(NAMES)[1:] else int(about in ("beside their pictures", "masks in a folder"))
    assert study.samples["has_mask"].sum() == masks
    if about in ("CSV file of paths", "as Parquet", "data frame"):
        assert study.facts.names == ("camera",)


# Kinds of pictures


def _sixteen(path: Path) -> None:
    Image.fromarray((np.arange(1600).reshape(40, 40) * 40).astype(np.uint16)).save(path)


def _turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(3).resize((40, 20)).save(path, exif=exif)


def _transparent(path: Path) -> None:
    Image.new("RGBA", (40, 40), (10, 200, 10, 0)).save(path)


SAVED: dict[str, Callable[[Path], object]] = {
    "turned.jpg": _turned,
    "cmyk.jpg": lambda path: picture(5).convert("CMYK").save(path),
    "palette.png": lambda path: picture(7).convert("P", palette=Image.Palette.ADAPTIVE).save(path),
    "transparent.png": _transparent,
    "grey.png": lambda path: picture(9).convert("L").save(path),
    "sixteen.png": _sixteen,
    "noname": lambda path: picture(11).save(path, format="PNG"),
    "broken.jpg": lambda path: path.write_bytes(b"\xff\xd8\xff\xe0 no more"),
    "notes.pdf": lambda path: path.write_bytes(b"%PDF-1.4"),
    ".DS_Store": lambda path: path.write_bytes(b"\0"),
}
"""How a file of this name is made; any other is saved by its suffix."""


def test_every_kind_of_picture_is_read_as_the_page_says(here: Path) -> None:
    folders(here / "photos")
    kinds = lines_of("Pictures and their labels", "pictures | what is read")
    names = [name for first in kinds for name in re.findall(r"`(\S+)`", first)]
    assert set(SAVED) < set(names)
    for number, name in enumerate(names, 200):
        SAVED.get(name, picture(number).save)(here / "photos" / "cat" / name)
    assert main(["new", "mine", "--data", "photos"]) == 0
    study = Study.open(here / "mine")
    rows = {Path(path).name: row for row, path in enumerate(study.samples["path"])}
    left_out = {"broken.jpg", "notes.pdf", ".DS_Store"}
    assert {name for name in names if name not in rows} == left_out
    assert [path for path, _ in study.info.unreadable] == ["cat/broken.jpg"]
    assert study.picture(rows["turned.jpg"]).size == (20, 40)
    assert study.picture(rows["transparent.png"]).getpixel((0, 0)) == (255, 255, 255)
    assert {name: study.picture(rows[name]).mode for name in ("grey.png", "sixteen.png", "cmyk.jpg")} == {
        "grey.png": "L", "sixteen.png": "L", "cmyk.jpg": "RGB",
    }  # fmt: skip
    notes = " ".join(study.info.notes)
    assert "16 bits" in notes or "65535" in notes or "grey" in notes
