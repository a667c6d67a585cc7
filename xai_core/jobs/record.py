"""What a job's folder says, read by anybody at any time; whatever it holds, reading it neither fails nor waits."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from xai_core.errors import BadInput, XaiError, one_line
from xai_core.files import damaged, open_plain
from xai_core.jobs.process import Process, held
from xai_core.jobs.values import record
from xai_core.store.files import Signature, read_json, signature, write_json

WHAT, PROGRESS, LOG = "job.json", "progress.json", "log.txt"

State = Literal["starting", "waiting", "running", "stopping", "done", "failed", "stopped", "died", "damaged"]
OPEN: tuple[State, ...] = ("starting", "waiting", "running", "stopping")
RESUMABLE: tuple[State, ...] = ("failed", "stopped", "died")
_STORED: tuple[State, ...] = (*OPEN, "done", "failed", "stopped")

DIED = "Its process ended without a word: it or the machine was killed, or the disk full. Resume goes on from there."
_LONGEST = 2**26
"""Bytes of a file that says what a job is."""


@dataclass(frozen=True)
class What:
    """`job.json`: written once, and the same however often the job is resumed.

    Attributes:
        operation: key of an operation; `arguments` are its record.
        title: what is being done, for people.
        settings: device, threads and batch size.
        created: ISO time, UTC.
        data: where the pictures lay for whoever began it, if elsewhere than the study says; "" otherwise.
    """

    operation: str
    title: str
    arguments: Mapping[str, Any]
    settings: Mapping[str, Any]
    created: str
    data: str = ""


@dataclass(frozen=True)
class Standing:
    """`progress.json`: replaced as a whole, about once a second while something changes.

    Attributes:
        attempt: how often the job was begun, from 1.
        done, total, unit: units of work, and what they are.
        seconds_left: at the rate of this attempt; None while unknown.
        began, updated: ISO times, UTC; "" before the process speaks.
        pid, process, host: who works on it.
        error: one line where it failed.
        result: what came of it.
    """

    state: str = "starting"
    attempt: int = 1
    done: int = 0
    total: int = 0
    unit: str = ""
    seconds_left: float | None = None
    began: str = ""
    updated: str = ""
    pid: int = 0
    process: str = ""
    host: str = ""
    error: str | None = None
    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredJob:
    """A job as it is now. `what` is None where the folder does not say it."""

    id: str
    folder: Path
    what: What | None
    state: State
    standing: Standing
    error: str | None = None

    @property
    def open(self) -> bool:
        """Whether somebody works on it."""
        return self.state in OPEN

    @property
    def resumable(self) -> bool:
        """Whether it can go on."""
        return self.state in RESUMABLE and self.what is not None

    @property
    def title(self) -> str:
        """What is being done, for people, in one line."""
        return one_line(self.what.title) if self.what else self.id

    @property
    def done(self) -> int:
        """Units of work that are done."""
        return self.standing.done

    @property
    def total(self) -> int:
        """Units of work in all; 0 while unknown."""
        return self.standing.total

    @property
    def seconds_left(self) -> float | None:
        """None while unknown."""
        return self.standing.seconds_left if self.open else None

    @property
    def process(self) -> Process | None:
        """Who works on it; None before it has said so."""
        now = self.standing
        return Process(now.pid, now.process, now.host) if now.pid > 1 else None

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        what = asdict(self.what) if self.what else {}
        now = asdict(self.standing)
        for name in ("pid", "process", "state", "error"):
            del now[name]
        now["seconds_left"] = self.seconds_left
        return {"id": self.id, "state": self.state, "error": self.error, **what, **now, "log": str(self.folder / LOG)}


def now() -> str:
    """The time as it is stored: ISO, UTC, seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read(folder: Path) -> StoredJob:
    """The job in a folder. One that cannot be read is `damaged`, and its error says why."""
    try:
        _check_own(folder)
        what: What = _kept(What, folder / WHAT)
        standing, state = _now(folder)
    except XaiError as error:
        return StoredJob(folder.name, folder, None, "damaged", Standing(), str(error))
    except OSError as error:
        return StoredJob(folder.name, folder, None, "damaged", Standing(), str(damaged(folder / WHAT, error)))
    error_line = DIED if state == "died" else one_line(standing.error, 500) if standing.error else None
    return StoredJob(folder.name, folder, what, state, standing, error_line)


def write_what(folder: Path, what: What) -> None:
    """Raises StorageFull or BadInput where it cannot be written."""
    write_json(folder / WHAT, asdict(what))


def write_standing(folder: Path, standing: Standing) -> None:
    """Replace the progress. Raises StorageFull or BadInput where it cannot be written."""
    write_json(folder / PROGRESS, asdict(standing))


def read_standing(folder: Path) -> Standing:
    """The progress as it was written, whoever works there. Raises BadInput where it is damaged."""
    found: Standing = _kept(Standing, folder / PROGRESS)
    return found


def read_what(folder: Path) -> What:
    """What the job is. Raises BadInput where it is damaged."""
    found: What = _kept(What, folder / WHAT)
    return found


def tail(folder: Path, most: int) -> list[str]:
    """The last lines of the log, at most `most` bytes of them; none where there is no log to be read."""
    try:
        _check_own(folder)
        with open_plain(folder / LOG) as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - most))
            lines = file.read(most).decode("utf-8", "replace").splitlines()
    except (OSError, XaiError):
        return []
    return lines[1:] if size > most else lines


def _now(folder: Path) -> tuple[Standing, State]:
    """A job that nobody works on any more, and that has not said how it ended, died."""
    for _ in range(3):  # it may end, or be resumed, between two looks
        alone = not held(folder)
        standing = read_standing(folder)
        if standing.state not in _STORED:
            raise damaged(folder / PROGRESS, f"it knows no state {standing.state!r}")
        state: State = standing.state  # type: ignore[assignment]
        if state not in OPEN or not alone:
            return standing, state
        if not held(folder) and read_standing(folder) == standing:
            return standing, "died"
    return standing, state


def _check_own(folder: Path) -> None:
    """A study may come from anybody: what is linked into it from elsewhere is neither shown nor written to."""
    for path in (folder.parent, folder, folder / WHAT, folder / PROGRESS, folder / LOG):
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise damaged(path, "it is no ordinary file or folder", remedy="Remove it.")


def _kept(kind: type, path: Path) -> Any:
    """A record from a file, which is read again only when it has been replaced."""
    try:
        now = signature(path)
        if now is None:
            raise ValueError("it is missing")
        if now[1] > _LONGEST:
            raise ValueError(f"{now[1]:,} bytes")
        return _loaded(kind, path, now)
    except (ValueError, XaiError) as error:
        if isinstance(error, BadInput):
            raise
        raise damaged(path, error, remedy="Remove the job: what it stored is not in its folder.") from None


@lru_cache(maxsize=1000)
def _loaded(kind: type, path: Path, _: Signature) -> Any:
    return record(kind, read_json(path))
