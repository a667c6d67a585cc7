"""The few small maps that a cascade keeps to be looked at. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from xai_core.answers.maps import Column
from xai_core.sanity.orders import ranges
from xai_core.store import cascade
from xai_core.store.likenesses import State
from xai_core.store.run import Run


@dataclass(frozen=True)
class Strip:
    """One method's maps of a few samples, of the trained model and of copies that are random from the output down.

    Attributes:
        column: the method with the place of these maps.
        names: what each map is of: `trained`, then the layer that each step makes random.
    """

    column: Column
    names: Sequence[str]
    _keys: Mapping[int, Sequence[str]]

    @property
    def rows(self) -> list[int]:
        """The samples."""
        return list(self._keys)

    def keys(self, row: int) -> list[str]:
        """What the maps of a sample are kept by, in the order of `names`."""
        return list(self._keys[row])


def strip(run: Run, column: Column) -> Strip | None:
    """What is kept of a method; None where nothing is. Raises BadInput where it is damaged."""
    if not run.info.fingerprint:
        return None
    store = cascade.likenesses(run, column.card.key, column.params)
    maps = cascade.pictures(run, column.card.key, column.params)
    stages = cascade.stages_of(store) if store else ()
    if maps is None or not stages:
        return None
    named = set(maps.named())
    seeds = [state[1].seed for _, key in named if (state := State.parse(key)) and state[1].seed is not None]
    there = {state[1].about for _, key in named if (state := State.parse(key))}
    steps = [each for each in ranges("output-down", len(stages)) if f"{each[0]}-{each[1]}" in there]
    keys: dict[int, list[str]] = {}
    for row, key in sorted(named):
        target, _, kind = key.partition("~")
        if kind == "trained" and seeds:
            states = [State("random", f"{first}-{last}", min(seeds)) for first, last in steps]
            keys[row] = [key, *(state.key(target) for state in states)]
    names = ["trained", *(stages[first] for first, _ in steps)]
    return Strip(replace(column, maps=maps), names, keys) if keys else None
