"""The runs of a study on one split, and what is missing of them."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from xai_core.answers.lines import paragraphs, table
from xai_core.answers.scope import Scope
from xai_core.answers.worst_group import group_answer
from xai_core.errors import XaiError
from xai_core.store.facts import Condition
from xai_core.store.run import BASELINE, Run, RunInfo
from xai_core.store.study import Study
from xai_core.triage.intervals import mean_share
from xai_core.triage.quality import Quality, per_class, quality
from xai_core.types import SPLITS
from xai_core.words import percent, percent_range

DIFFERENT_N = "The runs predicted different numbers of samples: their accuracies are not of the same pictures."
GROUPS = ("worst_group", "worst_low", "worst_high", "gap", "worst")
"""Of the worst group, where the study has groups: accuracy, its interval, how far behind the mean, and its name."""
_NO_GROUPS: dict[str, object] = {**dict.fromkeys(GROUPS, np.nan), "worst": ""}
_COLUMNS = ("name", "model", "state", *Quality.__dataclass_fields__, *GROUPS)
_COLUMNS += ("parent", "augmentations", "created", "seconds", "predict_seconds")


@dataclass(frozen=True)
class Runs:
    """The study's runs on a split, newest first.

    Attributes:
        table: one row per run: `name`, `model`, `state` (`measured`, `elsewhere`: no predictions in this split,
            `unpredicted`), the fields of Quality, GROUPS, `parent`, `augmentations`, `created`, `seconds`
            of training, and `predict_seconds` of all predictions, which are known of baselines alone.
        problems: of runs that cannot be read.
        study: the study's folder.
    """

    table: pd.DataFrame
    problems: list[XaiError]
    study: str

    @property
    def measured(self) -> pd.DataFrame:
        """Those with predictions in the split."""
        return self.table[self.table["state"] == "measured"]

    def named(self, state: str) -> list[str]:
        """Names of the runs in this state."""
        return self.table.loc[self.table["state"] == state, "name"].tolist()

    @property
    def commands(self) -> list[str]:
        """The lines that measure what is not measured yet."""
        waiting = self.named("unpredicted")
        return [f"xai predict {shlex.quote(self.study)} --run {shlex.quote(name)}" for name in waiting]

    @property
    def sentences(self) -> list[str]:
        """What must be known before the numbers are compared."""
        waiting = len(self.named("unpredicted"))
        found = [f"Not measured yet: {waiting} without predictions."] if waiting else []
        if elsewhere := self.named("elsewhere"):
            found.append(f"No predictions in this split: {', '.join(elsewhere)}.")
        if self.measured["n"].nunique() > 1:
            found.append(DIFFERENT_N)
        return found

    def _groups(self) -> str:
        """Lines for people on the worst group of each run; "" where there are no groups."""
        known = self.table[self.table["worst_group"].notna()]
        heads = ("run", "worst group", "95 % interval", "behind", "which")
        lines = [heads, *map(_group_line, known.to_dict("records"))]
        return f"Worst group\n{table(lines, right=(1, 2, 3))}" if len(known) else ""

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        records = self.table.to_dict("records")
        for record in records:
            record["interval"] = percent_range(record["low"], record["high"])
            record["created"] = moment_words(record["created"])
        return {
            "table": records,
            "problems": [str(problem) for problem in self.problems],
            "sentences": self.sentences,
            "commands": self.commands,
        }

    def text(self) -> str:
        """For people."""
        heads = ("run", "accuracy", "95 % interval", "wrong", "of n", "balanced", "macro-F1", "ECE", "model")
        lines = [heads, *map(_line, self.table.to_dict("records"))]
        problems = [str(problem) for problem in self.problems]
        return paragraphs(
            table(lines, right=range(1, 8)), self._groups(), "\n".join([*problems, *self.sentences, *self.commands])
        )


def _group_line(run: dict[Any, Any]) -> tuple[str, ...]:
    interval = percent_range(run["worst_low"], run["worst_high"])
    return (run["name"], percent(run["worst_group"]), interval, percent(run["gap"]), run["worst"])


def _line(run: dict[Any, Any]) -> tuple[str, ...]:
    measures = (percent(run[name]) for name in ("balanced_accuracy", "macro_f1", "calibration_error"))
    counts = (f"{run[name]:,.0f}" if run["state"] == "measured" else "" for name in ("errors", "n"))
    interval = percent_range(run["low"], run["high"])
    return (run["name"], percent(run["accuracy"]), interval, *counts, *measures, run["model"])


def grouped(scope: Scope) -> dict[str, object]:
    """GROUPS of the run on the split; NaN where the study has no groups, or they are too small."""
    answer = group_answer(scope) if len(scope.members.rows) else None
    if answer is None or answer.found.worst is None:
        return _NO_GROUPS
    found = answer.found
    numbers = (found.accuracy, found.low, found.high, found.gap)
    return dict(zip(GROUPS, (*numbers, answer.name(answer.found.worst)), strict=True))


def measured(scope: Scope) -> Quality:
    """How good the run is on the split."""
    among, predictions = scope.members, scope.predictions
    return quality(among.labels, among.predicted, predictions.at(among.rows).confidence, len(scope.names))


def by_split(run: Run) -> dict[str, dict[str, float]]:
    """`accuracy`, its 95 % interval `low` to `high`, and `n`, of each split in which the run has predictions."""
    scopes = [Scope(run, split) for split in SPLITS]
    found = {scope.split: measured(scope) for scope in scopes if len(scope.members.rows)}
    return {
        split: {"accuracy": good.accuracy, "low": good.low, "high": good.high, "n": good.n}
        for split, good in found.items()
    }


def balanced(scope: Scope) -> dict[str, Any]:
    """`accuracy`, the mean of the classes' recalls, with its 95 % interval `low` to `high`, and the counts behind it:
    `classes` of `name`, `right` and `n`."""
    among = scope.members
    found = per_class(among.labels, among.predicted, scope.names)
    right, n = found["n"] - found["errors"], found["n"]
    low, high = mean_share(right, n, seed=0)
    classes = [
        {"name": name, "right": int(k), "n": int(all_of)}
        for name, k, all_of in zip(found["name"], right, n, strict=True)
    ]
    return {"accuracy": float(found["recall"].mean()), "low": low, "high": high, "classes": classes}


def balanced_sentence(found: Mapping[str, Any]) -> str:
    """What `balanced` gives, for people."""
    interval = percent_range(found["low"], found["high"])
    each = ", ".join(f"{one['name']} {one['right']} of {one['n']}" for one in found["classes"])
    return f"{percent(found['accuracy'])} ({interval}) as the mean of the classes' shares: {each}"


def doubts(accuracies: Mapping[str, Mapping[str, float]], classes: int) -> list[str]:
    """What to look into before anything else, a sentence each: fewer right than somebody who guesses has."""
    worse = [split for split, one in accuracies.items() if one["high"] < 1 / classes]
    found = ", ".join(f"{split} {percent(accuracies[split]['accuracy'])}" for split in worse)
    said = f"Fewer are right ({found}) than by guessing ({percent(1 / classes)}): are the model's outputs in the order "
    return [f"{said}of the study's classes, and do its pictures come as it knows them?"] if worse else []


def by_split_lines(accuracies: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What `by_split` gives, a line a split."""
    return [
        f"  {split:<11} accuracy {percent(one['accuracy'])} ({percent_range(one['low'], one['high'])}) of {one['n']:,}"
        for split, one in accuracies.items()
    ]


def all_runs(
    study: Study,
    split: str,
    *,
    where: Sequence[Condition] = (),
    opened: Callable[[str], Run] | None = None,
    measure: Callable[[Scope], Quality] = measured,
) -> Runs:
    """What is known of every run; a damaged one hides no other.

    Args:
        study: the study.
        split: one of ALL_SPLITS.
        where: facts that must hold of the samples.
        opened: opens a run by its name, for who keeps them open.
        measure: as `measured`, for who keeps what it gave.
    """
    rows, problems = [], []
    for name in reversed(study.runs()):
        try:
            rows.append(_run_row(Scope((opened or study.run)(name), split, tuple(where)), measure))
        except XaiError as error:
            problems.append(error)
    return Runs(pd.DataFrame(rows, columns=list(_COLUMNS)), problems, str(study.path))


def _run_row(scope: Scope, measure: Callable[[Scope], Quality]) -> dict[str, object]:
    run, info = scope.run, scope.run.info
    row: dict[str, object] = {
        "name": run.name,
        "model": info.architecture or "predictions alone",
        "state": "unpredicted",
        "parent": info.parent or "",
        "augmentations": ", ".join(augmentations(info)),
        "created": _moment(info.created),
        "seconds": info.seconds if info.seconds is not None else np.nan,
        "predict_seconds": _predict_seconds(info),
    }
    if run.predictions is None:
        return row | dict.fromkeys(Quality.__dataclass_fields__, np.nan) | _NO_GROUPS
    good = measure(scope)
    return row | asdict(good) | grouped(scope) | {"state": "measured" if good.n else "elsewhere"}


def _predict_seconds(info: RunInfo) -> float:
    baseline = info.provenance.get(BASELINE)
    found = baseline.get("predict_seconds") if isinstance(baseline, dict) else None
    return float(found) if isinstance(found, int | float) else np.nan


def augmentations(info: RunInfo) -> list[str]:
    """Keys of the augmentations that a run was trained with, as words."""
    return [str(key).replace("_", " ") for key in info.training.get("augmentations") or ()]


def moment_words(moment: datetime | float | None) -> str:
    """`2026-11-26 09:30` in UTC; "" where it is not known."""
    known = isinstance(moment, datetime) and not (isinstance(moment, float) and math.isnan(moment))
    return f"{moment:%Y-%m-%d %H:%M}" if known and not pd.isna(moment) else ""


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return None
