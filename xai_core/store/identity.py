"""What makes two stored results the same: everything that changes a map, and nothing that does not."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import BadParameter
from xai_core.explainers.base import Explainer
from xai_core.metrics.base import Metric
from xai_core.params import digest, identifying

if TYPE_CHECKING:
    from xai_core.store.run import Run
    from xai_core.store.study import Study

BACKGROUND = 32
"""Samples of the background where a method needs one and its params have no field `background`."""

_WEIGHTS = re.compile(r"trained|randomised:[A-Za-z0-9._:-]{1,64}", re.ASCII)


def background_count(params: Any) -> int:
    """How many background samples a method with these params takes."""
    return int(getattr(params, "background", BACKGROUND))


def background_rows(study: Study, count: int, seed: int) -> NDArray[np.int64]:
    """`(≤ count,)` rows of the training split, ascending: the same for the same seed.

    Classes take turns, each in its own random order, so that each is there as often as any other while it lasts.
    Without a training split they come from all samples.
    """
    rows = study.rows("train")
    rows = rows if len(rows) else study.rows()
    shuffled = np.random.default_rng(seed).permutation(rows)
    labels = study.labels[shuffled]
    turn = np.zeros(len(rows), dtype=np.int64)
    for label in np.unique(labels):
        of_class = labels == label
        turn[of_class] = np.arange(of_class.sum())
    return np.sort(shuffled[np.argsort(turn, kind="stable")][:count])


def sample_seed(study_seed: int, sample_id: str) -> int:
    """A seed below 2³¹ for one sample: the same on every machine, in every order, in every batch."""
    text = f"{study_seed}:{sample_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(text).digest()[:4]) & 0x7FFF_FFFF


def identity(run: Run, method: Explainer, params: Any, *, weights: str = "trained") -> dict[str, Any]:
    """What the maps of `method` on `run` depend on, as JSON; batch size and device are left out on purpose.

    Args:
        run: a run with a model.
        method: the explainer.
        params: an instance of its params type.
        weights: `trained`, or `randomised:SEED`.

    Raises:
        BadParameter: `weights` is neither form.
    """
    if not _WEIGHTS.fullmatch(weights):
        raise BadParameter("unknown kind of weights", value=weights, remedy="Give trained or randomised:SEED.")
    study = run.study
    background = None
    if "background" in method.card.needs:
        rows = background_rows(study, background_count(params), study.info.seed)
        background = digest(study.samples["id"].iloc[rows].tolist())
    return {
        "fingerprint": run.info.fingerprint + ("" if weights == "trained" else f"+{weights}"),
        "samples": study.info.samples_digest,
        "method": method.card.key,
        "version": method.card.version,
        "params": identifying(params),
        "background": background,
        "seed": study.info.seed,
    }


def metric_identity(study: Study, metric: Metric, params: Any) -> dict[str, Any]:
    """What the scores of `metric` depend on besides the maps, as JSON: with masks, every pixel of every mask.

    Args:
        study: the study of the maps.
        metric: the metric.
        params: an instance of its params type.
    """
    return {
        "metric": metric.card.key,
        "version": metric.card.version,
        "params": identifying(params),
        "masks": study.masks_digest if "mask" in metric.card.needs else None,
    }
