"""The digest of masks: changed by another mask alone, computed once, and never a reason to fail."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.core import store_cases as cases
from xai_core.datasets import DATASETS
from xai_core.datasets.image_folder import ImageFolder
from xai_core.errors import BadInput
from xai_core.params import as_dict, build
from xai_core.store import masks
from xai_core.store.study import Study
from xai_core.types import Cancelled, CancelToken


@pytest.fixture
def study(tmp_path: Path) -> Study:
    data = tmp_path / "data"
    for name in ("a", "b"):
        (data / name).mkdir(parents=True)
        for number in range(8):
            Image.new("L", (6, 5), 20 * number + (name == "b")).save(data / name / f"{number}.png")
            if number < 3:
                square(data / name / f"{number}_mask.png", 1 + number)
    member = DATASETS["image-folder"]
    params = build(member.params, {})
    scan = member.make(data, params).scan(0)
    return Study.create(
        tmp_path / "study", dataset="image-folder", params=as_dict(params), data=data, seed=0, scan=scan
    )


def square(path: Path, side: int) -> None:
    mask = np.zeros((5, 6), dtype=np.uint8)
    mask[:side, :side] = 255
    Image.fromarray(mask).save(path)


def opened(study: Study) -> str:
    return Study.open(study.path).masks_digest


def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths of samples whose masks are decoded from now on."""
    asked: list[str] = []
    plain = ImageFolder.mask
    monkeypatch.setattr(ImageFolder, "mask", lambda self, row: (asked.append(row["path"]), plain(self, row))[1])
    return asked


def test_without_masks_there_is_no_digest_and_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = cases.scan()
    scan.samples["has_mask"] = False
    made = Study.create(tmp_path / "s", dataset="grey", params={}, data=tmp_path, seed=0, scan=scan)
    assert made.masks_digest == ""  # and `grey` is not even known here
    assert not (made.path / masks.TABLE).exists()


def test_an_edited_mask_changes_it_also_while_the_study_is_open(study: Study) -> None:
    before = study.masks_digest
    assert len(before) == 64
    file = study.data / "a" / "1_mask.png"
    square(file, 4)
    os.utime(file, ns=(1, 1))
    assert study.masks_digest == opened(study) != before
    square(file, 2)
    os.utime(file, ns=(2, 2))
    assert study.masks_digest == opened(study) == before


def test_other_files_with_the_same_pixels_change_nothing(study: Study) -> None:
    before = study.masks_digest
    file = study.data / "a" / "1_mask.png"
    with Image.open(file) as image:
        image.convert("RGB").save(file, compress_level=0)
    Image.new("L", (6, 5), 99).save(study.data / "a" / "1.png")
    assert opened(study) == before


def test_masks_that_changed_places_are_others(study: Study) -> None:
    before = study.masks_digest
    one, other = study.data / "a" / "1_mask.png", study.data / "a" / "2_mask.png"
    for file in (one, other):
        os.utime(file, ns=(5, 5))
    one.rename(study.data / "aside.png")
    other.rename(one)
    (study.data / "aside.png").rename(other)
    assert opened(study) != before


def test_only_what_changed_is_decoded_again(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = decoded(monkeypatch)
    assert opened(study) == opened(study)
    assert len(asked) == 6
    os.utime(study.data / "b" / "0_mask.png", ns=(1, 1))
    opened(study)
    assert asked[6:] == ["b/0.png"]


def test_a_cancelled_one_goes_on(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masks, "_AT_ONCE", 2)
    token, asked = CancelToken(), decoded(monkeypatch)
    with pytest.raises(Cancelled):
        study.digest_masks(lambda done, total, what: token.cancel(), token)
    assert len(asked) == 2
    opened(study)
    assert len(asked) == 6


def test_a_damaged_mask_is_another_and_a_damaged_cache_is_made_again(study: Study) -> None:
    before = study.masks_digest
    (study.path / masks.TABLE).write_bytes(b"PAR1 and nothing else")
    assert opened(study) == before
    (study.data / "a" / "1_mask.png").write_bytes(b"no picture")
    assert opened(study) != before


def test_a_study_that_cannot_be_written_has_one(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise BadInput("this folder cannot be written", remedy="None.")

    before = study.masks_digest
    (study.path / masks.TABLE).unlink()
    monkeypatch.setattr(masks.files, "write_table", full)
    other = Study.open(study.path)
    asked = decoded(monkeypatch)
    assert other.masks_digest == before == other.masks_digest
    assert len(asked) == 6


def test_many_masks_are_not_looked_at_on_every_call(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masks, "_FEW", 2)
    monkeypatch.setattr(masks, "_PATIENCE", 1e9)
    before = study.masks_digest
    square(study.data / "a" / "1_mask.png", 5)
    assert study.masks_digest == before != opened(study)


def test_a_study_whose_data_is_gone_says_so(study: Study) -> None:
    shutil.rmtree(study.data)
    with pytest.raises(BadInput, match="not where they were"):
        Study.open(study.path).digest_masks()
