"""How long maps take, going by those that are stored."""

from __future__ import annotations

from xai_core.answers.maps import Column
from xai_core.store.maps import SECONDS, MapStore
from xai_core.store.study import Study
from xai_core.text import counted
from xai_core.words import duration


def seconds_per_map(study: Study, column: Column) -> float | None:
    """What the maps of a method took that were made last: of this model, else of another run's.

    None where none are stored, or nobody took the time.
    """
    runs = (study.run(name) for name in reversed(study.runs()))
    stores = (run.maps(column.card.key, column.params) for run in runs if run.info.fingerprint)
    return next((known for store in (column.maps, *stores) if (known := _seconds(store)) is not None), None)


def _seconds(store: MapStore | None) -> float | None:
    taken = store.made_with().get(SECONDS) if store else None
    return float(taken) if isinstance(taken, int | float) and 0 <= taken < float("inf") else None


def missing_line(count: int, seconds: float | None) -> str:
    """How many maps a page lacks, and how long they take."""
    one = "is" if count == 1 else "are"
    lacking = f"{counted(count, 'heatmap')} of this page {one} not computed yet"
    if seconds is None:
        return f"{lacking}; how long it takes is not known before some are."
    return f"{lacking}: about {duration(seconds)} at the speed of those that are."
