"""COCO from tools of annotation: what they do to a file of ours, by hand here, and by the tools where they are."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.core.annotation_scenes import said_of, squares
from xai_core.cli.main import main
from xai_core.errors import BadInput
from xai_core.pipeline.make import make_study
from xai_core.store.coco_exchange import read_changes, write_coco
from xai_core.store.journal import Entry
from xai_core.store.patches import Patch
from xai_core.store.study import Study
from xai_core.store.versions import Version, version

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "build" / "annotation-tools" / "bin" / "python"
needs_tools = pytest.mark.skipif(
    not TOOLS.exists(), reason="Datumaro and Label Studio's converter are not here: make annotation-tools"
)

Content = dict[str, Any]


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """With a version "wide" in which one training picture has an object more, which does not fill its box."""
    made = squares(tmp_path)
    row = int(made.rows("train")[0])
    truth = made.label_map(row)
    after = said_of(truth)
    after[0:2, 18:21] = truth[0:2, 18:21]
    Version(made, "wide").record([Entry(row, "edit", patch=Patch.between(truth, after))], "Ada")
    return made


def exported(study: Study, into: Path, form: str = "polygons") -> Content:
    write_coco(study, "wide", into, form)
    content: Content = json.loads(into.read_text())
    return content


def as_crowds(content: Content) -> None:
    """Datumaro, and CVAT with it, of masks that were painted."""
    for one in content["annotations"]:
        one["iscrowd"] = 1


def with_boxes(content: Content) -> None:
    """Label Studio's converter: a rectangle beside every outline, not quite on whole pixels."""
    boxes = [
        one | {"segmentation": [], "bbox": [side + 1e-9 for side in one["bbox"]]} for one in content["annotations"]
    ]
    content["annotations"] = [*boxes, *content["annotations"]]
    for number, one in enumerate(content["annotations"]):
        one["id"] = number


def served(content: Content) -> None:
    """Label Studio, of pictures that it reads from a folder."""
    for one in content["images"]:
        one["file_name"] = f"/data/local-files/?d=wagons/{one['file_name']}"


def uploaded(content: Content) -> None:
    """Label Studio, of pictures that were given to it."""
    for number, one in enumerate(content["images"]):
        one["file_name"] = f"images/{number:08x}-{one['file_name'].rpartition('/')[2]}"


@pytest.mark.parametrize("change", [with_boxes, served, uploaded])
def test_what_tools_write_otherwise_means_the_same(
    study: Study, tmp_path: Path, change: Callable[[Content], None]
) -> None:
    file = tmp_path / "out.json"
    content = exported(study, file)
    change(content)
    file.write_text(json.dumps(content))
    told = read_changes(study, "back", file, "Bo")
    assert told.pictures == len(content["images"])
    assert told.changed == 1
    for row in study.rows("train"):
        np.testing.assert_array_equal(version(study, "back").label_map(row), version(study, "wide").label_map(row))


def test_a_box_alone_is_still_ignored_and_told(study: Study, tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    content = exported(study, file)
    content["annotations"][0]["segmentation"] = []
    file.write_text(json.dumps(content))
    assert read_changes(study, "back", file, "Bo").notes[0] == "1 annotation no outline: its box is ignored."


def test_crowds_are_told_and_can_be_taken_as_objects(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "out.json"
    content = exported(study, file, "rle")
    content["annotations"] = [one for one in content["annotations"] if not one["iscrowd"]]
    as_crowds(content)
    file.write_text(json.dumps(content))
    (note,) = read_changes(study, "lost", file, "Bo").notes
    assert note.startswith(f"{len(content['annotations'])} annotations are crowds")
    assert "--crowds objects" in note
    words = ["--version", "back", "--in", str(file), "--crowds", "objects", "--by", "Bo"]
    assert main(["annotate", str(study.path), *words]) == 0
    assert "1 of " in capsys.readouterr().out
    row = int(study.rows("train")[0])
    np.testing.assert_array_equal(version(study, "back").label_map(row), version(study, "wide").label_map(row))


def test_a_data_set_tells_of_crowds_and_can_take_them_as_objects(study: Study, tmp_path: Path) -> None:
    for file in study.data.rglob("*.json"):
        content = json.loads(file.read_text())
        as_crowds(content)
        file.write_text(json.dumps(content))
    with pytest.raises(BadInput, match="crowds=objects"):
        make_study(tmp_path / "lost", study.data)
    made = make_study(tmp_path / "kept", study.data, values={"crowds": "objects"})
    row = int(study.rows("train")[0])
    place = made.samples["id"].tolist().index(study.samples["id"].iat[row])
    assert (made.label_map(place) > 0).any()


@needs_tools
@pytest.mark.parametrize(
    ("tool", "form", "crowds"),
    [
        ("datumaro-polygons", "polygons", "ignored"),
        ("datumaro-masks", "rle", "objects"),
        ("label-studio", "polygons", "ignored"),
    ],
)
def test_round_trip_by_the_tools_themselves(study: Study, tmp_path: Path, tool: str, form: str, crowds: str) -> None:
    source, back = tmp_path / "out.json", tmp_path / "back.json"
    content = exported(study, source, form)
    content["annotations"] = [one for one in content["annotations"] if not one["iscrowd"]]
    source.write_text(json.dumps(content))
    script = Path(__file__).with_name("annotation_tools.py")
    subprocess.run([TOOLS, script, tool, source, back], check=True, capture_output=True, timeout=120)
    told = read_changes(study, "back", back, "Bo", crowds=crowds)
    assert told.changed == 1
    for row in study.rows("train"):
        np.testing.assert_array_equal(version(study, "back").label_map(row), version(study, "wide").label_map(row))
