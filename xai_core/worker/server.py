"""The worker's inside: a reader thread takes requests, the main thread works on one step at a time."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import torch

from xai_core.errors import XaiError
from xai_core.models.build import pick_device
from xai_core.pipeline.explain import Request, explain_steps
from xai_core.pipeline.load import Bench

LOG = logging.getLogger("xai.worker")


@dataclass
class Work:
    """One open job: its steps, and how it stands in the queue."""

    id: str
    urgent: bool
    number: int
    steps: Iterator[tuple[int, int]]


class Server:
    """Works on urgent jobs before others and on the newest first: that is what somebody looks at."""

    def __init__(self, events: TextIO, *, device: str = "auto", threads: int = 0) -> None:
        if threads:
            torch.set_num_threads(threads)
        self._events = events
        self._bench = Bench(device)
        self._changed = threading.Condition()
        self._speaking = threading.Lock()
        self._open: dict[str, Work] = {}
        self._count = 0
        self._ended = False
        self._say(event="ready", device=str(pick_device(device)))

    def serve(self, requests: TextIO) -> None:
        """Read requests and work until the pipe ends."""
        threading.Thread(target=self._read, args=(requests,), daemon=True, name="requests").start()
        while (work := self._next()) is not None:
            self._step(work)

    def _read(self, requests: TextIO) -> None:
        for line in requests:
            message = json.loads(line)
            with self._changed:
                if message["op"] == "cancel":
                    if self._open.pop(message["id"], None) is not None:
                        self._say(event="cancelled", id=message["id"])
                else:
                    self._count += 1
                    steps = self._steps(message)
                    self._open[message["id"]] = Work(message["id"], message["urgent"], self._count, steps)
                self._changed.notify()
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _steps(self, message: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
        run = self._bench.study(Path(message["study"])).run(message["run"])
        methods = [(key, values) for key, values in message["methods"]]
        request = Request(run, message["rows"], message["target"], methods, message["weights"])
        yield from explain_steps(self._bench, request)

    def _next(self) -> Work | None:
        with self._changed:
            while not self._open and not self._ended:
                self._changed.wait()
            if self._ended:
                return None
            return max(self._open.values(), key=lambda work: (work.urgent, work.number))

    def _step(self, work: Work) -> None:
        try:
            done, total = next(work.steps)
            self._say(event="progress", id=work.id, done=done, total=total)
        except StopIteration:
            self._close(work, "done")
        except XaiError as error:
            self._close(work, "failed", error=str(error))
        except Exception as error:  # the process must outlive any single request
            LOG.exception("request failed")
            self._close(work, "failed", error=f"Unexpected {type(error).__name__}; the server's log has it whole.")

    def _close(self, work: Work, kind: str, **details: str) -> None:
        with self._changed:
            if self._open.pop(work.id, None) is not None:
                self._say(event=kind, id=work.id, **details)

    def _say(self, **event: Any) -> None:
        with self._speaking:
            self._events.write(json.dumps(event) + "\n")
