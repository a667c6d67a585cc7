"""What makes two stored results the same: everything that changes a map, and nothing that does not."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import BadParameter
from xai_core.explainers.base import Explainer
from xai_core.metrics.base import Metric
from xai_core.params import identifying

_WEIGHTS = re.compile(r"trained|randomised:[A-Za-z0-9._:-]{1,64}", re.ASCII)


def background_rows(rows: NDArray[np.int64], all_labels: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """`(≤ count,)` of these rows, ascending: the same for the same seed.

    Classes take turns, each in its own random order, so that each is there as often as any other while it lasts.
    That looks at every one of the rows: a study keeps what it found (`Study.background`).
    """
    shuffled = np.random.default_rng(seed).permutation(rows)
    labels = all_labels[shuffled]
    turn = np.zeros(len(rows), dtype=np.int64)
    for label in np.unique(labels):
        of_class = labels == label
        turn[of_class] = np.arange(of_class.sum())
    return np.sort(shuffled[np.argsort(turn, kind="stable")][:count])


def sample_seed(study_seed: int, sample_id: str) -> int:
    """A seed below 2³¹ for one sample: the same on every machine, in every order, in every batch."""
    text = f"{study_seed}:{sample_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(text).digest()[:4]) & 0x7FFF_FFFF


@dataclass(frozen=True)
class Origin:
    """Whose maps they are, as digests.

    Attributes:
        fingerprint: of the model.
        samples: of the study's samples.
        seed: the study's.
        weights: `trained`, or `randomised:SEED`.
        background: of the background's ids; None where the method needs none.
        masks: of all masks' pixels; None where the method needs none.
    """

    fingerprint: str
    samples: str
    seed: int
    weights: str = "trained"
    background: str | None = None
    masks: str | None = None


def identity(origin: Origin, method: Explainer, params: Any) -> dict[str, Any]:
    """What the maps of `method` depend on, as JSON; batch size and device are left out on purpose.

    Args:
        origin: of which model and study.
        method: the explainer.
        params: an instance of its params type.

    Raises:
        BadParameter: `weights` is neither form.
    """
    weights = origin.weights
    if not _WEIGHTS.fullmatch(weights):
        raise BadParameter("unknown kind of weights", value=weights, remedy="Give trained or randomised:SEED.")
    found = {
        "fingerprint": origin.fingerprint + ("" if weights == "trained" else f"+{weights}"),
        "samples": origin.samples,
        "method": method.card.key,
        "version": method.card.version,
        "params": identifying(params),
        "background": origin.background,
        "seed": origin.seed,
    }
    # Only where there is something to tell: maps that were stored before this was known keep their place.
    return found if origin.masks is None else {**found, "masks": origin.masks}


def metric_identity(masks: str | None, metric: Metric, params: Any) -> dict[str, Any]:
    """What the scores of `metric` depend on besides the maps, as JSON: with masks, every pixel of every mask.

    Args:
        masks: digest of all masks' pixels; None where the metric needs none.
        metric: the metric.
        params: an instance of its params type.
    """
    return {
        "metric": metric.card.key,
        "version": metric.card.version,
        "params": identifying(params),
        "masks": masks,
    }
