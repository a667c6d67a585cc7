"""Which sessions wait for which job, so that what nobody waits for any more can be stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Interest:
    """Sessions by job. A job is joined and given up under one lock: nobody stops what another has just asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, set[str]] = {}

    def join(self, session: str, start: Callable[[], str]) -> str:
        """Start a job (or find the one that is open) in the name of a session; returns its id."""
        with self._lock:
            job = start()
            self._waiting.setdefault(job, set()).add(session)
            return job

    def leave(self, session: str, job: str, stop: Callable[[str], None]) -> None:
        """Wait for a job no longer; stop it where this session was the last one."""
        with self._lock:
            others = self._waiting.pop(job, set()) - {session}
            if others:
                self._waiting[job] = others
            else:
                stop(job)
