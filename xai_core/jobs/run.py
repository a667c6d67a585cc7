"""The inside of a job's process: does the work, says how far it is, and how it ended."""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import stat
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xai_core.errors import BadInput, Cancelled, XaiError
from xai_core.files import told
from xai_core.jobs import record
from xai_core.jobs.process import this_process
from xai_core.jobs.record import Standing
from xai_core.jobs.turns import turn
from xai_core.jobs.values import record as record_of
from xai_core.params import build
from xai_core.settings import Settings
from xai_core.types import CancelToken

if TYPE_CHECKING:
    from xai_core.store.study import Study

SECONDS_BETWEEN_WORDS = 1.0
GRACE = 30.0
"""Seconds that work which was asked to stop has to come to its next unit."""

LONGEST_LOG, KEPT_LOG = 2**20, 2**18
"""Bytes of the log; where it grows longer its end is kept."""


class Teller:
    """Keeps `progress.json` up to date, on a thread of its own; that it cannot be written stops no work."""

    def __init__(self, folder: Path, cancel: CancelToken) -> None:
        self._folder, self._cancel = folder, cancel
        me, before = this_process(), record.read_standing(folder)
        now = Standing("running", before.attempt, began=record.now(), pid=me.pid, process=me.began, host=me.host)
        self._standing, self._told = now, before
        self._first: tuple[float, int] | None = None
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._write()
        self._thread = threading.Thread(target=self._tell, daemon=True, name="progress")
        self._thread.start()

    def progress(self, done: int, total: int, unit: str) -> None:
        """After each unit of work."""
        now = time.monotonic()
        began, first = self._first = self._first or (now, done)  # what was there before says nothing of the rate
        left = (total - done) * (now - began) / (done - first) if done > first else None
        self._standing = replace(self._standing, done=done, total=total, unit=unit, seconds_left=left)

    def waiting(self, waits: bool) -> None:
        """For its turn, or no longer."""
        self._standing = replace(self._standing, state="waiting" if waits else "running")
        if self._standing != self._told:
            self._write()

    def end(self, state: record.State, error: str | None = None, result: dict[str, Any] | None = None) -> None:
        """The last word."""
        self._ended.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(5)
        self._standing = replace(self._standing, state=state, error=error, result=result or {}, seconds_left=None)
        self._write()

    def _tell(self) -> None:
        while not self._ended.wait(SECONDS_BETWEEN_WORDS):
            if not self._folder.is_dir():  # nobody wants it any more; what is written goes nowhere
                self._cancel.cancel()
            if self._cancel.cancelled:
                self._standing = replace(self._standing, state="stopping")
            if self._standing != self._told:
                self._write()
            _bound_log()

    def _write(self) -> None:
        with self._lock:
            now = self._standing  # which moves on while it is written
            try:
                record.write_standing(self._folder, replace(now, updated=record.now()))
                self._told = now
            except (XaiError, OSError) as error:
                print(f"The progress could not be written: {error}", file=sys.stderr, flush=True)


def run_job(folder: Path, cancel: CancelToken) -> int:
    """Do the job in a folder whose lock this process holds; returns the exit status."""
    faulthandler.enable()
    teller = Teller(folder, cancel)
    ending = threading.Thread(target=_give_up, args=(cancel, teller), daemon=True, name="stop")
    ending.start()
    try:
        result = work(folder, teller.progress, cancel, teller.waiting)
    except Cancelled:
        teller.end("stopped")
        return 128 + signal.SIGTERM
    except XaiError as error:
        print(error, file=sys.stderr)
        teller.end("failed", str(error))
        return 1
    except BaseException as error:  # code of users may raise anything
        traceback.print_exc()
        teller.end("failed", str(told(error) or _fault(error)))
        return 1
    teller.end("done", result=result)
    return 0


def work(
    folder: Path,
    progress: Callable[[int, int, str], None],
    cancel: CancelToken,
    waiting: Callable[[bool], object] = bool,
) -> dict[str, Any]:
    """What the job in a folder is, done here and now; returns its result. Raises what the operation raises."""
    from xai_core.jobs.operations import OPERATIONS, Work
    from xai_core.store.study import Study

    what = record.read_what(folder)
    if what.operation not in OPERATIONS:
        remedy = f"This version knows {', '.join(OPERATIONS)}."
        raise BadInput("no such operation", value=what.operation, remedy=remedy)
    operation, settings = OPERATIONS[what.operation], build(Settings, what.settings)
    params = record_of(operation.params, what.arguments)
    print(f"{record.now()} {what.title}", file=sys.stderr, flush=True)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    study = _with_pictures(Study.open(folder.parent.parent), what)
    if settings.threads:
        import torch

        torch.set_num_threads(settings.threads)
    with turn(folder, cancel, waiting) if operation.alone else nullcontext():
        return operation.run(study, params, Work(settings, progress, cancel))


def _with_pictures(study: Study, what: record.What) -> Study:
    """Where whoever resumes it says nothing, the pictures lie where they lay for whoever began it, if they still do."""
    from xai_core.store.data_folder import elsewhere, use

    if not what.data or elsewhere(study.path) or not Path(what.data).is_dir():
        return study
    return use(study, Path(what.data))


def _fault(error: BaseException) -> XaiError:
    value = f"{type(error).__name__}: {error}"
    return XaiError(
        "a fault of ours, not of yours", value=value, remedy="The job's log has it whole: please report it."
    )


def _give_up(cancel: CancelToken, teller: Teller) -> None:
    """End in the middle of a unit that does not end; what is stored is whole."""
    while not cancel.cancelled:
        time.sleep(SECONDS_BETWEEN_WORDS / 4)
    time.sleep(GRACE)
    teller.end("stopped")
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(128 + signal.SIGTERM)


def _bound_log() -> None:
    """Keep the end of a log that has grown too long; whoever writes to it goes on behind that."""
    try:
        status = os.fstat(2)
        if not stat.S_ISREG(status.st_mode) or status.st_size <= LONGEST_LOG:
            return
        kept = os.pread(2, KEPT_LOG, status.st_size - KEPT_LOG)
        os.ftruncate(2, 0)
        os.write(2, b"(what came before was too much to keep)\n" + kept.partition(b"\n")[2])
    except OSError:
        pass
