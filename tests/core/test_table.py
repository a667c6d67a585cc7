"""Tables of pictures: columns, labels, splits, paths, masks, facts, and what is wrong with them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.core.image_trees import draw
from xai_core.cli.main import main
from xai_core.datasets.base import Scan
from xai_core.datasets.table import TableOfPictures, TableParams
from xai_core.errors import BadInput, BadParameter, NotFound, XaiError
from xai_core.store.data_folder import move
from xai_core.store.study import Study
from xai_core.types import SPLITS


def listed(root: Path, header: str, *lines: str, name: str = "labels.csv") -> Path:
    """A table, and a picture of its own for every first cell that ends in .png."""
    root.mkdir(parents=True, exist_ok=True)
    for line in lines:
        file = line.split(",")[0]
        if file.endswith(".png") and not file.startswith(("gone", "..", "/")):
            draw(root / file, sum(file.encode()) + 1000 * len(file))
    table = root / name
    table.write_text("\n".join([header, *lines]), encoding="utf-8")
    return table


def scan(table: Path, seed: int = 0, **params: Any) -> Scan:
    return TableOfPictures(table, TableParams(**params)).scan(seed)


def ten(root: Path, header: str = "file,label", end: str = "") -> Path:
    return listed(root, header, *(f"p/{i}.png,{'ab'[i % 2]}{end.format(i=i)}" for i in range(10)))


def test_columns_are_found_and_splits_made(tmp_path: Path) -> None:
    found = scan(ten(tmp_path))
    assert found.class_names == ("a", "b")
    assert found.data == tmp_path
    assert found.samples["id"].tolist() == [f"p/{i}.png" for i in range(10)]
    assert Counter(found.samples["split"]) == {"train": 6, "validation": 2, "test": 2}
    assert found.facts is None
    assert found.notes[0] == "Of labels.csv were read the path from file, the label from label."
    assert "The table names no test samples: 2 of 10 training pictures" in found.notes[1]
    pd.testing.assert_frame_equal(found.samples, scan(tmp_path).samples)  # the only table of a folder


@pytest.mark.parametrize("header", ["Image Path,Label", "FILE_NAME,class name", "img,Diagnosis", "image_id,dx"])
def test_plain_names_of_columns(tmp_path: Path, header: str) -> None:
    assert len(scan(ten(tmp_path, header)).samples) == 10


def test_a_column_that_is_not_plain_is_asked_for_in_one_line(tmp_path: Path) -> None:
    table = ten(tmp_path, "file,artikel")
    with pytest.raises(BadInput) as told:
        scan(table)
    assert str(told.value) == (
        "which column of labels.csv holds the label? Name one of file, artikel: --set table.label=NAME."
    )
    assert scan(table, label="artikel").class_names == ("a", "b")
    with pytest.raises(NotFound, match="Did you mean artikel"):
        scan(table, label="artikle")
    with pytest.raises(BadInput, match=r"which column of labels.csv holds the path of the picture"):
        scan(ten(tmp_path / "two", "image,picture,label", ",x"), label="label")


def test_splits_by_any_usual_word(tmp_path: Path) -> None:
    words = ("TRAIN", "training", "val", "Valid", "dev", "validation", "Test", "testing")
    table = listed(tmp_path, "file,label,split", *(f"{w}{c}.png,{c},{w}" for w in words for c in "ab"))
    samples = scan(table).samples
    assert Counter(samples["split"]) == {"train": 4, "validation": 8, "test": 4}
    with pytest.raises(BadInput, match=r"not a split: labels.csv, line 3: maybe"):
        scan(listed(tmp_path / "odd", "file,label,split", "a.png,a,train", "b.png,b,maybe"))
    found = scan(listed(tmp_path / "folds", "file,label,fold", *(f"{i}.png,{'ab'[i % 2]},{i % 5}" for i in range(10))))
    assert found.facts is not None
    assert found.facts.column_names == ["fold"]


def test_test_samples_alone_make_a_study(tmp_path: Path) -> None:
    """A class with one picture each: nothing is trained here, so nothing is split off."""
    lines = [f"{i}.png,class {i}" for i in range(40)]
    table = listed(tmp_path, "file,label,split", *(f"{line},test" for line in lines))
    found = scan(table)
    assert len(found.class_names) == 40
    assert set(found.samples["split"]) == {"test"}
    bare = listed(tmp_path / "bare", "file,label", *lines)
    assert set(scan(bare, test_only=True).samples["split"]) == {"test"}
    with pytest.raises(BadInput, match=r"test only, without training: --test-only"):
        scan(bare)
    with pytest.raises(BadInput, match="a class has no readable training picture: b"):
        scan(listed(tmp_path / "part", "file,label,split", "a.png,a,train", "b.png,b,test"))


def test_labels_as_numbers(tmp_path: Path) -> None:
    table = listed(tmp_path, "file,label", *(f"{i}.png,{(2, 10)[i % 2]}.0" for i in range(10)))
    assert scan(table).class_names == ("2", "10")  # by number, not by letter
    numbered = listed(tmp_path / "n", "file,label", *(f"{i}.png,{i % 2}" for i in range(10)))
    found = scan(numbered, classes="cat,dog,fox", test_only=True)
    assert found.class_names == ("cat", "dog", "fox")
    assert found.samples["label"].tolist() == [0, 1] * 5
    assert "The test split has no picture of 1 class: fox." in found.notes
    with pytest.raises(BadInput, match=r"a label without a class name: 10"):
        scan(table, classes="cat,dog,fox")
    with pytest.raises(BadInput, match=r"a label that is no class: 0.5"):
        scan(listed(tmp_path / "r", "file,label", "a.png,0.5", "b.png,1"))


def test_a_list_of_classes_in_a_file(tmp_path: Path) -> None:
    """By number, and by id with names for people."""
    (tmp_path / "names.txt").write_text("cat\ndog\nfox\n")
    numbered = listed(tmp_path, "file,label", *(f"{i}.png,{i % 2}" for i in range(10)))
    found = scan(numbered, classes_file=str(tmp_path / "names.txt"), test_only=True)
    assert found.class_names == ("cat", "dog", "fox")
    assert found.params["classes_file"] == "names.txt"
    (tmp_path / "ids.txt").write_text("n2 elephant\nn1 tench\n")
    by_id = listed(tmp_path / "ids", "file,label", *(f"{i}.png,n{i % 2 + 1}" for i in range(10)))
    found = scan(by_id, classes_file=str(tmp_path / "ids.txt"), test_only=True)
    assert (found.class_names, found.class_ids) == (("elephant", "tench"), ("n2", "n1"))
    assert found.samples["label"].tolist() == [1, 0] * 5
    with pytest.raises(BadParameter, match="two lists of classes"):
        scan(by_id, classes_file=str(tmp_path / "ids.txt"), classes="a,b")


def test_some_classes_in_their_order(tmp_path: Path) -> None:
    table = listed(tmp_path, "file,label", *(f"{i}.png,{'abc'[i % 3]}" for i in range(30)), "x.png,")
    found = scan(table, classes="c,a")
    assert found.class_names == ("c", "a")
    assert len(found.samples) == 20
    assert any("10 files were left out (of a class that was not asked for, b)" in note for note in found.notes)
    assert any("1 file was left out (without a label): x.png." in note for note in found.notes)
    with pytest.raises(NotFound, match="no class of this name: d"):
        scan(table, classes="c,d")
    with pytest.raises(BadInput, match="there is one class only"):
        scan(table, classes="c")


@pytest.mark.parametrize("several", ["a|b", "a;b", "['a', 'b']"])
def test_several_labels_of_a_picture_are_refused(tmp_path: Path, several: str) -> None:
    quoted = f'"{several}"'
    table = listed(tmp_path, "file,label", *(f"{i}.png,{'ab'[i % 2]}" for i in range(8)), f"9.png,{quoted}")
    with pytest.raises(BadInput, match=r"a picture has several labels.*one true class"):
        scan(table)
    with pytest.raises(BadInput, match=r"a picture has several labels: 1.png: b, a"):
        scan(listed(tmp_path / "twice", "file,label", "1.png,b", "2.png,a", "1.png,a"))


def test_a_picture_named_again_counts_once(tmp_path: Path) -> None:
    lines = [f"{i}.png,{'ab'[i % 2]},{i}" for i in range(10)]
    found = scan(listed(tmp_path, "file,label,box", *lines, "3.png,b,99"))
    assert len(found.samples) == 10
    assert any("1 line names a picture again" in note for note in found.notes)
    assert found.facts is not None
    assert found.facts["box"].to_pylist() == list(range(10))


def test_missing_files_are_named_and_facts_stay_with_their_samples(tmp_path: Path) -> None:
    lines = [f"{'gone' if i == 4 else ''}{i}.png,{'ab'[i % 2]},{i}" for i in range(20)]
    (tmp_path / "7.png").write_text("")
    table = listed(tmp_path, "file,label,number", *lines)
    (tmp_path / "7.png").write_bytes(b"no picture")
    found = scan(table)
    assert dict(found.unreadable)["gone4.png"] == "no such file"
    assert "not a picture" in dict(found.unreadable)["7.png"]
    assert found.facts is not None
    assert found.facts["number"].to_pylist() == [int(Path(path).stem) for path in found.samples["path"]]
    with pytest.raises(BadInput, match=r"not one of the table's 2 pictures can be used: gone.png.*--root"):
        scan(listed(tmp_path / "none", "file,label", "gone.png,a", "gone2.png,b"))


def test_paths_from_elsewhere(tmp_path: Path) -> None:
    """Relative to the table, to a root, absolute, from Windows, and without a suffix."""
    for i in range(12):
        draw(tmp_path / "data" / "pictures" / f"{i}.png", i)
    where = ["../pictures/{i}.png", f"{tmp_path}/data/pictures/{{i}}.png", "..\\pictures\\{i}.png", "../pictures/{i}"]
    lines = [f"{where[i % 4].format(i=i)},{'ab'[i // 4 % 2]}" for i in range(12)]
    found = scan(listed(tmp_path / "data" / "lists", "path,label", *lines), test_only=True)
    assert found.data == tmp_path / "data" / "pictures"  # what holds all of them
    assert found.samples["path"].tolist() == [f"{i}.png" for i in range(12)]
    apart = listed(tmp_path / "apart", "path,label,mask", *(f"{line},../data/m.png" for line in lines[1::4]))
    draw(tmp_path / "data" / "m.png", 0)
    assert scan(apart, test_only=True).data == tmp_path / "data"
    names = listed(tmp_path / "else", "path,label", "0,a", "1,b")
    rooted = scan(names, root=str(tmp_path / "data" / "pictures"), test_only=True)
    assert rooted.samples["path"].tolist() == ["0.png", "1.png"]
    outside = listed(tmp_path / "out", "path,label", "0,a", "1,b", f"{tmp_path}/else/labels.csv,b")
    found = scan(outside, root=str(tmp_path / "data" / "pictures"), test_only=True)
    assert found.unreadable == ((f"{tmp_path}/else/labels.csv", "outside the data folder"),)
    with pytest.raises(NotFound, match="no such folder"):
        scan(outside, root="nowhere")


def test_a_study_of_a_table_with_masks_moves(tmp_path: Path) -> None:
    old, lines = tmp_path / "old", []
    for i in range(12):
        lines.append(f"{i}.png,{'ab'[i % 2]},{f'm/{i}a.png;m/{i}b.png' if i < 2 else ''},{i}")
    table = listed(old, "file,label,mask,number", *lines)
    for i in range(2):
        for part, at in (("a", 0), ("b", 4)):
            pixels = np.zeros((6, 8), np.uint8)
            pixels[0, at] = 255
            (old / "m").mkdir(exist_ok=True)
            Image.fromarray(pixels).save(old / "m" / f"{i}{part}.png")
    found = scan(table)
    study = Study.create(tmp_path / "s", dataset="table", params={}, data=table, seed=0, scan=found)
    mask = study.mask(0)
    assert mask is not None
    assert np.argwhere(mask).tolist() == [[0, 0], [0, 4]]
    assert study.mask(2) is None
    digest = study.masks_digest
    old.rename(tmp_path / "new")
    with pytest.raises(XaiError, match="not where they were"):
        Study.open(study.path).picture(0)
    move(Study.open(study.path), tmp_path / "new")
    moved = Study.open(study.path)
    assert moved.picture(1).size == (8, 6)
    assert moved.masks_digest == digest
    assert moved.facts.of(3) == {"number": 3.0}


def test_ids_and_what_is_none(tmp_path: Path) -> None:
    found = scan(ten(tmp_path, "file,label,id", ",s{i}"))
    assert found.samples["id"].tolist()[:2] == ["s0", "s1"]
    patients = listed(tmp_path / "p", "file,label,id", *(f"{i}.png,{'ab'[i % 2]},{i // 3}" for i in range(10)))
    found = scan(patients)  # tells no sample from another: a fact
    assert found.facts is not None
    assert found.facts.column_names == ["id"]
    with pytest.raises(BadInput, match="two samples with one id: 0"):
        scan(patients, id="id")


def test_facts_are_typed_simply(tmp_path: Path) -> None:
    cells = {
        "age": ["54", "NaN", "", "1,5"],
        "smoker": ["Yes", "no", "", "TRUE"],
        "zip": ["007", "81", "", "9"],
        "serial": ["1234567890123456789", "1", "2", "3"],
        "": ["x", "", "", ""],
        "empty": ["", "", "", "nan"],
        "split ": ["", "", "", ""],
        "row": ["<b>1</b>", "=1+1", "ä", "NA"],
    }
    frame = pd.DataFrame({"file": [f"{i}.png" for i in range(4)], "label": list("abab"), **cells, "age ": list("1234")})
    for i in range(4):
        draw(tmp_path / f"{i}.png", i)
    frame.to_csv(tmp_path / "t.csv", index=False)
    facts = scan(tmp_path / "t.csv", test_only=True).facts
    assert facts is not None
    assert facts.to_pydict() == {
        "age": [54.0, None, None, 1.5],
        "smoker": [True, False, None, True],
        "zip": ["007", "81", None, "9"],
        "serial": ["1234567890123456789", "1", "2", "3"],
        "column 7": ["x", None, None, None],
        "empty": [None, None, None, "nan"],
        "row": ["<b>1</b>", "=1+1", "ä", "NA"],
        "age (2)": [1.0, 2.0, 3.0, 4.0],
    }
    only = scan(tmp_path / "t.csv", test_only=True, facts="row,zip").facts
    assert only is not None
    assert only.column_names == ["row", "zip"]
    with pytest.raises(BadInput, match="two columns have one name: age"):
        scan(tmp_path / "t.csv", facts="age")
    assert scan(tmp_path / "t.csv", test_only=True, facts="-").facts is None


def test_parquet_is_read_alike(tmp_path: Path) -> None:
    for i in range(6):
        draw(tmp_path / f"{i}.png", i)
    table = pa.table(
        {
            "file": [f"{i}.png" for i in range(6)],
            "label": pa.array([i % 2 for i in range(6)], pa.int8()),
            "camera": pa.array(["A", None, "B", "A", "A", "B"]).dictionary_encode(),
            "dose": pa.array([1.5, float("nan"), None, 2, 3, 4], pa.float32()),
            "ok": [True, False, None, True, True, True],
            "boxes": [[1, 2]] * 6,
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    found = scan(tmp_path / "t.parquet", test_only=True, classes="cat,dog")
    assert found.samples["label"].tolist() == [0, 1] * 3
    assert found.facts is not None
    assert found.facts.to_pydict() == {
        "camera": ["A", None, "B", "A", "A", "B"],
        "dose": [1.5, None, None, 2.0, 3.0, 4.0],
        "ok": [True, False, None, True, True, True],
    }
    assert "Columns of lists, structures or bytes were left out: boxes." in found.notes
    pq.write_table(table.rename_columns(["a", "b", "c", "d", "e", "f"]), tmp_path / "u.parquet")
    with pytest.raises(BadInput, match="which column"):
        scan(tmp_path / "u.parquet")
    (tmp_path / "v.parquet").write_bytes(b"PAR1" + bytes(20))
    with pytest.raises(BadInput, match="not a Parquet table"):
        scan(tmp_path / "v.parquet")


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ten(tmp_path / "pictures")
    table = listed(tmp_path / "lists", "file,kind,camera", *(f"p/{i}.png,{'ab'[i % 2]},C" for i in range(10)))
    line = [
        "new",
        str(tmp_path / "s"),
        "--dataset",
        "table",
        "--data",
        str(table),
        "--root",
        str(tmp_path / "pictures"),
    ]
    assert main(line) == 1
    assert "Name one of file, kind, camera" in capsys.readouterr().err
    assert main([*line, "--set", "table.label=kind"]) == 0
    study = Study.open(tmp_path / "s")
    assert study.info.data == str(tmp_path / "pictures")
    assert study.picture(0).size == (8, 6)
    assert set(study.samples["split"]) == set(SPLITS)
    assert study.facts.of(0) == {"camera": "C"}
    assert main(["new", str(tmp_path / "t"), "--dataset", "image-folder", "--data", str(tmp_path), "--root", "/"]) == 1
    assert "--root is not for this dataset" in capsys.readouterr().err
