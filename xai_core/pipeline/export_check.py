"""Whether an exported file answers as PyTorch does, and how fast both are: measured, with n."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from xai_core.errors import BadInput
from xai_core.explainers import ExplainerInput
from xai_core.explainers.base import CamParams
from xai_core.explainers.engine.plan import explain
from xai_core.exports import Ask
from xai_core.models.classifier import Classifier
from xai_core.models.user_code import user_code
from xai_core.models.wrappers import full_precision
from xai_core.types import Array, CancelToken, Target

TOLERANCE = 1e-4
"""By how much, as a share of the largest logit, a file's logits may differ from PyTorch's; and maps as a share of each
map's largest value. float32 has steps of 1.2e-7; sums come in another order, exp and erf by other ways."""

RUNS, LEAST_RUNS, SECONDS = 50, 5, 10.0
"""Latency is the median of so many runs, or of as many as fit into the seconds."""


@dataclass(frozen=True)
class MapsChecked:
    """Of the maps: how many there were, and the largest difference, as a share of each map's largest value."""

    maps: int
    difference: float


@dataclass(frozen=True)
class Checked:
    """How near a file's answers are to PyTorch's.

    Attributes:
        pictures: how many were asked.
        difference: the largest difference of a logit, as a share of the largest logit.
        equal: of `said` predictions (pictures, or pixels of a segmenter) those that are the same.
        maps: of the explanation, where there is one.
    """

    pictures: int
    difference: float
    equal: int
    said: int
    tolerance: float = TOLERANCE
    maps: MapsChecked | None = None

    def as_json(self) -> dict[str, Any]:
        """For files and programs."""
        return asdict(self)


@dataclass(frozen=True)
class Latency:
    """Median seconds of one picture on one thread, and of how many runs each."""

    file: float
    pytorch: float
    runs: int

    def as_json(self) -> dict[str, Any]:
        """For files and programs."""
        return asdict(self)


def check(classifier: Classifier, ask: Ask, x: Tensor, *, cancel: CancelToken) -> Checked:
    """Ask both of each picture `(N, C, H, W)`, one by one.

    Raises BadInput where the logits differ by more than TOLERANCE, or are no numbers.
    """
    furthest, largest, equal, said = 0.0, 0.0, 0, 0
    for picture in _one_by_one(x):
        cancel.check()
        expected, found = _logits(classifier, picture), ask(picture.numpy())[0]
        if not np.isfinite(expected).all():
            remedy = "Correct the model, or leave such pictures out."
            raise BadInput("the model's output is not a number", value=classifier.architecture, remedy=remedy)
        if found.shape != expected.shape:
            raise _differs(f"it gives {found.shape}, PyTorch {expected.shape}")
        furthest = max(furthest, float(np.nan_to_num(np.abs(found - expected), nan=np.inf).max()))
        largest = max(largest, float(np.abs(expected).max()))
        same = found.argmax(1) == expected.argmax(1)
        equal, said = equal + int(same.sum()), said + same.size
    share = furthest / largest if furthest else 0.0
    if share > TOLERANCE:
        raise _differs(
            f"on {len(x)} pictures logits differ by up to {share:.1e} of the largest ({TOLERANCE:.0e} is allowed), and "
            f"{equal:,} of {said:,} predictions are equal"
        )
    return Checked(len(x), share, equal, said)


def check_maps(classifier: Classifier, ask: Ask, x: Tensor, layer: str, *, cancel: CancelToken) -> MapsChecked:
    """Compare each map of what the file says with the explainer `hirescam`, of the region where it says it.

    Raises BadInput where they differ by more than TOLERANCE.
    """
    furthest, count = 0.0, 0
    for picture in _one_by_one(x):
        cancel.check()
        logits, maps = (torch.from_numpy(np.array(output)) for output in ask(picture.numpy()))
        said = logits.argmax(1)
        classes: list[int] = np.unique(said.numpy()).tolist()
        expected = _hirescam(classifier, picture, said, classes, layer)
        found = maps[0, classes].numpy()
        if found.shape != expected.shape:
            raise _differs(f"its maps are {found.shape[1:]}, HiResCAM's {expected.shape[1:]}")
        scale = np.abs(expected).max((1, 2))
        differences = np.nan_to_num(np.abs(found - expected), nan=np.inf).max((1, 2))
        furthest = max(furthest, *(differences / np.where(scale > 0, scale, 1)).tolist())
        count += len(classes)
    if furthest > TOLERANCE:
        raise _differs(
            f"of {count} maps one differs by {furthest:.1e} of its largest value ({TOLERANCE:.0e} is allowed)"
        )
    return MapsChecked(count, furthest)


def _one_by_one(x: Tensor) -> Iterator[Tensor]:
    return (x[row : row + 1] for row in range(len(x)))


def _hirescam(classifier: Classifier, picture: Tensor, said: Tensor, classes: Sequence[int], layer: str) -> Array:
    """`(n, h, w)` of the classes that are said."""
    regions = torch.stack([(said[0] == one).float() for one in classes]) if classifier.output_size else None
    targets = [Target(one, region="predicted" if classifier.output_size else "") for one in classes]
    given = ExplainerInput(classifier, picture, targets, np.zeros(len(targets), np.int64), regions=regions)
    (made,) = explain(given, [("hirescam", CamParams(layer))], np.zeros(len(targets), np.int64))
    return np.nan_to_num(made.maps)


def takes_several(ask: Ask, x: Tensor) -> bool:
    """Whether two pictures at once get what each gets alone."""
    pair = (x if len(x) > 1 else x.repeat(2, 1, 1, 1))[:2].numpy()
    try:
        together, alone = ask(pair), [ask(one) for one in np.split(pair, 2)]
    except Exception:  # a runtime's own way to say that it takes one
        return False
    return all(
        found.shape[0] == 2 and np.allclose(found, np.concatenate(parts), atol=TOLERANCE * float(np.abs(found).max()))
        for found, *parts in zip(together, *alone, strict=True)
    )


def latencies(module: nn.Module, ask: Ask, x: Tensor, *, cancel: CancelToken) -> Latency:
    """Both in turn, so that what else the machine does slows both; the first run of each does not count."""
    picture = x[:1]
    given = picture.numpy()

    def by_torch() -> object:
        with torch.no_grad():
            return module(picture)

    took: tuple[list[float], list[float]] = [], []
    with _one_thread():
        began = perf_counter()
        while len(took[0]) <= LEAST_RUNS or (len(took[0]) <= RUNS and perf_counter() - began < SECONDS):
            cancel.check()
            for call, seconds in zip((lambda: ask(given), by_torch), took, strict=True):
                seconds.append(_seconds(call))
    file, pytorch = (statistics.median(seconds[1:]) for seconds in took)
    return Latency(file, pytorch, len(took[0]) - 1)


def _seconds(call: Callable[[], object]) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _logits(classifier: Classifier, picture: Tensor) -> Array:
    with user_code(classifier.architecture, "fails"), full_precision(), torch.no_grad():
        found: Array = classifier.logits(picture).float().numpy()
    return found


def _differs(how: str) -> BadInput:
    remedy = "Nothing is written. Try another format: xai list exports."
    return BadInput("the exported file does not answer as PyTorch does", value=how, remedy=remedy)
