"""The worker seen from the dashboard: ask, look, cancel. No torch here, and nothing that waits."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from xai_core.params import digest
from xai_core.worker.jobs import Job, State, WorkerStatus
from xai_core.worker.requests import Request

REMEMBERED = 200
"""Finished jobs kept for looking at."""


class Worker(Protocol):
    """What pages ask of a worker. `WorkerClient` is the real one; tests put others in its place."""

    def start(self) -> None:
        """Be ready before the first request comes."""
        ...

    def stop(self) -> None:
        """End; unfinished jobs keep their finished rows."""
        ...

    def ask(self, request: Request, *, owner: str = "") -> str:
        """Ask for something, in the name of `owner`; returns the job's id."""
        ...

    def cancel(self, job: str) -> None:
        """Stop a job at its next step."""
        ...

    def job(self, job: str) -> Job | None:
        """How far a job is; None when it is not known (any more)."""
        ...

    def jobs(self) -> list[Job]:
        """All remembered jobs, newest first."""
        ...

    def status(self) -> WorkerStatus:
        """The worker as a whole."""
        ...


class WorkerClient:
    """Starts the worker process with the first request (or `start`), and again if it died.

    Safe for many threads. Requests are written to its standard input, events read from its standard output by a
    thread of its own; results do not come back here but through the study's store.
    """

    def __init__(self, *, device: str = "auto", threads: int = 0) -> None:
        self._options = ["--device", device, "--threads", str(threads)]
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._jobs: dict[str, Job] = {}
        self._latest: dict[str, str] = {}
        self._count = 0
        self._started: dict[str, tuple[float, int]] = {}
        self._device = ""
        self._warning: str | None = None

    def start(self) -> None:
        """Start the process now, so that it is warm when the first request comes."""
        with self._lock:
            self._ensure_alive()

    def stop(self) -> None:
        """End the process; unfinished jobs keep their finished rows."""
        with self._lock:
            process, self._process = self._process, None
            self._fail_open_jobs("The worker was stopped.")
        if process is None:
            return
        _close(process)
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def ask(self, request: Request, *, owner: str = "") -> str:
        """Ask for something; returns the job's id. The same request while one is open returns that one's id.

        `owner` is who asks: the worker's time is shared between owners.
        """
        message = request.message
        identity = digest(message)[:16]
        with self._lock:
            self._ensure_alive()
            same = self._jobs.get(self._latest.get(identity, ""))
            if same is not None and same.open:
                self._send({"op": "join", "id": same.id, "owner": owner})
                return same.id
            self._count += 1
            # A name of its own, so that late words about an earlier, cancelled one are not taken for words about this.
            job = self._latest[identity] = f"{identity}-{self._count}"
            self._jobs[job] = Job(job, request.title, total=request.total)
            self._forget_old()
            self._send({**message, "id": job, "owner": owner})
        return job

    def cancel(self, job: str) -> None:
        """Stop a job at its next step; what is finished stays. It counts as cancelled at once."""
        with self._lock:
            known = self._jobs.get(job)
            if known is not None and known.open:
                self._jobs[job] = replace(known, state="cancelled", seconds_left=None)
                self._send({"op": "cancel", "id": job})

    def job(self, job: str) -> Job | None:
        """How far a job is; None when it is not known (any more)."""
        with self._lock:
            return self._jobs.get(job)

    def jobs(self) -> list[Job]:
        """All remembered jobs, newest first."""
        with self._lock:
            return list(reversed(self._jobs.values()))

    def status(self) -> WorkerStatus:
        """The worker as a whole."""
        with self._lock:
            return WorkerStatus(self._alive(), self._device, self._warning)

    def _alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _ensure_alive(self) -> None:
        if self._alive():
            return
        if self._process is not None:  # it died, and whoever listens to it has not noticed yet
            self._fail_open_jobs(_ended(self._process.returncode))
            _close(self._process)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "xai_core.worker", *self._options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=os.environ | {"OMP_WAIT_POLICY": "PASSIVE"},  # threads that wait must not keep a core from the page
            process_group=0,  # Ctrl-C is for the server, which then ends the worker
        )
        threading.Thread(target=self._listen, args=(self._process,), daemon=True, name="worker events").start()

    def _send(self, message: Mapping[str, Any]) -> None:
        pipe = self._process.stdin if self._process else None
        assert pipe is not None, "asked before it was started"
        try:
            pipe.write(json.dumps(message) + "\n")
            pipe.flush()
        except (BrokenPipeError, ValueError):
            self._warning = "The worker stopped while it was being asked; ask again."

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        reason = ""
        with process.stdout:
            for line in process.stdout:
                if not line.endswith("\n"):  # a killed process may leave half a line
                    continue
                event = json.loads(line)
                if event["event"] == "unable":
                    reason = event["text"]
                    continue
                with self._lock:
                    self._note(event)
        code = process.wait()
        with self._lock:
            _close(process)
            if self._process is process:
                self._fail_open_jobs(reason or _ended(code))

    def _note(self, event: Mapping[str, Any]) -> None:
        kind = event["event"]
        if kind == "ready":
            self._device, self._warning = event["device"], None
        elif (job := self._jobs.get(event["id"])) is not None and job.open:
            if kind == "progress":
                self._jobs[job.id] = self._progressed(job, event["done"], event["total"])
            else:
                state: State = kind
                self._jobs[job.id] = replace(job, state=state, error=event.get("error"), seconds_left=None)

    def _progressed(self, job: Job, done: int, total: int) -> Job:
        began, first = self._started.setdefault(job.id, (time.monotonic(), done))
        elapsed, units = time.monotonic() - began, done - first
        rate = units / elapsed if units and elapsed > 0 else None
        left = (total - done) / rate if rate else None
        return replace(job, state="running", done=done, total=total, rate=rate, seconds_left=left)

    def _fail_open_jobs(self, error: str) -> None:
        self._warning = error
        for job in self._jobs.values():
            if job.open:
                self._jobs[job.id] = replace(job, state="failed", error=error, seconds_left=None)

    def _forget_old(self) -> None:
        finished = [identity for identity, job in self._jobs.items() if not job.open]
        for identity in finished[: max(0, len(finished) - REMEMBERED)]:
            del self._jobs[identity]
            self._started.pop(identity, None)
        self._latest = {request: job for request, job in self._latest.items() if job in self._jobs}


def _ended(code: int | None) -> str:
    return f"The worker ended unexpectedly (exit {code}). Ask again to restart it."


def _close(process: subprocess.Popen[str]) -> None:
    """Close the pipe to the process; what was not read of it is lost if it has died."""
    with contextlib.suppress(BrokenPipeError):
        if process.stdin is not None:
            process.stdin.close()
