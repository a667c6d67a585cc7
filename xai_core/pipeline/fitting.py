"""The fit of a baseline: it can be stopped, what scikit-learn warns of is kept, and what it cannot do is one line."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import TypeVar

import numpy as np

from xai_core.errors import BadInput, one_line
from xai_core.training.baselines import Baseline, BaselineParams, Estimator
from xai_core.training.baselines.base import Labels
from xai_core.types import Array, CancelToken, Progress

T = TypeVar("T")


@dataclass(frozen=True)
class Follow:
    """Who watches, and may stop it."""

    progress: Progress
    cancel: CancelToken


@dataclass(frozen=True)
class Fitted:
    """What a fit gave: the estimator, how long it took, and what scikit-learn warned of, in sentences."""

    estimator: Estimator
    seconds: float
    notes: tuple[str, ...]


def fitted(
    member: Baseline,
    data: tuple[Array, Labels],
    params: BaselineParams,
    seed: int,
    follow: Follow,
) -> Fitted:
    """Fit a baseline to `(n, D)` numbers and `(n,)` classes.

    Raises:
        BadInput: scikit-learn could not fit it.
        Cancelled: asked to stop.
    """
    if len(np.unique(data[1])) < 2:
        remedy = "A baseline needs two classes to tell apart: take more samples, or mend the pictures."
        raise BadInput("training samples of one class alone", value=len(data[1]), remedy=remedy)

    def fit() -> tuple[Estimator, float, list[str]]:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            began = perf_counter()
            estimator = member.fit(*data, params, seed)
            seconds = perf_counter() - began
        return estimator, seconds, [_first_line(one.message) for one in said]

    follow.progress(0, 1, "fits")
    try:
        estimator, seconds, warned = _stoppable(fit, follow.cancel)
    except (ValueError, ArithmeticError, MemoryError) as error:  # diverged, or numbers that it cannot work with
        remedy = f"Set other parameters: xai list baselines names those of {member.card.key}."
        raise BadInput("scikit-learn could not fit it", value=one_line(error) or "no memory", remedy=remedy) from None
    follow.progress(1, 1, "fits")
    notes = tuple(f"scikit-learn says: {line}" for line in dict.fromkeys(warned))
    return Fitted(estimator, seconds, notes)


def _first_line(message: object) -> str:
    return one_line(str(message).strip().partition("\n")[0]).rstrip(" :.") + "."


def _stoppable(work: Callable[[], T], cancel: CancelToken) -> T:
    """What `work` gives, in a thread of its own: nobody can stop a fit, but it needs not be waited for.

    Raises Cancelled when asked to stop; the thread then ends with its process, or its fit. What `work` raises comes
    out.
    """
    found: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, name="baseline", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.1)
        cancel.check()
    if failed:
        raise failed[0]
    return found[0]
