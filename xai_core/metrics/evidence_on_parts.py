"""What metrics of parts share: the evidence that a map puts on each part of a sample, beside what the part counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xai_core.metrics.base import MetricInput, SampleParts
from xai_core.metrics.grids import on_grid
from xai_core.params import param
from xai_core.types import Scores

_TOLD = 1e-5
"""Of the largest importance: differences below it are rounding of the model's arithmetic, and such parts are tied."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class PartParams:
    """How the evidence on a part is counted, and which parts are."""

    statistic: str = param(
        "sum",
        help="what of the map counts on a part: its sum, as a part that goes takes all its pixels along, or its mean, "
        "which does not grow with the part",
        choices=("sum", "mean"),
    )
    least: float = param(
        0.005, help="parts that are smaller are left out", low=0.0, high=0.5, unit="share of the input's pixels"
    )


@dataclass(frozen=True, eq=False)
class OnParts:
    """Of the parts of a sample that count: `evidence` of the map on each, and its true `importance`, `(P,)` both."""

    evidence: Values
    importance: Values


Judge = Callable[[OnParts], float | str]
"""A value, or why there is none."""


def judged(given: MetricInput, params: PartParams, fewest: int, judge: Judge) -> Scores:
    """Every map, judged by its evidence on the sample's parts; beside it how many parts counted.

    Where zero is meaningful in a map, evidence against counts against a part; else only what is above zero counts.

    Args:
        given: maps, and the parts of their samples.
        params: how evidence is counted, and which parts are.
        fewest: with fewer parts nothing is scored.
        judge: what is said of one map.
    """
    values, counts = np.full(len(given.maps), np.nan, np.float32), np.zeros(len(given.maps), np.float32)
    reasons: list[str | None] = []
    for row, one in enumerate(_on_parts(given, params)):
        counts[row] = len(one.importance)
        said = f"fewer than {fewest} parts to compare" if counts[row] < fewest else _same(one) or judge(one)
        reasons.append(said if isinstance(said, str) else None)
        values[row] = np.nan if isinstance(said, str) else said
    return Scores(values, tuple(reasons), beside={"parts": counts})


def _on_parts(given: MetricInput, params: PartParams) -> Iterator[OnParts]:
    maps = given.maps if given.explainer.signed else np.maximum(given.maps, 0)
    for pixels, parts in zip(on_grid(maps, given.size), given.parts, strict=True):
        assert parts is not None, "a sample without parts reaches no metric that needs them"
        yield _counting(pixels, parts, params)


def _counting(pixels: Values, parts: SampleParts, params: PartParams) -> OnParts:
    sizes = parts.masks.sum((1, 2))
    counts = np.isfinite(parts.importance) & (sizes > 0) & (sizes >= params.least * pixels.size)
    evidence = np.array([pixels[mask].sum() for mask in parts.masks[counts]])
    if params.statistic == "mean":
        evidence = evidence / sizes[counts]
    return OnParts(_steady(evidence), _steady(parts.importance[counts]))


def _steady(values: Values) -> Values:
    """Rounded to what the arithmetic can tell, so that what should be tied is, on every machine."""
    scale = np.abs(values).max(initial=0.0)
    return values if not scale else np.round(values / scale / _TOLD) * _TOLD * scale


def _same(one: OnParts) -> str | None:
    if one.importance.max() == one.importance.min():
        return "no part counts more than another"
    return "the evidence is the same on every part" if one.evidence.max() == one.evidence.min() else None
