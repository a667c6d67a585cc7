"""How far a piece of work is: a thin bar with words."""

from __future__ import annotations

from typing import Protocol

from dashboard.text import escaped
from xai_core.words import seconds_left


class HasProgress(Protocol):
    """Work for somebody who looks, or a job of the study."""

    @property
    def title(self) -> str:
        """What is being done."""
        ...

    @property
    def state(self) -> str:
        """One word."""
        ...

    @property
    def done(self) -> int:
        """Units of work that are done."""
        ...

    @property
    def total(self) -> int:
        """Units in all; 0 while unknown."""
        ...

    @property
    def seconds_left(self) -> float | None:
        """None while unknown."""
        ...


def progress_html(job: HasProgress) -> str:
    """What, how far, how long still; anything but running is said."""
    share = min(1.0, job.done / job.total) if job.total > 0 else 0.0
    far = f"{job.done:,} of {job.total:,}" if job.total else ""
    words = far if job.state == "running" and far else " · ".join(filter(None, (job.state, far if job.done else "")))
    return (
        f'<div class="job"><div class="words"><span>{escaped(job.title)}</span>'
        f"<span>{escaped(words)}{_left(job)}</span></div>"
        f'<div class="bar" role="progressbar" aria-valuenow="{share:.0%}"><i style="width:{share:.1%}"></i></div></div>'
    )


def _left(job: HasProgress) -> str:
    return "" if job.seconds_left is None else f" · {seconds_left(job.seconds_left)}"
