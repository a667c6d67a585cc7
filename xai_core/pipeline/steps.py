"""Long work in steps: how much one is, and what goes on although some samples cannot be read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from xai_core.errors import LeftOut

if TYPE_CHECKING:
    from torch import nn

    from xai_core.models.classifier import Classifier

Steps = Iterator[tuple[int, int]]
"""Yields (units done, units in all) after each step; what a step stored stays."""

FIRST_FORWARDS, FIRST_ROWS = 256, 32
"""A first step: at most so much work, in forward passes, and so many rows."""

SECONDS_PER_STEP, MOST_ROWS = 1.0, 2048
"""What later steps grow or shrink to: short enough that a click never waits long, long enough that storing is cheap."""

TIMED = 4
"""Pictures of which a forward pass is timed."""

_forwards: WeakKeyDictionary[nn.Module, float | None] = WeakKeyDictionary()


def first_size(cost: float) -> int:
    """Rows of the first step, where one row takes about `cost` forward passes."""
    return max(1, min(FIRST_ROWS, int(FIRST_FORWARDS / max(1.0, cost))))


def next_size(size: int, seconds: float, most: int = MOST_ROWS) -> int:
    """Twice or half as many rows where a step of `size` rows took far less or more time than a step should."""
    if seconds < SECONDS_PER_STEP / 2:
        return min(2 * size, most)
    return max(1, size // 2) if seconds > SECONDS_PER_STEP * 2 else size


def seconds_of_a_forward(classifier: Classifier) -> float | None:
    """What one picture of a few takes through the model, once it is warm; taken once for each.

    None where the model cannot be asked: a time is no reason to fail.
    """
    if classifier.module not in _forwards:
        _forwards[classifier.module] = _timed(classifier)
    return _forwards[classifier.module]


def _timed(classifier: Classifier) -> float | None:
    import torch

    took = []
    with torch.no_grad(), suppress(Exception):
        x = torch.zeros(TIMED, *classifier.input_shape, device=classifier.device)
        for _ in range(2):
            began = time.perf_counter()
            classifier.logits(x).sum().item()  # waits for a GPU too
            took.append((time.perf_counter() - began) / TIMED)
    return min(took, default=None)


def noted(steps: Steps, samples: int, left_out: dict[str, str]) -> Steps:
    """The steps; why some of the `samples` could not be read is noted by id in `left_out` at their end.

    Raises LeftOut where none could, and what the steps raise.
    """
    try:
        yield from steps
    except LeftOut as error:
        if len(error.reasons) >= samples:
            raise
        left_out.update(error.reasons)
