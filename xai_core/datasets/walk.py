"""Which files lie where in a data folder. No file is opened; what is not taken is told."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from xai_core.errors import BadInput
from xai_core.text import counted, listed

_SYSTEM_FOLDERS = frozenset(
    {"@eadir", "@tmp", "@recycle", "@recently-snapshot", "@__thumb", "@__qini", "#recycle", "#snapshot", "~snapshot"}
    | {"$recycle.bin", "recycler", "recycled", "lost+found", "found.000", "system volume information"}
    | {"network trash folder", "temporary items", "__macosx", "__pycache__"}
)
"""What file servers, Windows and archives leave between a person's folders: previews, deleted files."""

_SYSTEM_FILES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon"})
_WORDLESS = re.compile(r"\.ds_store|\.git\w+|\._.*|thumbs\.db|ehthumbs\.db|desktop\.ini|icon")
"""System files that no person takes for pictures: they are not even counted."""


@dataclass
class Folder:
    """A folder as it was walked: its plain files and its folders, by name."""

    name: str
    path: str
    folders: list[Folder] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def below(self) -> Iterator[str]:
        """Paths of all files in it, at any depth."""
        yield from self.files
        for folder in self.folders:
            yield from folder.below()

    def full(self) -> list[Folder]:
        """Its folders that hold a file at any depth."""
        return [folder for folder in self.folders if any(folder.below())]


class LeftOut:
    """Files that do not get into the study, by reason. Nothing is dropped in silence: what is not taken is here."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}
        self.unreadable: list[tuple[str, str]] = []

    def add(self, reason: str, *names: str) -> None:
        """`reason` stands in the brackets of “2 files were left out (…): a, b.”; names of folders end in `/`."""
        if names:
            self._names.setdefault(reason, []).extend(names)

    def notes(self) -> list[str]:
        """One sentence per reason, with the number of files and the first names."""
        return [
            f"{_what(names)} left out ({reason}): {listed(sorted(names))}." for reason, names in self._names.items()
        ]


def _what(names: list[str]) -> str:
    if any(name.endswith("/") for name in names):
        return counted(len(names), "file or folder was", "files or folders were")
    return counted(len(names), "file was", "files were")


def walk(root: Path, left: LeftOut, without: Path | None = None) -> Folder:
    """The tree of a folder, sorted by name, without `without`.

    Links to files and folders within the folder are followed, though no link below a linked folder: so there are no
    loops. Pipes, sockets and devices are left out.

    Raises:
        BadInput: the folder itself cannot be read.
    """
    return _Walk(root, left, without).folder(Folder("", ""), linked=False)


class _Walk:
    def __init__(self, root: Path, left: LeftOut, without: Path | None) -> None:
        self._root, self._left, self._without = root, left, without

    def folder(self, folder: Folder, *, linked: bool) -> Folder:
        try:
            with os.scandir(self._root / folder.path) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            if not folder.path:
                raise _unreadable(self._root, error) from None
            self._left.unreadable.append((folder.path, f"the folder cannot be read ({os.strerror(error.errno or 0)})"))
            return folder
        for entry in entries:
            self._entry(folder, entry, linked)
        return folder

    def _entry(self, folder: Folder, entry: os.DirEntry[str], linked: bool) -> None:
        name = entry.name
        path = f"{folder.path}/{name}" if folder.path else name
        try:
            name.encode()
        except UnicodeEncodeError:
            self._left.unreadable.append((path.encode("utf-8", "replace").decode(), "its name is not valid UTF-8"))
            return
        if _is_system(name):
            if not _WORDLESS.fullmatch(name.lower()):
                self._left.add("hidden, or the system's", f"{path}/" if os.path.isdir(entry.path) else path)
            return
        reason = self._bad_link(self._root / path, linked) if entry.is_symlink() else None
        if reason:
            self._left.add(reason, f"{path}/" if os.path.isdir(entry.path) else path)
        elif entry.is_file():
            folder.files.append(path)
        elif not entry.is_dir():
            self._left.add("pipes, sockets or devices", path)
        elif self._without is None or Path(os.path.realpath(entry.path)) != self._without:
            folder.folders.append(self.folder(Folder(name, path), linked=linked or entry.is_symlink()))

    def _bad_link(self, link: Path, linked: bool) -> str | None:
        target = Path(os.path.realpath(link))
        if not target.is_relative_to(self._root):
            return "links that lead out of the data folder"
        if not target.exists():
            return "links that lead nowhere"
        if target.is_dir() and (linked or Path(os.path.realpath(link.parent)).is_relative_to(target)):
            return "links back into folders that are taken already"
        return None


def _unreadable(root: Path, error: OSError) -> BadInput:
    if not root.is_dir():
        return BadInput("no such data folder", value=root.name, remedy="Check the path.")
    reason = os.strerror(error.errno or 0)
    return BadInput("the data folder cannot be read", value=root.name, remedy=f"Check that it can be opened: {reason}.")


def _is_system(name: str) -> bool:
    return name.startswith(".") or name.lower() in _SYSTEM_FOLDERS | _SYSTEM_FILES or name == "Icon\r"
