"""Folders of pictures: layouts, made splits, damage, odd names, masks."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.core.image_trees import counts, draw, fill, scan
from xai_core.datasets.image_folder import ImageFolder, ImageFolderParams
from xai_core.errors import BadInput, BadParameter, Cancelled, NotFound


@pytest.mark.parametrize(
    "names", [("train", "val", "test"), ("Training", "Valid", "TESTING"), ("TRAIN", "validation", "Test")]
)
def test_split_folders_of_any_usual_name(tmp_path: Path, names: tuple[str, str, str]) -> None:
    train, validation, test = names
    found = scan(
        fill(
            tmp_path,
            **{
                f"{train}__a": 3,
                f"{train}__b": 2,
                f"{validation}__a": 1,
                f"{validation}__b": 2,
                f"{test}__a": 1,
                f"{test}__b": 1,
            },
        )
    )
    assert counts(found) == {"train": {"a": 3, "b": 2}, "validation": {"a": 1, "b": 2}, "test": {"a": 1, "b": 1}}
    assert found.notes == ()


def test_the_table_says_where_what_lies(tmp_path: Path) -> None:
    fill(tmp_path, train__a=3, train__b=3, test__a=1, test__b=1)
    draw(tmp_path / "train/a/wide.jpg", 99, (31, 17))
    row = scan(tmp_path).samples.set_index("id").loc["train/a/wide.jpg"]
    assert (row["path"], row["index"], row["width"], row["height"]) == ("train/a/wide.jpg", -1, 31, 17)
    assert row["sha256"] == hashlib.sha256((tmp_path / "train/a/wide.jpg").read_bytes()).hexdigest()
    assert not row["has_mask"]


def test_class_folders_alone_are_split_by_class(tmp_path: Path) -> None:
    found = scan(fill(tmp_path, a=40, b=20), validation=0.2, test=0.1)
    assert counts(found) == {
        "train": {"a": 28, "b": 14},
        "validation": {"a": 8, "b": 4},
        "test": {"a": 4, "b": 2},
    }
    assert len(found.notes) == 2
    assert "There is no test folder: 6 of 60" in found.notes[0]


def test_a_missing_validation_split_comes_from_training(tmp_path: Path) -> None:
    found = scan(fill(tmp_path, Training__a=20, Training__b=20, Testing__a=3, Testing__b=4), validation=0.25)
    assert counts(found) == {"train": {"a": 15, "b": 15}, "validation": {"a": 5, "b": 5}, "test": {"a": 3, "b": 4}}
    assert "no validation folder: 10 of 40" in found.notes[0]


def test_a_missing_test_split_is_noted(tmp_path: Path) -> None:
    found = scan(fill(tmp_path, train__a=10, train__b=10, val__a=3, val__b=3), test=0.1)
    assert counts(found)["test"] == {"a": 1, "b": 1}
    assert "no test folder" in found.notes[0]


def test_classes_called_like_splits(tmp_path: Path) -> None:
    assert scan(fill(tmp_path, train=5, plane=5)).class_names == ("plane", "train")


def test_the_same_seed_gives_the_same_table(tmp_path: Path) -> None:
    fill(tmp_path, a=30, b=30)
    one, again, other = (scan(tmp_path, seed).samples for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, again)
    assert (one["split"] != other["split"]).any()


def test_a_made_split_keeps_identical_files_together(tmp_path: Path) -> None:
    fill(tmp_path, a=20, b=20)
    for path in list((tmp_path / "a").iterdir()):
        (path.with_name(f"copy {path.name}")).write_bytes(path.read_bytes())
    for seed in range(5):
        assert (scan(tmp_path, seed).samples.groupby("sha256")["split"].nunique() == 1).all()


def test_identical_files_in_two_classes_are_noted(tmp_path: Path) -> None:
    fill(tmp_path, a=10, b=10)
    (tmp_path / "b" / "twin.png").write_bytes((tmp_path / "a" / "0000.png").read_bytes())
    assert any("1 picture lies in more than one class" in note for note in scan(tmp_path).notes)


@pytest.mark.parametrize(
    "names", [('a"b', "<script>alert(1)<", "ünï", "with space", "T-shirt, blue: new", "x;y='&%00")]
)
def test_odd_class_names_are_kept_as_they_are(tmp_path: Path, names: tuple[str, ...]) -> None:
    fill(tmp_path, **dict.fromkeys(names, 5))
    data = ImageFolder(tmp_path, ImageFolderParams())
    found = data.scan(0)
    assert found.class_names == tuple(sorted(names))
    for row in found.samples.to_dict("records"):
        assert row["path"].split("/")[0] == found.class_names[row["label"]]
        assert data.picture(row).size == (8, 6)


def test_names_that_are_not_text_are_left_out(tmp_path: Path) -> None:
    fill(tmp_path, a=5, b=5)
    draw(tmp_path / "a" / "ok.png", 50)
    os.rename(os.fsencode(tmp_path / "a" / "ok.png"), os.fsencode(tmp_path / "a") + b"/\xff.png")
    found = scan(tmp_path)
    assert found.unreadable == (("a/?.png", "its name is not valid UTF-8"),)


def test_other_files_are_ignored_and_damaged_ones_named(tmp_path: Path) -> None:
    fill(tmp_path, a=5, b=5)
    for name in ("Thumbs.db", ".hidden.png", "notes.txt", "._a.png", "data.csv"):
        (tmp_path / "a" / name).write_text("not a picture")
    draw(tmp_path / "__MACOSX" / "a" / "x.png", 1)
    draw(tmp_path / ".cache" / "x.png", 1)
    (tmp_path / "empty").mkdir()
    whole = draw(tmp_path / "a" / "cut.jpg", 7, (200, 200)).read_bytes()
    (tmp_path / "a" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "b" / "zero.png").touch()
    found = scan(tmp_path)
    assert len(found.samples) == 10
    assert [path for path, _ in found.unreadable] == ["a/cut.jpg", "b/zero.png"]
    assert "cut.jpg" in found.unreadable[0][1]
    assert "Folders without pictures were left out: empty." in found.notes


def test_links_that_lead_out_are_not_followed(tmp_path: Path) -> None:
    outside, root = draw(tmp_path / "outside" / "secret.png", 1), tmp_path / "data"
    fill(root, a=5, b=5)
    (root / "a" / "out.png").symlink_to(outside)
    (root / "a" / "loop.png").symlink_to("loop.png")
    (root / "stolen").symlink_to(outside.parent)
    (root / "a" / "inside.png").symlink_to(root / "b" / "0005.png")
    found = scan(root)
    assert found.class_names == ("a", "b")
    assert (
        "2 files or folders were left out (links that lead out of the data folder): a/out.png, stolen/." in found.notes
    )
    assert "1 file was left out (links that lead nowhere): a/loop.png." in found.notes
    assert {"a/inside.png"} < set(found.samples["id"])
    assert found.unreadable == ()


def test_the_data_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    fill(tmp_path / "real", a=5, b=5)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert len(scan(tmp_path / "link").samples) == 10


@pytest.mark.parametrize("path", ["../outside.png", "/etc/hostname", "a/../../outside.png"])
def test_a_table_from_elsewhere_does_not_lead_out_of_the_folder(tmp_path: Path, path: str) -> None:
    draw(tmp_path / "outside.png", 1)
    with pytest.raises(BadInput, match="not a file of this data folder"):
        ImageFolder(fill(tmp_path / "data", a=1), ImageFolderParams()).picture({"path": path, "index": -1})


def test_a_picture_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such picture"):
        ImageFolder(tmp_path, ImageFolderParams()).picture({"path": "a/gone.png", "index": -1})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: root / "missing", "no such data folder: missing"),
        (lambda root: root, "no folder with pictures"),
        (lambda root: draw(root / "a.png", 1).parent, "no folder with pictures"),
        (lambda root: fill(root, a=5), "one class only: a"),
        (lambda root: fill(root, train__a=5, train__b=5, test__c=1), "missing in training: c"),
        (lambda root: fill(root, test__a=5), "one class only: a"),
        (lambda root: fill(root, train__a=5, Training__a=5), "two folders hold the train split: Training and train"),
        (lambda root: fill(root, often=30, rare=2), r"too few different samples to split: rare.*--test-only"),
        (
            lambda root: (fill(root, a=5), (root / "b").mkdir(), (root / "b/x.png").touch()) and root,
            "training picture: b",
        ),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(tmp_path: Path, make: Callable[[Path], Path], message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        scan(make(tmp_path))
    assert "\n" not in str(caught.value)


def test_nothing_readable(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").touch()
    with pytest.raises(BadInput, match=r"no picture can be read: a/x\.png.*empty"):
        scan(tmp_path)


def test_classes_restrict_and_order(tmp_path: Path) -> None:
    fill(tmp_path, **{"a": 5, "b": 6, "c, d": 7})
    found = scan(tmp_path, classes='"c, d", a')
    assert found.class_names == ("c, d", "a")
    assert found.samples["label"].value_counts().to_dict() == {0: 7, 1: 5}


def test_classes_that_make_no_sense(tmp_path: Path) -> None:
    fill(tmp_path, apple=5, pear=5)
    with pytest.raises(NotFound, match="Did you mean apple"):
        scan(tmp_path, classes="aple,pear")
    with pytest.raises(BadParameter, match="named twice"):
        scan(tmp_path, classes="pear,pear")
    with pytest.raises(BadInput, match="one class only"):
        scan(tmp_path, classes="pear")


def test_a_class_that_a_split_lacks_is_noted(tmp_path: Path) -> None:
    found = scan(fill(tmp_path, train__a=5, train__b=5, val__a=1, val__b=1, test__a=1))
    assert found.notes == ("The test split has no picture of b.",)


def test_progress_and_cancel(tmp_path: Path) -> None:
    fill(tmp_path, a=5, b=5)
    seen: list[tuple[int, int, str]] = []
    ImageFolder(tmp_path, ImageFolderParams()).scan(0, lambda *step: seen.append(step))
    assert seen[:10] == [(i, 10, "pictures") for i in range(1, 11)]
    assert {what for *_, what in seen[10:]} == {"bands of hashes compared"}

    def cancel(*_: object) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        ImageFolder(tmp_path, ImageFolderParams()).scan(0, cancel)


@pytest.mark.parametrize("masks", ["masks", "../masks", "absolute"])
def test_masks_are_found_by_name(tmp_path: Path, masks: str) -> None:
    root = fill(tmp_path / "data", a=5, b=5)
    folder = {"masks": root / "masks", "../masks": tmp_path / "masks", "absolute": tmp_path / "elsewhere"}[masks]
    (folder / "a").mkdir(parents=True)
    square = np.zeros((6, 8), np.uint8)
    square[1:3, 2:5] = 1
    Image.fromarray(square).save(folder / "a" / "0000.png")
    Image.fromarray(square * 0).save(folder / "a" / "0001.bmp")  # empty: no object is there
    (folder / "a" / "0002.png").write_text("damaged")
    Image.fromarray(square).save(folder / "0003.png")  # no other picture is called so
    data = ImageFolder(root, ImageFolderParams(masks=str(folder) if masks == "absolute" else masks))
    found = data.scan(0)
    rows = found.samples.set_index("id", drop=False)
    assert found.class_names == ("a", "b")
    assert rows.index[rows["has_mask"]].tolist() == ["a/0000.png", "a/0001.png", "a/0003.png"]
    assert [path for path, _ in found.unreadable] == ["mask of a/0002.png"]
    mask = data.mask(rows.loc["a/0000.png"].to_dict())
    np.testing.assert_array_equal(mask, square.astype(bool))
    np.testing.assert_array_equal(data.mask({"path": "a/0000.png", "index": -1}), square.astype(bool))
    empty = data.mask(rows.loc["a/0001.png"].to_dict())
    assert empty is not None
    assert not empty.any(), "nothing there is not the same as nobody knows"
    before = rows.loc["a/0001.png"].to_dict() | {"has_mask": False}  # as a study of an earlier version has it
    assert data.mask(before) is None
    assert data.mask(rows.loc["b/0005.png"].to_dict()) is None


def test_a_mask_folder_without_masks(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="no masks in this folder: nowhere"):
        scan(fill(tmp_path, a=5, b=5), masks="nowhere")


@pytest.mark.data
def test_clothing(data_dir: Path) -> None:
    found = scan(data_dir / "clothing")
    assert found.class_names == ("dress", "pants", "shorts", "skirt", "t-shirt")
    assert found.samples["split"].value_counts().to_dict() == {"train": 1818, "validation": 199, "test": 151}
    assert found.unreadable == ()


@pytest.mark.data
def test_brain_mri_leaks_as_much_after_validation_is_made_as_before(data_dir: Path) -> None:
    samples = scan(data_dir / "brain-mri").samples
    assert len(samples) == 3264
    assert samples["sha256"].nunique() == 2870
    groups = samples.assign(original=samples["path"].str.partition("/")[0]).groupby("sha256")
    assert (groups["original"].nunique() > 1).sum() == (groups["split"].nunique() > 1).sum() == 213


@pytest.mark.data
def test_magnetic_tile_masks(data_dir: Path) -> None:
    data = ImageFolder(data_dir / "magnetic-tile" / "images", ImageFolderParams(masks="../masks"))
    found = data.scan(0)
    assert found.samples["has_mask"].all()
    assert any(note.startswith("957 masks are empty: they say that no object is there") for note in found.notes)
    masked = found.samples[[data.mask(row).any() for row in found.samples.to_dict("records")]]
    by_class = masked["label"].map(dict(enumerate(found.class_names))).value_counts().to_dict()
    assert by_class == {"MT_Blowhole": 115, "MT_Break": 85, "MT_Crack": 57, "MT_Fray": 32, "MT_Uneven": 98}
    assert len(found.samples) == 1344


def test_pictures_are_decoded_as_a_models_loader_did(tmp_path: Path) -> None:
    """Upright and of a size that fits a screen; or, to the pixel, what Pillow gives a loader that does neither."""
    fill(tmp_path, cat=5, dog=5)
    large = np.random.default_rng(3).integers(0, 256, (1100, 40, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(large).save(tmp_path / "cat" / "turned.jpg", exif=exif)
    found = scan(tmp_path)
    assert any("1 picture is turned as EXIF says (cat/turned.jpg)" in note for note in found.notes)
    assert any("1 picture is larger than 1024 pixels" in note for note in found.notes)
    (line,) = found.samples[found.samples["path"] == "cat/turned.jpg"].to_dict("records")
    assert (line["width"], line["height"]) == (1024, 37)
    params = ImageFolderParams(turn=False, largest_side=4096)
    as_is = ImageFolder(tmp_path, params).scan(0)
    (line,) = as_is.samples[as_is.samples["path"] == "cat/turned.jpg"].to_dict("records")
    assert (line["width"], line["height"]) == (40, 1100)
    assert not any("EXIF" in note or "larger" in note for note in as_is.notes)
    with Image.open(tmp_path / "cat" / "turned.jpg") as plain:
        np.testing.assert_array_equal(np.asarray(ImageFolder(tmp_path, params).picture(line)), np.asarray(plain))
