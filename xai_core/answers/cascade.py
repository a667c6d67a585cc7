"""What is stored of a method's cascade, as curves, yardsticks and evidence. Torch-free."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.answers.maps import Column, target_keys
from xai_core.sanity.orders import ORDERS, SPEC, Order, ranges
from xai_core.sanity.verdict import MEASURES, Evidence, Finding, Interval, Range, Values, decide, two_way
from xai_core.similarities import SIMILARITIES
from xai_core.store import cascade
from xai_core.store.likenesses import Likenesses
from xai_core.store.maps import STORED
from xai_core.store.run import Run
from xai_core.store.targets import predicted_rows
from xai_core.types import Array

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Curve:
    """Similarity to the trained model's maps along an order of stages: `names` of the stage that each step adds."""

    order: Order
    names: Sequence[str]
    points: Sequence[Interval]


@dataclass(frozen=True)
class Yardstick:
    """What a curve is read against: a similarity that has nothing to do with random weights."""

    name: str
    value: Interval


@dataclass(frozen=True)
class Cascade:
    """What is known of one method.

    Attributes:
        evidence: similarities by state.
        finding: what follows.
        apart, labels: `(N, M)` similarity to the maps of a model trained apart by the same recipe, and to those of one
            trained on random labels; None where there is no such run.
        blank: maps of models with all weights random that are the same everywhere: they have no similarity.
        refused: of those models' maps, how many are refused for which reason.
        rows: `(N,)` the samples.
    """

    evidence: Evidence
    finding: Finding
    rows: Rows
    apart: Values | None = None
    labels: Values | None = None
    blank: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)

    def curve(self, order: Order, measure: str) -> Curve | None:
        """Of one order; None where less than its first and last step is there."""
        place, stages = MEASURES.index(measure), self.evidence.stages
        steps = [each for each in ranges(order, len(stages)) if each in self.evidence.random]
        if len(steps) < min(2, len(stages)) and order != "all":
            return None
        added = [stages[first if order == "output-down" else last] for first, last in steps]
        if order == "all":
            added = ["all"] * len(steps)
        return Curve(order, added, [two_way(self.evidence.random[each][..., place]) for each in steps])

    def yardsticks(self, measure: str) -> list[Yardstick]:
        """Those that are known."""
        place, seeds = MEASURES.index(measure), len(self.evidence.repeat)
        known = {
            "the same model asked again": self.evidence.repeat[..., place],
            "maps of other pictures": np.broadcast_to(self.evidence.other[:, place], (seeds, len(self.rows))),
            "a model trained apart": None if self.apart is None else self.apart[None, :, place].repeat(seeds, 0),
            "a model of random labels": None if self.labels is None else self.labels[None, :, place].repeat(seeds, 0),
        }
        found = {name: two_way(values) for name, values in known.items() if values is not None}
        return [Yardstick(name, value) for name, value in found.items() if value.n]


def stored(run: Run, key: str, params: Any, *, statistics: str = "reset", rows: Rows | None = None) -> Cascade | None:
    """What is stored of a method on a run; None where nothing is. Kept until something is added.

    Args:
        params: an instance of the method's params type.
        rows: only of these samples.

    Raises:
        BadInput: what is stored is damaged.
    """
    if not run.info.fingerprint:
        return None
    mark = cascade.stamp(run, key, params, statistics=statistics)
    if not mark[2]:  # its size: an archive may set any time
        return None
    chosen = None if rows is None else tuple(rows.tolist())
    return _kept(mark, _Place(run, key, params, statistics), chosen)


@dataclass(frozen=True, eq=False)
class _Place:
    """Where to read; all are equal, because the store's stamp beside it says which is meant."""

    run: Run
    key: str
    params: Any
    statistics: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Place)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=64)
def _kept(_mark: tuple[str, int, int], place: _Place, rows: tuple[int, ...] | None) -> Cascade | None:
    store = cascade.likenesses(place.run, place.key, place.params, statistics=place.statistics)
    stages = cascade.stages_of(store) if store else ()
    if store is None or not stages:
        return None
    return of_lines(place.run, store.every(len(MEASURES)), stages, rows)


def of_lines(run: Run, lines: Likenesses, stages: Sequence[str], rows: Collection[int] | None = None) -> Cascade | None:
    """A cascade out of the lines of a store: of samples that were compared under every seed that most of them have."""
    every = [at for at, row in enumerate(lines.rows.tolist()) if rows is None or row in rows]
    every = _of_target(run, lines, every)
    random = {at: lines.states[at] for at in every if lines.states[at].kind == "random"}
    whole = f"0-{len(stages) - 1}"
    full = [(int(lines.rows[at]), state.seed) for at, state in random.items() if state.about == whole]
    seeds, chosen = _balanced(full)
    if not seeds:
        return None
    grid = _Grid(lines, {row: place for place, row in enumerate(chosen)}, {seed: at for at, seed in enumerate(seeds)})
    by_range: dict[Range, list[int]] = {}
    for at, state in random.items():
        begin, _, end = state.about.partition("-")
        by_range.setdefault((int(begin or 0), int(end or 0)), []).append(at)
    of_kind = {
        kind: [at for at in every if lines.states[at].kind == kind] for kind in ("repeat", "other", "run", "labels")
    }
    evidence = Evidence(
        stages,
        grid.seeded(of_kind["repeat"]),
        grid.mean(of_kind["other"]),
        {each: grid.seeded(places) for each, places in by_range.items()},
    )
    apart, labels = (grid.mean(of_kind[kind]) if of_kind[kind] else None for kind in ("run", "labels"))
    last = [at for at, state in random.items() if state.about == whole and grid.holds(at)]
    refused = Counter(reason for at in last if (reason := lines.reasons[at]) is not None)
    blank = sum(lines.reasons[at] is None and bool(np.isnan(lines.values[at]).all()) for at in last)
    return Cascade(evidence, decide(evidence), np.array(chosen, np.int64), apart, labels, blank, dict(refused))


@dataclass(frozen=True)
class _Grid:
    """Lines by sample and seed."""

    lines: Likenesses
    rows: Mapping[int, int]
    seeds: Mapping[int, int]

    def holds(self, at: int) -> bool:
        seed = self.lines.states[at].seed
        return int(self.lines.rows[at]) in self.rows and (seed is None or seed in self.seeds)

    def seeded(self, places: Sequence[int]) -> Values:
        """`(S, N, M)`."""
        found = np.full((len(self.seeds), len(self.rows), len(MEASURES)), np.nan)
        for at in filter(self.holds, places):
            seed = self.lines.states[at].seed
            if seed is not None:
                found[self.seeds[seed], self.rows[int(self.lines.rows[at])]] = self.lines.values[at]
        return found

    def mean(self, places: Sequence[int]) -> Values:
        """`(N, M)`, the mean of a sample's lines."""
        total, count = np.zeros((2, len(self.rows), len(MEASURES)))
        for at in filter(self.holds, places):
            values, place = self.lines.values[at], self.rows[int(self.lines.rows[at])]
            total[place] += np.nan_to_num(values)
            count[place] += np.isfinite(values)
        return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def _of_target(run: Run, lines: Likenesses, places: Sequence[int]) -> list[int]:
    """Those about the class that the run predicts now."""
    known = predicted_rows(run, np.unique(lines.rows))
    keys = dict(zip(known.tolist(), target_keys(run, known, SPEC), strict=True))
    return [at for at in places if keys.get(int(lines.rows[at])) == lines.targets[at]]


def _balanced(full: Sequence[tuple[int, int | None]]) -> tuple[list[int], list[int]]:
    """Seeds that half as many samples have as the most frequent one, or more, and samples that have all of these."""
    counts = Counter(seed for _, seed in full if seed is not None)
    most = max(counts.values(), default=0)
    seeds = sorted(seed for seed, count in counts.items() if 2 * count >= most)
    of_sample: dict[int, set[int | None]] = {}
    for row, seed in full:
        of_sample.setdefault(row, set()).add(seed)
    return seeds, sorted(row for row, has in of_sample.items() if has >= set(seeds))


def of_maps(run: Run, trained: Column, random: Column, rows: Rows) -> Cascade | None:
    """What stored maps of a single model with all weights random say, where no cascade was run; None where none are.

    Methods are taken to give the same map whenever they are asked.
    """
    if trained.maps is None or random.maps is None or len(rows) < 2:
        return None
    keys = target_keys(run, rows, SPEC)
    first, second = (column.maps.get(rows, keys) for column in (trained, random) if column.maps)
    if not first.maps.size or not second.state.any():
        return None
    values, other = _alike(first.maps, second.maps), _alike(first.maps, np.roll(first.maps, -1, axis=0))
    evidence = Evidence(("all layers",), np.ones((1, *values.shape)), other, {(0, 0): values[None]})
    refused = Counter(reason for reason in second.refusals if reason is not None)
    blank = int((np.isnan(values).all(axis=1) & (second.state == STORED)).sum())
    return Cascade(evidence, decide(evidence), rows, blank=blank, refused=dict(refused))


def _alike(first: Array, second: Array) -> Values:
    """`(N, M)`; NaN where maps cannot be compared."""
    if first.shape != second.shape:
        return np.full((len(first), len(MEASURES)), np.nan)
    return np.stack([SIMILARITIES[key].compare(first, second) for key in MEASURES], axis=-1).astype(float)


def orders_of(found: Cascade) -> list[Order]:
    """Orders that all stages are there of."""
    count = len(found.evidence.stages)
    return [order for order in ORDERS if all(each in found.evidence.random for each in ranges(order, count))]
