"""How good is a run on its worst group? Groups are class × what the study is grouped by; without that, no answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from xai_core.answers.lines import table
from xai_core.answers.scope import Scope
from xai_core.store.study import Study
from xai_core.store.subgroups import Grouping
from xai_core.triage.subgroups import LEAST, Subgroup, WorstChange, WorstGroup, worst_group
from xai_core.types import SPLITS
from xai_core.words import percent, percent_range, points

CHOSEN = (
    "The worst of many groups is chosen after looking; its interval allows for that, and so is wider than the one "
    "beside each group."
)
SHOWN = 12
"""Groups listed in a terminal and on a page: the worst first."""


@dataclass(frozen=True)
class GroupAnswer:
    """A run on the groups of a split."""

    run: str
    grouping: Grouping
    found: WorstGroup
    names: tuple[str, ...]

    def name(self, group: Subgroup) -> str:
        """What a group is called."""
        return self.grouping.name(self.names[group.label], group.attribute)

    @property
    def too_small(self) -> int:
        """Groups with samples, too few to say."""
        return len(self.found.groups) - len(self.found.counted)

    @property
    def sentence(self) -> str:
        """The worst group, and how far it is behind."""
        found = self.found
        if found.worst is None:
            return f"Worst group: every group has fewer than {LEAST} samples, too few to say."
        n, right = found.worst.n, found.worst.right
        return (
            f"Worst of {len(found.counted)} groups: {self.name(found.worst)}, {right:,} of {n:,} right "
            f"({percent(found.accuracy)}, 95 % interval {percent_range(found.low, found.high)}); "
            f"{points(-found.gap)} percentage points against all samples together "
            f"({points(-found.gap_high)} to {points(-found.gap_low)})."
        )

    @property
    def notes(self) -> list[str]:
        """What must be known beside the numbers."""
        said = [CHOSEN] if len(self.found.counted) > 1 else []
        if self.too_small and self.found.counted:
            said.append(f"Groups with fewer than {LEAST} samples, too few to say: {self.too_small}.")
        if self.found.unknown:
            said.append(f"Samples of which it is not known, in no group: {self.found.unknown:,}.")
        return said

    def lines(self) -> list[dict[str, Any]]:
        """Every group with samples, the worst first: `group`, `class`, `attribute`, `n`, `right`, `accuracy`, …"""
        return [
            {
                "group": self.name(group),
                "class": self.names[group.label],
                "attribute": self.grouping.names[group.attribute],
                **{key: value for key, value in asdict(group).items() if key not in ("label", "attribute")},
            }
            for group in self.found.groups
        ]

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        found, worst = self.found, self.found.worst
        return {
            "by": self.grouping.by,
            "worst_group": found.accuracy,
            "low": found.low,
            "high": found.high,
            "worst": self.name(worst) if worst else "",
            "gap": found.gap,
            "gap_low": found.gap_low,
            "gap_high": found.gap_high,
            "mean": found.mean,
            "unknown": found.unknown,
            "groups": self.lines(),
            "sentence": self.sentence,
            "notes": self.notes,
        }

    def text(self) -> str:
        """For people."""
        return "\n".join([f"By {self.grouping.by}", self.sentence, group_table(self.lines()), *self.notes])


def group_table(lines: list[dict[str, Any]]) -> str:
    """The worst groups, a line each."""
    heads = ("group", "right", "of n", "accuracy", "95 % interval")
    rows = [(line["group"], f"{line['right']:,}", f"{line['n']:,}", *_share(line)) for line in lines[:SHOWN]]
    return table([heads, *rows], right=(1, 2, 3, 4))


def _share(line: Mapping[str, Any]) -> tuple[str, str]:
    if not line["counted"]:
        return "too few to say", ""
    return percent(line["accuracy"]), percent_range(line["low"], line["high"])


def group_answer(scope: Scope) -> GroupAnswer | None:
    """Of the run on the scope; None where the study has no groups. Raises BadInput where they are damaged."""
    grouping = scope.study.grouping
    if grouping is None:
        return None
    among = scope.members
    found = worst_group(among.labels, among.predicted, grouping.codes[among.rows])
    return GroupAnswer(scope.run.name, grouping, found, scope.names)


@dataclass(frozen=True)
class GroupComparison:
    """Two runs on the groups of the same samples."""

    grouping: Grouping
    found: WorstChange
    names: tuple[str, ...]

    def lines(self) -> list[dict[str, Any]]:
        """Every group, the baseline's worst first: `group`, `n`, `before`, `after`, `difference`, its bounds, `p`."""
        return [
            {
                "group": self.grouping.name(self.names[each.label], each.attribute),
                "n": each.change.n,
                "before": each.change.before / each.change.n,
                "after": each.change.after / each.change.n,
                **{key: getattr(each.change, key) for key in ("difference", "low", "high", "p")},
                "counted": each.counted,
            }
            for each in self.found.groups
        ]

    @property
    def notes(self) -> list[str]:
        """What must be known beside the numbers."""
        count = len(self.found.before.counted)
        return [
            f"Beside each group: Tango's 95 % interval, and McNemar's p times {count}, since as many were looked at."
        ]

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        found, sides = self.found, {"before": self.found.before, "after": self.found.after}
        worst = {name: _worst(self, side) for name, side in sides.items()}
        numbers = {"difference": found.difference, "low": found.low, "high": found.high}
        said = {"verdict": found.verdict.kind, "sentence": found.verdict.sentence, "notes": self.notes}
        return {"by": self.grouping.by, **worst, **numbers, **said, "groups": self.lines()}


def _worst(answer: GroupComparison, side: WorstGroup) -> dict[str, Any]:
    worst = side.worst
    name = answer.grouping.name(answer.names[worst.label], worst.attribute) if worst else ""
    return {"worst": name, "n": worst.n if worst else 0, "worst_group": side.accuracy, "gap": side.gap}


def change_table(lines: list[dict[str, Any]]) -> str:
    """The groups of a comparison, a line each."""
    heads = ("group", "n", "before", "after", "change", "95 % interval", "p")
    rows = [
        (
            line["group"],
            f"{line['n']:,}",
            percent(line["before"]),
            percent(line["after"]),
            *((points(line["difference"]), _points(line), f"{line['p']:.2g}") if line["counted"] else _FEW),
        )
        for line in lines[:SHOWN]
    ]
    return table([heads, *rows], right=(1, 2, 3, 4, 5, 6))


_FEW = ("too few", "", "")


def _points(line: Mapping[str, Any]) -> str:
    return f"{points(line['low'])} to {points(line['high'])}"


def group_counts(study: Study, grouping: Grouping) -> dict[str, Any]:
    """`groups`: how many samples of each group each split has; `notes`: what must be known of them."""
    splits = {split: study.rows(split) for split in SPLITS}
    values = range(len(grouping.names))
    codes = study.labels * len(grouping.names) + grouping.codes
    size = len(study.class_names) * len(grouping.names)
    known = {split: rows[grouping.codes[rows] >= 0] for split, rows in splits.items()}
    counts = {split: np.bincount(codes[rows], minlength=size).tolist() for split, rows in known.items()}
    names = [grouping.name(name, value) for name in study.class_names for value in values]
    groups = [{"group": name, **{split: counts[split][at] for split in SPLITS}} for at, name in enumerate(names)]
    unknown = sum(len(rows) - len(known[split]) for split, rows in splits.items())
    notes = [f"Samples of which it is not known, in no group: {unknown:,}."] if unknown else []
    small = [each["group"] for each in groups if 0 < each["test"] < LEAST]
    if small:
        notes.append(f"Fewer than {LEAST} test samples, too few to say: {', '.join(small[:SHOWN])}.")
    return {"groups": groups, "notes": notes}
