"""Frozen records that travel between the rooms of the house. Shapes, units and ranges are defined here once.

Letters: N samples, K classes, C channels, H×W input pixels, h×w the resolution of a map.
Everything here is numpy: nothing that only reads results needs torch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from xai_core.errors import BadInput, Cancelled

Array = NDArray[np.float32]
Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
ALL_SPLITS = (*SPLITS, "all")
"""What a question may be about: one of them, or all together."""

Progress = Callable[[int, int, str], None]
"""`progress(done, total, what)`: called after each unit of work, with the unit's plural name."""


def silent(done: int, total: int, what: str) -> None:
    """The progress callback that shows nothing."""


class CancelToken:
    """Set from another thread or a signal handler; long work calls `check()` between units."""

    def __init__(self) -> None:
        self._set = False

    def cancel(self) -> None:
        """Ask the work to stop at its next unit."""
        self._set = True

    @property
    def cancelled(self) -> bool:
        """Whether a stop was asked for."""
        return self._set

    def check(self) -> None:
        """Raise `Cancelled` when a stop was asked for."""
        if self._set:
            raise Cancelled


ASPECTS = ("truth", "localisation", "faithfulness", "robustness", "complexity", "randomisation")
"""What a metric may ask of a map: does it rank parts as their true importance does; is it on the object; does hiding
what it marks change the output; does it stay where the picture hardly changes; is it short; does it change with the
weights."""


@dataclass(frozen=True)
class Card:
    """What a member of a family says of itself; menus, forms, flags, docs and contract tests read it.

    Attributes:
        key: the name in commands, URLs and folders: lower case, digits, `+`, `-`, `_`.
        title: the name for people.
        summary: one line, what it does.
        blind_spot: one line, what it does NOT show or do.
        paper: the source (authors, year, title), or "" where there is none.
        version: raised when results change, so that stored ones are not mistaken for new ones.
        needs: what it asks of model and data, names of `xai_core.needs.NEEDS`.
        cost: about how many forward passes one sample takes; menus sort by it. 0 for what runs no model.
        signed: maps have a meaningful zero and are shown on a diverging scale.
        class_specific: for explainers, whether another target gives another map.
        direction: for metrics, +1 higher is better, -1 lower is better, 0 neither.
        unit: for metrics, what a value is and its range, in words: `share, 0…1`.
        scale_free: for metrics, whether a map times a positive number scores the same.
        curve: for metrics that give one, what its horizontal axis is in words, from 0 to 1; else "".
        aspect: for metrics, which of ASPECTS they ask about.
        agreement: for metrics, how it orders methods where the truth is known: Kendall's τ, from −1 to 1, with
            `part-ranking` over the usual methods and the controls without `object`, mean of the demo's two models.
        control: for explainers, whether maps know nothing of the model: what a method must beat.
    """

    key: str
    title: str
    summary: str
    blind_spot: str
    paper: str = ""
    version: int = 1
    needs: frozenset[str] = frozenset()
    cost: float = 0.0
    signed: bool = False
    class_specific: bool = True
    direction: int = 0
    unit: str = ""
    scale_free: bool = False
    curve: str = ""
    aspect: str = ""
    agreement: float | None = None
    control: bool = False


_TARGET_KEY = re.compile(r"(0|[1-9][0-9]*)(?:-(0|[1-9][0-9]*))?(?:@(.+))?", re.ASCII | re.DOTALL)


@dataclass(frozen=True)
class Target:
    """Which output a map explains: the class `positive`, minus the class `negative` where there is one.

    `key` is what stored rows are kept by: `"3"` or `"3-1"`, so that "predicted" and "skirt" share a map
    where they mean the same. Of a segmenter's output a target is about the places of a `region`, whose name follows
    (`"3-1@predicted"`); "" is all of them, and the only one of a classifier.
    """

    positive: int
    negative: int | None = None
    region: str = ""

    @property
    def key(self) -> str:
        """The stored form: `"3"`, `"3-1"` or `"3-1@predicted"`."""
        classes = str(self.positive) if self.negative is None else f"{self.positive}-{self.negative}"
        return f"{classes}@{self.region}" if self.region else classes

    @classmethod
    def parse(cls, key: str) -> Target:
        """The target whose `key` this is. Raises BadInput where it is none's."""
        found = _TARGET_KEY.fullmatch(key)
        if found is None:
            raise BadInput("not the key of a target", value=key, remedy="Write 3, 3-1 or 3-1@REGION, by class index.")
        positive, negative, region = found.groups()
        return cls(int(positive), None if negative is None else int(negative), region or "")


TARGET_SPECS = ("predicted", "true", "difference")
"""What a user may ask for besides a class: the predicted class, the true one, predicted minus true."""


Specs = str | Sequence[str]
"""One target as a user asks for it (one of TARGET_SPECS, or a class index as text), or several of each sample."""


def several(specs: Specs) -> tuple[str, ...]:
    """All of them, in order."""
    return (specs,) if isinstance(specs, str) else tuple(specs)


def resolve_target(spec: str, predicted: int, label: int) -> Target:
    """The target that `spec` means for one sample.

    `spec` is one of TARGET_SPECS or a class index as text. For a correct sample the difference is the
    predicted class alone: there is no second class to subtract.
    """
    if spec == "predicted" or (spec == "difference" and predicted == label):
        return Target(predicted)
    if spec == "true":
        return Target(label)
    if spec == "difference":
        return Target(predicted, label)
    return Target(int(spec))


def target_weights(targets: list[Target], classes: int) -> Array:
    """One weight per class and sample, `(N, K)` float32: e_positive − e_negative."""
    weights = np.zeros((len(targets), classes), dtype=np.float32)
    for row, target in zip(weights, targets, strict=True):
        row[target.positive] += 1.0
        if target.negative is not None:
            row[target.negative] -= 1.0
    return weights


@dataclass(frozen=True)
class Explanation:
    """Maps of one method for N samples.

    Attributes:
        maps: `(N, h, w)` float32, raw and signed (never normalised), channels summed. Class activation maps at
            the layer's own resolution, pixel methods at input resolution.
        diagnostics: named `(N,)` float32 arrays: `conservation` (1 is ideal), `completeness_gap` (0 is ideal), …
        refusals: one entry per sample: None, or why this map must not be shown (its pixels are then NaN).
    """

    maps: Array
    diagnostics: Mapping[str, Array] = field(default_factory=dict)
    refusals: tuple[str | None, ...] = ()

    def __post_init__(self) -> None:
        if not self.refusals:
            object.__setattr__(self, "refusals", (None,) * len(self.maps))


@dataclass(frozen=True)
class Scores:
    """What a metric says of N maps.

    Attributes:
        values: `(N,)` float32; NaN where a map cannot be scored, and nowhere else.
        reasons: one entry per map: None, or why it cannot be scored.
        curves: `(N, P)` float32 at P even steps from 0 to 1 of what the card's `curve` names, or None; NaN where a map
            cannot be scored.
        beside: named `(N,)` float32 that a reader needs to judge the values: `mask_area`, …; NaN where there is none.

    Raises:
        ValueError: a value that is not finite without a reason, a reason beside a value, or lengths that differ.
    """

    values: Array
    reasons: tuple[str | None, ...] = ()
    curves: Array | None = None
    beside: Mapping[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.reasons:
            object.__setattr__(self, "reasons", (None,) * len(self.values))
        lengths = {len(self.values), len(self.reasons), *map(len, self.beside.values())}
        lengths |= set() if self.curves is None else {len(self.curves)}
        if self.values.ndim != 1 or len(lengths) > 1:
            raise ValueError(f"scores whose lengths differ: {sorted(lengths)}")
        scored = np.array([reason is None for reason in self.reasons], dtype=bool)
        if not np.isfinite(self.values[scored]).all() or not np.isnan(self.values[~scored]).all():
            raise ValueError("a score that is no number needs a reason, and a reason leaves no score")
        if self.curves is not None and not np.isfinite(self.curves[scored]).all():
            raise ValueError("a curve with NaN or infinity")
