"""Which sessions still have a browser, for those who keep something on their behalf."""

from __future__ import annotations

import time
from collections.abc import Callable

GRACE = 10.0
"""Seconds that a session may be without its browser, which loads the page again or had the connection cut."""


class Sessions:
    """Sessions by their id. Who keeps one of these locks it together with what else it keeps."""

    def __init__(self) -> None:
        self._connected: dict[str, Callable[[], bool]] = {}
        self._seen: dict[str, float] = {}

    def here(self, session: str, connected: Callable[[], bool]) -> None:
        """It has just been heard of; `connected` tells whether its browser is still there."""
        self._connected[session], self._seen[session] = connected, time.monotonic()

    def gone(self) -> list[str]:
        """Those whose browser has been away for longer than `GRACE`. Each is told once, and forgotten."""
        now = time.monotonic()
        self._seen |= {session: now for session, connected in self._connected.items() if connected()}
        gone = [session for session, seen in self._seen.items() if now - seen >= GRACE]
        for session in gone:
            del self._connected[session], self._seen[session]
        return gone
