"""The worker's inside: a reader thread takes requests, the main thread works on one step at a time."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, TextIO

import torch

from xai_core.errors import Cancelled, XaiError
from xai_core.explainers.engine.guard import set_aside
from xai_core.explainers.engine.pauses import pausing
from xai_core.models.build import pick_device
from xai_core.pipeline.load import Bench
from xai_core.worker.operations import steps
from xai_core.worker.turns import Turns

LOG = logging.getLogger("xai.worker")

DEEPEST = 8
"""So many steps may be under way at once, each within a pause of the one before it."""


@dataclass(eq=False)
class Work:
    """One open job: its steps, who waits for it, and how it stands in the queue.

    Attributes:
        since: when the time began that is not charged yet.
    """

    id: str
    owners: set[str]
    urgent: bool
    number: int
    steps: Iterator[tuple[int, int]]
    since: float = 0.0


class Server:
    """Works on urgent jobs before others, for everybody in turn, and for one person on the newest first.

    A step of another job may come within a pause of one that runs. It is done before that one goes on, so that what
    holds for the whole process (hooks, random state) is put back in the right order.

    Once `ended` is set no more work is taken up.
    """

    def __init__(
        self, events: TextIO, *, ended: threading.Event | None = None, device: str = "auto", threads: int = 0
    ) -> None:
        if threads:
            torch.set_num_threads(threads)
        self._events = events
        self._bench = Bench(device)
        self._changed = threading.Condition()
        self._speaking = threading.Lock()
        self._open: dict[str, Work] = {}
        self._running: list[Work] = []
        self._turns = Turns()
        self._count = 0
        self.ended = ended or threading.Event()
        self._say(event="ready", device=str(pick_device(device)))

    def serve(self, requests: TextIO) -> None:
        """Read requests and work until the pipe ends; a step that runs then ends at its next pause."""
        threading.Thread(target=self._read, args=(requests,), daemon=True, name="requests").start()
        while (work := self._next()) is not None:
            self._step(work)

    def _read(self, requests: TextIO) -> None:
        for line in requests:
            message = json.loads(line)
            with self._changed:
                self._take(message)
                self._changed.notify()
        with self._changed:
            self.ended.set()
            self._changed.notify()

    def _take(self, message: Mapping[str, Any]) -> None:
        name, known = message["id"], self._open.get(message["id"])
        if message["op"] == "cancel":
            if self._open.pop(name, None) is not None:
                self._say(event="cancelled", id=name)
            return
        owner = message.get("owner", "")
        self._turns.arrive(owner, {each for work in self._open.values() for each in work.owners})
        if message["op"] == "join":
            if known is not None:
                known.owners.add(owner)
        else:
            self._count += 1
            self._open[name] = Work(
                name, {owner}, message.get("urgent", False), self._count, steps(self._bench, message)
            )

    def _next(self) -> Work | None:
        with self._changed:
            while not self._open and not self.ended.is_set():
                self._changed.wait()
            return None if self.ended.is_set() else min(self._open.values(), key=self._place)

    def _place(self, work: Work) -> tuple[bool, float, int]:
        """The smallest comes first."""
        return not work.urgent, self._turns.had(work.owners), -work.number

    def _step(self, work: Work) -> None:
        self._running.append(work)
        work.since = monotonic()
        try:
            with pausing(self._let_others):
                done, total = next(work.steps)
            self._say(event="progress", id=work.id, done=done, total=total)
        except StopIteration:
            self._close(work, "done")
        except Cancelled:  # whoever cancelled it has been told
            pass
        except XaiError as error:
            self._close(work, "failed", error=str(error))
        except Exception as error:  # the process must outlive any single request
            LOG.exception("request failed")
            self._close(work, "failed", error=f"Unexpected {type(error).__name__}; the server's log has it whole.")
        finally:
            self._charge(work)
            self._running.remove(work)

    def _let_others(self) -> None:
        """In a pause: take steps of jobs whose turn it is; end this one where nobody wants it any more."""
        work = self._running[-1]
        while (other := self._before(work)) is not None:
            with set_aside():
                self._step(other)
            work.since = monotonic()  # what the other took is not its time

    def _before(self, work: Work) -> Work | None:
        """The job that is to come before this one, if any; what it had until now is charged."""
        self._charge(work)
        with self._changed:
            if self.ended.is_set() or work.id not in self._open:
                raise Cancelled
            waiting = [each for each in self._open.values() if each not in self._running]
            first = min(waiting, key=self._place, default=None)
            if first is None or len(self._running) >= DEEPEST or self._place(first) >= self._place(work):
                return None
            return first

    def _charge(self, work: Work) -> None:
        with self._changed:
            now = monotonic()
            self._turns.charge(work.owners, now - work.since)
            work.since = now

    def _close(self, work: Work, kind: str, **details: str) -> None:
        with self._changed:
            if self._open.pop(work.id, None) is not None:
                self._say(event=kind, id=work.id, **details)

    def _say(self, **event: Any) -> None:
        with self._speaking:
            self._events.write(json.dumps(event) + "\n")
