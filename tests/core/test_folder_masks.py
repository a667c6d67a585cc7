"""Masks that lie between pictures are masks, and a folder of masks that fits nothing is told."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.core.image_trees import draw, fill, scan
from tests.core.test_folder_layouts import told
from xai_core.datasets.image_folder import ImageFolder, ImageFolderParams
from xai_core.errors import BadParameter

LEFT = np.zeros((6, 8), bool)
LEFT[1:4, 1:3] = True
RIGHT = LEFT[:, ::-1]


def mark(path: Path, mask: np.ndarray = LEFT) -> Path:
    """A mask file of black and white."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * 255).save(path)
    return path


@pytest.mark.parametrize(
    "name",
    [
        *("x_mask.png", "x-mask.PNG", "x_Mask_1.bmp", "x mask (2).png", "x_seg.png", "x.gt.png", "x_segmentation.tif"),
        *("mask_x.png", "Mask-x.bmp", "seg x.png", "mask_of_x.png", "xMask.png", "x_roi.png"),
    ],
)
def test_a_mask_beside_its_picture_is_no_picture(tmp_path: Path, name: str) -> None:
    fill(tmp_path, a=5, b=5)
    draw(tmp_path / "a" / "x.jpg", 50)
    mark(tmp_path / "a" / name)
    data = ImageFolder(tmp_path, ImageFolderParams())
    found = data.scan(0)
    assert len(found.samples) == 11
    row = found.samples.set_index("id", drop=False).loc["a/x.jpg"].to_dict()
    assert row["has_mask"]
    np.testing.assert_array_equal(data.mask(row), LEFT)
    np.testing.assert_array_equal(ImageFolder(tmp_path, ImageFolderParams()).mask(row), LEFT)
    assert told(found, "1 file is taken as masks of 1 picture", f"a/{name}")


def test_several_masks_of_a_picture_are_united(tmp_path: Path) -> None:
    fill(tmp_path, a=5, b=5)
    draw(tmp_path / "a" / "benign (1).png", 50)
    mark(tmp_path / "a" / "benign (1)_mask.png", LEFT)
    mark(tmp_path / "a" / "benign (1)_mask_1.png", RIGHT)
    data = ImageFolder(tmp_path, ImageFolderParams())
    found = data.scan(0)
    row = found.samples.set_index("id", drop=False).loc["a/benign (1).png"].to_dict()
    np.testing.assert_array_equal(data.mask(row), LEFT | RIGHT)
    assert told(found, "2 files are taken as masks of 1 picture")


def test_a_picture_that_sounds_like_a_mask_is_one(tmp_path: Path) -> None:
    fill(tmp_path, with_mask=5, without_mask=5)
    draw(tmp_path / "with_mask" / "person_mask.png", 50)
    found = scan(tmp_path)
    assert found.class_names == ("with_mask", "without_mask")
    assert len(found.samples) == 11
    assert told(found, "1 file is named like masks", "with_mask/person_mask.png")


@pytest.mark.parametrize("names", [("images", "masks"), ("", "Mask"), ("p1/img", "p1/ground_truth"), ("p", "masks/p")])
def test_a_folder_of_masks_in_each_class(tmp_path: Path, names: tuple[str, str]) -> None:
    for number in range(12):
        name = "ab"[number % 2]
        draw(tmp_path / name / names[0] / f"{number}.png", number)
        mark(tmp_path / name / names[1] / f"{number}.png")
    mark(tmp_path / "a" / names[1] / "lost.png")
    found = scan(tmp_path)
    assert len(found.samples) == 12
    assert found.samples["has_mask"].all()
    assert told(found, "1 file was left out (in a folder of masks, and named like no picture)", "lost.png")


@pytest.mark.parametrize(
    ("picture", "mask"),
    [
        ("{c}/{n}.jpg", "masks/{c}/{n}.png"),
        ("train/{c}/{n}.png", "Ground_Truth/{c}/{n}_mask.png"),
        ("train/{c}/{n}.png", "masks/train/{c}/{n}.png"),
        ("{c}/{c}{n}.png", "masks/{c}{n}.png"),
    ],
)
def test_a_folder_of_masks_beside_the_classes(tmp_path: Path, picture: str, mask: str) -> None:
    for number in range(12):
        for name in "ab":
            draw(tmp_path / picture.format(c=name, n=number), number + 100 * (name == "b"))
            mark(tmp_path / mask.format(c=name, n=number))
    found = scan(tmp_path)
    assert found.class_names == ("a", "b")
    assert len(found.samples) == 24
    assert found.samples["has_mask"].all()


def test_a_class_may_be_called_mask(tmp_path: Path) -> None:
    for number in range(8):
        draw(tmp_path / "mask" / f"{number}.png", number)
        draw(tmp_path / "no mask" / f"{number}.png", 100 + number)
    found = scan(tmp_path)
    assert found.class_names == ("mask", "no mask")
    assert not found.samples["has_mask"].any()


def test_twins_of_another_suffix_are_masks_where_they_look_so(tmp_path: Path) -> None:
    fill(tmp_path, a=5, b=5)
    draw(tmp_path / "a" / "x.jpg", 50)
    mark(tmp_path / "a" / "x.png")
    draw(tmp_path / "a" / "y.jpg", 51)
    draw(tmp_path / "a" / "y.png", 52)
    data = ImageFolder(tmp_path, ImageFolderParams())
    rows = data.scan(0).samples.set_index("id", drop=False)
    assert set(rows.index) >= {"a/x.jpg", "a/y.jpg", "a/y.png"}
    assert "a/x.png" not in rows.index
    assert rows.index[rows["has_mask"]].tolist() == ["a/x.jpg"]
    np.testing.assert_array_equal(data.mask(rows.loc["a/x.jpg"].to_dict()), LEFT)
    assert data.mask(rows.loc["a/y.png"].to_dict()) is None


# `--masks FOLDER`


@pytest.mark.parametrize("name", ["a/x.png", "a/x_mask.png", "x.png", "x_MASK_1.tif"])
def test_masks_of_a_folder_by_path_by_name_and_by_suffix(tmp_path: Path, name: str) -> None:
    fill(tmp_path / "data", train__a=9, train__b=9)
    draw(tmp_path / "data" / "train" / "a" / "x.png", 50)
    mark(tmp_path / "masks" / name)
    found = scan(tmp_path / "data", masks="../masks")
    assert found.samples.loc[found.samples["has_mask"], "id"].tolist() == ["train/a/x.png"]
    assert told(found, "1 mask file belongs to 1 picture")


def test_a_name_that_several_pictures_have_gives_none_a_mask(tmp_path: Path) -> None:
    for name in "ab":
        for number in range(5):
            draw(tmp_path / "data" / name / f"{number}.png", number + 10 * (name == "b"))
    mark(tmp_path / "masks" / "a" / "0.png")
    mark(tmp_path / "masks" / "1.png")
    mark(tmp_path / "masks" / "c" / "2.png")
    found = scan(tmp_path / "data", masks="../masks")
    assert found.samples.loc[found.samples["has_mask"], "id"].tolist() == ["a/0.png"]
    assert told(found, "2 mask files belong to no picture: 1.png, c/2.png")


def test_masks_that_fit_no_picture_are_refused(tmp_path: Path) -> None:
    fill(tmp_path / "data", a=5, b=5)
    mark(tmp_path / "masks" / "a" / "other.png")
    with pytest.raises(BadParameter, match=r"no mask in this folder belongs to a picture: \.\./masks.*a/other\.png"):
        scan(tmp_path / "data", masks="../masks")


def test_what_is_odd_about_masks_is_told(tmp_path: Path) -> None:
    fill(tmp_path / "data", a=5, b=5)
    folder = tmp_path / "masks" / "a"
    mark(folder / "0000.png", LEFT & False)
    mark(folder / "0001.png", np.kron(LEFT, np.ones((2, 2), bool)))
    mark(folder / "0002.png", LEFT.T)
    mark(folder / "0003.png").write_bytes(b"damaged")
    found = scan(tmp_path / "data", masks="../masks")
    assert found.samples["has_mask"].sum() == 2, "an empty mask is one"
    assert told(found, "1 mask is empty", "a/0000.png")
    assert told(found, "1 mask is of another size than their picture", "a/0001.png")
    assert [path for path, _ in found.unreadable] == ["mask of a/0002.png", "mask of a/0003.png"]


def test_accents_do_not_part_a_mask_from_its_picture(tmp_path: Path) -> None:
    fill(tmp_path / "data", a=5, b=5)
    draw(tmp_path / "data" / "a" / f"{unicodedata.normalize('NFD', 'é')}.png", 50)
    mark(tmp_path / "masks" / "a" / "é.png")
    found = scan(tmp_path / "data", masks="../masks")
    assert found.samples["has_mask"].sum() == 1


@pytest.mark.parametrize("splits", [("",), ("train__", "test__")], ids=["one", "split"])
def test_masks_beside_the_folder_of_the_classes(tmp_path: Path, splits: tuple[str, ...]) -> None:
    fill(tmp_path, **{f"{split}images__{name}": 5 for split in splits for name in "ab"})
    for picture in sorted(tmp_path.rglob("*.png")):
        mark(picture.parents[2] / "masks" / picture.parent.name / picture.name)
    found = scan(tmp_path)
    assert found.class_names == ("a", "b")
    assert len(found.samples) == 10 * len(splits)
    assert found.samples["has_mask"].all()


def test_masks_beside_the_folder_of_the_splits(tmp_path: Path) -> None:
    fill(tmp_path / "images", train__a=4, train__b=4, test__a=2, test__b=2)
    for picture in sorted((tmp_path / "images").rglob("*.png")):
        mark(tmp_path / "masks" / picture.relative_to(tmp_path / "images"))
    found = scan(tmp_path)
    assert len(found.samples) == 12
    assert found.samples["has_mask"].all()


def test_classes_of_faces_with_and_without_masks_stay_classes(tmp_path: Path) -> None:
    found = scan(fill(tmp_path, mask__day1=5, mask__day2=5, faces__day1=5, faces__day2=5))
    assert found.class_names == ("faces", "mask")
    assert len(found.samples) == 20
