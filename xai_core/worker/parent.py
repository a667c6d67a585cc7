"""A process that ends with the one that started it, however that one ended."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

SECONDS_BETWEEN_LOOKS = 1.0


def end_with(parent: int, end: Callable[[], None]) -> None:
    """Call `end`, on a thread of its own, once `parent` is not the parent of this process (any more): it is gone.

    A pipe from it tells the same, but only when nobody else holds its other end. Windows, where a process keeps its
    parent's number for life, has the pipe only: there nothing is called.
    """
    if os.name != "posix":
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        end()

    threading.Thread(target=watch, daemon=True, name="parent").start()
