"""Maps of the trained model beside those of a randomised one, and what follows from the comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard.context import Context
from dashboard.evidence import target_keys
from xai_core.answers.maps import Column
from xai_core.sanity.check import Check, check
from xai_core.similarities import SIMILARITIES
from xai_core.store.maps import MISSING, REFUSED
from xai_core.triage.intervals import MIN_BOOTSTRAP, bootstrap_mean
from xai_core.types import Array

COUNT = 12
"""Samples of the check: each needs two maps of every method."""

CONTROL = "edges"
"""The method that never asks the model, so that its maps cannot change: what failing looks like."""

MEASURES = ("ssim", "spearman", "spearman-absolute")
SAME = 0.999
ALIKE = 0.6
"""Where maps of different pictures are this alike on their own, being no more alike than they are says little."""


@dataclass(frozen=True)
class Reading:
    """One measure of one method.

    Attributes:
        value: mean similarity, trained against randomised, same picture; NaN where there is none.
        null: mean similarity of the trained model's maps of different pictures.
        sign: `>` or `<` where the 95 % interval of the paired difference excludes zero, else `≈`; "" with too few.
        n: pictures that have both.
    """

    value: float
    null: float
    sign: str
    n: int


@dataclass(frozen=True)
class Checked:
    """One method: its maps of both models and what the measures say.

    Attributes:
        trained, randomised: the method with the place of its maps.
        checks, readings: by measure; empty while there is nothing to compare.
        coming: maps still to be computed. refused: (of the trained, of the randomised model).
    """

    trained: Column
    randomised: Column
    checks: dict[str, Check]
    readings: dict[str, Reading]
    coming: int
    refused: tuple[int, int]

    @property
    def sentence(self) -> str:
        """What follows from the numbers, and no more."""
        return sentence(self.readings)


def checked(context: Context, trained: Column, randomised: Column, rows: NDArray[np.int64]) -> Checked:
    """One method's comparison on these samples, from what is stored by now."""
    keys = target_keys(context, rows, "predicted")
    stored = [column.maps.get(rows, keys) if column.maps else None for column in (trained, randomised)]
    states = [found.state if found else np.full(len(rows), MISSING) for found in stored]
    coming = sum(int((state == MISSING).sum()) for state in states)
    refused = tuple(int((state == REFUSED).sum()) for state in states)
    checks: dict[str, Check] = {}
    if stored[0] and stored[1] and stored[0].maps.size and stored[0].maps.shape == stored[1].maps.shape:
        checks = _checks(stored[0].maps, stored[1].maps)
    readings = {name: _reading(one, context.study.info.seed) for name, one in checks.items()}
    return Checked(trained, randomised, checks, readings, coming, (refused[0], refused[1]))


@st.cache_data(max_entries=64, show_spinner=False)
def _checks(trained: Array, randomised: Array) -> dict[str, Check]:
    found = {one.similarity: one for one in check(trained, randomised)}
    return {name: found[name] for name in MEASURES}


def _reading(one: Check, seed: int) -> Reading:
    both = np.isfinite(one.values) & np.isfinite(one.null)
    n = int(both.sum())
    if not n:
        return Reading(np.nan, np.nan, "", 0)
    gap = bootstrap_mean(one.values[both] - one.null[both], seed=seed)
    sign = "" if n < MIN_BOOTSTRAP else ">" if gap.low > 0 else "<" if gap.high < 0 else "≈"
    return Reading(float(one.values[both].mean()), float(one.null[both].mean()), sign, n)


def sentence(readings: dict[str, Reading]) -> str:
    """What readings of all MEASURES mean, in words."""
    known = {name: reading for name, reading in readings.items() if reading.sign}
    if not known:
        return "Too few maps to say."
    if all(reading.value > SAME for reading in known.values()):
        return "The same map for any weights: it shows nothing of what the model learned."
    more = [_title(name) for name, reading in known.items() if reading.sign == ">"]
    if len(more) == len(known):
        return (
            "With random weights, maps stay more alike than those of different pictures on every measure: a part of "
            "what they show does not come from what was learned."
        )
    if more:
        rest = [_title(name) for name, reading in known.items() if reading.sign != ">"]
        return (
            f"With random weights, maps stay more alike than those of different pictures on {_and(more)}, "
            f"but not on {_and(rest)}."
        )
    highest = max(reading.null for reading in known.values())
    if highest > ALIKE:
        return (
            f"Not measurably more alike than maps of different pictures, but those are alike themselves (up to "
            f"{highest:.2f}): this says little."
        )
    return (
        "With random weights, maps are not measurably more alike than those of different pictures: they change with "
        "the weights."
    )


def _title(measure: str) -> str:
    return SIMILARITIES[measure].card.title


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
