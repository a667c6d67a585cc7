"""Folders as people have them: what is taken in is taken in rightly, and what is not is counted in a note."""

from __future__ import annotations

import os
import socket
import unicodedata
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.core.image_trees import counts, draw, fill, scan
from xai_core.datasets.base import Scan
from xai_core.datasets.walk import LeftOut, walk
from xai_core.errors import XaiError

NFD = unicodedata.normalize("NFD", "café")


def told(found: Scan, *words: str) -> str:
    """The one note that holds all the words."""
    notes = [note for note in found.notes if all(word in note for word in words)]
    assert len(notes) == 1, (words, found.notes)
    return notes[0]


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("train", "dev", "eval"),
        ("Training_Set", "valset", "TEST-images"),
        ("train2017", "val2017", "test2017"),
        ("seg_train", "seg_dev", "seg_test"),
        ("train", "eval", "test"),
        ("traindata", "Validation", "Evaluation data"),
    ],
)
def test_splits_by_any_usual_name(tmp_path: Path, train: str, validation: str, test: str) -> None:
    folders = {f"{split}__{name}": n for split, n in ((train, 3), (validation, 2), (test, 1)) for name in "ab"}
    found = scan(fill(tmp_path, **folders))
    assert counts(found) == {
        "train": {"a": 3, "b": 3},
        "validation": {"a": 2, "b": 2},
        "test": {"a": 1, "b": 1},
    }
    assert found.notes == ()


@pytest.mark.parametrize("names", [("valid", "invalid"), ("train_station", "bus_station"), ("test_tube", "flask")])
def test_classes_that_sound_like_splits(tmp_path: Path, names: tuple[str, str]) -> None:
    found = scan(fill(tmp_path, **{f"{name}__p{i}": 3 for name in names for i in range(4)}))
    assert found.class_names == tuple(sorted(names))
    assert len(found.samples) == 24


@pytest.mark.parametrize(
    "train", ["data__train", "train__train", "train_set__train_set", "seg_train__seg_train", "unzipped__Training set"]
)
def test_doubled_folders(tmp_path: Path, train: str) -> None:
    test = train.replace("train", "test").replace("Training", "Test")
    found = scan(fill(tmp_path, **{f"{split}__{name}": 9 for split in (train, test) for name in "ab"}))
    assert counts(found)["test"] == {"a": 9, "b": 9}
    assert len(found.samples) == 36


def test_a_test_folder_without_class_folders_is_not_denied(tmp_path: Path) -> None:
    fill(tmp_path, train__a=6, train__b=6, test=4)
    draw(tmp_path / "train" / "loose.png", 90)
    found = scan(tmp_path)
    assert told(found, "4 files were left out", "test has no class folders", "test/0012.png")
    assert told(found, "1 file was left out", "in no class folder", "train/loose.png")
    assert told(found, "The folder test has no class folders", "are for test")
    assert not any("There is no test folder" in note for note in found.notes)


def test_what_lies_beside_the_splits_is_counted(tmp_path: Path) -> None:
    fill(tmp_path, train__a=6, train__b=6, test__a=1, test__b=1, extra__a=3, unlabelled=2)
    draw(tmp_path / "top.png", 90)
    found = scan(tmp_path)
    assert told(found, "5 files were left out", "beside the folders of the splits")
    assert told(found, "1 file was left out", "in no class folder", "top.png")


@pytest.mark.parametrize("above", ["PetImages", "archive__photos", "archive__v2__all of them"])
def test_folders_around_the_classes_are_looked_through(tmp_path: Path, above: str) -> None:
    fill(tmp_path, **{f"{above}__a": 6, f"{above}__b": 6})
    (tmp_path / "readme.txt").write_text("from somewhere")
    found = scan(tmp_path)
    assert (found.class_names, len(found.samples)) == (("a", "b"), 12)
    assert told(found, f"The pictures were found in {above.replace('__', '/')}.")
    assert told(found, "1 file was left out", "in no class folder", "readme.txt")


def test_folders_around_the_splits_are_looked_through(tmp_path: Path) -> None:
    fill(tmp_path, **{f"x__x__{split}__{name}": 3 for split in ("train", "val", "test") for name in "ab"})
    found = scan(tmp_path)
    assert (found.class_names, len(found.samples)) == (("a", "b"), 18)
    assert told(found, "The splits were found in x/x.")


def test_splits_without_classes_are_no_classes(tmp_path: Path) -> None:
    with pytest.raises(XaiError, match="one class only: images"):
        scan(fill(tmp_path, images__train=6, images__val=6))


def test_tables_beside_the_pictures_are_pointed_at(tmp_path: Path) -> None:
    fill(tmp_path, img=6)
    for split in ("train", "val"):
        (tmp_path / f"{split}.csv").write_text("image,label\nimg/0.png,a\n", encoding="utf-8")
    with pytest.raises(XaiError, match=r"one class only: img.*train.csv, val.csv: give the table, --data FILE, of sev"):
        scan(tmp_path)


@pytest.mark.parametrize("name", ["unknown", "images", "test", "unlabeled"])
def test_a_flat_folder_in_the_test_folder_is_no_class(tmp_path: Path, name: str) -> None:
    fill(tmp_path, **{"train__a": 6, "train__b": 6, f"test__{name}": 4})
    found = scan(tmp_path)
    assert (found.class_names, len(found.samples)) == (("a", "b"), 12)
    assert told(found, "4 files were left out", f"test/{name} has no class folders")
    assert told(found, f"The folder test/{name} has no class folders", "are for test")


@pytest.mark.parametrize(("names", "problem"), [("ab", "no folder with pictures"), ("a", "one class only: b")])
def test_a_refusal_says_what_was_left_out(tmp_path: Path, names: str, problem: str) -> None:
    fill(tmp_path, **{name: 5 for name in "ab" if name not in names})
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(XaiError, match=f"{problem}.* left out .HEIC: not read.*: a/x.HEIC"):
        scan(tmp_path)


# Subfolders of a class


def test_pictures_of_patients_belong_to_the_class_and_stay_together(tmp_path: Path) -> None:
    folders = {f"{name}__p{name}{i}": 4 for name in ("benign", "malign") for i in range(8)}
    fill(tmp_path, **folders, benign=2)
    for seed in range(5):
        found = scan(tmp_path, seed, test=0.2, validation=0.2)
        assert len(found.samples) == 66
        assert told(found, "64 files lie in subfolders", "benign/pbenign0")
        assert told(found, "There is no test folder", "and so do those of one subfolder")
        patient = found.samples["path"].str.rsplit("/", n=1).str[0]
        nested = patient.str.contains("/")
        assert (found.samples[nested].groupby(patient[nested])["split"].nunique() == 1).all()
        assert all(set(classes.values()) != {0} for classes in counts(found).values())
        assert set(found.samples["split"]) == {"train", "validation", "test"}


def test_a_patient_of_two_classes_stays_on_one_side(tmp_path: Path) -> None:
    fill(tmp_path, **{f"{name}__p{i}": 3 for name in ("benign", "malign") for i in range(9)})
    samples = scan(tmp_path, test=0.2, validation=0.2).samples
    assert (samples.groupby(samples["path"].str.split("/").str[1])["split"].nunique() == 1).all()


def test_subfolders_that_cannot_stay_together_are_told(tmp_path: Path) -> None:
    found = scan(fill(tmp_path, a__all=10, a__more=10, b=20))
    assert told(found, "There is no test folder", "those of one subfolder (one patient's?) could not")


def test_folders_that_hold_a_whole_class_are_passed_by(tmp_path: Path) -> None:
    fill(tmp_path, **{f"{name}__images__p{i}": 2 for name in "ab" for i in range(9)})
    samples = scan(tmp_path).samples
    assert (samples.groupby(samples["path"].str.split("/").str[2])["split"].nunique() == 1).all()


def test_classes_below_sites_are_suspected(tmp_path: Path) -> None:
    fill(tmp_path, **{f"{site}__{name}": 6 for site in ("east", "west") for name in ("benign", "malign")})
    assert told(
        scan(tmp_path), "Every class has the subfolders benign, malign", "not east, west", "class_folders=inner"
    )
    assert scan(tmp_path, class_folders="inner").class_names == ("benign", "malign")


def test_inner_folders_as_classes(tmp_path: Path) -> None:
    fill(tmp_path, animals__cat=5, animals__dog__images=5, things__car=5, things__car__masks=0)
    Image.new("1", (8, 6), 1).save(draw(tmp_path / "things/car/masks/0010.png", 1))
    found = scan(tmp_path, class_folders="inner")
    assert found.class_names == ("car", "cat", "dog")
    assert (len(found.samples), int(found.samples["has_mask"].sum())) == (15, 1)


# Files that are called otherwise


def test_pictures_are_known_by_what_they_hold(tmp_path: Path) -> None:
    fill(tmp_path, a=5, b=5)
    for number, (name, kind) in enumerate({"00001": "PNG", "b.blob": "JPEG", "c.ppm": "PPM", "d": "TIFF"}.items()):
        Image.new("RGB", (5, 4), (number, 9, 9)).save(tmp_path / "a" / name, kind)
    assert {"a/00001", "a/b.blob", "a/c.ppm", "a/d"} < set(scan(tmp_path).samples["id"])


def test_files_that_are_not_read_are_counted_by_kind(tmp_path: Path) -> None:
    fill(tmp_path, a=5, b=5)
    for name in ("1.HEIC", "2.heic", "x.dcm", "labels.txt", "clip.mp4", "notes", "P1 of text"):
        (tmp_path / "a" / name).write_text("P1 of three")
    Image.new("RGB", (5, 4)).save(tmp_path / "b" / "raw.NEF", "TIFF")  # a camera's file begins with its preview
    Image.new("RGB", (5, 4)).save(tmp_path / "b" / "raw.xyz", "TIFF")
    found = scan(tmp_path)
    assert len(found.samples) == 10
    assert told(found, "2 files were left out (HEIC", "a/1.HEIC, a/2.heic")
    assert told(found, "1 file was left out (DICOM", "a/x.dcm")
    assert told(found, "1 file was left out (videos")
    assert told(found, "raw files", "b/raw.NEF")
    assert told(found, "4 files were left out (no pictures)", "labels.txt")


@pytest.mark.parametrize(
    "name",
    [
        *("@eaDir", ".thumbnails", "__MACOSX", ".ipynb_checkpoints", "lost+found", "#recycle", "$RECYCLE.BIN"),
        *(".@__thumb", "@__thumb", "RECYCLER", "~snapshot", "Network Trash Folder"),
    ],
)
def test_what_servers_and_systems_leave_is_no_class(tmp_path: Path, name: str) -> None:
    fill(tmp_path, a=5, b=5)
    for place in (tmp_path, tmp_path / "a"):
        draw(place / name / "preview.png", 1)
    found = scan(tmp_path)
    assert found.class_names == ("a", "b")
    assert len(found.samples) == 10
    assert told(found, "2 files or folders were left out (hidden, or the system's)", f"a/{name}/")


def test_pipes_sockets_and_devices_are_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, a=5, b=5)
    os.mkfifo(tmp_path / "a" / "pipe.png")
    os.mkfifo(tmp_path / "b" / "pipe")
    (tmp_path / "a" / "zero.png").symlink_to("/dev/zero")
    monkeypatch.chdir(tmp_path / "a")  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.png")
        found = scan(tmp_path)
    assert len(found.samples) == 10
    assert told(found, "3 files were left out (pipes, sockets or devices)")
    assert told(found, "1 file was left out (links that lead out", "a/zero.png")


def test_linked_class_folders_and_loops(tmp_path: Path) -> None:
    fill(tmp_path, a=5, b=5, **{".store__c": 5})
    (tmp_path / "c").symlink_to(tmp_path / ".store" / "c")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "b" / "self").symlink_to(".")
    found = scan(tmp_path)
    assert found.class_names == ("a", "b", "c")
    assert len(found.samples) == 15
    assert told(found, "2 files or folders were left out (links back", "a/up/, b/self/")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=8))
def test_no_links_make_a_walk_endless(tmp_path_factory: pytest.TempPathFactory, links: list[tuple[int, int]]) -> None:
    root = tmp_path_factory.mktemp("links").resolve()
    folders = [root, *(root / f"{i}" for i in range(3)), root / "0" / "x", root / "0" / "x" / "y"]
    for folder in folders[1:]:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "f").touch()
    for number, (at, to) in enumerate(links):
        (folders[at] / f"link{number}").symlink_to(folders[to])
    files = list(walk(root, LeftOut()).below())
    own = [path for path in files if "link" not in path]
    assert len(own) == 5
    assert len(files) <= 5 * (1 + len(links)) ** 2


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, a=5, b=5, b__secret=2)
    scandir = os.scandir

    def refuse(path: Path) -> Any:
        if Path(path).name == "secret":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert scan(tmp_path).unreadable == (("b/secret", "the folder cannot be read (Permission denied)"),)


# Names of classes


def test_one_class_however_its_name_is_stored(tmp_path: Path) -> None:
    fill(tmp_path, train__café=4, train__tea=4, **{f"test__{NFD}": 2, "test__tea ": 3})
    found = scan(tmp_path)
    assert found.class_names == ("café", "tea")
    assert counts(found)["test"] == {"café": 2, "tea": 3}
    assert told(found, "one class, café") != told(found, "one class, tea")


def test_case_alone_makes_no_class_in_another_split(tmp_path: Path) -> None:
    found = scan(fill(tmp_path, train__Cat=5, train__dog=5, test__cat=2, test__DOG=3))
    assert found.class_names == ("Cat", "dog")
    assert counts(found)["test"] == {"Cat": 2, "dog": 3}
    assert told(found, "one class, Cat", "'cat'")


def test_letters_are_classes_of_their_own(tmp_path: Path) -> None:
    found = scan(fill(tmp_path, train__a=5, train__A=5, test__a=2, test__A=3))
    assert found.class_names == ("A", "a")
    assert counts(found)["test"] == {"a": 2, "A": 3}
    assert told(found, "kept apart: A, a")


def test_classes_are_asked_for_in_any_spelling(tmp_path: Path) -> None:
    fill(tmp_path, **{NFD: 5, "with  two blanks ": 5, "true": 5})
    assert scan(tmp_path, classes='true, café,"with two blanks"').class_names == ("true", "café", "with two blanks")
    found = scan(tmp_path, classes="café,true")
    assert told(found, "1 class was not asked for: with two blanks")


# Every file has a fate


NAMES = st.sampled_from(
    ["train", "test", "dev", "a", "b", "masks", "@eaDir", ".hidden", "x.png", "y.png", "x_mask.png", "z", "p1"]
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sets(st.lists(NAMES, min_size=1, max_size=4).map(tuple), min_size=1, max_size=14))
def test_no_file_is_dropped_in_silence(tmp_path_factory: pytest.TempPathFactory, paths: set[tuple[str, ...]]) -> None:
    root = tmp_path_factory.mktemp("any")
    paths |= {(*folder, name) for folder in (("train", "a"), ("train", "b")) for name in ("1.png", "2.png", "3.png")}
    for number, parts in enumerate(sorted(paths)):
        path = root.joinpath(*parts)
        if not path.exists() and not any(parent.is_file() for parent in path.parents):
            draw(path.with_suffix(".png"), number).rename(path)
    try:
        found = scan(root)
    except XaiError:
        return
    files = [path for path in root.rglob("*") if path.is_file()]
    system = [path for path in files if {"@eaDir", ".hidden"} & set(path.relative_to(root).parts)]
    kinds = [note for note in found.notes if "system" not in note and (" left out (" in note or "as masks" in note)]
    told_of = sum(int(note.split(" ")[0]) for note in kinds)
    assert len(found.samples) + told_of + len(system) == len(files), found.notes


def test_the_notes_are_the_same_whatever_the_order_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, a=5, b=5, a__p=3)
    (tmp_path / "a" / "n.txt").touch()
    scandir = os.scandir
    one = scan(tmp_path)
    monkeypatch.setattr(os, "scandir", lambda path: nullcontext(sorted(scandir(path), key=lambda e: e.name)[::-1]))
    again = scan(tmp_path)
    assert (one.notes, one.samples["id"].tolist()) == (again.notes, again.samples["id"].tolist())
    assert Counter(one.samples["split"]) == Counter(again.samples["split"])
    np.testing.assert_array_equal(one.samples["split"], again.samples["split"])
