"""How far did heatmaps move between two runs? The same class explained on the same samples, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.answers.agreement import places
from xai_core.answers.compare import Comparison
from xai_core.answers.maps import Column, target_keys
from xai_core.answers.on_object import shares_on_objects
from xai_core.answers.scope import Rows
from xai_core.answers.shift import Moved, Shift, most_moved_table, shift
from xai_core.models.preprocess import Preprocess
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
        shift: of the same samples, what else there is to say of each.
        about: a sentence on all of them together; "" without numbers.
        most: those that moved most.
    """

    title: str
    rows: Rows
    values: NDArray[np.float64]
    lines: list[Line]
    shift: Shift
    about: str
    most: list[Moved]

    @property
    def counted(self) -> str:
        """The statistic, how many samples it stands on, and why others are left out."""
        n, known = len(self.rows), int(np.isfinite(self.values).sum())
        missing = f" ({n - known:,} are not computed, refused, without any variation, or cropped apart)"
        words = f"Mean rank correlation (Spearman) with 95 % interval, {known:,} of {n:,} samples"
        return words + (missing if known < n else "") + "."

    def as_json(self, ids: list[str]) -> dict[str, Any]:
        """Everything, JSON-able, with the ids of `rows`; NaN where there is no number."""
        each = [
            {"id": name, "alike": numbers["spearman"], **numbers}
            for name, numbers in zip(ids, map(self.shift.as_json, range(len(ids))), strict=True)
        ]
        return {
            "title": self.title,
            "counted": self.counted,
            "transitions": [_line_json(line) for line in self.lines],
            "about": self.about,
            "most_moved": [one.as_json() for one in self.most],
            "samples": each,
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
    shifted, seed = shifts(before, after, rows, spec), found.study.info.seed
    values = shifted.spearman
    known, codes = np.isfinite(values), found.codes[np.searchsorted(found.rows, rows)]
    groups = [values[known & (codes == code)] for code in range(len(TRANSITIONS))]
    lines = [
        Line(name, bootstrap_mean(group, seed=seed))
        for name, group in zip(TRANSITIONS, groups, strict=True)
        if len(group)
    ]
    target = found.names[int(spec)]
    title = f"How alike are the heatmaps before and after? {before[1].card.title}, evidence for {target}"
    most = _most(before, after, rows, spec, shifted, [TRANSITIONS[code] for code in codes])
    return Movement(title, rows, values, lines, shifted, shifted.sentence(seed), most)


def _most(before: Side, after: Side, rows: Rows, spec: str, shifted: Shift, became: list[str]) -> list[Moved]:
    """Those that moved most; of these alone it is asked what lies on the object, which decodes their masks."""
    places, study = shifted.most(), before[0].study
    chosen = rows[places]
    sides = [
        shares_on_objects(run, column.card, column.maps, chosen, target_keys(run, chosen, spec))[0]
        for run, column in (before, after)
    ]
    ids = study.samples["id"].iloc[chosen].tolist()
    return [
        Moved(int(rows[place]), ids[i], became[place], shifted.as_json(place), (float(sides[0][i]), float(sides[1][i])))
        for i, place in enumerate(places.tolist())
    ]


def moved(before: Side, after: Side, rows: Rows, spec: str) -> NDArray[np.float64]:
    """`(n,)` Spearman's correlation of each sample's evidence for a class before and after.

    1: the places of the picture are in the same order of evidence; 0: unrelated. NaN where a map is missing or
    refused, is constant, or where the two models look at different parts of the picture.
    """
    return shifts(before, after, rows, spec).spearman


def shifts(before: Side, after: Side, rows: Rows, spec: str) -> Shift:
    """All that is measured of each sample's evidence for a class before and after; NaN as of `moved`."""
    if not len(rows):
        return Shift(*(np.empty(0) for _ in range(3)))
    first, second = (places(run, column, rows, spec) for run, column in (before, after))
    return shift(first, second, _same_part(before[0], after[0], rows))


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
    most = [each["line"] for each in result["most_moved"]]
    more = [result["about"], *([most_moved_table(most)] if most else [])]
    return "\n".join([result["title"], result["counted"], *lines, READ_AS, *filter(None, more)])


def _line_json(line: Line) -> dict[str, Any]:
    numbers = {name: round(float(getattr(line.alike, name)), _DIGITS) for name in ("value", "low", "high")}
    words = {"name": line.name, "words": line.value, "bounds": line.bounds}
    return {"transition": line.transition, "n": line.alike.n} | numbers | words


def _two(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")
