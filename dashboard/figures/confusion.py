"""A confusion matrix, and the difference of two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboard.figures.theme import Theme, class_axis, colour_bar, empty, heat_scale, safe, share_ticks, style
from xai_core.words import percent, points

Per = Literal["count", "true", "predicted"]
_UNITS = {"count": "samples", "true": "share of the true class", "predicted": "share of the predicted class"}
_POINTS = _UNITS | {"true": "points (% of the true class)", "predicted": "points (% of the predicted class)"}
"""Of a difference: a change from 4 % to 6 % is one of 2 percentage points."""
NUMBERED_UP_TO = 20
"""Classes. Up to here every cell says its number, and a scale beside it would say nothing more; beyond, they touch."""


def matrix(
    values: NDArray, class_names: Sequence[str], theme: Theme, *, per: Per = "count", title: str = ""
) -> go.Figure:
    """`(K, K)` counts or shares, rows true. The diagonal is drawn like the rest."""
    if not values.size or not np.nansum(values):
        return empty(theme, "No predictions to count yet.", title=title)
    top = 1.0 if per != "count" else float(np.nanmax(values))
    heat = _heat(values, class_names, per, signed=False)
    heat.update(colorscale=theme.counts, zmin=0, zmax=top, colorbar=_bar(theme, per))
    return _frame(heat, values, class_names, theme, title)


def difference(
    values: NDArray, class_names: Sequence[str], theme: Theme, *, per: Per = "count", title: str = ""
) -> go.Figure:
    """`(K, K)` candidate − baseline, centred on zero: blue is fewer, orange is more, in the cell as a whole.

    More is good on the diagonal and bad beside it, so colours mean the sign and not good or bad.
    """
    if not values.size:
        return empty(theme, "No two runs to compare yet.", title=title)
    reach = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 0.0
    heat = _heat(values, class_names, per, signed=True)
    heat.update(colorscale=heat_scale(signed=True), zmid=0, zmin=-(reach or 1), zmax=reach or 1)
    heat.update(colorbar=_bar(theme, per, "change, in ", reach=reach or 1))
    return _frame(heat, values, class_names, theme, title)


def _bar(theme: Theme, per: Per, prefix: str = "", reach: float = np.inf) -> dict:
    units = _POINTS if prefix else _UNITS
    whole = {"dtick": 1} if per == "count" and reach < 4 else {}  # there is no half sample
    if per == "count":
        return colour_bar(theme, f"{prefix}{units[per]}", tickformat="~s", **whole)
    ticks = share_ticks(-reach, reach) if math.isfinite(reach) else share_ticks()
    return colour_bar(theme, f"{prefix}{units[per]}", **ticks)


def _heat(values: NDArray, class_names: Sequence[str], per: Per, *, signed: bool) -> go.Heatmap:
    names = [safe(name) for name in class_names]
    shown = [[_number(value, per, signed) for value in row] for row in values]
    gap = 1 if len(names) <= 60 else 0  # lines between cells would cover small ones
    heat = go.Heatmap(z=values, customdata=[[[t, p] for p in names] for t in names], text=shown, xgap=gap, ygap=gap)
    heat.hovertemplate = "true: %{customdata[0]}<br>predicted: %{customdata[1]}<br>%{text} "
    heat.hovertemplate += f"{_POINTS[per] if signed else _UNITS[per]}<extra></extra>"
    if len(names) <= NUMBERED_UP_TO:
        heat.texttemplate = "%{text}"
    return heat


def _number(value: float, per: Per, signed: bool) -> str:
    if np.isnan(value):
        return "–"
    if signed and value == 0:
        return "0"
    if signed and per != "count":
        return points(value)
    if per != "count":
        return percent(value, 0)
    return format(value, "+,.0f" if signed else ",.0f").replace("-", "−")


def _frame(heat: go.Heatmap, values: NDArray, names: Sequence[str], theme: Theme, title: str) -> go.Figure:
    figure = style(go.Figure(heat), theme, title=title, height=int(np.clip(160 + 34 * len(values), 340, 760)))
    figure.update_xaxes(
        class_axis(theme, "predicted class", names, tickangle=-40, constrain="domain", constraintoward="left")
    )
    figure.update_yaxes(class_axis(theme, "true class", names, autorange="reversed", scaleanchor="x"))
    return figure.update_yaxes(constrain="domain", constraintoward="top")
