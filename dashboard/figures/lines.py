"""Lines with bands: profiles, cascades, flip tests, deletion curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from dashboard.figures.theme import DASHES, SYMBOLS, Theme, axis, class_axis, empty, safe, style, tint

LEAST_RATIO = 0.1
"""The smallest that a logarithmic axis shows."""


@dataclass(frozen=True)
class Line:
    """`values (m,)` with bounds `low`, `high` (or None), and how many samples `n` they stand on (or None)."""

    name: str
    values: ArrayLike
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    n: int | None = None

    @property
    def label(self) -> str:
        """The name with n, escaped."""
        return safe(self.name) + ("" if self.n is None else f" (n = {self.n})")


def profiles(lines: Sequence[Line], theme: Theme, *, unit: str, title: str = "") -> go.Figure:
    """Mean evidence of each row of the picture, drawn upright: the top of the figure is the top of the picture.

    Args:
        unit: what the evidence is measured in, e.g. "share of each map's maximum".
    """
    lines = [line for line in lines if np.isfinite(np.asarray(line.values, float)).any()]
    if not lines:
        return empty(theme, "No maps to average yet.", title=title)
    figure = go.Figure()
    for number, line in enumerate(lines):
        places = (np.arange(len(np.asarray(line.values))) + 0.5) / len(np.asarray(line.values))
        for trace in _traces(line, places, number, theme, upright=True):
            figure.add_trace(trace)
    style(figure, theme, title=title, height=420, margin_t=76 if title else 52)
    figure.update_xaxes(axis(theme, f"mean evidence ({safe(unit)}), band: 95 %", zeroline=True))
    ticks = {"tickvals": [0, 0.25, 0.5, 0.75, 1], "ticktext": ["top", "¼", "middle", "¾", "bottom"]}
    return figure.update_yaxes(axis(theme, "place in the picture", range=[1, 0], zeroline=False, **ticks))


def curves(
    lines: Sequence[Line],
    theme: Theme,
    *,
    x: Sequence[str] | Sequence[float] | NDArray,
    x_title: str,
    y_title: str,
    nulls: Sequence[Line] = (),
    title: str = "",
    y_range: tuple[float, float] | None = None,
    y_format: str = "",
    logarithmic: bool = False,
) -> go.Figure:
    """Lines over `x` (numbers, or names of steps in order) and reference lines to read them against.

    Args:
        nulls: each with one value, or one per x: what would be reached without any cause. Drawn in grey.
        logarithmic: for ratios: twice and half are as far from one; what is below LEAST_RATIO is drawn at the edge.
    """
    if not any(np.isfinite(np.asarray(line.values, float)).any() for line in lines):
        return empty(theme, "Nothing computed yet.", title=title)
    named = any(isinstance(value, str) for value in np.asarray(x, dtype=object))
    places = np.arange(len(np.asarray(x))) if named else np.asarray(x, float)
    figure = go.Figure()
    for number, line in enumerate(nulls):
        figure.add_traces(_traces(_stretched(line, len(places)), places, number + 1, theme, colour=theme.muted))
    for number, line in enumerate(lines):
        figure.add_traces(_traces(line, places, number, theme))
    style(figure, theme, title=title, height=380, margin_t=76 if title else 52)
    figure.update_xaxes(class_axis(theme, x_title, x) if named else axis(theme, x_title, showgrid=False))
    figure.update_yaxes(axis(theme, y_title, range=y_range, tickformat=y_format))
    return _of_ratios(figure) if logarithmic else figure


def _of_ratios(figure: go.Figure) -> go.Figure:
    """The same on a logarithmic axis."""
    for trace in figure.data:
        trace.y = np.maximum(np.asarray(trace.y, float), LEAST_RATIO)
    most = max((float(np.nanmax(trace.y, initial=1.0)) for trace in figure.data), default=1.0)
    ticks = [value for value in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if value <= 1.3 * most]
    about = {"tickvals": ticks, "ticktext": [f"{value:g}" for value in ticks], "tickmode": "array"}
    return figure.update_yaxes(type="log", range=[np.log10(0.9 * LEAST_RATIO), np.log10(1.2 * most)], **about)


def _stretched(line: Line, length: int) -> Line:
    def full(values: ArrayLike | None) -> ArrayLike | None:
        return None if values is None else np.broadcast_to(np.asarray(values, float), (length,))

    return Line(
        line.name, np.broadcast_to(np.asarray(line.values, float), (length,)), full(line.low), full(line.high), line.n
    )


def _traces(
    line: Line, places: ArrayLike, number: int, theme: Theme, *, upright: bool = False, colour: str = ""
) -> list[go.Scatter]:
    colour, again = colour or theme.series[number % 5], number // 5
    values, places = np.asarray(line.values, float), np.asarray(places, float)
    x, y = (values, places) if upright else (places, values)
    markers = len(values) <= 40 and colour != theme.muted  # lines of reference stay quiet
    main = go.Scatter(
        x=x, y=y, name=line.label, legendgroup=f"{number}{colour}", mode="lines+markers" if markers else "lines"
    )
    main.update(line={"color": colour, "dash": DASHES[(number + again) % 5], "width": 2})
    main.update(marker={"symbol": SYMBOLS[(number + again) % 5], "size": 6}, hovertemplate="%{x:.3g}, %{y:.3g}")
    if line.low is None or line.high is None:
        return [main]
    low, high = np.asarray(line.low, float), np.asarray(line.high, float)
    known = np.isfinite(low) & np.isfinite(high)
    edge = np.concatenate([low[known], high[known][::-1]])
    along = np.concatenate([places[known], places[known][::-1]])
    band = go.Scatter(x=edge if upright else along, y=along if upright else edge, fill="toself", mode="lines")
    band.update(line={"width": 0}, fillcolor=tint(colour, 0.16), hoverinfo="skip", showlegend=False)
    return [band.update(legendgroup=f"{number}{colour}"), main]
