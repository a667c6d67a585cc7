"""Ways of training against each other: each seed a dot, the mean a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard.figures.theme import Theme, axis, class_axis, safe, share_ticks, style


def arms(panels: Mapping[str, Mapping[str, Sequence[float]]], theme: Theme) -> go.Figure:
    """One panel for each outcome, a line in it for each arm, the first on top.

    Args:
        panels: by outcome, by arm: the share under each seed's model; every outcome has the same arms.
    """
    names = list(next(iter(panels.values())))
    places = {name: len(names) - 1 - number for number, name in enumerate(names)}
    figure = make_subplots(rows=1, cols=len(panels), shared_yaxes=True, horizontal_spacing=0.08)
    for column, (outcome, shares) in enumerate(panels.items(), 1):
        for name, values in shares.items():
            figure.add_trace(_mean(values, places[name], theme), row=1, col=column)
            figure.add_trace(_seeds(name, values, places[name], theme), row=1, col=column)
        together = np.concatenate([np.asarray(values, float) for values in shares.values()])
        low, high = float(together.min()), float(together.max())
        room = max(0.06 * (high - low), 0.005)
        ticks = share_ticks(low - room, high + room)
        figure.update_xaxes(axis(theme, safe(outcome), range=[low - room, high + room], **ticks), col=column)
    style(figure, theme, height=110 + 38 * len(names), showlegend=False)
    figure.update_yaxes(showgrid=False, zeroline=False)
    return figure.update_yaxes(class_axis(theme, "", list(places)[::-1]), col=1)


def _seeds(name: str, values: Sequence[float], place: int, theme: Theme) -> go.Scatter:
    return go.Scatter(
        x=list(values),
        y=[place] * len(values),
        mode="markers",
        marker={"color": theme.accent, "size": 9, "opacity": 0.65, "line": {"color": theme.surface, "width": 1}},
        customdata=[safe(name)] * len(values),
        hovertemplate="%{customdata}<br>%{x:.1%}<extra></extra>",
    )


def _mean(values: Sequence[float], place: int, theme: Theme) -> go.Scatter:
    mean = float(np.mean(values))
    ends = [place - 0.32, place + 0.32]
    line = {"color": theme.text, "width": 2}
    return go.Scatter(x=[mean, mean], y=ends, mode="lines", line=line, hoverinfo="skip")
