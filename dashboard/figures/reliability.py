"""Calibration: is the model right as often as it says?"""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard.figures.theme import Theme, axis, empty, share_ticks, style, tint


def calibration(table: pd.DataFrame, error: str, theme: Theme, *, title: str = "") -> go.Figure:
    """Accuracy with its interval against confidence, over how many samples each bin holds.

    Args:
        table: columns `left`, `right`, `n`, `confidence`, `accuracy`, `low`, `high`, one row per bin.
        error: the calibration error in words; why there is none where all bins are empty.
    """
    filled = table[table["n"] > 0]
    if filled.empty:
        return empty(theme, error, title=title)
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.76, 0.24], vertical_spacing=0.05)
    ideal = go.Scatter(x=[0, 1], y=[0, 1], mode="lines", name="as often as it says", hoverinfo="skip")
    figure.add_trace(ideal.update(line={"color": theme.muted, "dash": "dash", "width": 1.5}), row=1, col=1)
    figure.add_trace(_dots(filled, error, theme), row=1, col=1)
    figure.add_trace(_counts(table, theme), row=2, col=1)
    style(figure, theme, title=title, height=440, margin_t=76 if title else 52, bargap=0.05)
    figure.update_xaxes(axis(theme, "", range=[0, 1.02], **share_ticks()))
    figure.update_xaxes(title_text="confidence (probability of the predicted class)", row=2, col=1)
    figure.update_yaxes(axis(theme, "accuracy (95 % interval)", range=[0, 1.02], **share_ticks()), row=1, col=1)
    return figure.update_yaxes(axis(theme, "samples", nticks=3), row=2, col=1)


def _dots(filled: pd.DataFrame, error: str, theme: Theme) -> go.Scatter:
    arms = {"array": filled["high"] - filled["accuracy"], "arrayminus": filled["accuracy"] - filled["low"]}
    return go.Scatter(
        x=filled["confidence"],
        y=filled["accuracy"],
        error_y=arms | {"type": "data", "symmetric": False, "color": theme.accent, "thickness": 1.2, "width": 3},
        mode="lines+markers",
        name=f"this run ({error})",
        line={"color": theme.accent, "width": 1.5},
        marker={"size": 8, "color": theme.accent},
        customdata=filled["n"],
        hovertemplate="says %{x:.1%}, right in %{y:.1%}, n = %{customdata}<extra></extra>",
    )


def _counts(table: pd.DataFrame, theme: Theme) -> go.Bar:
    return go.Bar(
        x=(table["left"] + table["right"]) / 2,
        y=table["n"],
        marker_color=tint(theme.muted, 0.6),
        showlegend=False,
        hovertemplate="%{y} samples around %{x:.0%}<extra></extra>",
    )
