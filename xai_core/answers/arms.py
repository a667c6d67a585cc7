"""Did a way of training help? Arms of several runs each, against a baseline, over seeds and samples."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.answers.compare import Outcome, outcome_name
from xai_core.answers.scope import Rows, Scope, where_words
from xai_core.errors import BadInput, NotFound
from xai_core.store.facts import Condition
from xai_core.store.readable import Readable, readable_runs
from xai_core.store.run import BASELINE, Run
from xai_core.store.study import Study
from xai_core.text import comma_list, joined
from xai_core.triage.arms import ENOUGH_SEEDS, ArmChange, arm_change, arm_verdict, spread_words
from xai_core.triage.confusion import Cell, confusion_counts, worst_pairs
from xai_core.words import of_split, points, points_range

CAVEATS = (
    "Intervals are over seeds and samples: of models trained anew in these ways, and of samples like these.",
    f"A claim needs at least {ENOUGH_SEEDS} seeds of each arm.",
    "A cell chosen because it is the largest of the baseline tends to shrink in any other run. "
    "Test the fix on samples that did not lead to it.",
)


_OF_SEED = "-seed"
"""Between the name of an arm and the seed of a run of it."""


@dataclass(frozen=True)
class Arm:
    """A way of training.

    Attributes:
        name: of the arm; of the run, where it is one by itself.
        runs: in the order of their seeds.
        damaged: why others of its runs cannot be read, by their names: they are in no number.
    """

    name: str
    runs: tuple[Run, ...]
    damaged: Mapping[str, BadInput] = field(default_factory=dict)

    @property
    def missing(self) -> str:
        """`crop: 5 of 6 seeds; seed 3 is damaged.`, or "" where nothing is."""
        if not self.damaged:
            return ""
        seeds = sorted((name.rpartition(_OF_SEED)[2] for name in self.damaged), key=lambda seed: (len(seed), seed))
        which = f"seed {seeds[0]} is" if len(seeds) == 1 else f"seeds {joined(seeds)} are"
        return f"{self.name}: {len(self.runs)} of {len(self.runs) + len(seeds)} seeds; {which} damaged."

    def only(self, runs: Iterable[Run]) -> Arm:
        """The arm with some of its runs."""
        return replace(self, runs=tuple(runs))


def all_arms(known: Readable) -> list[Arm]:
    """Every arm of a study, newest first; a run that belongs to none is one by itself.

    A damaged run does not always say which arm it is of: its name does, where an arm of this name has other runs.

    Args:
        known: the study's runs, as `readable_runs` gives them.
    """
    found = dict[str, list[Run]]()
    for run in known.runs:
        found.setdefault(run.info.arm or run.name, []).append(run)
    arms = [Arm(name, tuple(sorted(runs, key=_seed)), _of_arm(name, known.damaged)) for name, runs in found.items()]
    return sorted(arms, key=lambda arm: max(run.info.created for run in arm.runs), reverse=True)


def _of_arm(arm: str, damaged: Mapping[str, BadInput]) -> dict[str, BadInput]:
    """Those whose names are of runs of this arm, as `xai train --seeds` gives them."""
    begin = f"{arm}{_OF_SEED}"
    return {
        name: why for name, why in damaged.items() if name.startswith(begin) and name.removeprefix(begin).isdecimal()
    }


def _seed(run: Run) -> tuple[int, str]:
    about = run.info.provenance.get(BASELINE, run.info.training)
    return int(about.get("seed", 0)), run.name


def arm_of(study: Study, text: str) -> Arm:
    """An arm by its name, or by the names of its runs, separated by commas.

    Raises:
        NotFound: there is neither an arm nor a run of this name.
        BadInput: a run that is named is damaged, or every run of the arm.
    """
    known = readable_runs(study)
    arms = {arm.name: arm for arm in all_arms(known)}
    if text in arms:
        return arms[text]
    names = comma_list(text)
    if damaged := known.damaged.keys() & names or _of_arm(text, known.damaged).keys():
        raise known.damaged[min(damaged)]
    if not names or (len(names) == 1 and names[0] not in study.runs()):
        raise NotFound.among("run or arm", text, [*arms, *study.runs()])
    return Arm(text, tuple(study.run(name) for name in names))


@dataclass(frozen=True)
class ArmOutcome(Outcome[ArmChange]):
    """An outcome under all seeds of two arms."""

    @property
    def short(self) -> str:
        """The change in points, its interval, and the verdict."""
        change = self.change
        span = f"({points_range(change.low, change.high)})" if math.isfinite(change.low) else ""
        return f"{points(change.difference)} {span}: {self.head[0].lower()}{self.head[1:]}"

    def as_json(self) -> dict[str, Any]:
        """As of two runs, with its name."""
        return super().as_json() | {"name": self.name}


@dataclass(frozen=True)
class Arms:
    """The answer: the samples of a split that all runs of all arms predicted.

    Attributes:
        baseline, candidates: what is compared.
        rows, labels: `(n,)` row numbers and true classes.
        said: by arm `(S, n)` predicted classes, a row for each of its runs.
        left_out: samples of the split that some of the runs did not predict.
    """

    study: Study
    baseline: Arm
    candidates: tuple[Arm, ...]
    split: str
    rows: Rows
    labels: Rows
    said: Mapping[str, NDArray[np.int64]]
    left_out: int
    where: tuple[Condition, ...] = ()

    @cached_property
    def largest(self) -> Cell | None:
        """The baseline's largest confusion, over all of its runs; None where nobody is wrong."""
        classes, said = len(self.study.class_names), self.said[self.baseline.name]
        counts = sum((confusion_counts(self.labels, run, classes) for run in said), np.zeros((classes,) * 2, np.int64))
        pairs = worst_pairs(counts, [""] * classes, None)
        if not len(pairs):
            return None
        first, second = pairs[["true", "predicted"]].to_numpy()[0].tolist()
        return first, second

    def accuracy(self, candidate: Arm) -> ArmOutcome:
        """Being right."""
        before, after = (self.said[arm.name] == self.labels for arm in (self.baseline, candidate))
        change = arm_change(before, after, tried=len(self.candidates))
        return ArmOutcome("Accuracy", change, arm_verdict(change, "Accuracy"))

    def cell(self, candidate: Arm, cell: Cell) -> ArmOutcome:
        """Being taken for the cell's second class, of samples of its first."""
        members, wrong = self.labels == cell[0], cell[0] != cell[1]
        before, after = (self.said[arm.name][:, members] == cell[1] for arm in (self.baseline, candidate))
        name = outcome_name(*(self.study.class_names[index] for index in cell))
        change = arm_change(before, after, tried=len(self.candidates))
        return ArmOutcome(name, change, arm_verdict(change, name, lower_is_better=wrong), wrong)

    def outcomes(self, candidate: Arm, cell: Cell | None) -> list[ArmOutcome]:
        """Accuracy, and the cell where one is meant and has samples."""
        about = [self.cell(candidate, cell)] if cell is not None and (self.labels == cell[0]).any() else []
        return [self.accuracy(candidate), *about]

    def lines(self, cell: Cell | None) -> list[list[str]]:
        """A line for each arm, the baseline first: name, seeds, then of each outcome mean with range, and change."""
        found = []
        for arm in (self.baseline, *self.candidates):
            line = [arm.name, str(len(arm.runs))]
            for outcome in self.outcomes(arm, cell):
                line += [spread_words(outcome.change.after), "" if arm is self.baseline else outcome.short]
            found.append(line)
        return found

    def shares(self, cell: Cell | None) -> dict[str, dict[str, tuple[float, ...]]]:
        """By outcome (accuracy, and the cell) and arm: the share under each seed's model."""
        found: dict[str, dict[str, tuple[float, ...]]] = {}
        for arm in (self.baseline, *self.candidates):
            for outcome in self.outcomes(arm, cell):
                found.setdefault(outcome.name, {})[arm.name] = outcome.change.after
        return found

    @property
    def counted(self) -> str:
        """How many samples, and what is left out: of samples and of seeds."""
        words = f"{len(self.rows):,} {of_split(self.split)}{where_words(self.where)} that all runs predicted."
        if self.left_out:
            words += f" {self.left_out:,} that some of them did not are left out."
        return " ".join([words, *filter(None, (arm.missing for arm in (self.baseline, *self.candidates)))])

    @property
    def problems(self) -> list[str]:
        """Of each seed that is left out for damage, why, and what to do about it."""
        return [str(why) for arm in (self.baseline, *self.candidates) for why in arm.damaged.values()]

    @property
    def tried(self) -> str:
        """What several candidates do to intervals; "" for one."""
        count = len(self.candidates)
        return f"{count} candidates: each interval and test is stricter for it (Bonferroni)." if count > 1 else ""

    def as_json(self, cell: Cell | None = None) -> dict[str, Any]:
        """Everything, JSON-able; of a cell, or of the baseline's largest confusion."""
        chosen, cell = cell is None, cell or self.largest
        lines = []
        for arm in self.candidates:
            outcomes = self.outcomes(arm, cell)
            lines.append(
                {
                    "candidate": arm.name,
                    "runs": [run.name for run in arm.runs],
                    "damaged": list(arm.damaged),
                    "outcomes": [outcome.as_json() for outcome in outcomes],
                    "sentences": [outcome.verdict.sentence for outcome in outcomes],
                }
            )
        return {
            "study": self.study.name,
            "baseline": self.baseline.name,
            "baseline_runs": [run.name for run in self.baseline.runs],
            "baseline_damaged": list(self.baseline.damaged),
            "split": self.split,
            "where": where_words(self.where).strip(),
            "n": len(self.rows),
            "left_out": self.left_out,
            "counted": self.counted,
            "problems": self.problems,
            "cell": None if cell is None else [self.study.class_names[index] for index in cell],
            "chosen_for_you": chosen,
            "arms": lines,
            "tried": self.tried,
            "caveats": list(CAVEATS),
        }


def compare_arms(
    study: Study, baseline: Arm, candidates: Sequence[Arm], split: str, where: tuple[Condition, ...] = ()
) -> Arms:
    """Arms of one study on a split (or `all`), or those of its samples that meet conditions; may be empty.

    Raises:
        BadInput: a run without predictions.
    """
    arms = (baseline, *candidates)
    runs = [run for arm in arms for run in arm.runs]
    inside = Scope(runs[0], split, where).rows
    known = [np.intersect1d(Scope(run, split, where).predictions.rows, inside) for run in runs]
    rows, anybody = known[0], known[0]
    for each in known[1:]:
        rows, anybody = np.intersect1d(rows, each), np.union1d(anybody, each)
    said = {arm.name: np.stack([Scope(run, split).predictions.at(rows).predicted for run in arm.runs]) for arm in arms}
    left_out = len(anybody) - len(rows)
    return Arms(study, baseline, tuple(candidates), split, rows, study.labels[rows], said, left_out, where)


def beside(known: Readable, baseline: Run, split: str, where: tuple[Condition, ...] = ()) -> Arms | None:
    """All arms of several seeds against the one that a run belongs to, else against the oldest of them.

    None where fewer than two arms have predictions of several seeds.
    """
    study = baseline.study
    ready = [arm.only(run for run in arm.runs if run.predictions is not None) for arm in all_arms(known)]
    several = [arm for arm in reversed(ready) if arm.runs and len(arm.runs) + len(arm.damaged) > 1]
    if len(several) < 2:
        return None
    first = next((arm for arm in several if baseline.name in [run.name for run in arm.runs]), several[0])
    return compare_arms(study, first, [arm for arm in several if arm is not first], split, where)


def text(result: Mapping[str, Any]) -> str:
    """The answer's JSON form as lines for people."""
    lines = [result["counted"], *result["problems"], *([result["tried"]] if result["tried"] else [])]
    for arm in result["arms"]:
        runs = f"{_runs(result['baseline_runs'])} and {_runs(arm['runs'])}"
        lines += ["", f"{result['baseline']} → {arm['candidate']} ({runs})"]
        lines += arm["sentences"]
    return "\n".join([*lines, "", "What these numbers cannot say:", *(f"- {caveat}" for caveat in result["caveats"])])


def _runs(names: Sequence[str]) -> str:
    return f"{len(names)} {'runs' if len(names) > 1 else 'run'}"
