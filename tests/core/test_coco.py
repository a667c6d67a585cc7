"""COCO: label maps equal to those of pycocotools, layouts, and what is told of what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as oracle
from pycocotools.coco import COCO

from tests.core.segmentation_trees import HEIGHT, SQUARE, WIDTH, map_of, read, square, write_coco
from xai_core.datasets import dataset_of, runs
from xai_core.datasets.twins import source_of
from xai_core.errors import BadInput, NotFound
from xai_core.label_maps import IGNORE

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
"""Of pycocotools' own decoding."""

FILE = "instances_default.json"
NAMES = ("background", "red", "green")
COORDINATES = st.floats(-40, 60, allow_nan=False) | st.integers(-40, 60)
POLYGONS = st.lists(
    st.lists(st.tuples(COORDINATES, COORDINATES), min_size=3, max_size=9).map(lambda p: [v for xy in p for v in xy]),
    min_size=1,
    max_size=3,
)


def image(found: runs.Runs, height: int, width: int) -> np.ndarray:
    return runs.painted([(found, 1)], height, width)


def compressed(mask: np.ndarray) -> dict[str, Any]:
    found = oracle.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": found["size"], "counts": found["counts"].decode()}


def uncompressed(mask: np.ndarray) -> dict[str, Any]:
    flat = mask.T.ravel().astype(int)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat]))).tolist()
    return {"size": list(mask.shape), "counts": np.diff([0, *edges, len(flat)]).tolist()}


# Against pycocotools


@given(POLYGONS, st.integers(1, 30), st.integers(1, 30))
def test_polygons_are_those_of_pycocotools(polygons: list[list[float]], height: int, width: int) -> None:
    """Also outside of the picture, degenerate and crossing themselves."""
    expected = oracle.decode(oracle.merge(oracle.frPyObjects(polygons, height, width)))
    assert (image(runs.of_polygons(polygons, height, width), height, width) == expected).all()


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_run_lengths_are_those_of_pycocotools(height: int, width: int, seed: int, share: float) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < share
    for rle in (compressed(mask), uncompressed(mask)):
        found = runs.of_counts(rle["counts"], height, width)
        assert (image(found, height, width) == mask).all()
        assert runs.area(found) == mask.sum()


@given(st.text(max_size=20) | st.text("0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmno", max_size=20))
def test_any_text_is_run_lengths_or_is_refused(text: str) -> None:
    try:
        found = runs.of_counts(text, 3, 4)
    except runs.BadShape:
        return
    assert (found >= 0).all()
    assert found.sum() == 12


def test_a_polygon_that_goes_very_far_is_cut_and_looks_the_same() -> None:
    corners = np.array([[-1e8, 3], [1e8, 3], [1e8, 7], [-1e8, 7]])
    assert image(runs.of_polygons([corners.ravel().tolist()], 20, 24), 20, 24)[3:7].all()
    found = image(runs.of_polygons([[-1e9, -1e9, 1e9, -1e9, 1e9, 1e9]], 20, 24), 20, 24)
    assert found[2, 5]
    assert not found[9, 5]
    assert not runs.area(runs.of_polygons([[1e8, 1e8, 1e8 + 1, 1e8, 1e8, 1e8 + 1]], 20, 24))


@pytest.mark.timeout(30)
def test_a_polygon_of_a_million_points_is_fast() -> None:
    turn = np.linspace(0, 2 * np.pi, 10**6)
    circle = np.stack([320 + 300 * np.cos(turn), 320 + 300 * np.sin(turn)], axis=1)
    assert runs.area(runs.of_polygons([circle.ravel().tolist()], 640, 640)) == pytest.approx(np.pi * 300**2, rel=0.01)
    scribble = np.random.default_rng(0).random(2 * 10**6) * 640
    with pytest.raises(runs.BadShape, match="more than 4,000,000 pixels"):
        runs.of_polygons([scribble.tolist()], 640, 640)


# What a label map shows


def with_shapes(root: Path, *shapes: dict[str, Any], **instead: Any) -> np.ndarray:
    """The label map of the first picture, with these shapes."""
    write_coco(root / FILE, [{"id": n, "image_id": 0} | shape for n, shape in enumerate(shapes)], **instead)
    made, scan = read("coco", root, classes="red,green")
    assert scan.class_names == NAMES
    return map_of(made, scan, "0.png")


def red(polygon: Any, **more: Any) -> dict[str, Any]:
    return {"category_id": 0, "segmentation": polygon} | more


def green(polygon: Any, **more: Any) -> dict[str, Any]:
    return {"category_id": 1, "segmentation": polygon} | more


WALL = [[0, 0, 24, 0, 24, 20, 0, 20]]


def test_the_smaller_of_two_is_seen_in_whatever_order(tmp_path: Path) -> None:
    for shapes in ([red(WALL), green([SQUARE])], [green([SQUARE]), red(WALL)]):
        assert (with_shapes(tmp_path, *shapes) == square(2, 1)).all()


def test_of_two_of_one_size_the_later_is_seen(tmp_path: Path) -> None:
    assert (with_shapes(tmp_path, green([SQUARE]), red([SQUARE])) == square(1)).all()


def test_crowds_are_ignored_where_no_object_is(tmp_path: Path) -> None:
    crowd = compressed(np.ones((HEIGHT, WIDTH)))
    assert (with_shapes(tmp_path, green([SQUARE]), red(crowd, iscrowd=1)) == square(2, IGNORE)).all()


@pytest.mark.parametrize("form", [compressed, uncompressed])
def test_run_lengths_have_holes(form: Any, tmp_path: Path) -> None:
    ring = np.ones((HEIGHT, WIDTH), bool)
    ring[6:14, 8:16] = False
    assert (with_shapes(tmp_path, red(form(ring))) == square(0, 1)).all()


def test_a_category_called_background_is_class_0(tmp_path: Path) -> None:
    hole = {"category_id": 2, "segmentation": [SQUARE]}
    assert (with_shapes(tmp_path, red(WALL), hole, names=("red", "green", "Background")) == square(0, 1)).all()


def test_a_flat_list_and_parts_without_an_inside_are_read(tmp_path: Path) -> None:
    assert (with_shapes(tmp_path, red(SQUARE)) == square(1)).all()
    assert (with_shapes(tmp_path, red([[1, 2], [1, 1, 5, 5], SQUARE])) == square(1)).all()


def test_a_thin_wire_stays_whole_where_the_picture_is_reduced(tmp_path: Path) -> None:
    write_coco(tmp_path / FILE, [red([[0, 100, 1600, 100, 1600, 102, 0, 102]])], pictures=0)
    for number in range(8):
        Image.new("RGB", (1600, 400), (number, 0, 0)).save(tmp_path / f"{number}.png")
    content = json.loads((tmp_path / FILE).read_text())
    content["images"] = [{"id": n, "file_name": f"{n}.png", "width": 1600, "height": 400} for n in range(8)]
    (tmp_path / FILE).write_text(json.dumps(content | {"annotations": [content["annotations"][0] | {"image_id": 0}]}))
    made, scan = read("coco", tmp_path, largest_side=400)
    found = map_of(made, scan, "0.png")
    assert found.shape == (100, 400)
    assert (found == 1).any(axis=0).all()
    assert 400 <= (found == 1).sum() <= 800


# Classes and notes


def test_classes_are_the_annotated_categories_by_name(tmp_path: Path) -> None:
    write_coco(tmp_path / FILE, names=("red", "green", "objects"))
    _, scan = read("coco", tmp_path)
    assert scan.class_names == NAMES
    assert "1 category has no annotation, and no class of its own: objects." in scan.notes
    _, scan = read("coco", tmp_path, classes="green")
    assert scan.class_names == ("background", "green")
    assert "1 category was not asked for, and background here: red." in scan.notes
    assert scan.samples["has_mask"].sum() == 4
    with pytest.raises(NotFound, match="no category of this name: gren"):
        read("coco", tmp_path, classes="gren")


def test_pictures_without_annotation_are_background_and_others_are_told(tmp_path: Path) -> None:
    write_coco(tmp_path / FILE, [red([SQUARE], image_id=3)])
    (tmp_path / "other.png").write_bytes((tmp_path / "1.png").read_bytes())
    (tmp_path / "2.png").unlink()
    (tmp_path / "4.png").write_bytes(b"no picture")
    made, scan = read("coco", tmp_path)
    assert (map_of(made, scan, "0.png") == 0).all()
    assert [path for path, _ in scan.unreadable] == ["2.png", "4.png"]
    assert any("5 pictures show no object" in note for note in scan.notes)
    assert any("1 file was left out (pictures that no annotation file names): other.png" in n for n in scan.notes)


# Layouts and splits


def splits(scan: Any) -> dict[str, int]:
    found: dict[str, int] = scan.samples["split"].value_counts().to_dict()
    return found


def test_roboflow_has_a_file_in_each_split(tmp_path: Path) -> None:
    for split, many in (("train", 6), ("valid", 4), ("test", 3)):
        (tmp_path / split).mkdir()
        write_coco(tmp_path / split / "_annotations.coco.json", pictures=many)
    assert dataset_of(tmp_path) == "coco"
    _, scan = read("coco", tmp_path)
    assert splits(scan) == {"train": 6, "validation": 4, "test": 3}
    assert "4 validation pictures are twins of training pictures" in " ".join(scan.notes)
    assert set(scan.samples["path"].str.split("/").str[0]) == {"train", "valid", "test"}


@pytest.mark.parametrize("above", ["", "images/"])
def test_coco_has_its_files_in_a_folder_of_their_own(above: str, tmp_path: Path) -> None:
    """The same names in both splits: each file's own folder is found by the word for its split."""
    (tmp_path / "annotations").mkdir()
    for year, many in (("train2017", 6), ("val2017", 5)):
        write_coco(tmp_path / "annotations" / f"instances_{year}.json", pictures=many, folder=f"../{above}{year}")
    (tmp_path / "annotations" / "captions_train2017.json").write_text("{}")
    assert dataset_of(tmp_path) == "coco"
    _, scan = read("coco", tmp_path)
    assert splits(scan) == {"train": 4, "validation": 5, "test": 2}
    trained = scan.samples.loc[scan.samples["split"] == "train", "path"]
    assert trained.str.startswith(f"{above}train2017/").all()
    one = read("coco", tmp_path / "annotations" / "instances_train2017.json")[1]
    assert len(one.samples) == 6
    assert one.data == tmp_path
    assert one.params == {"annotations": "annotations/instances_train2017.json"}


def test_one_file_is_split_by_the_folders_of_its_pictures(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        write_coco(tmp_path / "a.json", folder=split, pictures=4)
    images = [
        {"id": f"{split}{n}", "file_name": f"{split}\\{n}.png", "width": WIDTH, "height": HEIGHT}
        for split in ("train", "val", "test")
        for n in range(4)
    ]
    annotations = [{"image_id": each["id"], "category_id": 1, "segmentation": [SQUARE]} for each in images]
    write_coco(tmp_path / "a.json", annotations, pictures=0, images=images)
    _, scan = read("coco", tmp_path)
    assert splits(scan) == {"train": 4, "validation": 4, "test": 4}
    assert splits(read("coco", tmp_path, test_only=True)[1]) == {"test": 4}


def test_copies_that_roboflow_made_stay_on_one_side(tmp_path: Path) -> None:
    write_coco(tmp_path / "_annotations.coco.json", pictures=24)
    content = json.loads((tmp_path / "_annotations.coco.json").read_text())
    for number, entry in enumerate(content["images"]):
        entry["file_name"] = f"photo-{number // 3}_png.rf.{number:032x}.png"
        (tmp_path / f"{number}.png").rename(tmp_path / entry["file_name"])
    (tmp_path / "_annotations.coco.json").write_text(json.dumps(content))
    _, scan = read("coco", tmp_path)
    assert set(splits(scan)) == {"train", "validation", "test"}
    sources = scan.samples["path"].map(source_of)
    assert sources.nunique() == 8
    assert (scan.samples.groupby(sources)["split"].nunique() == 1).all()
    assert any("24 are such copies" in note for note in scan.notes)


def test_too_few_pictures_to_split_are_told_and_may_be_the_test(tmp_path: Path) -> None:
    write_coco(tmp_path / FILE, pictures=1)
    with pytest.raises(BadInput, match=r"too few different pictures to split: 1\. Add pictures, or test alone"):
        read("coco", tmp_path)
    assert splits(read("coco", tmp_path, test_only=True)[1]) == {"test": 1}


def test_only_a_test_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    write_coco(tmp_path / "test" / "_annotations.coco.json", pictures=3)
    _, scan = read("coco", tmp_path)
    assert splits(scan) == {"test": 3}
    assert any("Nothing is trained here" in note for note in scan.notes)


@pytest.mark.parametrize(("file", "folder"), [("labels.json", "data"), ("result.json", "images")])
def test_plain_names_are_told_by_the_folder_beside_them(file: str, folder: str, tmp_path: Path) -> None:
    write_coco(tmp_path / file, folder=folder)
    assert dataset_of(tmp_path) == "coco"
    assert len(read("coco", tmp_path)[1].samples) == 8
    (tmp_path / folder).rename(tmp_path / "cats")
    assert dataset_of(tmp_path) == "image-folder"


def test_a_picture_annotated_as_it_lies_in_its_file(tmp_path: Path) -> None:
    """EXIF turns it: its annotations fit where it is not turned."""
    write_coco(tmp_path / FILE)
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(tmp_path / "0.png") as picture:
        picture.convert("RGB").save(tmp_path / "0.png", "JPEG", exif=exif)
    _, scan = read("coco", tmp_path)
    ((path, reason),) = scan.unreadable
    assert path == "0.png"
    assert "set coco.turn=false" in reason
    made, scan = read("coco", tmp_path, turn=False)
    assert (map_of(made, scan, "0.png") == square(1)).all()


@pytest.mark.data
@pytest.mark.parametrize(("name", "files"), [("ttpla-sample", 1), ("wagon-wire-coco", 2)])
def test_real_data_have_the_pixels_that_pycocotools_counts(
    name: str, files: int, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no two annotations overlap, each class has just the pixels of its masks; elsewhere no more than them."""
    made, scan = read("coco", data_dir / name)
    rows = {row["path"]: row for row in scan.samples.to_dict("records")}
    found = sorted((data_dir / name).rglob("*.json"))
    assert len(found) == files
    seen = alone = 0
    for file in found:
        coco = COCO(str(file))
        names = {key: category["name"] for key, category in coco.cats.items()}
        labels = {key: scan.class_names.index(name) for key, name in names.items() if name in scan.class_names}
        for key, picture in coco.imgs.items():
            path = (file.parent / picture["file_name"]).relative_to(data_dir / name).as_posix()
            label_map = made.label_map(rows[path])
            masks = [(labels[a["category_id"]], coco.annToMask(a) > 0) for a in coco.imgToAnns[key]]
            covered = np.sum([mask for _, mask in masks], axis=0) if masks else np.zeros(label_map.shape)
            assert ((label_map > 0) == (covered > 0)).all()
            for label in range(1, len(scan.class_names)):
                of_label = np.any([mask for at, mask in masks if at == label] or [np.zeros_like(covered, bool)], axis=0)
                assert (of_label | (label_map != label)).all()
                alone += int(((label_map == label) & (covered == 1)).sum() == (of_label & (covered == 1)).sum())
            seen += 1
    assert seen == len(rows)
    assert alone == seen * (len(scan.class_names) - 1)
    capsys.readouterr()
