"""Which runs of a study can be read. A damaged one stops nobody who asks for several: it is told, and left out.

Readable is a run whose `run.json` and stored predictions can be read, or that has no predictions yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from xai_core.errors import BadInput, NotFound
from xai_core.store.run import Run
from xai_core.store.study import Study

Opened = Callable[[str], Run]
"""Opens a run by its name, for who keeps them open."""


@dataclass(frozen=True)
class Readable:
    """The runs of a study.

    Attributes:
        runs: those that can be read, oldest first.
        damaged: why others cannot, by name; what to do about it is in each.
    """

    runs: tuple[Run, ...]
    damaged: Mapping[str, BadInput]


def damage(run: Run) -> BadInput | None:
    """Why a run cannot be read; None where it can."""
    try:
        _ = run.info, run.has_predictions
    except BadInput as error:
        return error
    return None


def tried(
    study: Study, names: Iterable[str], opened: Opened | None = None, *, predictions: bool = True
) -> Iterator[tuple[str, Run | BadInput]]:
    """Each of these runs, or why it cannot be read; read when it is asked for. One that is gone is left out.

    Args:
        predictions: whether they are read too; without, a run is readable by its `run.json` alone.
    """
    for name in names:
        try:
            run = (opened or study.run)(name)
        except BadInput as error:
            yield name, error
        except NotFound:  # somebody deleted it meanwhile
            continue
        else:
            yield name, (damage(run) if predictions else None) or run


def readable_runs(study: Study, opened: Opened | None = None, *, predictions: bool = True) -> Readable:
    """All of them; arguments as of `tried`."""
    runs, damaged = list[Run](), dict[str, BadInput]()
    for name, found in tried(study, study.runs(), opened, predictions=predictions):
        if isinstance(found, Run):
            runs.append(found)
        else:
            damaged[name] = found
    return Readable(tuple(runs), damaged)


def newest_run(study: Study, opened: Opened | None = None) -> tuple[Run | None, list[BadInput]]:
    """The newest run with predictions, else the newest; None where none can be read. And what newer ones have."""
    newest, damaged = None, list[BadInput]()
    for _, found in tried(study, reversed(study.runs()), opened):
        if not isinstance(found, Run):
            damaged.append(found)
        elif found.has_predictions:
            return found, damaged
        else:
            newest = newest or found
    return newest, damaged
