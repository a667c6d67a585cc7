"""A version as a file of COCO and back: the same pixels, as pycocotools reads them, and nothing of the test split."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as rle
from pycocotools.coco import COCO

from tests.core.annotation_scenes import squares
from tests.core.dataset_trees import photo
from tests.core.segmentation_trees import label_file, square
from xai_core.datasets import runs
from xai_core.datasets.coco_out import annotations_of, outline, run_lengths
from xai_core.errors import BadInput, BadParameter, NotFound, XaiError
from xai_core.label_maps import IGNORE
from xai_core.pipeline.make import make_study
from xai_core.store.coco_exchange import read_changes, write_coco
from xai_core.store.journal import Entry
from xai_core.store.patches import Patch
from xai_core.store.study import Study
from xai_core.store.versions import Version, version, versions

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
"""Of pycocotools' own decoding."""


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return squares(tmp_path)


def awkward(height: int = 20, width: int = 24) -> np.ndarray:
    """A slanting line of one pixel, a ring with something of another class in its hole, pixels to ignore."""
    found = np.zeros((height, width), np.uint8)
    steps = np.arange(15)
    found[steps, steps + 8] = 1
    found[10:18, 1:9], found[12:16, 3:7], found[13:15, 4:6] = 2, 0, 1
    found[0, :3], found[18:, 20:] = IGNORE, IGNORE
    return found


REGIONS = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(lambda shape: arrays(bool, shape))


@settings(max_examples=200)
@given(REGIONS, st.integers(0, 5), st.integers(0, 5))
def test_an_outline_means_the_very_pixels_to_pycocotools(region: np.ndarray, top: int, left: int) -> None:
    found = outline(region, top, left)
    height, width = region.shape[0] + top + 2, region.shape[1] + left + 2
    whole = np.zeros((height, width), bool)
    whole[top : top + region.shape[0], left : left + region.shape[1]] = region
    if not region.any():
        assert found == []
        return
    decoded = rle.decode(rle.frPyObjects([[float(one) for one in found]], height, width))[..., 0]
    np.testing.assert_array_equal(decoded.astype(bool), whole)
    ours = runs.painted([(runs.of_counts(run_lengths(whole), height, width), 1)], height, width)
    np.testing.assert_array_equal(ours, whole)


def test_lines_that_touch_at_corners_are_one_object_and_a_hole_is_no_pixel_of_it() -> None:
    found = list(annotations_of(awkward(), {1: 7, 2: 9}, outlines=True))
    assert [(one["category_id"], one["area"], one["iscrowd"]) for one in found] == [
        (7, 15, 0), (7, 4, 0), (9, 48, 0), (7, 11, 1),
    ]  # fmt: skip
    assert [isinstance(one["segmentation"], list) for one in found] == [True, True, True, False]
    assert found[0]["bbox"] == [8, 0, 15, 15]


@contextlib.contextmanager
def opened(path: Path) -> Iterator[COCO]:
    with contextlib.redirect_stdout(io.StringIO()):
        yield COCO(str(path))


def as_pycocotools_reads(path: Path) -> dict[str, np.ndarray]:
    """Label maps by name of picture; categories are numbered as classes here."""
    found = {}
    with opened(path) as coco:
        for key, image in coco.imgs.items():
            label_map = np.zeros((image["height"], image["width"]), np.uint8)
            for one in coco.loadAnns(coco.getAnnIds(imgIds=[key])):
                label_map[coco.annToMask(one) > 0] = IGNORE if one["iscrowd"] else one["category_id"]
            found[image["file_name"]] = label_map
    return found


@pytest.mark.parametrize("form", ["polygons", "rle"])
def test_round_trip(study: Study, tmp_path: Path, form: str) -> None:
    row, empty = study.rows("train")[:2].tolist()
    better = Version(study, "better")
    whole = np.ones((20, 24), bool)
    painted = Entry(row, "edit", patch=Patch.of(whole, awkward()))
    better.record([painted, Entry(empty, "edit", patch=Patch.painting(whole, 0))], "Ada")
    file = tmp_path / "out.json"
    wrote = write_coco(study, "better", file, form)
    changed = [*study.rows("train"), *study.rows("validation")]
    assert wrote.pictures == len(changed)
    assert (wrote.run_lengths < wrote.annotations) == (form == "polygons")
    oracle = as_pycocotools_reads(file)
    assert len(oracle) == len(changed)
    for each in changed:
        np.testing.assert_array_equal(oracle[study.samples["id"].iat[each]], better.label_map(int(each)))
    told = read_changes(study, "again", file, "Bo")
    assert (told.pictures, told.changed) == (len(changed), 2)
    assert [note.partition(" (")[0] for note in told.notes] == ["1 annotation is a crowd"]
    again = version(study, "again")
    for each in range(len(study.labels)):
        np.testing.assert_array_equal(again.label_map(each), better.label_map(each))
    assert {change.what for change in again.changes} == {"import"}
    assert read_changes(study, "again", file, "Bo").changed == 0
    again.undo("Bo")
    np.testing.assert_array_equal(again.label_map(row), study.label_map(row))


def test_the_file_is_a_data_set_of_its_own(study: Study, tmp_path: Path) -> None:
    row = int(study.rows("train")[0])
    Version(study, "better").record([Entry(row, "edit", patch=Patch.of(np.ones((20, 24), bool), awkward()))], "Ada")
    (study.data / "instances_default.json").unlink()
    write_coco(study, "better", study.data / "instances_better.json")
    made = make_study(tmp_path / "anew", study.data)
    place = made.samples["id"].tolist().index(study.samples["id"].iat[row])
    np.testing.assert_array_equal(made.label_map(place), awkward())


def test_without_a_background_what_nobody_annotates_is_ignored(tmp_path: Path) -> None:
    for number in range(20):
        photo(tmp_path / "data" / "images" / f"{number}.png", number)
        label_file(tmp_path / "data" / "masks" / f"{number}.png", square(1))
    study = make_study(tmp_path / "study", tmp_path / "data", values={"classes": "road,tree"})
    assert not study.has_background
    write_coco(study, "", tmp_path / "out.json")
    content = json.loads((tmp_path / "out.json").read_text())
    assert [one["name"] for one in content["categories"]] == ["road", "tree"]
    assert read_changes(study, "same", tmp_path / "out.json", "Ada").changed == 0
    gone = content["annotations"].pop()
    (tmp_path / "less.json").write_text(json.dumps(content))
    assert read_changes(study, "less", tmp_path / "less.json", "Ada").changed == 1
    (change,) = version(study, "less").changes
    assert (version(study, "less").label_map(change.row) == IGNORE).sum() == gone["area"]


def test_a_tool_that_knows_no_crowds_does_not_lose_what_is_ignored(study: Study, tmp_path: Path) -> None:
    write_coco(study, "original", tmp_path / "out.json")
    content = json.loads((tmp_path / "out.json").read_text())
    assert any(one["iscrowd"] for one in content["annotations"])
    content["annotations"] = [one for one in content["annotations"] if not one["iscrowd"]]
    (tmp_path / "back.json").write_text(json.dumps(content))
    assert read_changes(study, "back", tmp_path / "back.json", "Ada").changed == 0


def changed_file(study: Study, path: Path, **instead: Any) -> Path:
    """What `write_coco` writes, with other lists in it."""
    write_coco(study, "", path)
    path.write_text(json.dumps(json.loads(path.read_text()) | instead))
    return path


@pytest.mark.parametrize(
    ("instead", "told"),
    [
        ({"categories": [{"id": 1, "name": "red"}, {"id": 2, "name": "blue"}]}, "no class of the study"),
        ({"images": [{"id": 1, "file_name": "../../etc/passwd", "width": 24, "height": 20}]}, "no picture of this"),
        ({"images": [{"id": 1, "file_name": "1.png", "width": 99, "height": 20}]}, "another shape"),
        ({"images": [{"id": n, "file_name": "1.png", "width": 24, "height": 20} for n in (1, 2)]}, "listed twice"),
        ({"images": []}, "no picture of this"),
        ({"annotations": {}}, "no file of COCO"),
        ({"images": 7}, "no file of COCO"),
    ],
)
def test_a_file_that_is_none_changes_nothing(study: Study, tmp_path: Path, instead: Any, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        read_changes(study, "bad", changed_file(study, tmp_path / "bad.json", **instead), "Ada")
    assert versions(study) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"images": [' * 4000, "\udc80"])
def test_what_is_no_json_is_told(study: Study, tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(BadInput):
        read_changes(study, "bad", tmp_path / "bad.json", "Ada")
    with pytest.raises(BadInput):
        read_changes(study, "bad", tmp_path / "gone.json", "Ada")


def test_pictures_of_the_test_split_may_be_in_the_file_but_not_changed(study: Study, tmp_path: Path) -> None:
    row = int(study.rows("test")[0])
    image = {"id": 1, "file_name": study.samples["id"].iat[row], "width": 24, "height": 20}
    same = list(annotations_of(study.label_map(row), {1: 1, 2: 2}, outlines=True))
    named = [{"id": n, "image_id": 1, **one} for n, one in enumerate(same)]
    kept = changed_file(study, tmp_path / "kept.json", images=[image], annotations=named)
    assert read_changes(study, "kept", kept, "Ada").changed == 0
    lost = changed_file(study, tmp_path / "lost.json", images=[image], annotations=[])
    with pytest.raises(BadInput, match="test split"):
        read_changes(study, "lost", lost, "Ada")
    assert versions(study) == []


def test_what_cannot_be_written_is_told_before_it_is(study: Study, tmp_path: Path) -> None:
    (tmp_path / "there.json").write_text("mine")
    with pytest.raises(BadParameter, match="something is here"):
        write_coco(study, "", tmp_path / "there.json")
    with pytest.raises(NotFound):
        write_coco(study, "nobody", tmp_path / "out.json")
    with pytest.raises(XaiError, match="no form"):
        write_coco(study, "", tmp_path / "out.json", "masks")
    assert (tmp_path / "there.json").read_text() == "mine"
    assert not (tmp_path / "out.json").exists()
