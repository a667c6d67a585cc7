"""What a table of explanation quality is made of where nobody says, what it lacks, and how long that takes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xai_core.answers.controls import control_keys
from xai_core.answers.maps import Column, columns, settings, target_keys
from xai_core.answers.scope import Rows, Scope
from xai_core.answers.speed import pace, seconds_per_map
from xai_core.metrics import METRICS
from xai_core.store.maps import MISSING
from xai_core.store.obstacles import metric_obstacle
from xai_core.store.run import Run
from xai_core.text import counted
from xai_core.triage.confusion import Cell
from xai_core.triage.ordering import drawn
from xai_core.words import cell_name, duration

if TYPE_CHECKING:
    from xai_core.answers.method_quality import MethodQuality

LIMIT = 100
"""Samples where nobody says how many, drawn by the study's seed."""

SPEC = "predicted"
"""What the maps explain where nobody says."""


def usable_metrics(run: Run) -> list[str]:
    """Keys of all metrics that the run's study has the data for."""
    return [each.card.key for each in METRICS if metric_obstacle(run, each) is None]


def usual_metrics(run: Run) -> list[str]:
    """Those of them that know a better end, and so say which method to believe: what is asked where nobody chose."""
    return with_a_better_end(usable_metrics(run))


def with_a_better_end(keys: Sequence[str]) -> list[str]:
    """Those of these metrics by which one value is better than another."""
    return [key for key in keys if METRICS[key].card.direction]


def metrics_asked(chosen: Sequence[str], usable: Sequence[str]) -> list[str]:
    """Those of the chosen metrics that apply; where none was chosen all that do and know a better end."""
    return [key for key in chosen if key in usable] or with_a_better_end(usable)


def with_controls(run: Run, methods: Sequence[str]) -> list[str]:
    """The methods, and the controls that are not among them."""
    return list(dict.fromkeys([*methods, *control_keys(run)]))


@dataclass(frozen=True)
class Samples:
    """Which samples a table is about: `rows` of the `of` that were meant."""

    rows: Rows
    of: int
    what: str

    @property
    def sentence(self) -> str:
        """`200 of 2,500 test samples, drawn by the study's seed`."""
        if len(self.rows) == self.of:
            return f"All {self.of:,} {self.what}" if self.of != 1 else f"1 of {self.what}"
        return f"{len(self.rows):,} of {self.of:,} {self.what}, drawn by the study's seed"


def samples(scope: Scope, cell: Cell | None = None, limit: int = LIMIT) -> Samples:
    """At most `limit` samples of the split, or of a cell of it, drawn by the study's seed."""
    rows = scope.cell(*cell) if cell else scope.predicted
    what = scope.samples
    if cell:
        what += f" ({cell_name(scope.names[cell[0]], scope.names[cell[1]])})"
    return Samples(drawn(rows, limit, scope.study.info.seed), len(rows), what)


@dataclass(frozen=True)
class Needed:
    """What a table lacks: scores, the maps for them, and about how many seconds both take; None where not known."""

    scores: int
    maps: int
    seconds: float | None

    @property
    def sentence(self) -> str:
        """How much is missing, and how long it takes."""
        maps = f", and {counted(self.maps, 'heatmap')} for them" if self.maps else ""
        lacking = f"{counted(self.scores, 'score')} of this table {'is' if self.scores == 1 else 'are'} missing{maps}"
        if self.seconds is None:
            return f"{lacking}; how long it takes is not known before some are made."
        return f"{lacking}: about {duration(self.seconds)}."


def needed(found: MethodQuality) -> Needed:
    """What the table lacks, and how long that takes going by what was made: of this model, else of another run's."""
    run, keys = found.scope.run, target_keys(found.scope.run, found.rows, found.target)
    chosen = columns(run, [card.key for card in found.methods], found.settings)
    speeds = {column.card.key: seconds_per_map(found.scope.study, column) for column in chosen}
    forward = _forward(chosen, speeds)
    maps, seconds = 0, 0.0
    for column in chosen:
        missing = [(metric, found.cells[metric.key, column.card.key].missing) for metric in found.metrics]
        if any(count for _, count in missing):
            lacking = int((_state(column, found.rows, keys) == MISSING).sum())
            speed = speeds[column.card.key]
            maps += lacking
            seconds += lacking * (column.card.cost * forward if speed is None else speed)
            seconds += sum(count * metric.cost * forward for metric, count in missing if metric.cost)
    return Needed(found.missing, maps, seconds if np.isfinite(seconds) else None)


def _state(column: Column, rows: Rows, keys: Sequence[str]) -> NDArray[np.uint8]:
    return np.full(len(rows), MISSING, np.uint8) if column.maps is None else column.maps.state(rows, keys)


def _forward(chosen: Sequence[Column], speeds: Mapping[str, float | None]) -> float:
    """Seconds of one forward pass of a sample: as it was taken beside maps, else by methods that say how many they
    need; NaN where none is known. The first map of a process is slow, its pass is taken later."""
    taken = [known.forward for column in chosen if (known := pace(column.maps)) and known.forward]
    known_costs = [(speeds[column.card.key], column.card.cost) for column in chosen]
    each = taken or [seconds / cost for seconds, cost in known_costs if seconds is not None and cost > 0]
    return float(np.median(each)) if each else float("nan")


def score_line(scope: Scope, chosen: Sequence[Column], metrics: Sequence[str], cell: Cell | None, limit: int) -> str:
    """`xai score … --background` for a cell of the split, or all of it, quoted for a shell."""
    words = ["xai", "score", str(scope.study.path), "--run", scope.run.name]
    words += ["--methods", ",".join(column.card.key for column in chosen if not column.card.control) or "all"]
    words += ["--metrics", ",".join(metrics), "--split", scope.split]
    words += [part for one in scope.where for part in ("--where", one.text)]
    if cell is not None:
        words += [f"--{role}={scope.names[index]}" for role, index in zip(("true", "predicted"), cell, strict=True)]
    words += ["--limit", str(limit)]
    words += [part for each in chosen for entry in settings(each) for part in ("--set", f"{each.card.key}.{entry}")]
    return shlex.join([*words, "--background"])
