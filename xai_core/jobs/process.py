"""A job's process from outside: whether it is there, whether it is still the same one, how it is begun and ended.

Whoever works on a job holds the lock of its folder, from before its process begins until the last of it has ended:
the lock is handed over with an open file, so there is no gap, and no kill and no reboot leaves it behind. A number of a
process is only used together with the moment at which it began: numbers are given again.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import platform
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from xai_core.errors import BadInput

COMMAND = [sys.executable, "-m", "xai_core.jobs"]

_TRIES, _BETWEEN = 100, 0.01
"""Whoever looks holds the lock for microseconds, and whoever has said its last word for a little longer: so often is it
asked for before somebody is said to work there."""


@dataclass(frozen=True)
class Process:
    """A process that cannot be taken for another one.

    Attributes:
        pid: its number.
        began: when it began, as the system tells it; with the boot, where that is counted from it.
        host: the machine's name.
    """

    pid: int
    began: str
    host: str


def this_process() -> Process:
    """The one that asks."""
    return Process(os.getpid(), _began(os.getpid()) or "", platform.node())


def _began(pid: int) -> str | None:
    """When the process of this number began; None where there is none (any more)."""
    try:
        if sys.platform != "linux":
            words = ["ps", "-o", "lstart=", "-p", str(pid)]
            return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip() or None
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return None if state in "ZX" else f"{boot}:{rest[18]}"
    except (OSError, IndexError):
        return None


def held(folder: Path) -> bool:
    """Whether somebody holds the lock of a folder. Raises OSError where it cannot be told."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def taken(folder: Path) -> Iterator[int]:
    """Hold the lock of a job's folder; yields the open file that holds it, for handing over.

    Raises:
        BadInput: somebody holds it, or the file system knows no locks.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _take(descriptor, folder.name)
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int, name: str) -> None:
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(_BETWEEN)
        except OSError as error:
            remedy = f"{error.strerror}: run the command without --background, or put the study on a local disk."
            raise BadInput("no jobs can be run here", value=name, remedy=remedy) from None
    raise BadInput("this job is running already", value=name, remedy="Follow it, or stop it first.")


def launch(folder: Path, log: Path, lock: int) -> None:
    """Begin the process of a job, apart from this one: it outlives it, and its terminal. The lock goes with it.

    Raises:
        OSError: the log cannot be written, or the system has no room for a process.
    """
    package = Path(__file__).resolve().parents[2]  # not the study: Python would load modules that lie in it
    descriptor = open_log(log)
    try:
        process = subprocess.Popen(
            [*COMMAND, str(folder), "--lock", str(lock)],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            pass_fds=(lock,),
            start_new_session=True,
            cwd=package,
            env=os.environ | {"OMP_WAIT_POLICY": "PASSIVE"},
        )
    finally:
        os.close(descriptor)
    # Whoever starts something has to notice its end, or it stays in the system's table.
    threading.Thread(target=process.wait, daemon=True, name=f"end of {folder.name}").start()


def open_log(path: Path) -> int:
    """An open file to add to, for a process's output. Raises OSError for anything but an ordinary file."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(path, flags, 0o644)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not an ordinary file")
    return descriptor


def end(process: Process, name: str, *, kill: bool) -> None:
    """Ask a job's process, and all that it began, to end; with `kill` do not ask.

    Raises:
        BadInput: it is not this machine's, not ours, or the number is somebody else's by now.
    """
    if process.host != platform.node():
        raise BadInput("this job runs on another machine", value=process.host, remedy="Stop it there.")
    began = _began(process.pid)
    if began is not None and began != process.began:
        remedy = "Its number is another process's by now, which is left alone: end what it began by hand."
        raise BadInput("the process of this job is gone", value=name, remedy=remedy)
    number = signal.SIGKILL if kill else signal.SIGTERM
    try:
        with contextlib.suppress(ProcessLookupError):
            # A number is not given again while a group of processes goes by it, so this is the job's group or nobody's.
            if began is None or os.getpgid(process.pid) == process.pid:
                os.killpg(process.pid, number)
            else:
                os.kill(process.pid, number)
    except PermissionError:
        raise BadInput("this job is somebody else's", value=name, remedy="Whoever started it can stop it.") from None
