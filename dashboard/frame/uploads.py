"""Pictures that people drop on a page: files of their sessions, gone with these, and never in a study."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Protocol
from weakref import finalize

from dashboard.frame.sessions import Sessions
from xai_core.answers.new_pictures import MOST
from xai_core.files import locked
from xai_core.worker.requests import Uploaded

_PREFIX = "second-look-pictures-"


class File(Protocol):
    """What the browser sent."""

    name: str
    file_id: str

    def getvalue(self) -> bytes:
        """All of it."""
        ...


class Dropped:
    """The pictures of one session, in the order in which they came."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pictures: list[Uploaded] = []
        self.numbers: dict[str, int] = {}
        """By the browser's name of the file."""
        self._count = 0

    def add(self, files: Sequence[File]) -> int:
        """Keep files that are new; gives how many were left out because there are as many as a page takes."""
        new = [file for file in files if file.file_id not in self.numbers]
        fitting = new[: max(0, MOST - len(self.pictures))]
        for file in fitting:
            path = self.folder / f"given-{self._count}"
            path.write_bytes(file.getvalue())
            self.pictures.append((self._count, self._free_name(file.name), path))
            self.numbers[file.file_id] = self._count
            self._count += 1
        return len(new) - len(fitting)

    def keep(self, numbers: Collection[int]) -> None:
        """Keep these, and remove the others with all that was said of them."""
        for number, _, path in self.pictures:
            if number not in numbers:
                for file in (path, *self.folder.glob(f"*/{number}.*")):
                    file.unlink(missing_ok=True)
        self.pictures = [each for each in self.pictures if each[0] in numbers]
        self.numbers = {name: number for name, number in self.numbers.items() if number in numbers}

    def _free_name(self, name: str) -> str:
        """Two files of one name are told apart."""
        taken, free, number = {other for _, other, _ in self.pictures}, name, 2
        while free in taken:
            free, number = f"{name} ({number})", number + 1
        return free


class Uploads:
    """The sessions of a server that have dropped pictures. Safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = ExitStack()
        self._base: Path | None = None
        self._remove: Callable[[], object] | None = None
        self._of: dict[str, Dropped] = {}
        self._sessions = Sessions()

    def of(self, session: str, connected: Callable[[], bool]) -> Dropped:
        """A session's pictures; `connected` tells whether its browser is still there."""
        with self._lock:
            if session not in self._of:
                self._of[session] = Dropped(Path(tempfile.mkdtemp(dir=self._folder())))
            self._sessions.here(session, connected)
            return self._of[session]

    def sweep(self, forget: Callable[[Path], None]) -> None:
        """Remove the pictures of sessions whose browser has been gone for a while; `forget` is told their folders."""
        with self._lock:
            for session in self._sessions.gone():
                folder = self._of.pop(session).folder
                forget(folder)
                shutil.rmtree(folder, ignore_errors=True)

    def end(self) -> None:
        """Remove everything."""
        with self._lock:
            self._open.close()
            if self._remove is not None:
                self._remove()
            self._base = self._remove = None
            self._of, self._sessions = {}, Sessions()

    def _folder(self) -> Path:
        """The server's own folder, which only its user can read; those of servers that were killed are removed."""
        if self._base is None:
            self._base = Path(tempfile.mkdtemp(prefix=_PREFIX))
            self._remove = finalize(self, shutil.rmtree, self._base, True)  # also where nobody ends it
            self._open.enter_context(locked(self._base, wait=False))
            for other in self._base.parent.glob(f"{_PREFIX}*"):
                with suppress(OSError), locked(other, wait=False):  # a lock of its own: the server lives
                    shutil.rmtree(other, ignore_errors=True)
        return self._base
