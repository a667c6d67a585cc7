"""Which class's maps do the confused samples' maps resemble?"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboard.figures.theme import SYMBOLS, Theme, axis, empty, safe, style, tint


@dataclass(frozen=True)
class Strip:
    """One column of dots: `values (n,)` similarities, and `null`, the line to read them against (or None)."""

    name: str
    values: NDArray
    null: float | None = None


def strips(
    columns: Sequence[Strip],
    theme: Theme,
    *,
    null_name: str,
    title: str = "",
    unit: str = "similarity (Pearson's correlation)",
) -> go.Figure:
    """Every sample a dot, the mean a bar, each column with its own line of reference.

    Args:
        null_name: what the reference lines are, e.g. "what correct samples reach with their own class".
        unit: what the values are, for the axis.
    """
    if not any(np.isfinite(column.values).any() for column in columns):
        return empty(theme, "No maps to compare yet.", title=title)
    figure = go.Figure()
    for place, column in enumerate(columns):
        known = column.values[np.isfinite(column.values)]
        figure.add_trace(_dots(known, place, theme))
        if known.size:
            figure.add_trace(_level(place, float(known.mean()), theme.text, "solid", "mean", place == 0))
        if column.null is not None and np.isfinite(column.null):
            figure.add_trace(_level(place, column.null, theme.muted, "dash", null_name, place == 0))
    style(figure, theme, title=title, height=400, margin_t=76 if title else 52)
    labels = [f"{_wrapped(column.name)}<br>n = {np.isfinite(column.values).sum()}" for column in columns]
    ticks = {"tickvals": list(range(len(columns))), "ticktext": labels, "range": [-0.6, len(columns) - 0.4]}
    ticks["tickangle"] = 0
    figure.update_xaxes(axis(theme, "", showgrid=False, zeroline=False, **ticks))
    return figure.update_yaxes(axis(theme, safe(unit)))


def _wrapped(name: str) -> str:
    """Escaped, in lines that fit beside each other."""
    return "<br>".join(safe(line) for line in textwrap.wrap(" ".join(name.split()), 18, max_lines=3, placeholder=" …"))


def _dots(values: NDArray, place: int, theme: Theme) -> go.Scatter:
    # A fixed sunflower spread: no randomness, and dots of similar value do not hide each other.
    spread = ((np.arange(len(values)) * 0.618034) % 1 - 0.5) * 0.44
    colour = theme.series[place % 5]
    dots = go.Scatter(
        x=place + spread, y=values, mode="markers", showlegend=False, hovertemplate="%{y:.2f}<extra></extra>"
    )
    edge = {"width": 1, "color": colour}
    return dots.update(marker={"color": tint(colour, 0.55), "symbol": SYMBOLS[place % 5], "size": 8, "line": edge})


def _level(place: int, value: float, colour: str, dash: str, name: str, legend: bool) -> go.Scatter:
    line = go.Scatter(
        x=[place - 0.34, place + 0.34], y=[value, value], mode="lines", name=safe(name), showlegend=legend
    )
    line.update(line={"color": colour, "dash": dash, "width": 2.5}, legendgroup=name)
    return line.update(hovertemplate="%{y:.2f}")
