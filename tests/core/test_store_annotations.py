"""Tags and notes: kept, shared, and safe with several writers."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from xai_core.errors import BadInput, BadParameter
from xai_core.store.annotations import LONGEST_TAG, Annotation, Annotations

WRITER = """
import sys
from pathlib import Path
from xai_core.store.annotations import Annotations
annotations = Annotations(Path(sys.argv[1]))
for number in range(40):
    annotations.add_tag(number % 4, f"{sys.argv[2]} {number}")
"""


def test_what_is_written_is_read(tmp_path: Path) -> None:
    annotations = Annotations(tmp_path)
    assert annotations.of([0, 1]) == [Annotation(), Annotation()]
    assert annotations.known_tags() == []
    assert not annotations.path.exists(), "reading makes no file"
    annotations.add_tag(1, "  wrong   label ")
    annotations.add_tag(1, "blurred")
    annotations.add_tag(1, "blurred")
    annotations.set_note(0, "look again\n'; DROP TABLE notes; --")
    assert annotations.of([1, 0, 7]) == [
        Annotation(("blurred", "wrong label")),
        Annotation(note="look again\n'; DROP TABLE notes; --"),
        Annotation(),
    ]
    annotations.remove_tag(1, "blurred")
    annotations.set_note(0, "  ")
    assert annotations.of([0, 1]) == [Annotation(), Annotation(("wrong label",))]
    assert annotations.known_tags() == ["wrong label"]


@pytest.mark.parametrize("tag", ["", "   ", "x" * (LONGEST_TAG + 1)])
def test_a_tag_has_a_length(tmp_path: Path, tag: str) -> None:
    with pytest.raises(BadParameter, match="not a tag"):
        Annotations(tmp_path).add_tag(0, tag)


def test_two_people_at_once_lose_nothing(tmp_path: Path) -> None:
    words = [[sys.executable, "-c", WRITER, str(tmp_path), name] for name in ("ann", "bob")]
    writers = [subprocess.Popen(command, cwd=ROOT) for command in words]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert sum(len(one.tags) for one in Annotations(tmp_path).of(range(4))) == 80


def test_a_damaged_file_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "annotations.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(BadInput, match="damaged"):
        Annotations(tmp_path).of([0])


ENDLESS = "SELECT 0, 'tag' FROM (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c)"


@pytest.mark.parametrize(
    "program",
    [
        f"CREATE VIEW tags(row, tag) AS {ENDLESS}; CREATE TABLE notes(row INTEGER PRIMARY KEY, note TEXT)",
        "CREATE TABLE tags(row, tag); CREATE TABLE notes(row, note);"
        f"CREATE TRIGGER t AFTER INSERT ON tags BEGIN {ENDLESS}; END",
        "CREATE VIRTUAL TABLE tags USING fts5(row, tag); CREATE TABLE notes(row, note)",
    ],
)
def test_a_file_with_a_program_in_it_is_refused(tmp_path: Path, program: str) -> None:
    with sqlite3.connect(tmp_path / "annotations.sqlite") as file:
        file.executescript(program)
    file.close()
    annotations = Annotations(tmp_path)
    for use in (lambda: annotations.of([0]), annotations.known_tags, lambda: annotations.add_tag(0, "x")):
        with pytest.raises(BadInput, match="no table"):
            use()


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_what_is_no_ordinary_file_is_told_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "annotations.sqlite"
    {"pipe": os.mkfifo, "folder": os.mkdir, "device": lambda p: os.symlink("/dev/zero", p)}[kind](path)
    with pytest.raises(BadInput, match="not an ordinary file"):
        Annotations(tmp_path).of([0])
    with pytest.raises(BadInput, match="not an ordinary file"):
        Annotations(tmp_path).add_tag(0, "x")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE notes SET note = 'look agaiN'",
        "UPDATE tags SET row = 2",
        "UPDATE tags SET tag = x'ff'",
        "DELETE FROM notes",
        "DELETE FROM tags",
        "UPDATE written SET checksum = checksum + 1",
    ],
)
def test_what_was_changed_or_vanished_is_told_and_not_made_whole_by_the_next(tmp_path: Path, change: str) -> None:
    annotations = Annotations(tmp_path)
    annotations.add_tag(1, "blurred")
    annotations.set_note(1, "look again")
    with sqlite3.connect(annotations.path) as file:
        file.execute(change)
    file.close()
    for use in (lambda: annotations.of([1]), annotations.known_tags, lambda: annotations.add_tag(0, "x")):
        with pytest.raises(BadInput, match="damaged"):
            use()


def test_a_file_of_before_is_read_and_gets_a_checksum(tmp_path: Path) -> None:
    annotations = Annotations(tmp_path)
    annotations.add_tag(1, "blurred")
    with sqlite3.connect(annotations.path) as file:
        file.execute("DROP TABLE written")
    file.close()
    assert annotations.known_tags() == ["blurred"]
    annotations.set_note(1, "look again")
    assert annotations.of([1]) == [Annotation(("blurred",), "look again")]
    with sqlite3.connect(annotations.path) as file:
        assert file.execute("SELECT count(*) FROM written").fetchone() == (1,)
    file.close()
