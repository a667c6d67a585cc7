"""CUB-200, Oxford-IIIT Pet and VOC: what their lists and masks say, and one line for each thing that is wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.core.dataset_trees import TREES, numbers, photo
from xai_core.datasets import DATASETS, Dataset, Scan
from xai_core.errors import BadInput
from xai_core.params import build

CUB, PET, VOC = TREES
SQUARE = np.zeros((20, 24), bool)
SQUARE[6:14, 8:16] = True
WITH_BORDER = np.zeros((20, 24), bool)
WITH_BORDER[5:15, 7:17] = True


def read(key: str, root: Path, **values: Any) -> tuple[Dataset, Scan]:
    made = DATASETS[key].make(root, build(DATASETS[key].params, values))
    return made, made.scan(0)


def mask_of(made: Dataset, scan: Scan, row: int = 0) -> np.ndarray:
    mask = made.mask(scan.samples.iloc[row].to_dict())
    assert mask is not None
    return mask


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("key", TREES)
def test_splits_are_those_of_the_lists(key: str, tmp_path: Path) -> None:
    TREES[key](tmp_path)
    _, scan = read(key, tmp_path)
    assert scan.samples["split"].value_counts().to_dict() == {"train": 14, "test": 8, "validation": 2}
    assert scan.samples["has_mask"].all()
    assert not scan.unreadable
    assert any("2 training pictures, the same share of each class" in note for note in scan.notes)


def test_cub_is_bird_where_most_annotators_say_so(tmp_path: Path) -> None:
    """The tree's border is drawn by two of five."""
    TREES[CUB](tmp_path)
    made, scan = read(CUB, tmp_path)
    assert scan.class_names == ("Black footed Albatross", "Laysan Albatross")
    assert scan.class_ids == ("001.Black_footed_Albatross", "002.Laysan_Albatross")
    assert (mask_of(made, scan) == SQUARE).all()
    assert (mask_of(*read(CUB, tmp_path, agreement=0.39)) == WITH_BORDER).all()
    assert (mask_of(*read(CUB, tmp_path, agreement=0.41)) == SQUARE).all()


def test_cub_finds_masks_within_its_folder_or_beside_or_where_told(tmp_path: Path) -> None:
    TREES[CUB](tmp_path)
    base, beside = tmp_path / "CUB_200_2011", tmp_path / "segmentations"
    assert read(CUB, base)[1].samples["has_mask"].all()
    assert set(read(CUB, base)[1].samples["path"].str.split("/").str[0]) == {"images"}
    beside.rename(base / "segmentations")
    assert read(CUB, tmp_path)[1].samples["has_mask"].all()
    (base / "segmentations").rename(tmp_path / "elsewhere")
    assert any("There are no masks: unpack segmentations" in note for note in read(CUB, base)[1].notes)
    assert read(CUB, base, masks=str(tmp_path / "elsewhere"))[1].samples["has_mask"].all()


def test_a_border_of_a_trimap_counts_where_asked_for(tmp_path: Path) -> None:
    TREES[PET](tmp_path)
    made, scan = read(PET, tmp_path)
    assert scan.class_names == ("Abyssinian", "american bulldog")
    assert scan.facts is not None
    assert scan.facts.column("species").to_pylist() == [
        "cat" if label == 0 else "dog" for label in scan.samples["label"]
    ]
    assert (mask_of(made, scan) == SQUARE).all()
    assert (mask_of(*read(PET, tmp_path, border=True)) == WITH_BORDER).all()


def test_voc_takes_pictures_of_one_class(tmp_path: Path) -> None:
    TREES[VOC](tmp_path)
    made, scan = read(VOC, tmp_path)
    assert scan.class_names == ("bird", "dog")
    assert scan.notes[0] == "24 of 26 pictures show one class, and are samples of it; 1 shows several and 1 none."
    assert (mask_of(made, scan) == SQUARE).all()
    assert set(scan.samples["label"][:2]) == {0, 1}
    again = read(VOC, tmp_path / "VOCdevkit" / "VOC2012")[1]
    assert again.samples["sha256"].tolist() == scan.samples["sha256"].tolist()


def test_a_class_without_training_pictures_is_told(tmp_path: Path) -> None:
    TREES[VOC](tmp_path)
    base = tmp_path / "VOCdevkit" / "VOC2012"
    numbers(base / "SegmentationClass" / "2007_000004.png", 0, 20, 255)  # of the test
    scan = read(VOC, tmp_path)[1]
    assert scan.class_names == ("bird", "dog")
    assert any("18 classes have no readable training picture" in n and "1 other picture" in n for n in scan.notes)


# What is wrong


@pytest.mark.parametrize("key", TREES)
def test_a_list_that_is_missing_or_leads_out_or_repeats_is_told(key: str, tmp_path: Path) -> None:
    lists = {CUB: "CUB_200_2011/images.txt", PET: "annotations/trainval.txt"}
    file = tmp_path / lists.get(key, "VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt")
    TREES[key](tmp_path)
    good = file.read_text()
    first, other = (line.split()[1 if key == CUB else 0] for line in good.splitlines()[:2])
    wrong = {
        good.replace(first, f"../../{first}", 1): rf"leads out of the data folder: {file.name}, line 1: ",
        good.replace(first, f"/etc/{first}", 1): "leads out of the data folder",
        "": f"a list names nothing: {file.name}",
        "\udcff": "a list is no text in UTF-8",
        "a\0 1 1 1": "a line does not fit the list",
    }
    if key != PET:  # there it would be a class of two breeds
        wrong[good.replace(other, first, 1)] = rf"a picture is named twice: {file.name}, line 2: .*too"
    for text, words in wrong.items():
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(BadInput, match=words) as told:
            read(key, tmp_path)
        assert "\n" not in str(told.value)
    with file.open("wb") as sparse:
        sparse.truncate(65 * 2**20)
    with pytest.raises(BadInput, match=r"a list of the data set cannot be read: .*at most 67,108,864"):
        read(key, tmp_path)
    file.unlink()
    with pytest.raises(BadInput):
        read(key, tmp_path)


@pytest.mark.parametrize(
    ("key", "file", "old", "new", "words"),
    [
        (CUB, "CUB_200_2011/image_class_labels.txt", "\n3 1", "\n3 201", "line 3: 3 201.*"),
        (CUB, "CUB_200_2011/image_class_labels.txt", "\n3 1", "\n99 1", "a picture that image_class_labels.txt"),
        (CUB, "CUB_200_2011/image_class_labels.txt", "\n3 1", "\n3 one", "a number is expected"),
        (CUB, "CUB_200_2011/train_test_split.txt", "\n3 1", "\n3 2", r"neither training \(1\) nor test \(0\)"),
        (PET, "annotations/trainval.txt", "Abyssinian_2 1", "Abyssinian_2 2", "a class of two breeds"),
        (PET, "annotations/trainval.txt", "Abyssinian_2 1 1", "Abyssinian_2 1 7", "neither cat"),
        (PET, "annotations/trainval.txt", "Abyssinian_2 1 1 1", "Abyssinian_2", "a line does not fit the list"),
        (PET, "annotations/trainval.txt", "Abyssinian_2 ", "Abyssinian ", "no breed in the name"),
    ],
)
def test_lists_that_contradict_each_other_are_told(
    key: str, file: str, old: str, new: str, words: str, tmp_path: Path
) -> None:
    TREES[key](tmp_path)
    edit(tmp_path / file, old, new)
    with pytest.raises(BadInput, match=words):
        read(key, tmp_path)


def files_of(key: str, root: Path) -> tuple[Path, Path]:
    """The first picture, and its mask."""
    images = {CUB: "CUB_200_2011/images", PET: "images", VOC: "VOCdevkit/VOC2012/JPEGImages"}[key]
    masks = {CUB: "segmentations", PET: "annotations/trimaps", VOC: "VOCdevkit/VOC2012/SegmentationClass"}[key]
    picture = sorted((root / images).rglob("*.jpg"))[0]
    return picture, root / masks / picture.relative_to(root / images).with_suffix(".png")


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:60])


@pytest.mark.parametrize("key", TREES)
@pytest.mark.parametrize("harm", [_cut, Path.unlink])
def test_a_picture_that_cannot_be_read_is_named(key: str, harm: Callable[[Path], None], tmp_path: Path) -> None:
    TREES[key](tmp_path)
    picture, _ = files_of(key, tmp_path)
    harm(picture)
    scan = read(key, tmp_path)[1]
    assert [path for path, _ in scan.unreadable] == [picture.relative_to(tmp_path).as_posix()]
    assert len(scan.samples) == 23


@pytest.mark.parametrize("key", TREES)
@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (_cut, "damaged"),
        (lambda file: numbers(file, 2, 1, 1, size=(9, 40)), "another aspect ratio"),
        (lambda file: photo(file, 1), "not of plain numbers"),
        (lambda file: numbers(file, 77, 1, 1), ""),
    ],
)
def test_a_mask_that_cannot_be_used_is_named(
    key: str, harm: Callable[[Path], None], words: str, tmp_path: Path
) -> None:
    TREES[key](tmp_path)
    _, mask = files_of(key, tmp_path)
    harm(mask)
    if not words:
        words = {PET: "a number that no trimap holds: 77", VOC: "a class that VOC does not have: .*77"}.get(key, "")
        if key == CUB:  # a grey is an agreement, and 77 of 255 too little of it
            return
    scan = read(key, tmp_path)[1]
    if key == VOC and words == "another aspect ratio":  # of two classes, by its numbers
        assert "2 show several" in scan.notes[0]
        return
    ((_, reason),) = scan.unreadable
    assert np.char.find(reason, words.split(":")[0]) >= 0
    assert len(scan.samples) - int(scan.samples["has_mask"].sum()) == (0 if key == VOC else 1)


@pytest.mark.parametrize("key", TREES)
def test_a_missing_mask_is_told(key: str, tmp_path: Path) -> None:
    TREES[key](tmp_path)
    files_of(key, tmp_path)[1].unlink()
    scan = read(key, tmp_path)[1]
    if key == VOC:
        assert "no class is known without its mask" in scan.unreadable[0][1]
    else:
        assert any("1 of 24 pictures have no mask file" in note for note in scan.notes)


def test_masks_of_0_and_1_are_no_agreement(tmp_path: Path) -> None:
    TREES[CUB](tmp_path)
    numbers(files_of(CUB, tmp_path)[1], 0, 1, 1)
    assert "no share of annotators" in read(CUB, tmp_path)[1].unreadable[0][1]


def test_pictures_without_their_folder_are_told(tmp_path: Path) -> None:
    TREES[PET](tmp_path)
    shutil.rmtree(tmp_path / "images")
    with pytest.raises(BadInput, match="no picture can be read"):
        read(PET, tmp_path)


def test_a_mask_is_read_by_its_palettes_numbers_not_its_colours(tmp_path: Path) -> None:
    TREES[VOC](tmp_path)
    _, mask = files_of(VOC, tmp_path)
    with Image.open(mask) as picture:
        assert picture.mode == "P"
    assert (mask_of(*read(VOC, tmp_path)) == SQUARE).all()


def test_two_years_of_voc_are_a_question(tmp_path: Path) -> None:
    TREES[VOC](tmp_path)
    shutil.copytree(tmp_path / "VOCdevkit" / "VOC2012", tmp_path / "VOCdevkit" / "VOC2007")
    with pytest.raises(BadInput, match=r"which year\?: VOC2007, VOC2012"):
        read(VOC, tmp_path)
