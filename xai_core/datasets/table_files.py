"""Where the files lie that a table names: relative to it or absolute, from Windows or a Mac, without their suffix."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from xai_core.errors import BadInput
from xai_core.pictures import SUFFIXES
from xai_core.text import nfc

_NOT_NAMED = tuple(sorted(SUFFIXES, key=lambda suffix: (suffix not in (".jpg", ".png", ".jpeg"), suffix)))
"""Tried where a name has none of them: the usual ones first."""


class Files:
    """Paths of a table, from the folder that all of them share.

    Args:
        base: without links: the folder that relative paths begin at.
        root: the data folder, which all files must lie in.
        fixed: it is this folder; otherwise it is the smallest above `base` that holds every file of the table.
    """

    def __init__(self, base: Path, root: Path, *, fixed: bool) -> None:
        self.base, self.root, self._fixed = base, root, fixed
        self._found: list[tuple[str, str | None]] = []

    def with_cells(self, cells: Sequence[str]) -> Files:
        """This, with the pictures of these cells found; `picture` tells them by row."""
        real = [self._real(cell) for cell in cells]
        if not self._fixed:
            outside = {os.path.dirname(path) for path in real if path and not Path(path).is_relative_to(self.root)}
            self.root = Path(os.path.commonpath([str(self.root), *outside])) if outside else self.root
        self._found = [self._told(cell, path) for cell, path in zip(cells, real, strict=True)]
        return self

    def picture(self, row: int) -> tuple[str, str | None]:
        """The picture of a row of the table: its path from the data folder, or why there is none."""
        return self._found[row]

    def find(self, cell: str) -> tuple[str, str | None]:
        """The same of any cell."""
        return self._told(cell, self._real(cell))

    def nothing(self, lost: Sequence[tuple[str, str]], notes: Sequence[str]) -> BadInput:
        """The error for a table of which no picture can be used."""
        if not lost:
            return BadInput("no picture is left", value=self.root.name, remedy=" ".join(notes))
        first, reason = lost[0]
        remedy = f"{reason[0].upper()}{reason[1:]}; paths are seen from {self.base}: say where they begin with --root."
        return BadInput(f"not one of the table's {len(lost):,} pictures can be used", value=first, remedy=remedy)

    def _told(self, cell: str, real: str | None) -> tuple[str, str | None]:
        if not cell:
            return "", "no path"
        if real is None:
            return "", "no such file"
        if not Path(real).is_relative_to(self.root):
            return "", "outside the data folder"
        return os.path.relpath(real, self.root).replace(os.sep, "/"), None

    def _real(self, cell: str) -> str | None:
        """The file of a cell, absolute and without links; None where there is none."""
        try:
            for name in _spellings(cell):
                path = os.path.join(self.base, name)
                if os.path.isfile(path):
                    return os.path.realpath(path)
        except (OSError, ValueError):  # too long, or with a NUL
            return None
        return None


def _spellings(cell: str) -> Iterator[str]:
    if not cell:
        return
    plain = list(dict.fromkeys((cell, cell.replace("\\", "/"), nfc(cell), unicodedata.normalize("NFD", cell))))
    yield from plain
    if os.path.splitext(cell)[1].lower() not in SUFFIXES:
        yield from (name + suffix for name in plain for suffix in _NOT_NAMED)
