"""Jobs that want the machine for themselves take turns within their study, the oldest first."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from xai_core.files import locked
from xai_core.jobs import record
from xai_core.jobs.record import StoredJob
from xai_core.types import CancelToken

FOLDER = ".turns"
SECONDS_BETWEEN_LOOKS = 0.5


@contextlib.contextmanager
def turn(folder: Path, cancel: CancelToken, waiting: Callable[[bool], object]) -> Iterator[None]:
    """Wait for one's turn, and keep it.

    A lock says whose turn it is: it ends with its process, also by a kill. Of those that wait the one that was begun
    first goes next. Where the file system knows no locks nobody waits.

    Args:
        folder: of the job.
        waiting: told True while the job waits, False once it goes on.

    Raises:
        Cancelled: asked to stop meanwhile.
    """
    place = folder.parent / FOLDER
    with contextlib.ExitStack() as held:
        while not _taken(held, place, folder):
            waiting(True)
            cancel.check()
            time.sleep(SECONDS_BETWEEN_LOOKS)
        waiting(False)
        yield


def _taken(held: contextlib.ExitStack, place: Path, folder: Path) -> bool:
    if _before(folder):
        return False
    try:
        place.mkdir(exist_ok=True)
        held.enter_context(locked(place, wait=False))
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        pass
    return True


def _before(folder: Path) -> bool:
    """Whether a job that waits was begun before this one."""
    me = record.read(folder)
    others = (record.read(folder.parent / name) for name in os.listdir(folder.parent) if name != FOLDER)
    return any(other.state == "waiting" and _age(other) < _age(me) for other in others if other.id != me.id)


def _age(job: StoredJob) -> tuple[str, str]:
    return job.what.created if job.what else "", job.id
