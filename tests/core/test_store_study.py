"""The study folder: made whole, opened safely, damaged in every way."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.core import store_cases as cases
from tests.run_info import rewrite
from xai_core.datasets.base import SAMPLE_COLUMNS
from xai_core.errors import BadInput, BadParameter, NewerSchema, NotFound
from xai_core.files import write_atomic
from xai_core.store import files
from xai_core.store.run import RunInfo
from xai_core.store.samples import SAMPLE_SCHEMA
from xai_core.store.study import Study


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return cases.study(tmp_path)


def test_what_was_created_is_what_opens(study: Study) -> None:
    opened = Study.open(study.path)
    pd.testing.assert_frame_equal(opened.samples, cases.scan().samples, check_dtype=False)
    assert tuple(opened.samples.columns) == SAMPLE_COLUMNS
    assert opened.info == study.info
    assert opened.class_names == cases.CLASSES
    assert opened.info.unreadable == (("bad.png", "not a picture"),)
    assert opened.info.notes == ("A note.",)
    assert opened.name == "study"
    assert opened.labels.tolist() == [i % 3 for i in range(30)]
    assert opened.runs() == []


def test_nothing_else_is_left_beside_a_new_study(study: Study) -> None:
    assert [p.name for p in study.path.parent.iterdir()] == ["study"]
    assert {p.name for p in study.path.iterdir()} == {"study.json", "samples.parquet", "runs"}


def test_rows_of_a_split(study: Study) -> None:
    assert study.rows("train").tolist() == list(range(20))
    assert study.rows("test").tolist() == list(range(20, 30))
    assert study.rows("validation").tolist() == []
    assert len(study.rows()) == 30
    with pytest.raises(NotFound, match="test"):
        study.rows("tset")


def test_changing_the_table_changes_nothing_in_the_study(study: Study) -> None:
    frame = study.samples
    frame["label"] = 0
    frame.loc[0, "id"] = "changed"
    assert study.samples["id"].iloc[0] == "sample/00000"
    assert study.samples["label"].tolist() == [i % 3 for i in range(30)]
    with pytest.raises(ValueError, match="read-only"):
        study.labels[0] = 1


def test_pictures_and_masks_come_from_the_dataset(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    cases.register_grey(monkeypatch)
    assert study.picture(5).getpixel((0, 0)) == 5
    assert study.picture(5).size == (4, 3)
    assert study.mask(0) is None
    mask = study.mask(1)
    assert mask is not None
    assert mask.shape == (3, 4)
    for row in (-1, 30):
        with pytest.raises(BadParameter, match="0 to 29"):
            study.picture(row)


def test_a_dataset_that_is_not_known_here(study: Study) -> None:
    with pytest.raises(NotFound, match="grey"):
        study.picture(0)


def test_duplicates_across_splits(study: Study) -> None:
    groups = study.duplicates()
    assert groups["rows"].tolist() == [[0, 29]]
    assert groups["splits"].tolist() == [("train", "test")]


def test_data_inside_the_study_is_relative_and_moves_with_it(tmp_path: Path) -> None:
    path = tmp_path / "a"
    made = Study.create(path, dataset="grey", params={}, data=path / "data", seed=0, scan=cases.scan())
    assert made.info.data == "data"
    shutil.move(path, tmp_path / "b")
    assert Study.open(tmp_path / "b").data == tmp_path / "b" / "data"
    assert cases.study(tmp_path).info.data == str(tmp_path / "data")


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    one, two = cases.study(tmp_path / "one"), cases.study(tmp_path / "two")
    assert one.info.samples_digest == two.info.samples_digest
    assert one.info.samples_digest != cases.study(tmp_path / "three", n=31).info.samples_digest


def test_an_existing_path_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    with pytest.raises(BadParameter, match="exists already"):
        cases.study(tmp_path)
    (tmp_path / "study").rmdir()
    cases.study(tmp_path)
    with pytest.raises(BadParameter, match="exists already"):
        cases.study(tmp_path, n=31)
    assert len(Study.open(tmp_path / "study").samples) == 30


def test_a_path_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written"):
        cases.study(tmp_path / "file")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("label", 3),
        ("label", -1),
        ("split", "dev"),
        ("id", "sample/00001"),
        ("path", "../secret.png"),
        ("path", "/etc/passwd"),
        ("path", "a/../../b"),
        ("path", "a\0b"),
        ("width", 0),
        ("height", 10**9),
        ("path", "\udcff.png"),
        ("sha256", None),
    ],
)
def test_a_table_that_breaks_its_contract_is_not_stored(tmp_path: Path, column: str, value: object) -> None:
    scan = cases.scan()
    scan.samples[column] = scan.samples[column].astype(object)
    scan.samples.loc[0, column] = value
    with pytest.raises(BadInput, match="sample table"):
        Study.create(tmp_path / "s", dataset="grey", params={}, data=tmp_path, seed=0, scan=scan)
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_only_looks_like_leaving(tmp_path: Path) -> None:
    scan = cases.scan()
    scan.samples.loc[0, "path"] = "a..b/..c/d.."
    Study.create(tmp_path / "s", dataset="grey", params={}, data=tmp_path, seed=0, scan=scan)


def test_no_study(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone", tmp_path / ("x" * 300), Path("a\0b")):
        with pytest.raises(NotFound, match="no study here"):
            Study.open(path)


def test_a_newer_schema(study: Study) -> None:
    values = files.read_json(study.path / "study.json")
    files.write_json(study.path / "study.json", values | {"schema": 3, "data": None})
    with pytest.raises(NewerSchema, match="Update"):
        Study.open(study.path)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"schema": 1}', b'{"schema": "1"}', b'{"schema": 0}', b"[" * 100_000],
)
def test_a_damaged_study_json(study: Study, content: bytes) -> None:
    (study.path / "study.json").write_bytes(content)
    with pytest.raises(BadInput, match=r"study\.json") as caught:
        Study.open(study.path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "value"), [("seed", -1), ("data", "a\0b")])
def test_a_field_that_cannot_be(study: Study, name: str, value: object) -> None:
    values = files.read_json(study.path / "study.json")
    (study.path / "study.json").write_text(json.dumps(values | {name: value}))
    with pytest.raises(BadInput, match=r"study\.json"):
        Study.open(study.path)


@pytest.mark.parametrize("name", ["dataset", "dataset_params", "class_names", "seed", "unreadable", "notes"])
@pytest.mark.parametrize("value", [None, 1.5, [[1]]])
def test_a_field_of_the_wrong_type(study: Study, name: str, value: object) -> None:
    values = files.read_json(study.path / "study.json")
    (study.path / "study.json").write_text(json.dumps(values | {name: value}))
    with pytest.raises(BadInput, match=r"study\.json"):
        Study.open(study.path)


def test_a_damaged_sample_table(study: Study) -> None:
    path = study.path / "samples.parquet"
    whole = path.read_bytes()
    for content in (b"", b"PAR1", whole[: len(whole) // 2], whole[:-8] + b"\0" * 8, b"\0" * len(whole)):
        path.write_bytes(content)
        with pytest.raises(BadInput, match=r"samples\.parquet"):
            Study.open(study.path)
    cases.scan().samples.drop(columns="sha256").to_parquet(path)
    with pytest.raises(BadInput, match=r"samples\.parquet"):
        Study.open(study.path)
    path.unlink()
    with pytest.raises(BadInput, match=r"samples\.parquet"):
        Study.open(study.path)


def test_a_sample_table_that_was_changed_to_leave_the_data_folder(study: Study) -> None:
    frame = cases.scan().samples.assign(path="../../etc/passwd")
    files.write_table(study.path / "samples.parquet", files.to_table(frame, SAMPLE_SCHEMA, ""))
    with pytest.raises(BadInput, match="leaves the data folder"):
        Study.open(study.path)


def test_a_folder_called_like_a_partition(tmp_path: Path) -> None:
    assert tuple(cases.study(tmp_path / "label=9").samples.columns) == SAMPLE_COLUMNS


SHAPES = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "/etc",
    "a\\b",
    "a\0b",
    ".hidden",
    "-x",
    "a\n",
    "a b",
    "x" * 65,
    "~",
    "%2e%2e",
    "a:b",
]
LOOK_ALIKES = ["naïve", "ａ", "а", "a\u202eb", "٣"]
RESERVED = ["con", "NUL", "com1.txt", "a."]


@pytest.mark.parametrize("name", SHAPES + LOOK_ALIKES + RESERVED)
def test_names_that_attack_paths(study: Study, name: str) -> None:
    with pytest.raises(BadParameter, match="not a name"):
        study.add_run(name, RunInfo())
    with pytest.raises(NotFound):
        study.run(name)
    assert list((study.path / "runs").iterdir()) == []


@pytest.mark.parametrize("name", ["a", "resnet-18_v2.1", "0", "x" * 64, "console"])
def test_names_that_are_fine(study: Study, name: str) -> None:
    assert study.add_run(name, RunInfo()).name == name
    assert study.runs() == [name]


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder whose files nobody can write once `lock` was called: root becomes another user for that."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    if os.getuid() == 0:
        os.seteuid(0)
    for path in [folder, *(p for p in folder.rglob("*") if p.is_dir())]:
        path.chmod(0o755)
    shutil.rmtree(folder)


def lock(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o555 if stat.S_ISDIR(path.stat().st_mode) else 0o444)
    if os.getuid() == 0:
        os.seteuid(65534)


def test_a_read_only_study_opens_and_says_so_when_written(read_only: Path) -> None:
    study = cases.study(read_only)
    study.add_run("run", RunInfo()).write_predictions([0, 1], np.full((2, 3), 1 / 3))
    maps = cases.store(read_only)
    maps.put([1, 2], ["0", "0"], cases.maps_of([1, 2]))
    lock(read_only)
    with pytest.raises(PermissionError):
        (read_only / "x").write_text("")
    opened = Study.open(read_only / "study")
    predictions = opened.run("run").predictions
    assert predictions is not None
    assert predictions.rows.tolist() == [0, 1]
    again = cases.store(read_only, create=False)
    np.testing.assert_array_equal(again.get([1], ["0"]).maps, maps.get([1], ["0"]).maps)
    for write in (
        lambda: opened.add_run("other", RunInfo()),
        lambda: rewrite(opened.run("run"), seconds=1.0),
        lambda: again.put([3], ["0"], cases.maps_of([3])),
        lambda: Study.create(read_only / "b", dataset="grey", params={}, data=read_only, seed=0, scan=cases.scan()),
    ):
        with pytest.raises(BadInput, match="cannot be written"):
            write()
    assert again.count() == 2


def test_a_disk_that_cannot_be_written_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a disk refuses also to remove what is not there."""

    def refused(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    for name in ("open", "unlink"):
        monkeypatch.setattr(Path, name, refused)
    with pytest.raises(BadInput, match=r"cannot be written: .*study\.json \(Read-only file system\)"):
        write_atomic(tmp_path / "study.json", b"{}")


def test_what_is_no_file_is_not_put_out_of_its_place(tmp_path: Path) -> None:
    """Replacing goes by name: a pipe, and for root a device, would be gone for everybody."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path()):
        with pytest.raises(BadInput, match="not a file that can be written"):
            write_atomic(path, b"x")
    assert stat.S_ISFIFO((tmp_path / "pipe").lstat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]
