"""Places within long work where something else may go in between.

A method calls `pause()` between two batches. Alone that does nothing; in the worker whoever waits gets a turn there,
so that nobody waits for a whole map of a slow method. What has been asked to stop ends there, with `Cancelled`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import monotonic


@dataclass
class _Breaks:
    """What a pause calls, and the seconds that pauses took."""

    call: Callable[[], None]
    seconds: float = 0.0


_breaks: ContextVar[_Breaks | None] = ContextVar("breaks", default=None)


def pause() -> None:
    """Let others go in between. Not within a forward or backward pass, nor while hooks are set on a copy of a model.

    Raises:
        Cancelled: the work is not wanted any more.
    """
    breaks = _breaks.get()
    if breaks is not None:
        began = monotonic()
        try:
            breaks.call()
        finally:
            breaks.seconds += monotonic() - began


@contextmanager
def pausing(call: Callable[[], None]) -> Iterator[None]:
    """Within, `pause` calls `call`."""
    token = _breaks.set(_Breaks(call))
    try:
        yield
    finally:
        _breaks.reset(token)


def working_time() -> float:
    """Seconds on a clock that stands still in pauses; for differences within one `pausing`."""
    breaks = _breaks.get()
    return monotonic() - (breaks.seconds if breaks else 0.0)
