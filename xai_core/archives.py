"""Many small files in one: a ZIP archive whose members are stored as they are, so that reading one is a seek.

Any program opens it, and unpacking it gives the files that it was made of. Nothing is ever unpacked here.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from xai_core.files import damaged, open_plain, read_plain

LARGEST_MEMBER = 2**26
_ENTRY, _ENTRY_BYTES, _SIGNATURE = struct.Struct("<4s22xHH"), 30, b"PK\3\4"
_ENCRYPTED = 1
_BEGINNING = (1980, 1, 1, 0, 0, 0)


class _Place(NamedTuple):
    """Where a member's entry begins, how many bytes follow it, and their CRC-32."""

    start: int
    size: int
    checksum: int


class Packed:
    """Files of a folder by their names: in an archive beside them where there is one, else as they lie there.

    Safe to share between threads and after a fork: every read opens the archive for itself and says where it reads.
    Only its list of members is kept, until the archive is another.
    """

    def __init__(self, folder: Path, archive: str) -> None:
        self._folder, self.archive = folder, folder / archive
        self._known: tuple[tuple[int, ...], dict[str, _Place]] = ((), {})

    def __contains__(self, name: str) -> bool:
        """Whether there is such a file. Raises as `read` for an archive."""
        try:
            with open_plain(self.archive) as file:
                return name in self._members(file)
        except OSError:
            return (self._folder / name).is_file()

    def holder(self, name: str) -> Path:
        """The file in which this one's content lies."""
        return self.archive if self.archive.is_file() else self._folder / name

    def read(self, name: str) -> bytes:
        """The content of a file, as it was put there.

        Raises:
            OSError: there is no such file, and no archive; or the system refuses it.
            BadInput: the archive is damaged, or holds no such file.
        """
        try:
            file = open_plain(self.archive)
        except FileNotFoundError:
            return read_plain(self._folder / name, LARGEST_MEMBER)
        with file:
            place = self._members(file).get(name)
            if place is None:
                raise damaged(self.archive, f"no {name} in it")
            content = _content(file.fileno(), place)
            if zlib.crc32(content) != place.checksum:
                raise damaged(self.archive, f"{name} is not as it was written")
            return content

    def _members(self, file: BinaryIO) -> dict[str, _Place]:
        status = os.fstat(file.fileno())
        version = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        if self._known[0] != version:
            try:
                self._known = version, _listed(file)
            except Exception as error:  # damage makes zipfile fail in many ways
                raise damaged(self.archive, error) from None
        return self._known[1]


def _listed(file: BinaryIO) -> dict[str, _Place]:
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & _ENCRYPTED:
            raise ValueError(f"{entry.filename} is compressed or encrypted")
        if entry.header_offset < 0:
            raise ValueError("its beginning is missing")
        if entry.file_size > LARGEST_MEMBER:
            raise ValueError(f"{entry.filename} has more than {LARGEST_MEMBER:,} bytes")
    return {entry.filename: _Place(entry.header_offset, entry.file_size, entry.CRC) for entry in entries}


def _content(descriptor: int, place: _Place) -> bytes:
    """The bytes behind a member's own entry, which repeats its name; b"" where the entry is none."""
    entry = os.pread(descriptor, _ENTRY_BYTES, place.start)
    if len(entry) < _ENTRY_BYTES or not entry.startswith(_SIGNATURE):
        return b""
    _, name, extra = _ENTRY.unpack(entry)
    return os.pread(descriptor, place.size, place.start + _ENTRY_BYTES + name + extra)


def write_archive(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    """A new archive of (name, content), in this order: of the same members always the same bytes.

    Raises:
        OSError: it is there already, or cannot be written.
    """
    with zipfile.ZipFile(path, "x", zipfile.ZIP_STORED) as archive:
        for name, content in members:
            entry = zipfile.ZipInfo(name, _BEGINNING)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # as on Unix, wherever it is written
            archive.writestr(entry, content)
