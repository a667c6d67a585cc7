"""Which sessions wait for which job, so that what nobody waits for any more can be stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable

from dashboard.frame.sessions import Sessions


def _always() -> bool:
    return True


class Interest:
    """Sessions by job. A job is joined and given up under one lock: nobody stops what another has just asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, set[str]] = {}
        self._sessions = Sessions()

    def join(self, session: str, start: Callable[[], str], *, connected: Callable[[], bool] = _always) -> str:
        """Start a job (or find the one that is open) in the name of a session; returns its id.

        Args:
            connected: whether the session's browser is still there.
        """
        with self._lock:
            job = start()
            self._waiting.setdefault(job, set()).add(session)
            self._sessions.here(session, connected)
            return job

    def leave(self, session: str, job: str, stop: Callable[[str], None]) -> None:
        """Wait for a job no longer; stop it where this session was the last one."""
        with self._lock:
            self._leave(session, job, stop)

    def sweep(self, stop: Callable[[str], None]) -> None:
        """Leave all jobs in the name of sessions whose browser has been gone for a while. To be called now and then."""
        with self._lock:
            for session in self._sessions.gone():
                for job in [job for job, sessions in self._waiting.items() if session in sessions]:
                    self._leave(session, job, stop)

    def _leave(self, session: str, job: str, stop: Callable[[str], None]) -> None:
        others = self._waiting.pop(job, set()) - {session}
        if others:
            self._waiting[job] = others
        else:
            stop(job)
