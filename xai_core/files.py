"""Plain files for every room: read only where they are ordinary, replaced as a whole, locked; and what the system
says of them as an error that a person can act on."""

from __future__ import annotations

import errno
import fcntl
import math
import os
import sqlite3
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from xai_core.errors import BadInput, StorageFull, XaiError, one_line

ROOT = Path(__file__).resolve().parent.parent
"""The folder that the packages lie in: a checkout, or where they were installed."""

_INSIDE = Path(__file__).resolve().parent / "assets"
ASSETS = _INSIDE if _INSIDE.is_dir() else ROOT / "assets"
"""Styles, icons and the demo: inside the library where it was installed, beside it in a checkout."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SQLITE_STORAGE = frozenset(
    {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR}
)
_SQLITE_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE})


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn what the system or SQLite says of `path` into an error that a person can act on.

    Raises:
        StorageFull: no room left.
        BadInput: not writable, busy, or damaged.
    """
    try:
        yield
    except OSError as error:
        raise _storage_error(path, error.errno in _FULL, error.strerror or os.strerror(error.errno or 0)) from None
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the wrapper decodes names and messages
        # errors that Python's own wrapper raises have no code
        code = getattr(error, "sqlite_errorcode", None) or 0
        if code & 0xFF not in _SQLITE_STORAGE and code not in _SQLITE_FULL:
            raise damaged(path, error) from None
        raise _storage_error(path, code in _SQLITE_FULL, str(error)) from None


def _storage_error(path: Path, full: bool, reason: str) -> XaiError:
    value = f"{_shown(path)} ({reason})"
    if full:
        remedy = "Free some space and start again: what was finished is kept."
        return StorageFull("no room left on the disk", value=value, remedy=remedy)
    remedy = "Check that the folder is writable and that no other program holds it, or work on a copy."
    return BadInput("this folder cannot be written", value=value, remedy=remedy)


def refused_by_system(error: OSError) -> XaiError | None:
    """The error for what the system refused and nobody answered nearer to it; None where it names no file."""
    if error.errno in _FULL:
        remedy = "Free some space and start again: what was finished is kept."
        return StorageFull("no room left on the disk", value=error.strerror, remedy=remedy)
    if error.errno == errno.ENOENT and error.filename is None:  # what asking for the working folder says
        return BadInput("the working folder is gone", remedy="Change to a folder that is there.")
    if not isinstance(error.filename, (str, bytes, os.PathLike)):
        return None
    path = Path(os.fsdecode(error.filename))
    remedy = f"{error.strerror}: check the path, and that you may read and write there."
    return BadInput("the system refuses a file or folder", value=path, remedy=remedy)


def told(error: BaseException) -> XaiError | None:
    """The error for what the system refused or had no room for; None where it is a fault of ours."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's, not loaded everywhere
        return BadInput("not enough memory", value=error, remedy="Ask for less at once: fewer, smaller, or one by one.")
    return refused_by_system(error) if isinstance(error, OSError) else None


def own_folder(variable: str, usual: str) -> Path:
    """Where this person's programs keep something: `$XDG_STATE_HOME`, else `.local/state` in the home folder.

    Raises:
        BadInput: nobody knows the home folder.
    """
    if base := os.environ.get(variable):
        return Path(base) / "second-look"
    try:
        return Path.home() / usual / "second-look"
    except RuntimeError:
        raise BadInput("no home folder is known here", remedy=f"Set HOME or {variable}.") from None


def state_folder() -> Path:
    """Where is kept what belongs to a person and not to a study. Raises as `own_folder`."""
    return own_folder("XDG_STATE_HOME", ".local/state")


def cache_folder() -> Path:
    """Where copies lie that can be made again. Raises as `own_folder`."""
    return own_folder("XDG_CACHE_HOME", ".cache")


def open_plain(path: Path) -> BinaryIO:
    """An ordinary file, open for reading.

    A study may come from anybody: whoever opens a pipe waits for a writer, and a device may have no end.

    Raises:
        OSError: it is missing, not readable, or a folder, a pipe, a socket or a device.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not an ordinary file")
    return os.fdopen(descriptor, "rb")


def read_plain(path: Path, most: int) -> bytes:
    """All of an ordinary file of at most `most` bytes. Raises OSError, also for a longer one."""
    with open_plain(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise OSError(errno.EFBIG, f"{size:,} bytes, where at most {most:,} are expected")
        return file.read(most)


@contextmanager
def locked(folder: Path, *, wait: bool) -> Iterator[None]:
    """Keep out whoever else asks for the lock of a folder. It ends with the process that holds it, also by a kill.

    Raises:
        BlockingIOError: somebody else holds it, and we are not to `wait`.
        OSError: there is no such folder, or its file system knows no locks.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def write_atomic(path: Path, data: bytes) -> None:
    """Replace a file as a whole: a reader sees the old one or the new one, also after a crash.

    Raises:
        StorageFull: no room; the old file is untouched.
        BadInput: the folder cannot be written, or what is there is no file: a device must not be put out of its place.
    """
    with storage_errors(path):
        there = path.lstat().st_mode if os.path.lexists(path) else stat.S_IFREG
    if not path.name or not (stat.S_ISREG(there) or stat.S_ISLNK(there)):
        raise BadInput("not a file that can be written", value=path, remedy="Choose another file.")
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.new")
    try:
        with storage_errors(path):
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            sync_folder(path.parent)
    finally:
        with suppress(OSError):  # a disk that cannot be written refuses this too, and the first error says more
            temporary.unlink()


def finite(value: Any) -> Any:
    """A JSON-able value in which NaN and infinities are null, as JSON asks."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value


def sync_folder(folder: Path) -> None:
    """Make names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _shown(path: Path) -> str:
    """A file with its folder, short enough to leave room for a reason."""
    return one_line(Path(path.parent.name, path.name), 100)


def damaged(path: Path, why: object, *, remedy: str = "Restore it from a copy, or make it again.") -> BadInput:
    """The error for a file of a study that cannot be used."""
    reason = why.strerror if isinstance(why, OSError) and why.strerror else " ".join(str(why).split())[:200]
    return BadInput("a file of the study is damaged", value=f"{_shown(path)} ({reason})", remedy=remedy)
