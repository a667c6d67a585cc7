"""Where do methods disagree? A reason to look at a sample first.

Two maps agree as far as they put the places of the picture into the same order: Spearman's correlation of the evidence
for the target, at one size for all methods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xai_core.answers.maps import Column, target_keys
from xai_core.answers.scope import Rows, Scope
from xai_core.similarities import SIMILARITIES
from xai_core.store.maps import STORED
from xai_core.store.run import Run
from xai_core.text import counted
from xai_core.triage.intervals import Estimate, bootstrap_means
from xai_core.triage.ordering import order_by
from xai_core.types import Array

SIDE = 14
"""Maps are compared at this many pixels a side: what a layer of a usual network resolves."""
_DIGITS = 4
_LISTED = 10


@dataclass(frozen=True)
class Pair:
    """Two methods: `alike` is their mean rank correlation over the samples that have both maps, with its interval."""

    titles: tuple[str, str]
    alike: Estimate

    @property
    def sentence(self) -> str:
        """The number with interval and n."""
        value, low, high = (float(number) for number in (self.alike.value, self.alike.low, self.alike.high))
        if not np.isfinite(value):
            return f"{self.titles[0]} and {self.titles[1]}: no sample has both maps."
        bounds = f"95 % interval {_two(low)} to {_two(high)}, " if np.isfinite(low) else ""
        return f"{self.titles[0]} and {self.titles[1]}: {_two(value)} ({bounds}n = {self.alike.n})."


@dataclass(frozen=True)
class Agreement:
    """The answer.

    Attributes:
        scope: run and split.
        methods: titles of those that are compared.
        spec: the target of their maps.
        rows: `(n,)` the samples, those on which the methods disagree most first; those without a number last.
        scores: `(n,)` aligned: 1 − the mean rank correlation over all pairs of methods, 0 … 2; NaN where fewer than
            two of the maps are stored.
        alike: for each two of the methods `(n,)` the rank correlation of their maps, in the order of the samples asked
            for; NaN where one is not stored.
    """

    scope: Scope
    methods: Sequence[str]
    spec: str
    rows: Rows
    scores: NDArray[np.float64]
    alike: Mapping[tuple[str, str], NDArray[np.float64]]

    @property
    def pairs(self) -> list[Pair]:
        """Each two of the methods; the intervals take a moment where there are many samples."""
        known = [values[np.isfinite(values)] for values in self.alike.values()]
        estimates = bootstrap_means(known, seed=self.scope.study.info.seed)
        return [Pair(titles, estimate) for titles, estimate in zip(self.alike, estimates, strict=True)]

    @property
    def unknown(self) -> int:
        """Samples without a number."""
        return int(np.isnan(self.scores).sum())

    @property
    def sentences(self) -> list[str]:
        """What the order is by, which numbers it goes over, and what is not in it."""
        known = self.scores[np.isfinite(self.scores)]
        said = []
        if len(known):
            said.append(
                f"Disagreement (1 − mean rank correlation of {counted(len(self.methods), 'method')}, two by two) goes "
                f"from {known.max():.2f} to {known.min():.2f} over {counted(len(known), 'sample')}."
            )
        if self.unknown:
            said.append(
                f"{self.unknown:,} of {len(self.rows):,} samples come last: not enough of their heatmaps are there to "
                "say."
            )
        return said

    def as_json(self) -> dict[str, Any]:
        """Everything, JSON-able; NaN where there is no number."""
        ids = self.scope.study.samples["id"].iloc[self.rows].tolist()
        scores = np.round(self.scores, _DIGITS).tolist()
        return {
            "study": self.scope.study.name,
            "run": self.scope.run.name,
            "split": self.scope.split,
            "target": self.spec,
            "methods": list(self.methods),
            "n": len(self.rows),
            "missing": self.unknown,
            "samples": [{"id": name, "disagreement": score} for name, score in zip(ids, scores, strict=True)],
            "pairs": [_pair_json(pair) for pair in self.pairs],
            "sentences": self.sentences,
        }


def agreement(scope: Scope, columns: Sequence[Column], rows: Rows, spec: str) -> Agreement:
    """Read what is stored of these samples' maps by now, and order them.

    Args:
        scope: run and split.
        columns: the methods; fewer than two leave every sample without a number.
        rows: `(n,)` samples with predictions.
        spec: the target of the maps, as for `Run.targets`.
    """
    maps = {column.card.title: places(scope.run, column, rows, spec) for column in columns}
    pairs = list(combinations(maps, 2))
    measure = SIMILARITIES["spearman"]
    ranked = {title: measure.describe(each) for title, each in maps.items()}
    alike = {(a, b): measure.alike(ranked[a], ranked[b]).astype(float) for a, b in pairs}
    scores = disagreement(list(alike.values()), len(rows))
    order = order_by(scores, descending=True)
    return Agreement(scope, list(maps), spec, rows[order], scores[order], alike)


def disagreement(alike: Sequence[NDArray[np.float64]], count: int) -> NDArray[np.float64]:
    """`(count,)`: 1 − the mean over pairs of methods of how alike their maps are.

    0 where all methods order the places of the picture alike; NaN where no pair has a number.
    """
    if not alike:
        return np.full(count, np.nan)
    together = np.stack(list(alike))
    known = np.isfinite(together)
    pairs = known.sum(axis=0)
    mean = np.where(known, together, 0).sum(axis=0) / np.maximum(pairs, 1)
    return np.where(pairs > 0, 1 - mean, np.nan)


def places(run: Run, column: Column, rows: Rows, spec: str) -> Array:
    """Evidence for the target at one size, `(n, SIDE, SIDE)`; NaN where it is not stored."""
    found = np.full((len(rows), SIDE, SIDE), np.nan, np.float32)
    if column.maps is None:
        return found
    stored = column.maps.get(rows, target_keys(run, rows, spec))
    for i in np.flatnonzero(stored.state == STORED):
        heat = Image.fromarray(np.maximum(stored.maps[i], 0).astype(np.float32), mode="F")
        found[i] = np.asarray(heat.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    return found


def text(result: Mapping[str, Any]) -> str:
    """The answer's JSON form as lines for people."""
    lines = [f"{result['run']}: where {', '.join(result['methods'])} disagree", *result["sentences"]]
    lines += [f"  {pair['sentence']}" for pair in result["pairs"]]
    known = [sample for sample in result["samples"] if np.isfinite(sample["disagreement"])]
    width = max((len(sample["id"]) for sample in known[:_LISTED]), default=0)
    lines += [f"  {sample['id']:<{width}}  {sample['disagreement']:.2f}" for sample in known[:_LISTED]]
    return "\n".join([*lines, *([f"  and {len(known) - _LISTED} more; all with --json"] * (len(known) > _LISTED))])


def _pair_json(pair: Pair) -> dict[str, Any]:
    numbers = {name: round(float(getattr(pair.alike, name)), _DIGITS) for name in ("value", "low", "high")}
    return {"methods": list(pair.titles), **numbers, "n": pair.alike.n, "sentence": pair.sentence}


def _two(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")
