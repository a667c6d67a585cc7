"""Folders of pictures with greys of more than 8 bits: one range for all, kept with the study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.core.image_trees import scan
from xai_core.datasets.image_folder import ImageFolder, ImageFolderParams
from xai_core.errors import BadInput, BadParameter
from xai_core.params import as_dict
from xai_core.store.study import Study


def deep(path: Path, number: int, high: int, kind: type = np.uint16) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(number).integers(0, high + 1, (6, 8)).astype(kind)
    values[0, 0] = high
    Image.fromarray(values).save(path)


def test_one_white_for_all_pictures(tmp_path: Path) -> None:
    for number in range(10):
        deep(tmp_path / "data" / "ab"[number % 2] / f"{number}.png", number, 300 + 400 * number)
    params = ImageFolderParams()
    found = ImageFolder(tmp_path / "data", params).scan(0)
    assert found.params == {"white": 4095.0}
    (note,) = [note for note in found.notes if "grey values" in note]
    assert note.startswith("10 pictures have grey values of more than 8 bits, from ")
    assert "to 3900" in note
    assert "4095 is white in all of them, the most that 12 bits hold." in note
    study = Study.create(
        tmp_path / "study", dataset="image-folder", params=as_dict(params), data=tmp_path / "data", seed=0, scan=found
    )
    for row, path in enumerate(study.samples["path"]):
        raw = np.asarray(Image.open(tmp_path / "data" / path))
        np.testing.assert_array_equal(np.asarray(Study.open(study.path).picture(row)), raw >> 4)


def test_a_study_that_keeps_no_white_reads_as_before(tmp_path: Path) -> None:
    deep(tmp_path / "a" / "x.png", 1, 4095)
    picture = ImageFolder(tmp_path, ImageFolderParams()).picture({"path": "a/x.png", "index": -1})
    np.testing.assert_array_equal(np.asarray(picture), np.asarray(Image.open(tmp_path / "a" / "x.png")) >> 8)


def test_a_white_that_is_asked_for(tmp_path: Path) -> None:
    for number in range(10):
        deep(tmp_path / "ab"[number % 2] / f"{number}.tif", number, 1000 * (number + 1), np.float32)
    found = scan(tmp_path, black=1000, white=5000)
    assert any("1000 is black and 5000 is white, and 10 pictures have values beyond" in note for note in found.notes)
    with pytest.raises(BadParameter, match="white is not above black"):
        scan(tmp_path, black=7, white=7)


def test_one_bright_picture_among_dark_ones_is_told(tmp_path: Path) -> None:
    for number in range(10):
        deep(tmp_path / "ab"[number % 2] / f"{number}.png", number, 65535 if number == 3 else 4000)
    assert any("Most are nearly black then" in note for note in scan(tmp_path).notes)


def test_greys_of_two_kinds_are_refused(tmp_path: Path) -> None:
    for number in range(10):
        kind = np.float32 if number == 3 else np.uint16
        deep(tmp_path / "ab"[number % 2] / f"{number}.tif", number, 1 if number == 3 else 4000, kind)
    with pytest.raises(BadInput, match="floats and as whole numbers"):
        scan(tmp_path)
