"""Whatever a file of COCO holds, the answer is a study or one line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.core.segmentation_trees import HEIGHT, SQUARE, WIDTH, map_of, read, square, write_coco
from xai_core.errors import BadInput, XaiError
from xai_core.label_maps import IGNORE

FILE = "instances_default.json"
HUGE = 10**300
IMAGE = {"id": 0, "file_name": "0.png", "width": WIDTH, "height": HEIGHT}


def refused(root: Path, words: str) -> None:
    with pytest.raises(BadInput, match=words) as told:
        read("coco", root)
    assert "\n" not in str(told.value)
    assert FILE in str(told.value) or "0.png" in str(told.value) or "background" in str(told.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "the annotations are no JSON"),
        (b"{", "the annotations are no JSON"),
        (b"\xff\xfe\x00\xd8", "the annotations are no JSON"),
        (b"[" * 200_000, "the annotations are no JSON"),
        (b"9" * 5000, "the annotations are no JSON"),
        (b"[]", "no file of COCO"),
        (b"{}", "no list .images."),
        (b'{"images": [], "annotations": []}', "no list .categories."),
        (b'{"images": [3], "annotations": [], "categories": []}', "no list .images. of objects"),
        (b'{"images": [], "annotations": {}, "categories": []}', "no list .annotations."),
        (b'{"images": [], "annotations": [], "categories": []}', "no picture of the annotations is here"),
    ],
)
def test_what_is_no_file_of_coco_is_told(text: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(text)
    refused(tmp_path, words)


@pytest.mark.parametrize(
    ("instead", "words"),
    [
        ({"images": [{"file_name": "0.png"}]}, "without id or file_name: .*images, place 1"),
        ({"images": [{"id": True, "file_name": "0.png"}]}, "without id or file_name"),
        ({"images": [{"id": 0, "file_name": 7}]}, "without id or file_name"),
        ({"images": [{"id": 0, "file_name": "a\0"}]}, "without id or file_name"),
        ({"images": [IMAGE, IMAGE | {"file_name": "1.png"}]}, "one id stands for two: .*id 0"),
        ({"images": [IMAGE, IMAGE | {"id": 1, "width": 7}]}, "listed twice, in two sizes"),
        ({"images": [IMAGE | {"file_name": "none.png"}]}, "no picture of the annotations is here"),
        ({"categories": [{"id": 0}]}, "without id or name: .*categories, place 1"),
        ({"categories": [{"id": 0, "name": "a"}, {"id": 0, "name": "b"}]}, "one id stands for two: .*categories, id 0"),
        ({"categories": []}, "fewer than two classes: background"),
        ({"annotations": [{"id": 3}]}, "fewer than two classes: background"),
    ],
)
def test_lists_that_are_damaged_are_told(instead: dict[str, Any], words: str, tmp_path: Path) -> None:
    write_coco(tmp_path / FILE, **instead)
    refused(tmp_path, words)


def test_more_categories_than_a_label_map_holds_are_told(tmp_path: Path) -> None:
    names = [f"class {n}" for n in range(300)]
    annotations = [{"image_id": 0, "category_id": n, "segmentation": [SQUARE]} for n in range(300)]
    write_coco(tmp_path / FILE, annotations, names=names)
    with pytest.raises(BadInput, match=r"too many classes: 301\. A label map holds 255"):
        read("coco", tmp_path)
    assert len(read("coco", tmp_path, classes=",".join(names[:254]))[1].class_names) == 255


@pytest.mark.parametrize("ids", [str, lambda n: HUGE + n, lambda n: float(n), lambda n: f" é{n}"])
def test_ids_may_be_anything_that_tells_pictures_apart(ids: Any, tmp_path: Path) -> None:
    write_coco(tmp_path / FILE)
    content = json.loads((tmp_path / FILE).read_text())
    for entry in content["images"]:
        entry["id"] = ids(entry["id"])
    for entry in content["annotations"]:
        entry |= {"id": 1, "image_id": ids(entry["image_id"])}
    (tmp_path / FILE).write_text(json.dumps(content))
    made, scan = read("coco", tmp_path)
    assert (map_of(made, scan, "1.png") == square(2)).all()


@pytest.mark.parametrize(
    ("outline", "reason"),
    [
        (None, "no outline"),
        ([], "no outline"),
        ("x", "no outline"),
        ([[]], "fewer than three points"),
        ([[1, 1, 5, 5]], "fewer than three points"),
        ([[1, 1, 5, 5, 2, 2, 3]], "no list of pairs"),
        ([[[1, 1], [2, 2], [3, 3], [4, 4], [5, 5], [6, 6]]], "no list of pairs"),
        ([[1, 1, 5, float("nan"), 2, 2]], "NaN"),
        ([[1, 1, 5, float("inf"), 2, 2]], "NaN"),
        ([[1, 1, 5, 1e300, 2, 2]], "beyond 10"),
        ([[1, 1, 5, 10**400, 2, 2]], "no numbers"),
        ([[1, 1, "x", 5, 2, 2]], "no numbers"),
        ([{}, 7], "no numbers"),
        ({}, "a picture of another size"),
        ({"size": [HEIGHT, WIDTH]}, "run lengths that are no numbers"),
        ({"size": [HEIGHT, WIDTH], "counts": [1, 2]}, "a picture of another size"),
        ({"size": [HEIGHT, WIDTH], "counts": [-1, 481]}, "a picture of another size"),
        ({"size": [HEIGHT, WIDTH], "counts": [2**63, 2**63]}, "a picture of another size|no numbers"),
        ({"size": [HEIGHT, WIDTH], "counts": [[1], [2, 3]]}, "no numbers"),
        ({"size": [HEIGHT, WIDTH], "counts": "\x7fé"}, "characters that it does not have"),
        ({"size": [HEIGHT, WIDTH], "counts": "oooooooooooooo"}, "cut short or damaged"),
        ({"size": [WIDTH, HEIGHT], "counts": [480]}, "a picture of another size"),
        ({"size": [10**9, 10**9], "counts": [10**18]}, "a picture of another size"),
    ],
)
def test_an_outline_that_cannot_be_used_is_told_and_its_box_ignored(outline: Any, reason: str, tmp_path: Path) -> None:
    good = {"id": 1, "image_id": 1, "category_id": 0, "segmentation": [SQUARE]}
    bad = {"id": 7, "image_id": 0, "category_id": 1, "segmentation": outline}
    for box, expected, ending in (
        ([8, 6, 8, 8], square(IGNORE), "its box is ignored"),
        (None, square(0), "not in the label map"),
        ([1, 2, float("nan"), 4], square(0), "not in the label map"),
        ([5000, 2, 3, 4], square(0), "not in the label map"),
    ):
        write_coco(tmp_path / FILE, [good, bad | {"bbox": box}])
        made, scan = read("coco", tmp_path)
        assert (map_of(made, scan, "0.png") == expected).all()
        (told,) = [note for note in scan.notes if "7 of 0.png" in note]
        assert ending in told
        assert re.search(reason, told)


def test_annotations_of_nothing_known_and_outside_are_told(tmp_path: Path) -> None:
    shape = {"segmentation": [SQUARE]}
    write_coco(
        tmp_path / FILE,
        [
            {"id": 1, "image_id": 0, "category_id": 0} | shape,
            {"id": 2, "image_id": 99, "category_id": 0} | shape,
            {"id": 3, "image_id": 0, "category_id": HUGE} | shape,
            shape,
            {"id": 5, "image_id": 0, "category_id": 0, "segmentation": [[500, 500, 600, 500, 600, 600]]},
        ],
    )
    notes = " ".join(read("coco", tmp_path)[1].notes)
    assert f"2 annotations were left out (of no picture of the file, {FILE}): 2, the one in place 4." in notes
    assert f"1 annotation was left out (of no category of the file, {FILE}): 3." in notes
    assert "1 annotation has not a pixel of the picture (5 of 0.png)." in notes


@pytest.mark.parametrize("name", ["../0.png", "/etc/passwd", "a/../../0.png", "..\\0.png", "C:\\0.png"])
def test_a_name_that_leads_out_is_refused(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    write_coco(folder / FILE)
    (tmp_path / "0.png").write_bytes((folder / "0.png").read_bytes())
    others = [IMAGE | {"id": n, "file_name": f"{n}.png"} for n in range(1, 8)]
    write_coco(folder / FILE, images=[*others, IMAGE | {"file_name": name}])
    _, scan = read("coco", folder)
    assert [reason for _, reason in scan.unreadable] == [f"the name in {FILE} leads out of the data folder"]
    made, scan = read("coco", folder)
    with pytest.raises(BadInput, match="no picture of the annotations"):
        made.label_map({"path": "../0.png", "width": WIDTH, "height": HEIGHT})
    with pytest.raises(BadInput, match="not a file of this data folder"):
        made.picture({"path": "../0.png"})


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ({"width": 2 * WIDTH, "height": 2 * HEIGHT}, ""),
        ({"width": 99, "height": HEIGHT}, "another aspect ratio than its picture: 99×20 for 24×20"),
        ({"width": HEIGHT, "height": WIDTH}, "set coco.turn=false"),
        ({"width": 10**8 * WIDTH, "height": 10**8 * HEIGHT}, "no numbers of pixels"),
        ({"width": 10**4 * WIDTH, "height": 10**4 * HEIGHT}, "150 megapixels"),
        ({"width": -1}, "no numbers of pixels"),
        ({"width": None}, "no numbers of pixels"),
        ({"width": 1.5}, "no numbers of pixels"),
        ({"height": "20px"}, "no numbers of pixels"),
    ],
)
def test_another_size_is_scaled_or_refused(size: dict[str, Any], words: str, tmp_path: Path) -> None:
    write_coco(tmp_path / FILE)
    content = json.loads((tmp_path / FILE).read_text())
    content["images"][0] |= size
    content["annotations"][0]["segmentation"] = [[2 * number for number in SQUARE]]
    (tmp_path / FILE).write_text(json.dumps(content))
    made, scan = read("coco", tmp_path)
    if words:
        ((path, reason),) = scan.unreadable
        assert path == "0.png"
        assert words in reason
    else:
        assert any("1 picture is annotated in another size than the file's" in note for note in scan.notes)
        assert (map_of(made, scan, "0.png") == square(1)).all()


def test_a_picture_listed_twice_has_all_its_annotations(tmp_path: Path) -> None:
    images = [IMAGE | {"id": n, "file_name": f"{min(n, 7)}.png"} for n in range(9)]
    annotations = [
        {"image_id": 7, "category_id": 0, "segmentation": [[0, 0, 24, 0, 24, 20, 0, 20]]},
        {"image_id": 8, "category_id": 1, "segmentation": [SQUARE]},
    ]
    write_coco(tmp_path / FILE, annotations, images=images)
    made, scan = read("coco", tmp_path)
    assert (map_of(made, scan, "7.png") == square(2, 1)).all()
    assert any("1 picture is listed twice, and all annotations of each are taken (7.png)" in n for n in scan.notes)


@pytest.mark.parametrize("values", [{"annotations": "../x.json"}, {"annotations": "none.json"}, {"images": "../.."}])
def test_parameters_that_lead_nowhere_are_told(values: dict[str, str], tmp_path: Path) -> None:
    write_coco(tmp_path / FILE)
    with pytest.raises(XaiError) as told:
        read("coco", tmp_path, **values)
    assert "\n" not in str(told.value)
