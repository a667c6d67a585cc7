"""SQLite files that may be anybody's: opened only where they are ordinary files that hold tables alone."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xai_core.files import damaged, open_plain, storage_errors

SECONDS = 60.0
"""Of computing, waiting for others left out, after which a query is given up: a damaged tree may have no end."""

_COMPANIONS = ("-journal", "-wal")
_STEPS = 100_000
_FOREIGN = "SELECT name FROM sqlite_master WHERE type NOT IN ('table', 'index') OR sql LIKE '%VIRTUAL%' LIMIT 1"


@contextmanager
def opened(path: Path, *, create: bool = False, wait: float) -> Iterator[sqlite3.Connection]:
    """A connection of its own for each call: threads share none, and none outlives a fork.

    What it says of the file becomes an error that a person can act on. A view or a trigger is a program of whoever
    made the file: with one in it the file is refused, before anything is asked.

    Args:
        path: the file.
        create: make it where it is missing.
        wait: seconds to wait for other writers.

    Raises:
        StorageFull: no room left.
        BadInput: missing, not writable, busy, or damaged.
    """
    with storage_errors(path):
        _check_ordinary(path, create=create)
        uri = f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}"
        connection = sqlite3.connect(uri, uri=True, timeout=wait, isolation_level=None)
        try:
            end = time.thread_time() + SECONDS
            connection.set_progress_handler(lambda: time.thread_time() > end, _STEPS)
            foreign = connection.execute(_FOREIGN).fetchone()
            if foreign is not None:
                raise damaged(path, f"{foreign[0]} is no table")
            yield connection
        finally:
            connection.close()  # rolls back what was not committed


def _check_ordinary(path: Path, *, create: bool) -> None:
    """SQLite itself would wait for whoever writes into a pipe, also into one in the place of its journal."""
    for each in (path, *(path.with_name(path.name + companion) for companion in _COMPANIONS)):
        try:
            open_plain(each).close()
        except FileNotFoundError:
            if each == path and not create:
                raise damaged(path, "the file is missing") from None
        except PermissionError:
            raise
        except OSError as error:
            raise damaged(each, error) from None
