"""Several models against one, each on the samples that both predicted: which differences may be claimed?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xai_core.answers.arms import all_arms
from xai_core.answers.compare import HEADS, Comparison, comparison
from xai_core.answers.lines import table
from xai_core.store.facts import Condition
from xai_core.store.readable import Readable
from xai_core.store.run import Run
from xai_core.triage.compare import PairedChange, Verdict, accuracy_change, cell_change, verdict
from xai_core.triage.confusion import Cell
from xai_core.triage.scenarios import corrected
from xai_core.words import percent, points, points_range

MOST = 12
"""Runs beside the baseline that a page compares with it, the newest."""
HEADS_OF_RUNS = ("Run", "n", "Accuracy", "Change", "Interval", "p", "May be claimed")


@dataclass(frozen=True)
class Against:
    """One run against the baseline: being right, and being in the cell where one is meant."""

    run: Run
    accuracy: PairedChange
    cell: PairedChange | None
    verdict: Verdict

    @property
    def line(self) -> tuple[str, ...]:
        """As HEADS_OF_RUNS name it."""
        change = self.accuracy
        span = points_range(change.low, change.high)
        head = HEADS[self.verdict.kind].lower()
        share = percent(change.after / change.n)
        return self.run.name, f"{change.n:,}", share, points(change.difference), span, f"{change.p:.2g}", head


@dataclass(frozen=True)
class ManyRuns:
    """The answer.

    Attributes:
        baseline: what all are compared with.
        against: one entry for each run that has samples in common with it, the most accurate first.
        cell: (true, predicted) class that is counted too; None for none.
        name: of the cell.
    """

    baseline: Run
    against: tuple[Against, ...]
    cell: Cell | None
    name: str

    @property
    def note(self) -> str:
        """What must be known beside the numbers."""
        count = len(self.against)
        return (
            f"Models, not ways of training: each against {self.baseline.name} on the samples that both predicted. "
            f"Tango's interval and McNemar's p are made stricter because {count} were tried (Bonferroni)."
        )

    @property
    def lines(self) -> list[tuple[str, ...]]:
        """As HEADS_OF_RUNS name them."""
        return [each.line for each in self.against]

    def shares(self) -> dict[str, dict[str, tuple[float, ...]]]:
        """By outcome (accuracy, and the cell) and run: the share, the baseline's first."""
        found = {"Accuracy": self._shares([each.accuracy for each in self.against])}
        cells = [each.cell for each in self.against if each.cell is not None and each.cell.n]
        return found | ({self.name: self._shares(cells)} if len(cells) == len(self.against) else {})

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        runs = [
            {
                "candidate": each.run.name,
                "accuracy": vars(each.accuracy),
                "cell": None if each.cell is None else vars(each.cell),
                "verdict": each.verdict.kind,
                "sentence": each.verdict.sentence,
                "line": list(each.line),
            }
            for each in self.against
        ]
        return {"baseline": self.baseline.name, "cell": self.name, "runs": runs, "note": self.note}

    def _shares(self, changes: Sequence[PairedChange]) -> dict[str, tuple[float, ...]]:
        pairs = zip(self.against, changes, strict=True)
        # Where runs have other samples in common with it, the baseline has as many shares.
        first = {self.baseline.name: tuple(sorted({each.before / each.n for each in changes}))}
        return first | {each.run.name: (change.after / change.n,) for each, change in pairs}


def many_runs(
    baseline: Run, runs: Sequence[Run], split: str, where: tuple[Condition, ...] = (), cell: Cell | None = None
) -> ManyRuns:
    """Runs with predictions against a baseline. Without a cell it is that of the baseline's largest confusion."""
    found = [comparison(baseline, run, split, where) for run in runs]
    found = [each for each in found if len(each.rows)]
    if cell is None and found:
        cell = found[0].largest()
    against = [_against(each, cell, len(found)) for each in found]
    against.sort(key=lambda each: -each.accuracy.after / each.accuracy.n)
    name = found[0].cell(cell).name if found and cell is not None else ""
    return ManyRuns(baseline, tuple(against), cell, name)


def single_runs(known: Readable, baseline: Run) -> list[Run]:
    """The study's newest runs with predictions that are no arm of several seeds; MOST of them, without the baseline."""
    alone = [arm.runs[0] for arm in all_arms(known) if len(arm.runs) + len(arm.damaged) == 1]
    return [run for run in alone if run.name != baseline.name and run.predictions is not None][:MOST]


def text(result: Mapping[str, Any]) -> str:
    """The answer's JSON form as lines for people."""
    rows = [tuple(each["line"]) for each in result["runs"]]
    return "\n".join([table([HEADS_OF_RUNS, *rows], right=(1, 2, 3, 4, 5)), result["note"]])


def _against(found: Comparison, cell: Cell | None, tried: int) -> Against:
    sides = found.labels, found.before, found.after
    accuracy = corrected(accuracy_change(*sides), tried)
    inside = cell is not None and bool(np.any(found.labels == cell[0]))
    change = corrected(cell_change(*sides, cell), tried) if cell is not None and inside else None
    said = verdict(accuracy, f"Accuracy of {found.candidate.name}")
    return Against(found.candidate, accuracy, change, said)
