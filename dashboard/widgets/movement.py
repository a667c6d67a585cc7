"""How far heatmaps moved between two runs, by what became of the samples."""

from __future__ import annotations

import math

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard.comparison import Comparison, moved
from dashboard.context import Context
from dashboard.text import escaped
from xai_core.answers.maps import Column
from xai_core.triage.compare import TRANSITIONS
from xai_core.triage.intervals import bootstrap_mean

MEASURED_UP_TO = 400
"""Samples whose maps are compared for one view."""
_WHY = (
    "1: both maps order the places of the picture alike; 0: unrelated; below 0: reversed. Two trainings of one recipe "
    "differ too: compare the lines with each other. Samples that stayed right show how far maps move anyway."
)


def movement(
    found: Comparison,
    before: tuple[Context, Column],
    after: tuple[Context, Column],
    rows: NDArray[np.int64],
    spec: str,
    target: str,
) -> None:
    """Draw one line per transition: mean rank correlation with its interval, and n."""
    rows = rows[:MEASURED_UP_TO]
    values = moved(before, after, rows, spec)
    known = np.isfinite(values)
    codes = found.codes[np.searchsorted(found.rows, rows)]
    lines = [_line(name, values[known & (codes == code)]) for code, name in enumerate(TRANSITIONS)]
    title = f"How alike are the heatmaps before and after? {before[1].card.title}, evidence for {target}"
    st.html(
        f'<div class="movement"><p class="figure-title">{escaped(title)}</p>'
        f"<p class=quiet>{_counted(len(rows), int(known.sum()))}</p>{''.join(lines)}<p class=quiet>{_WHY}</p></div>"
    )


def _counted(n: int, known: int) -> str:
    missing = (
        "" if known == n else f" ({n - known:,} are not computed, refused, without any variation, or cropped apart)"
    )
    return f"Mean rank correlation (Spearman) with 95 % interval, {known:,} of {n:,} samples{missing}."


def _line(name: str, values: NDArray[np.float64]) -> str:
    if not len(values):
        return ""
    mean = bootstrap_mean(values, seed=0)
    low, high = float(mean.low), float(mean.high)
    bounds, bar = "too few for an interval", ""
    if math.isfinite(low):
        bounds = f"{low:+.2f} to {high:+.2f}".replace("-", "−")
        bar = f'<i class="range" style="left:{_place(low):.2f}%;width:{_place(high) - _place(low):.2f}%"></i>'
    value = f"{float(mean.value):+.2f}".replace("-", "−")
    return (
        f'<div class="pair"><span class="who">{escaped(name.capitalize())} (n = {len(values):,})</span>'
        f"<b>{value}</b>"
        f'<div class="track zero">{bar}<i class="point" style="left:{_place(float(mean.value)):.2f}%"></i></div>'
        f'<span class="quiet">{bounds}</span></div>'
    )


def _place(value: float) -> float:
    """Percent of a track from −1 to 1."""
    return 50 + 50 * min(1.0, max(-1.0, value))
