"""Following a recipe: its steps in order, those whose result is stored left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from time import monotonic
from typing import Any

from xai_core.jobs.operations import Work
from xai_core.recipes.base import Asked, Recipe, Step
from xai_core.settings import Settings
from xai_core.types import CancelToken, Progress

Watch = Callable[[str], AbstractContextManager[tuple[Progress, CancelToken]]]
"""`watch(title)` gives a context with progress and cancel token: how a step is shown."""


@dataclass(frozen=True)
class Followed:
    """What became of a step.

    Attributes:
        step: the step.
        before: whether its result was stored already.
        seconds: how long it took now; 0 where nothing was done.
        made: what its work says of itself.
    """

    step: Step
    before: bool
    seconds: float
    made: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "step": self.step.name,
            "title": self.step.title,
            "was_done": self.before,
            "seconds": round(self.seconds, 1),
            "made": self.made,
        }


def states(recipe: Recipe, asked: Asked) -> list[tuple[Step, bool]]:
    """Every step, and whether it is done. Nothing is written."""
    return [(step, step.done()) for step in recipe.steps(asked)]


def follow(recipe: Recipe, asked: Asked, settings: Settings, watch: Watch) -> Iterator[Followed]:
    """Do what is not done yet, step by step.

    Raises:
        XaiError: a step cannot be done; those before it are kept.
        Cancelled: asked to stop; what is finished is kept, and the same call goes on from there.
    """
    steps: Sequence[Step] = recipe.steps(asked)
    for number, step in enumerate(steps, 1):
        if step.done():
            yield Followed(step, True, 0.0, {})
            continue
        began = monotonic()
        with watch(f"{number}/{len(steps)} {step.title}") as (progress, cancel):
            made = step.run(Work(settings, progress, cancel))
        yield Followed(step, False, monotonic() - began, made)
