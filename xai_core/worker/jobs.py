"""What a piece of requested work looks like from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["waiting", "running", "done", "failed", "cancelled"]
OPEN: tuple[State, ...] = ("waiting", "running")


@dataclass(frozen=True)
class Job:
    """One request and how far it is.

    Attributes:
        id: opaque name.
        title: what is being done, for people.
        done, total: units of work (maps).
        rate: units per second since it began; None before the first unit.
        seconds_left: at that rate; None when unknown.
        error: one line when it failed.
    """

    id: str
    title: str
    state: State = "waiting"
    done: int = 0
    total: int = 0
    rate: float | None = None
    seconds_left: float | None = None
    error: str | None = None

    @property
    def open(self) -> bool:
        """Whether it is still waiting or running."""
        return self.state in OPEN


@dataclass(frozen=True)
class WorkerStatus:
    """The worker as a whole. `device` is "" until it has started."""

    alive: bool
    device: str
    last_warning: str | None
