"""Tags and notes: kept, shared, and safe with several writers."""

from __future__ import annotations

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
