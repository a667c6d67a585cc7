"""Start, stop, resume and remove the jobs of a study: the same for the command and for every page."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xai_core.errors import BadInput, BadParameter, NotFound
from xai_core.files import locked, storage_errors
from xai_core.jobs import process, record
from xai_core.jobs.operations import OPERATIONS
from xai_core.jobs.record import LOG, Standing, StoredJob, What
from xai_core.jobs.values import record as record_of
from xai_core.settings import Settings
from xai_core.store import data_folder, files

if TYPE_CHECKING:
    from xai_core.store.study import Study

STUDY_FILE, FOLDER = "study.json", "jobs"
KEPT_SETTINGS = ("device", "threads", "batch_size")
SECONDS_TO_SPEAK, SECONDS_TO_DIE = 20.0, 10.0
"""How long a new process has before it says its number, and a killed one before it is gone."""


class Jobs:
    """The jobs of the study in a folder. Holds nothing: everybody who looks sees the same.

    Raises NotFound where there is no study.
    """

    def __init__(self, study: Path) -> None:
        self.study = Path(os.path.abspath(study))
        if not os.path.lexists(self.study / STUDY_FILE):
            raise NotFound("no study here", value=study, remedy="Name the folder of a study.")
        self._folder = self.study / FOLDER

    def all(self) -> list[StoredJob]:
        """All jobs, newest first; damaged ones at the end."""
        try:
            names = [entry.name for entry in os.scandir(self._folder) if _is_name(entry.name)]
        except OSError:  # there are none
            return []
        found = [record.read(self._folder / name) for name in names]
        return sorted(found, key=lambda job: (job.what.created if job.what else "", job.id), reverse=True)

    def job(self, name: str) -> StoredJob:
        """The job of this id. Raises NotFound where there is none."""
        if not _is_name(name) or not os.path.lexists(self._folder / name):
            raise NotFound.among("job", name, [job.id for job in self.all()])
        return record.read(self._folder / name)

    def log(self, name: str, most: int = 20_000) -> list[str]:
        """The last lines that a job's process wrote, at most `most` bytes of them. Raises NotFound."""
        return record.tail(self.job(name).folder, most)

    def running(self, operation: str, arguments: Mapping[str, Any]) -> StoredJob | None:
        """The open job of this operation with these arguments. Raises as `start` for arguments that do not fit."""
        plain = _plain(_params(operation, arguments))
        return next((job for job in self.all() if job.open and job.what and _same(job.what, operation, plain)), None)

    def start(self, operation: str, arguments: Mapping[str, Any], settings: Settings) -> StoredJob:
        """Begin a job, in a process of its own that outlives this one.

        Raises:
            NotFound, BadParameter: no such operation, or arguments that it does not take.
            BadInput: it cannot begin, the same is running already, or nothing can be written here.
            StorageFull: no room.
        """
        from xai_core.store.study import Study

        what = _what(Study.open(self.study), operation, arguments, settings)
        with storage_errors(self._folder):
            if self._folder.is_symlink():
                raise OSError("it leads out of the study")
            self._folder.mkdir(exist_ok=True)
        with _one_at_a_time(self._folder):
            if (same := self.running(operation, arguments)) is not None:
                remedy = f"Follow it with: {self.command('follow', same.id)}."
                raise BadInput("the same job is running already", value=same.id, remedy=remedy)
            folder = self._folder / f"{operation}-{uuid.uuid4().hex[:6]}"
            with files.new_folder(folder, "job") as hidden:
                record.write_what(hidden, what)
                record.write_standing(hidden, Standing())
            self._launch(folder)
        return record.read(folder)

    def resume(self, name: str) -> StoredJob:
        """Run a job that ended early again, with the same arguments: what is stored is not computed again.

        Raises:
            NotFound: no such job.
            BadInput: it is running, done or damaged, or nothing can be written here.
        """
        job = self.job(name)
        if not job.resumable:
            reason = f"this job is {job.state}"
            raise BadInput(reason, value=job.id, remedy="Only one that failed, was stopped or died can go on.")
        self._launch(job.folder, resumed=True)
        return record.read(job.folder)

    def stop(self, name: str, *, kill: bool = False) -> StoredJob:
        """Ask a job to end; what it finished is kept. With `kill` its processes are not asked, and are gone after it.

        Raises:
            NotFound: no such job.
            BadInput: it is not running, not on this machine, or not ours to stop.
        """
        job = self._speaking(name)
        if not job.open or job.process is None:
            raise BadInput("this job is not running", value=job.id, remedy=f"It is {job.state}.")
        process.end(job.process, job.id, kill=kill)
        if kill:
            self._buried(job)
        return record.read(job.folder)

    def remove(self, name: str) -> None:
        """Forget a job; what it stored in the study stays.

        Raises:
            NotFound: no such job.
            BadInput: it is running, or nothing can be written here.
        """
        job = self.job(name)
        with storage_errors(job.folder):
            if job.folder.is_symlink() or not job.folder.is_dir():
                job.folder.unlink()
                return
        with process.taken(job.folder), storage_errors(job.folder):
            gone = job.folder.with_name(f".{job.id}.{uuid.uuid4().hex}.new")
            job.folder.rename(gone)
            shutil.rmtree(gone)

    def command(self, action: str, name: str) -> str:
        """The line that does the same in a terminal."""
        return shlex.join(["xai", "jobs", str(self.study), action, name])

    def _launch(self, folder: Path, *, resumed: bool = False) -> None:
        with process.taken(folder) as lock:
            before = record.read_standing(folder)
            if resumed and before.state == "done":  # meanwhile
                raise BadInput("this job is done", value=folder.name, remedy="There is nothing left to do.")
            standing = Standing(attempt=before.attempt + resumed, began=record.now(), updated=record.now())
            record.write_standing(folder, standing)
            try:
                with storage_errors(folder / LOG):
                    process.launch(folder, folder / LOG, lock)
            except BadInput as error:
                record.write_standing(folder, replace(standing, state="failed", error=str(error)))
                raise

    def _speaking(self, name: str) -> StoredJob:
        """The job, once its process has said which one it is."""
        until = time.monotonic() + SECONDS_TO_SPEAK
        while (job := self.job(name)).open and job.process is None and time.monotonic() < until:
            time.sleep(0.05)
        return job

    def _buried(self, job: StoredJob) -> None:
        """A killed process cannot say that it was stopped."""
        until = time.monotonic() + SECONDS_TO_DIE
        while process.held(job.folder) and time.monotonic() < until:
            time.sleep(0.02)
        with process.taken(job.folder):
            now = record.read_standing(job.folder)
            if now.state in record.OPEN:
                record.write_standing(job.folder, replace(now, state="stopped", updated=record.now()))


def _params(operation: str, arguments: Mapping[str, Any]) -> Any:
    if operation not in OPERATIONS:
        raise NotFound.among("operation", operation, OPERATIONS)
    return record_of(OPERATIONS[operation].params, arguments)


def _plain(params: Any) -> dict[str, Any]:
    """As they are read from a file."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(params)))
    return plain


def _what(study: Study, key: str, arguments: Mapping[str, Any], settings: Settings) -> What:
    params, operation = _params(key, arguments), OPERATIONS[key]
    operation.check(study, params)
    kept = {name: value for name, value in asdict(settings).items() if name in KEPT_SETTINGS}
    data = data_folder.elsewhere(study.path)
    return What(key, operation.title(params), _plain(params), kept, record.now(), str(data or ""))


def _same(one: What, operation: str, arguments: Mapping[str, Any]) -> bool:
    return one.operation == operation and one.arguments == arguments


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Two who start the same at once would not see each other."""
    with contextlib.ExitStack() as held:
        with storage_errors(folder):
            held.enter_context(locked(folder, wait=True))
        yield


def _is_name(name: str) -> bool:
    try:
        files.checked_name(name, "job")
    except BadParameter:
        return False
    return True
