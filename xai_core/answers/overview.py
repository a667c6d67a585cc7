"""What is here, and how good is it? The data card, the runs on a split, and the chosen run in more detail."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from xai_core.answers import segments
from xai_core.answers.confusion import ConfusionAnswer, confusion, pairs_text
from xai_core.answers.data_card import DataCard, data_card
from xai_core.answers.lines import paragraphs, table
from xai_core.answers.question import Asked, Question
from xai_core.answers.runs import Runs, all_runs, measured
from xai_core.answers.scope import Scope, best_split, where_words
from xai_core.answers.segments import SegmentsAnswer, newest_segmenter
from xai_core.answers.worst_group import GroupAnswer, group_answer
from xai_core.store.facts import Condition
from xai_core.store.readable import newest_run
from xai_core.task import SEGMENTATION
from xai_core.triage.quality import Quality, reliability
from xai_core.words import SPLIT_WORDS, percent, percent_range

CALIBRATION_WORDS = "expected calibration error"


@dataclass(frozen=True)
class RunAnswer:
    """One run on the split.

    Attributes:
        quality: how good it is; `confusion` and `reliability` say more.
        lacks: a sentence on what is not known of its predictions, or "".
        history: its training curves: columns `epoch`, `split`, `loss`, `accuracy`, …; None where there are none.
        groups: how good it is on the study's groups; None where there are none.
    """

    name: str
    quality: Quality
    confusion: ConfusionAnswer | None
    reliability: pd.DataFrame
    history: pd.DataFrame | None
    lacks: str = ""
    groups: GroupAnswer | None = None

    @property
    def calibration(self) -> str:
        """How far confidence is from accuracy."""
        if not self.reliability["n"].any():
            return self.lacks or "not known"
        return f"{CALIBRATION_WORDS} {percent(self.quality.calibration_error)}"

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "name": self.name,
            "quality": asdict(self.quality),
            "unpredicted": self.confusion.unpredicted if self.confusion else "",
            "worst_pairs": self.confusion.pairs.head(10).to_dict("records") if self.confusion else [],
            "reliability": self.reliability.to_dict("records"),
            "calibration": self.calibration,
            "lacks": self.lacks,
            "groups": self.groups.as_json() if self.groups else None,
            "history": None if self.history is None else self.history.to_dict("records"),
        }

    def text(self) -> str:
        """For people."""
        if self.confusion is None:
            return f"Run {self.name}: no predictions in this split."
        bins = [_bin(one) for one in self.reliability[self.reliability["n"] > 0].to_dict("records")]
        heads = ("confidence", "n", "mean", "accuracy", "95 % interval")
        lines = table([heads, *bins], right=(1, 2, 3, 4))
        right = f"Right as often as it says? This run: {self.calibration}\n{lines}" if bins else self.lacks
        groups = self.groups.text() if self.groups else ""
        return paragraphs(
            f"Run {self.name}", self.confusion.unpredicted, groups, pairs_text(self.confusion.pairs), right
        )


def _bin(one: Mapping[Hashable, Any]) -> tuple[str, ...]:
    shares = percent(one["confidence"]), percent(one["accuracy"]), percent_range(one["low"], one["high"])
    return (percent_range(one["left"], one["right"], 0), f"{one['n']:,}", *shares)


@dataclass(frozen=True)
class OverviewAnswer:
    """All of it. `run` is None for a study without runs."""

    study: str
    split: str
    card: DataCard
    runs: Runs
    run: RunAnswer | None = field(default=None)
    where: tuple[Condition, ...] = ()

    @cached_property
    def seen(self) -> str:
        """What the runs are measured on."""
        return seen(self.split, self.where)

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "study": self.study,
            "split": self.split,
            "where": where_words(self.where).strip(),
            **self.card.as_json(),
            "measured_on": self.seen,
            "runs": self.runs.as_json(),
            "run": self.run.as_json() if self.run else None,
        }

    def text(self) -> str:
        """For people."""
        any_run = len(self.runs.table) or self.runs.problems
        runs = paragraphs(f"Runs\n{self.seen}", self.runs.text()) if any_run else "No run yet."
        return paragraphs(self.card.text(), runs, self.run.text() if self.run else "")


def seen(split: str, where: Sequence[Condition] = ()) -> str:
    """What the numbers of runs are measured on, and whether models have seen it."""
    words = f"Measured on {SPLIT_WORDS[split]} samples{where_words(where)}."
    if split in ("train", "all"):
        words += " Models have seen the training samples: expect better numbers than on new pictures."
    return words


def run_answer(scope: Scope, quality: Quality | None = None) -> RunAnswer:
    """One run on the split.

    Args:
        scope: the run and the split.
        quality: as `measured` gave it, for who keeps it.
    """
    among = scope.members
    good = quality or measured(scope)
    confidence = scope.predictions.at(among.rows).confidence if len(among.rows) else np.empty(0, np.float32)
    bins = reliability(among.labels, among.predicted, confidence)
    matrix, groups = (confusion(scope), group_answer(scope)) if good.n else (None, None)
    return RunAnswer(scope.run.name, good, matrix, bins, scope.run.history, scope.lacks, groups)


@dataclass(frozen=True)
class PixelOverview:
    """Of a study of segmentation: its data, and the run that is asked for; `run` is None for a study without runs."""

    study: str
    card: DataCard
    run: SegmentsAnswer | None

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        return {"study": self.study, **self.card.as_json(), "run": self.run.as_json() if self.run else None}

    def text(self) -> str:
        """For people."""
        return paragraphs(self.card.text(), self.run.text() if self.run else "No run yet.")


def answer(asked: Asked) -> OverviewAnswer | PixelOverview:
    """Of the study, on the split that is asked for."""
    if asked.study.info.task == SEGMENTATION:
        any_run = asked.run or newest_segmenter(asked.study)
        return PixelOverview(asked.study.name, data_card(asked.study), segments.answer(asked) if any_run else None)
    study, run = asked.study, asked.run or newest_run(asked.study)[0]
    split = asked.split or best_split(study, run)
    chosen = run_answer(Scope(run, split, asked.where)) if run else None
    runs = all_runs(study, split, where=asked.where)
    return OverviewAnswer(study.name, split, data_card(study), runs, chosen, asked.where)


QUESTION = Question("overview", "What is here, and how good is it?", ("run", "split", "where"), answer)
