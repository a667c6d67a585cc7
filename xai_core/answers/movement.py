"""How far did heatmaps move between two runs? The same class explained on the same samples, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.answers.agreement import places
from xai_core.answers.compare import Comparison
from xai_core.answers.maps import Column
from xai_core.answers.scope import Rows
from xai_core.models.preprocess import Preprocess
from xai_core.similarities import SIMILARITIES
from xai_core.store.run import Run
from xai_core.triage.compare import TRANSITIONS
from xai_core.triage.intervals import Estimate, bootstrap_mean

MEASURED_UP_TO = 400
"""Samples whose maps are compared at once."""
SAME_PART = 0.02
"""Models see the same part of a picture where its edges differ by no more than this share of its sides."""
READ_AS = (
    "1: both maps order the places of the picture alike; 0: unrelated; below 0: reversed. Two trainings of one recipe "
    "differ too: compare the lines with each other. Samples that stayed right show how far maps move anyway."
)
_DIGITS = 4

Side = tuple[Run, Column]
"""A run, and a method with the place of its maps."""


@dataclass(frozen=True)
class Line:
    """The samples that made one transition: mean rank correlation of their maps before and after."""

    transition: str
    alike: Estimate

    @property
    def name(self) -> str:
        """`Fixed (n = 7)`."""
        return f"{self.transition.capitalize()} (n = {self.alike.n:,})"

    @property
    def value(self) -> str:
        """The mean, with its sign."""
        return _two(float(self.alike.value))

    @property
    def bounds(self) -> str:
        """Its 95 % interval."""
        low, high = float(self.alike.low), float(self.alike.high)
        return f"{_two(low)} to {_two(high)}" if np.isfinite(low) else "too few for an interval"


@dataclass(frozen=True)
class Movement:
    """The answer.

    Attributes:
        title: what is compared.
        rows: `(n,)` samples that it speaks of.
        values: `(n,)` as `moved` gives them.
        lines: one for each transition that has a number.
    """

    title: str
    rows: Rows
    values: NDArray[np.float64]
    lines: list[Line]

    @property
    def counted(self) -> str:
        """The statistic, how many samples it stands on, and why others are left out."""
        n, known = len(self.rows), int(np.isfinite(self.values).sum())
        missing = f" ({n - known:,} are not computed, refused, without any variation, or cropped apart)"
        words = f"Mean rank correlation (Spearman) with 95 % interval, {known:,} of {n:,} samples"
        return words + (missing if known < n else "") + "."

    def as_json(self, ids: list[str]) -> dict[str, Any]:
        """Everything, JSON-able, with the ids of `rows`; NaN where there is no number."""
        each = np.round(self.values, _DIGITS).tolist()
        return {
            "title": self.title,
            "counted": self.counted,
            "transitions": [_line_json(line) for line in self.lines],
            "samples": [{"id": name, "alike": value} for name, value in zip(ids, each, strict=True)],
        }


def movement(found: Comparison, before: Side, after: Side, rows: Rows, spec: str) -> Movement:
    """Read what is stored of the first MEASURED_UP_TO samples' maps by now, and answer from it.

    Args:
        found: the comparison.
        before, after: the same method on the baseline and on the candidate.
        rows: `(n,)` samples of the comparison.
        spec: the class that all maps explain, as text.
    """
    rows = rows[:MEASURED_UP_TO]
    values, seed = moved(before, after, rows, spec), found.study.info.seed
    known, codes = np.isfinite(values), found.codes[np.searchsorted(found.rows, rows)]
    groups = [values[known & (codes == code)] for code in range(len(TRANSITIONS))]
    lines = [
        Line(name, bootstrap_mean(group, seed=seed))
        for name, group in zip(TRANSITIONS, groups, strict=True)
        if len(group)
    ]
    target = found.names[int(spec)]
    title = f"How alike are the heatmaps before and after? {before[1].card.title}, evidence for {target}"
    return Movement(title, rows, values, lines)


def moved(before: Side, after: Side, rows: Rows, spec: str) -> NDArray[np.float64]:
    """`(n,)` Spearman's correlation of each sample's evidence for a class before and after.

    1: the places of the picture are in the same order of evidence; 0: unrelated. NaN where a map is missing or
    refused, is constant, or where the two models look at different parts of the picture.
    """
    if not len(rows):
        return np.empty(0)
    pictures = (places(run, column, rows, spec) for run, column in (before, after))
    values = SIMILARITIES["spearman"].compare(*pictures).astype(float)
    values[~_same_part(before[0], after[0], rows)] = np.nan
    return values


def _same_part(before: Run, after: Run, rows: Rows) -> NDArray[np.bool_]:
    """`(n,)` whether both models see the same part of each picture, within SAME_PART of its sides."""
    boxes = []
    for run in (before, after):
        assert run.info.preprocess is not None, "a model has a preprocessing"
        preprocess = Preprocess.from_dict(run.info.preprocess)
        sizes = run.study.samples.iloc[rows][["width", "height"]].to_numpy()
        boxes.append(np.array([preprocess.box(int(w), int(h)) for w, h in sizes]) / np.tile(sizes, 2))
    return np.abs(boxes[0] - boxes[1]).max(axis=1) <= SAME_PART


def text(result: Mapping[str, Any]) -> str:
    """The answer's JSON form as lines for people."""
    lines = [f"  {line['name']}: {line['words']} ({line['bounds']})" for line in result["transitions"]]
    return "\n".join([result["title"], result["counted"], *lines, READ_AS])


def _line_json(line: Line) -> dict[str, Any]:
    numbers = {name: round(float(getattr(line.alike, name)), _DIGITS) for name in ("value", "low", "high")}
    words = {"name": line.name, "words": line.value, "bounds": line.bounds}
    return {"transition": line.transition, "n": line.alike.n} | numbers | words


def _two(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")
