"""Folders of label maps: which file is whose, and what its numbers mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.core.dataset_trees import photo
from tests.core.segmentation_trees import label_file, map_of, mask_folder, read, square
from xai_core.datasets import dataset_of
from xai_core.errors import BadInput, XaiError
from xai_core.label_maps import IGNORE

KEY = "mask-folder"


def pairs(root: Path, inside: int = 1, outside: int = 0, *, many: int = 12, masks: str = "masks/{}.png") -> None:
    """Pictures in `images`, each with the same label map."""
    for number in range(many):
        photo(root / "images" / f"{number}.jpg", number)
        label_file(root / masks.format(number), square(inside, outside))


def test_numbers_are_classes_and_255_is_ignored(tmp_path: Path) -> None:
    mask_folder(tmp_path)
    made, scan = read(KEY, tmp_path)
    assert scan.class_names == ("background", "red", "green")
    expected = square(2)
    expected[0] = IGNORE
    assert (map_of(made, scan, "images/1.jpg") == expected).all()
    assert scan.samples["split"].value_counts().to_dict() == {"train": 14, "test": 4, "validation": 2}
    assert any("2 files were left out" in note or "classes.txt" in note for note in scan.notes)


@pytest.mark.parametrize(
    "masks",
    ["masks/{}.png", "masks/{}_mask.png", "Labels/{}.png", "annotations/mask_{}.png", "images/{}_mask.png"],
)
def test_label_maps_are_found_by_their_names(masks: str, tmp_path: Path) -> None:
    pairs(tmp_path, masks=masks)
    made, scan = read(KEY, tmp_path)
    assert len(scan.samples) == 12
    assert scan.class_names == ("background", "object")
    assert (map_of(made, scan, "images/3.jpg") == square(1)).all()
    assert not masks.startswith(("masks", "Labels", "annotations")) or dataset_of(tmp_path) == KEY


def test_label_maps_may_lie_elsewhere(tmp_path: Path) -> None:
    pairs(tmp_path / "data", masks="../there/{}.png")
    for masks in ("../there", str(tmp_path / "there")):
        made, scan = read(KEY, tmp_path / "data", masks=masks)
        assert (map_of(made, scan, "images/3.jpg") == square(1)).all()


@pytest.mark.parametrize("form", ["images/{split}/{name}", "{split}/images/{name}"])
def test_folders_of_splits_in_both_trees(form: str, tmp_path: Path) -> None:
    """The same names in each split."""
    for split, many in (("train", 6), ("val", 4), ("test", 3)):
        for number in range(many):
            path = form.format(split=split, name=f"{number}.jpg")
            photo(tmp_path / path, number + len(split) * 10)
            label_file(tmp_path / path.replace("images", "masks").replace("jpg", "png"), square(1 + (split == "val")))
    assert dataset_of(tmp_path) == KEY
    made, scan = read(KEY, tmp_path)
    assert scan.samples["split"].value_counts().to_dict() == {"train": 6, "validation": 4, "test": 3}
    assert (map_of(made, scan, form.format(split="val", name="0.jpg")) == square(2)).all()
    assert "No training picture shows 1 class: class 2." in scan.notes


@pytest.mark.parametrize("names", [{}, {"classes": "background,wire"}])
def test_black_and_white_is_background_and_object(names: dict[str, str], tmp_path: Path) -> None:
    pairs(tmp_path, 255)
    made, scan = read(KEY, tmp_path, **names)
    assert scan.class_names == ("background", names.get("classes", "background,object").split(",")[1])
    assert (map_of(made, scan, "images/0.jpg") == square(1)).all()
    again, _ = read(KEY, tmp_path, **scan.params)
    assert (map_of(again, scan, "images/0.jpg") == square(1)).all()


def test_numbers_that_were_found_are_kept(tmp_path: Path) -> None:
    """A label map that is added later changes nothing of those that are there."""
    pairs(tmp_path, 7, 3)
    _, scan = read(KEY, tmp_path)
    assert scan.class_names == ("class 3", "class 7")
    assert scan.params == {"classes": "class 3,class 7", "values": "3,7", "classes_file": ""}
    label_file(tmp_path / "masks" / "0.png", square(0, 5))
    again, later = read(KEY, tmp_path, **scan.params)
    assert (map_of(again, later, "images/1.jpg") == square(1)).all()
    assert (map_of(again, later, "images/0.jpg") == IGNORE).all()


def test_a_number_without_a_name_is_ignored_and_told(tmp_path: Path) -> None:
    pairs(tmp_path, 2)
    label_file(tmp_path / "masks" / "4.png", square(9, 1))
    made, scan = read(KEY, tmp_path, classes="background,a,b")
    assert (map_of(made, scan, "images/4.jpg") == square(IGNORE, 1)).all()
    assert "1 number has no name (9, in images/4.jpg): their pixels are ignored." in scan.notes
    made, scan = read(KEY, tmp_path, classes="background,b", values="0,2")
    assert (map_of(made, scan, "images/0.jpg") == square(1)).all()
    assert any("2 numbers have no name (1, 9, in images/4.jpg)" in note for note in scan.notes)


def test_a_picture_without_a_label_map_is_left_out_and_told(tmp_path: Path) -> None:
    pairs(tmp_path)
    (tmp_path / "masks" / "3.png").unlink()
    _, scan = read(KEY, tmp_path)
    assert len(scan.samples) == 11
    assert any("1 file was left out (pictures without a label map): images/3.jpg" in note for note in scan.notes)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda file: file.write_bytes(b"no picture"), "not a picture"),
        (lambda file: file.write_bytes(file.read_bytes()[:50]), "damaged"),
        (lambda file: photo(file, 1), "not of plain numbers"),
        (lambda file: label_file(file, np.zeros((9, 40))), "another aspect ratio"),
        (lambda file: Image.fromarray(np.full((20, 24), 700, np.uint16)).save(file), "not of plain numbers"),
        (lambda file: label_file(file.parents[1] / "labels" / "2.png", square(1)), "several label maps"),
    ],
)
def test_a_label_map_that_cannot_be_used_is_named(harm: object, words: str, tmp_path: Path) -> None:
    pairs(tmp_path)
    assert callable(harm)
    harm(tmp_path / "masks" / "2.png")
    _, scan = read(KEY, tmp_path)
    ((path, reason),) = scan.unreadable
    assert path == "images/2.jpg"
    assert words in reason
    assert "\n" not in reason


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"masks": "none"}, "no masks in this folder"),
        ({"classes": "a,a"}, "a class is named twice"),
        ({"classes": "a"}, "fewer than two classes: a"),
        ({"classes": "a,b", "values": "0"}, "not a number for each class: 0"),
        ({"classes": "a,b", "values": "0,0"}, "a number of two classes"),
        ({"classes": "a,b", "values": "0,256"}, "not numbers of label maps"),
        ({"classes": "a,b", "values": "0,x"}, "not numbers of label maps"),
        ({"classes": ",".join(f"c{n}" for n in range(256))}, "too many classes: 256"),
        ({"classes_file": "none.txt"}, "none.txt"),
    ],
)
def test_parameters_that_do_not_fit_are_told(values: dict[str, str], words: str, tmp_path: Path) -> None:
    pairs(tmp_path)
    with pytest.raises(XaiError, match=words) as told:
        read(KEY, tmp_path, **values)
    assert "\n" not in str(told.value)


def test_without_pictures_or_objects_one_line_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no picture with a label map"):
        read(KEY, tmp_path)
    pairs(tmp_path, 0)
    with pytest.raises(BadInput, match="fewer than two classes: background"):
        read(KEY, tmp_path)


def test_folders_of_classes_with_masks_are_image_folders(tmp_path: Path) -> None:
    for number in range(4):
        photo(tmp_path / "images" / "ab"[number % 2] / f"{number}.jpg", number)
        label_file(tmp_path / "masks" / "ab"[number % 2] / f"{number}.png", square(1))
    assert dataset_of(tmp_path) == "image-folder"


@pytest.mark.data
def test_magnetic_tiles_are_read_where_asked_for(data_dir: Path) -> None:
    _, scan = read(KEY, data_dir / "magnetic-tile")
    assert scan.class_names == ("background", "object")
    assert len(scan.samples) == 1344
    assert scan.samples["has_mask"].sum() == 1344 - 957
