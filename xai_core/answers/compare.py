"""Did the fix work? Two runs on the samples that both predicted, and how far their heatmaps moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xai_core.answers.scenarios import Scenarios, scenarios
from xai_core.answers.scenarios import text as scenarios_text
from xai_core.answers.scope import Rows, Scope, where_words
from xai_core.answers.worst_group import GroupComparison, change_table
from xai_core.store.facts import Condition
from xai_core.store.predictions import Predictions
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.triage import compare
from xai_core.triage.arms import ArmChange
from xai_core.triage.compare import CAVEATS, TRANSITIONS, PairedChange, Verdict
from xai_core.triage.confusion import Cell, Per, confusion_counts, rates, worst_pairs
from xai_core.triage.subgroups import worst_change
from xai_core.words import of_split, percent

MEANING = {
    "fixed": "wrong before, right after",
    "broken": "right before, wrong after",
    "still wrong": "the same wrong class both times",
    "changed its mistake": "another wrong class than before",
    "still right": "right both times",
}
"""What can become of a sample, in the order of reading: what changed comes first."""
HEADS = {
    "better": "Improved",
    "worse": "Got worse",
    "undecided": "No change can be claimed",
    "empty": "Nothing to compare",
}
GROUPS = ("cell", "class", "all")
"""Whose heatmaps are compared: see `Comparison.among`."""
CHOSEN_FOR_YOU = "Chosen for you: the largest confusion of the baseline. Mind the second caveat below."
MATRIX_UP_TO = 60
"""With more classes than this the matrices say nothing at their size: the cells that changed most are listed."""
_LISTED = 15
_PLACE = np.array([list(MEANING).index(name) for name in TRANSITIONS])


Change = TypeVar("Change", PairedChange, ArmChange)


@dataclass(frozen=True)
class Outcome(Generic[Change]):
    """A yes-or-no outcome before and after: its name, the numbers, and what may be said of them."""

    name: str
    change: Change
    verdict: Verdict
    lower_is_better: bool = False

    @property
    def head(self) -> str:
        """The verdict in a few words."""
        return HEADS[self.verdict.kind]

    def as_json(self) -> dict[str, Any]:
        """The numbers, `verdict` for a program and `head` for people."""
        return asdict(self.change) | {"verdict": self.verdict.kind, "head": self.head}


@dataclass(frozen=True)
class Comparison:
    """The answer: the samples of a split that both runs predicted, aligned.

    Attributes:
        study, baseline, candidate, split: what is compared.
        rows, labels: `(n,)` row numbers and true classes.
        before, after: `(n,)` predicted classes of baseline and candidate.
        left_out: samples of the split that only one of the runs predicted.
        where: facts that hold of all samples.
    """

    study: Study
    baseline: Run
    candidate: Run
    split: str
    rows: Rows
    labels: Rows
    before: Rows
    after: Rows
    left_out: int
    where: tuple[Condition, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The class names."""
        return self.study.class_names

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.names)

    @cached_property
    def codes(self) -> Rows:
        """`(n,)` what became of each sample, codes into TRANSITIONS."""
        return compare.transitions(self.labels, self.before, self.after)

    @cached_property
    def counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The confusion matrices of baseline and candidate."""
        before, after = (confusion_counts(self.labels, run, self.classes) for run in (self.before, self.after))
        return before, after

    def largest(self, true: int | None = None) -> Cell | None:
        """The baseline's largest confusion (of one class), else the candidate's; None where nobody is wrong."""
        for counts in self.counts:
            pairs = worst_pairs(counts, [""] * self.classes, None)
            pairs = pairs if true is None else pairs[pairs["true"] == true]
            if len(pairs):
                first, second = pairs[["true", "predicted"]].to_numpy()[0].tolist()
                return first, second
        return None

    def among(self, group: str, cell: Cell) -> NDArray[np.bool_]:
        """`(n,)` who belongs to a group: the `cell` under either run, its true `class`, or `all`."""
        if group == "all":
            return np.ones(len(self.rows), bool)
        members = self.labels == cell[0]
        either = (self.before == cell[1]) | (self.after == cell[1])
        return members & either if group == "cell" else members

    def listed(self, group: str, cell: Cell, transition: str = "") -> Rows:
        """Row numbers of a group, or of those of it that made one of TRANSITIONS; what changed comes first."""
        members = self.among(group, cell)
        if transition:
            members = members & (self.codes == TRANSITIONS.index(transition))
        order = np.argsort(_PLACE[self.codes], kind="stable")
        return self.rows[order][members[order]]

    def transition_table(self) -> pd.DataFrame:
        """Transitions per true class: one row per class, then `n`."""
        return compare.transition_table(self.codes, self.labels, self.classes)

    def numbers(self, members: NDArray[np.bool_] | None = None) -> dict[str, int]:
        """How many of these samples (of all) made each transition."""
        codes = self.codes if members is None else self.codes[members]
        return dict(zip(TRANSITIONS, np.bincount(codes, minlength=len(TRANSITIONS)).tolist(), strict=True))

    @property
    def fates(self) -> list[tuple[str, str, int, float]]:
        """Each transition in the order of reading: its name, what it means, how many samples made it, their share."""
        counts, n = self.numbers(), len(self.rows)
        return [(name, meaning, counts[name], counts[name] / n) for name, meaning in MEANING.items()]

    def rates(self, per: Per) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Both confusion matrices and their difference, in samples or in shares: see `confusion.rates`."""
        before, after = (rates(counts, per) for counts in self.counts)
        return before, after, compare.matrix_difference(self.labels, self.before, self.after, self.classes, per)

    def flows(self, cell: Cell) -> pd.DataFrame:
        """Where the cell's samples went to and came from: see `compare.cell_flows`."""
        inside = self.among("cell", cell)
        return compare.cell_flows(self.labels[inside], self.before[inside], self.after[inside])

    def flow_sentences(self, cell: Cell) -> tuple[str, str]:
        """Where the samples of the cell went, and where its new ones came from."""
        moves = self.flows(cell)
        out, new = moves[moves["baseline"] == cell[1]], moves[moves["baseline"] != cell[1]]
        true, predicted = (self.names[index] for index in cell)
        went = (
            f"Before, {int(out['count'].sum()):,} of class {true} were predicted as {predicted}; "
            f"after: {_counts(out, 'candidate', self.names)}."
        )
        came = f"; before: {_counts(new, 'baseline', self.names)}." if len(new) else "."
        return went, f"New in the cell after: {int(new['count'].sum()):,}{came}"

    @property
    def subject(self) -> str:
        """`280 test samples`."""
        return f"{len(self.rows):,} {of_split(self.split)}{where_words(self.where)}"

    @property
    def counted(self) -> str:
        """How many samples are compared, how many are not, and whether that is fair."""
        words = f"{self.subject} that both runs predicted."
        if self.left_out:
            words += f" {self.left_out:,} that only one of them predicted are left out."
        if self.split in ("train", "all"):
            words += " The models have seen the training samples: judge a fix on others."
        return words

    @cached_property
    def accuracy(self) -> Outcome[PairedChange]:
        """Being right."""
        change = compare.accuracy_change(self.labels, self.before, self.after)
        return Outcome("Accuracy", change, compare.verdict(change, "Accuracy"))

    @cached_property
    def groups(self) -> GroupComparison | None:
        """Both runs on the study's groups; None where it has none."""
        grouping = self.study.grouping
        if grouping is None:
            return None
        found = worst_change(self.labels, self.before, self.after, grouping.codes[self.rows])
        return GroupComparison(grouping, found, self.names)

    @cached_property
    def scenarios(self) -> Scenarios:
        """Both runs on parts of the samples: classes, tags, facts, sizes of the object, groups."""
        return scenarios(self.study, self.rows, self.before, self.after)

    def cell(self, cell: Cell) -> Outcome[PairedChange]:
        """Being taken for the cell's second class, of samples of its first."""
        change, wrong = compare.cell_change(self.labels, self.before, self.after, cell), cell[0] != cell[1]
        name = outcome_name(*(self.names[index] for index in cell))
        return Outcome(name, change, compare.verdict(change, name, lower_is_better=wrong), wrong)

    def largest_changes(self) -> list[tuple[str, str, int, int]]:
        """The cells that changed most: true class, predicted class, samples before and after."""
        before, after = self.counts
        change = after - before
        order = np.argsort(-np.abs(change), axis=None, kind="stable")[:_LISTED]
        cells = [np.unravel_index(place, change.shape) for place in order if change.flat[place]]
        return [(self.names[t], self.names[p], int(before[t, p]), int(after[t, p])) for t, p in cells]

    def as_json(self, cell: Cell | None = None) -> dict[str, Any]:
        """Everything, JSON-able; NaN where there is no number.

        Args:
            cell: what is said of a cell; None takes the largest confusion.
        """
        chosen, cell = cell is None, cell or self.largest()
        said = [self.accuracy.verdict.sentence]
        result: dict[str, Any] = {
            "study": self.study.name,
            "baseline": self.baseline.name,
            "candidate": self.candidate.name,
            "split": self.split,
            "where": where_words(self.where).strip(),
            "n": len(self.rows),
            "left_out": self.left_out,
            "counted": self.counted,
            "accuracy": self.accuracy.as_json(),
            "transitions": self.numbers() | {"n": len(self.rows)},
            "classes": self._classes(),
            "largest_changes": [list(line) for line in self.largest_changes()],
            "matrices": self._matrices(),
        }
        if cell is not None:
            outcome = self.cell(cell)
            true, predicted = (self.names[index] for index in cell)
            about = {"chosen_for_you": chosen, "true": true, "predicted": predicted, "name": outcome.name}
            result["cell"] = about | outcome.as_json() | {"flows": list(self.flow_sentences(cell))}
            said.append(outcome.verdict.sentence)
        result["scenarios"] = self.scenarios.as_json()
        if self.groups is not None:
            result["groups"] = self.groups.as_json()
            said.append(self.groups.found.verdict.sentence)
        return result | {"sentences": said, "caveats": list(CAVEATS)}

    def _classes(self) -> list[dict[str, Any]]:
        """What became of the samples of each class."""
        table = self.transition_table().astype(int).assign(**{"class": self.names})
        return [{str(name): value for name, value in line.items()} for line in table.to_dict("records")]

    def _matrices(self) -> dict[str, Any] | None:
        """Row: true class, column: predicted class; None where nobody could read them."""
        if self.classes > MATRIX_UP_TO:
            return None
        before, after = self.counts
        return {"before": before.tolist(), "after": after.tolist(), "change": (after - before).tolist()}


def comparison(baseline: Run, candidate: Run, split: str, where: tuple[Condition, ...] = ()) -> Comparison:
    """Of two runs of one study with predictions, on a split (or `all`) or those of its samples that meet conditions;
    may be empty."""
    study, inside = candidate.study, Scope(candidate, split, where).rows
    first, second = (_of(run) for run in (baseline, candidate))
    known = [predictions.rows[np.isin(predictions.rows, inside)] for predictions in (first, second)]
    rows = np.intersect1d(known[0], known[1])
    left_out = len(np.union1d(known[0], known[1])) - len(rows)
    said = first.at(rows).predicted, second.at(rows).predicted
    return Comparison(study, baseline, candidate, split, rows, study.labels[rows], *said, left_out, where)


def _of(run: Run) -> Predictions:
    assert run.predictions is not None, "runs that are compared have predictions"
    return run.predictions


def outcome_name(true: str, predicted: str) -> str:
    """What a cell counts, as the subject of a sentence."""
    return f"{true} recognised" if true == predicted else f"{true} taken for {predicted}"


def text(result: Mapping[str, Any]) -> str:
    """The answer's JSON form as lines for people."""
    n, counts = result["n"], result["transitions"]
    lines = [f"{result['baseline']} → {result['candidate']}", result["counted"], *result["sentences"]]
    lines.append(", ".join(f"{name} {counts[name]:,} ({percent(counts[name] / n)})" for name in MEANING))
    if "cell" in result:
        lines += [*result["cell"]["flows"], *([CHOSEN_FOR_YOU] if result["cell"]["chosen_for_you"] else [])]
    if "groups" in result:
        lines += [f"Groups by {result['groups']['by']}", change_table(result["groups"]["groups"])]
        lines += result["groups"]["notes"]
    lines.append(scenarios_text(result["scenarios"]))
    return "\n".join([*lines, "What these numbers cannot say:", *(f"- {caveat}" for caveat in result["caveats"])])


def _counts(moves: pd.DataFrame, column: str, names: Sequence[str]) -> str:
    """`7 dress, 4 skirt`, largest first."""
    counts = moves.groupby(column)["count"].sum().sort_values(ascending=False, kind="stable")
    pairs = zip(counts.index.to_numpy(), counts.to_numpy(), strict=True)
    return ", ".join(f"{count:,} {names[index]}" for index, count in pairs) or "none"
