"""Learning rate and trainable layers as functions of the step alone: nothing to save, nothing to restore."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi

from xai_core.training.config import HEAD_FACTOR, TrainConfig

WARM_UP, START, END = 0.3, 1 / 25, 1 / 250_000
"""Share of steps that rise; first and last rate as shares of the peak (as torch's OneCycleLR has them)."""


@dataclass(frozen=True)
class Stage:
    """Consecutive epochs with one cycle of the learning rate. `head_only`: nothing else is trained."""

    first: int
    epochs: int
    peak: float
    head_only: bool


def stages(config: TrainConfig) -> list[Stage]:
    """The stages of a resolved configuration: the head first where there is one to train, then everything."""
    head, rest = config.head_epochs, config.epochs - config.head_epochs
    both = [
        Stage(1, head, config.head_learning_rate or config.learning_rate * HEAD_FACTOR, True),
        Stage(1 + head, rest, config.learning_rate, False),
    ]
    return [stage for stage in both if stage.epochs]


def one_cycle(step: int, steps: int, peak: float) -> float:
    """The rate at `step` of 0 … `steps` − 1: a cosine up to `peak`, then a cosine down (Smith, Topin 2018)."""
    top = max(WARM_UP * steps - 1, 0.0)
    if step <= top and top > 0:
        return _between(peak * START, peak, step / top)
    return _between(peak, peak * END, (step - top) / max(steps - 1 - top, 1))


def _between(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + cos(pi * share)) / 2
