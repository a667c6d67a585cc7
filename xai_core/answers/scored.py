"""What is stored of metrics on methods, sample by sample: what the table of explanation quality is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.answers.reasons import counted_reasons
from xai_core.answers.scope import Rows
from xai_core.explainers import EXPLAINERS
from xai_core.metrics import METRICS
from xai_core.metrics.base import OF_PLACES
from xai_core.params import build
from xai_core.store.files import Signature
from xai_core.store.run import Run
from xai_core.store.scores import STORED, ScoreStore, StoredScores
from xai_core.types import Array, Card

Named = tuple[str, Mapping[str, Any]]
"""Key of a member, and the parameters that are not at their defaults."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Scored:
    """One metric on the maps of one method, of the N samples that were asked for.

    Attributes:
        metric, method: their cards, the method's for the parameters in force.
        values: `(N,)`, NaN where a map is not scored.
        reasons: why others are not, and how many of them; the most frequent first.
        missing: how many have not been tried yet.
        beside: what stands beside the values, by name `(N,)`.
        curves: `(N, P)` at even steps from 0 to 1 of what the metric's card names; None without.
    """

    metric: Card
    method: Card
    values: Values
    reasons: Mapping[str, int]
    missing: int
    beside: Mapping[str, Array]
    curves: Array | None = None

    @property
    def there(self) -> NDArray[np.bool_]:
        """`(N,)` which samples are scored."""
        return np.isfinite(self.values)


def scored(
    run: Run, rows: Rows, target: str, methods: Sequence[Named], metrics: Sequence[Named], *, weights: str = "trained"
) -> list[Scored]:
    """Of every metric on every method, metric by metric, from what is stored.

    Args:
        run: a run with predictions.
        rows: row numbers of the samples.
        target: what the maps explain: one of TARGET_SPECS or a class index.
        methods, metrics: explainers and metrics.
        weights: whose maps: `trained`, or `randomised:SEED`.

    Raises:
        NotFound, BadParameter: an unknown method, metric, parameter or target.
        BadInput: samples without predictions, or masks that are gone.
    """
    keys = [each.key for each in run.targets(rows, target)]
    pairs = [(metric, method) for metric in metrics for method in methods]
    return [_scored(run, rows, keys, *pair, weights) for pair in pairs]


def stamp(run: Run, metrics: Sequence[Named]) -> tuple[object, ...]:
    """What changes whenever scores of a run are stored, or a mask is edited that one of the metrics reads."""
    stores = sorted((run.path / "scores").glob("*/*/"))
    masked = any(METRICS[key].card.needs & OF_PLACES for key, _ in metrics)
    known = ((str(store), ScoreStore(store).signature) for store in stores)
    return (run.study.masks_digest if masked else "", *known)


def _scored(run: Run, rows: Rows, keys: Sequence[str], metric: Named, method: Named, weights: str) -> Scored:
    of_metric: Any = build(METRICS[metric[0]].params, metric[1])
    of_method: Any = build(EXPLAINERS[method[0]].params, method[1])
    cards = METRICS[metric[0]].card, EXPLAINERS[method[0]].card_for(of_method)
    store = run.scores((metric[0], of_metric), (method[0], of_method), weights=weights)
    if store is None:
        return Scored(*cards, np.full(len(rows), np.nan), {}, len(rows), {})
    stored = _stored(store, rows, keys)
    values = np.where(stored.state == STORED, stored.values, np.nan).astype(np.float64)
    reasons = counted_reasons(stored.reasons)
    missing = len(rows) - int(np.isfinite(values).sum()) - sum(reasons.values())
    return Scored(*cards, values, reasons, missing, stored.beside, stored.curves)


def _stored(store: ScoreStore, rows: Rows, keys: Sequence[str]) -> StoredScores:
    """Read anew only where something was stored since: a page asks for the same again at every click."""
    now = store.signature
    return store.get(rows, keys) if now is None else _kept(store.path, now, rows.tobytes(), tuple(keys))


@lru_cache(maxsize=512)
def _kept(path: Path, _: Signature, rows: bytes, keys: tuple[str, ...]) -> StoredScores:
    return ScoreStore(path).get(np.frombuffer(rows, np.int64), keys)
