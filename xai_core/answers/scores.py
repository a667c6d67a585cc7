"""How good the maps of methods are by each metric: means with intervals over samples, and what could not be scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xai_core.answers.reasons import counted_reasons
from xai_core.answers.scope import Rows
from xai_core.explainers import EXPLAINERS
from xai_core.metrics import METRICS
from xai_core.params import build
from xai_core.store.run import Run
from xai_core.store.scores import STORED, StoredScores
from xai_core.triage.intervals import bootstrap_mean
from xai_core.types import Array, Card

Named = tuple[str, Mapping[str, Any]]
"""Key of a member, and the parameters that are not at their defaults."""


@dataclass(frozen=True)
class Summary:
    """What one metric says of one method on the samples that were asked for.

    Attributes:
        metric, method: their cards, the method's for the parameters in force.
        mean, low, high: over the samples that are scored, with a 95 % bootstrap interval; NaN where there are too few.
        n: how many are scored.
        reasons: why others are not, and how many of them; the most frequent first.
        missing: how many have not been tried yet.
        beside: means of what stands beside the values, over the same samples.
        curve: the mean curve, `(P,)` at even steps from 0 to 1 of what the metric's card names; None without curves.
    """

    metric: Card
    method: Card
    mean: float
    low: float
    high: float
    n: int
    reasons: dict[str, int]
    missing: int
    beside: dict[str, float]
    curve: Array | None

    @property
    def not_scored(self) -> int:
        """How many could not be scored."""
        return sum(self.reasons.values())


def summaries(
    run: Run, rows: Rows, target: str, methods: Sequence[Named], metrics: Sequence[Named], *, weights: str = "trained"
) -> list[Summary]:
    """Of every metric on every method, metric by metric, from what is stored.

    Args:
        run: a run with predictions.
        rows: row numbers of the samples.
        target: what the maps explain: one of TARGET_SPECS or a class index.
        methods: explainers.
        metrics: metrics.
        weights: whose maps: `trained`, or `randomised:SEED`.

    Raises:
        NotFound, BadParameter: an unknown method, metric, parameter or target.
        BadInput: samples without predictions.
    """
    keys = [each.key for each in run.targets(rows, target)]
    found = []
    for metric, values in metrics:
        for method, settings in methods:
            of_metric: Any = build(METRICS[metric].params, values)
            of_method: Any = build(EXPLAINERS[method].params, settings)
            store = run.scores((metric, of_metric), (method, of_method), weights=weights)
            stored = store.get(rows, keys) if store is not None else None
            cards = METRICS[metric].card, EXPLAINERS[method].card_for(of_method)
            found.append(_summary(*cards, stored, len(rows), run.study.info.seed))
    return found


def _summary(metric: Card, method: Card, stored: StoredScores | None, count: int, seed: int) -> Summary:
    if stored is None:
        nan = float("nan")
        return Summary(metric, method, nan, nan, nan, 0, {}, count, {}, None)
    scored = stored.state == STORED
    estimate = bootstrap_mean(stored.values[scored], seed=seed)
    reasons = counted_reasons(stored.reasons)
    return Summary(
        metric,
        method,
        float(estimate.value),
        float(estimate.low),
        float(estimate.high),
        estimate.n,
        reasons,
        count - estimate.n - sum(reasons.values()),
        {name: float(values[scored].mean()) for name, values in stored.beside.items() if scored.any()},
        stored.curves[scored].mean(axis=0) if stored.curves is not None and scored.any() else None,
    )


def as_json(summary: Summary) -> dict[str, Any]:
    """For `--json`: numbers as they are, null where there is none."""
    return {
        "metric": summary.metric.key,
        "method": summary.method.key,
        "direction": summary.metric.direction,
        "mean": _number(summary.mean),
        "low": _number(summary.low),
        "high": _number(summary.high),
        "n": summary.n,
        "not_scored": summary.not_scored,
        "reasons": summary.reasons,
        "missing": summary.missing,
        "beside": {name: _number(value) for name, value in summary.beside.items()},
        "curve": None if summary.curve is None else [_number(float(value)) for value in summary.curve],
    }


def _number(value: float) -> float | None:
    return round(value, 6) if np.isfinite(value) else None
