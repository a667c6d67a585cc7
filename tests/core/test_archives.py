"""Many files in one archive: read in place, by many at once, and never trusted."""

from __future__ import annotations

import os
import random
import struct
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from xai_core import archives
from xai_core.archives import Packed, write_archive
from xai_core.errors import BadInput

FILES = {f"train/käse/{number:04d}.jpg": random.Random(number).randbytes(50 + number) for number in range(40)}
NAME = next(iter(FILES))


@pytest.fixture
def packed(tmp_path: Path) -> Packed:
    write_archive(tmp_path / "all.zip", FILES.items())
    return Packed(tmp_path, "all.zip")


def test_what_is_read_is_what_was_written(packed: Packed) -> None:
    assert {name: packed.read(name) for name in FILES} == FILES
    assert NAME in packed
    assert "other" not in packed
    assert packed.holder(NAME) == packed.archive


def test_the_same_files_give_the_same_archive_and_unpacking_gives_the_files(packed: Packed, tmp_path: Path) -> None:
    write_archive(tmp_path / "again.zip", FILES.items())
    assert (tmp_path / "again.zip").read_bytes() == packed.archive.read_bytes()
    with zipfile.ZipFile(packed.archive) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "loose")
    loose = Packed(tmp_path / "loose", "all.zip")
    assert {name: loose.read(name) for name in FILES} == FILES
    assert NAME in loose
    assert "other" not in loose
    assert loose.holder(NAME) == tmp_path / "loose" / NAME
    with pytest.raises(OSError, match="No such file"):
        loose.read("other")


def test_many_threads_read_one_archive(packed: Packed) -> None:
    names = random.Random(0).choices(list(FILES), k=2000)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(packed.read, names)) == [FILES[name] for name in names]


def test_the_list_is_read_once_and_again_when_the_archive_is_another(
    packed: Packed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, calls = archives._listed, []
    monkeypatch.setattr(archives, "_listed", lambda file: (calls.append(1), read(file))[1])
    for name in FILES:
        packed.read(name)
    assert len(calls) == 1
    write_archive(tmp_path / "other.zip", [(NAME, b"other")])
    os.replace(tmp_path / "other.zip", packed.archive)
    assert packed.read(NAME) == b"other"


def _compressed(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(NAME, bytes(10**6))


def _flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(FILES[NAME])] ^= 1
    path.write_bytes(content)


def _no_entry(path: Path) -> None:
    path.write_bytes(b"XX" + path.read_bytes()[2:])


def _said_to_be_huge(path: Path) -> None:
    content = bytearray(path.read_bytes())
    first = content.index(b"PK\1\2")
    content[first + 20 : first + 28] = struct.pack("<II", 2**31, 2**31)
    path.write_bytes(content)


def _encrypted(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_compressed, "compressed"),
        (_flipped, "not as it was written"),
        (_no_entry, "not as it was written"),
        (_said_to_be_huge, "bytes"),
        (_encrypted, "encrypted"),
        (lambda path: path.write_bytes(path.read_bytes()[:-30]), "not a zip file"),
        (lambda path: path.write_bytes(path.read_bytes()[1000:]), "beginning is missing"),
        (lambda path: path.write_bytes(b""), "not a zip file"),
    ],
)
def test_damage_is_told_in_one_line(packed: Packed, damage: Callable[[Path], object], says: str) -> None:
    assert packed.read(NAME)
    damage(packed.archive)
    with pytest.raises(BadInput, match=says) as told:
        packed.read(NAME)
    assert "all.zip" in str(told.value)
    assert "\n" not in str(told.value)


def test_what_is_not_in_it_is_told(packed: Packed) -> None:
    with pytest.raises(BadInput, match=r"no \.\./secret in it"):
        packed.read("../secret")


def test_a_pipe_in_its_place_is_not_waited_for(packed: Packed) -> None:
    packed.archive.unlink()
    os.mkfifo(packed.archive)
    with pytest.raises(OSError, match="not an ordinary file"):
        packed.read(NAME)
