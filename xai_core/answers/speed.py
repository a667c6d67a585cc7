"""How long maps take, going by those that are stored."""

from __future__ import annotations

from dataclasses import dataclass

from xai_core.answers.maps import Column
from xai_core.store.maps import FORWARD, SECONDS, MapStore
from xai_core.store.readable import tried
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.text import counted
from xai_core.words import duration


@dataclass(frozen=True)
class Pace:
    """What maps of a method take.

    Attributes:
        seconds: of one map, those that were made last.
        forward: of one picture through the model, on the same machine; None where nobody took the time.
    """

    seconds: float
    forward: float | None

    @property
    def forwards(self) -> float | None:
        """How many forward passes of one picture take as long as one map."""
        return self.seconds / self.forward if self.forward else None


def pace(store: MapStore | None) -> Pace | None:
    """Of stored maps, as `run.maps(method, params)` gives them. None where none are stored, or nobody took the time."""
    seconds = _noted(store, SECONDS)
    return None if seconds is None else Pace(seconds, _noted(store, FORWARD))


def seconds_per_map(study: Study, column: Column) -> float | None:
    """What the maps of a method took that were made last: of this model, else of another run's.

    None where none are stored, or nobody took the time.
    """
    others = (run for _, run in tried(study, reversed(study.runs()), predictions=False) if isinstance(run, Run))
    stores = (run.maps(column.card.key, column.params) for run in others)
    return next((known for store in (column.maps, *stores) if (known := _noted(store, SECONDS)) is not None), None)


def _noted(store: MapStore | None, what: str) -> float | None:
    taken = store.made_with().get(what) if store else None
    return float(taken) if isinstance(taken, int | float) and 0 <= taken < float("inf") else None


def missing_line(count: int, seconds: float | None) -> str:
    """How many maps a page lacks, and how long they take."""
    one = "is" if count == 1 else "are"
    lacking = f"{counted(count, 'heatmap')} of this page {one} not computed yet"
    if seconds is None:
        return f"{lacking}; how long it takes is not known before some are."
    return f"{lacking}: about {duration(seconds)} at the speed of those that are."
