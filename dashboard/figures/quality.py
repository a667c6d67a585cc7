"""Runs against each other: how good, how dear."""

from __future__ import annotations

import math

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard.figures.theme import Theme, axis, class_axis, empty, safe, share_ticks, style, tint


def runs(table: pd.DataFrame, theme: Theme, *, measure: str = "accuracy", title: str = "") -> go.Figure:
    """One dot with its interval per run, the best on top.

    Args:
        table: columns `name`, `value`, `low`, `high` (shares) and `n` (samples).
        measure: what the value is, for the axis.
    """
    table = table.dropna(subset=["value"]).sort_values("value", kind="stable")
    if table.empty:
        return empty(theme, "No run has predictions yet.", title=title)
    figure = go.Figure(_dots(table, theme))
    style(figure, theme, title=title, height=_height(table), showlegend=False)
    figure.update_xaxes(
        axis(theme, f"{safe(measure)} (95 % interval)", **share_ticks(table["low"].min(), table["high"].max()))
    )
    return figure.update_yaxes(class_axis(theme, "", table["name"]))


def cost(table: pd.DataFrame, theme: Theme, *, title: str = "") -> go.Figure:
    """Accuracy beside the time it took to train, a line per run, the most accurate on top.

    Args:
        table: columns as in `runs`, and `seconds` (of training; NaN where unknown).
    """
    table = table.dropna(subset=["value"]).sort_values("value", kind="stable")
    if table.empty:
        return empty(theme, "No run has predictions yet.", title=title)
    figure = make_subplots(rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.1)
    figure.add_trace(_bars(table, theme), row=1, col=1)
    figure.add_trace(_times(table, theme), row=1, col=2)
    style(figure, theme, title=title, height=_height(table), showlegend=False)
    figure.update_xaxes(axis(theme, "accuracy (95 % interval)", range=[0, 1], **share_ticks()), col=1)
    figure.update_xaxes(_seconds_axis(table, theme), col=2)
    figure.update_yaxes(showgrid=False, zeroline=False, col=2)
    return figure.update_yaxes(class_axis(theme, "", table["name"]), col=1)


FEW_DECADES = 2.5
"""Of times on one axis: beyond, every second tick stands, for want of room."""


def _seconds_axis(table: pd.DataFrame, theme: Theme) -> dict:
    ticks = {0.1: "0.1 s", 1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h", 36_000: "10 h"}
    scale = {"type": "log", "tickvals": list(ticks), "ticktext": list(ticks.values())}
    known = table["seconds"].notna().any()
    if not known:
        return axis(theme, "training time: not known", tickvals=[])
    least, most = table["seconds"].clip(lower=0.01).agg(["min", "max"])
    span = math.log10(most / least)
    if span > FEW_DECADES:
        scale |= {"tickvals": [0.1, 10, 600, 36_000], "ticktext": ["0.1 s", "10 s", "10 min", "10 h"]}
    room = 0.9 + 0.3 * span  # on the right, for the last label, whose width is a share of the axis
    return axis(theme, "training time (log scale)", range=[math.log10(least) - 0.3, math.log10(most) + room], **scale)


def _height(table: pd.DataFrame) -> int:
    return 120 + 34 * len(table)


def _interval(table: pd.DataFrame, theme: Theme) -> dict:
    arms = {"array": table["high"] - table["value"], "arrayminus": table["value"] - table["low"]}
    return arms | {"type": "data", "symmetric": False, "color": theme.text, "thickness": 1.3, "width": 4}


def _dots(table: pd.DataFrame, theme: Theme) -> go.Scatter:
    return go.Scatter(
        x=table["value"],
        y=list(range(len(table))),
        error_x=_interval(table, theme),
        mode="markers",
        marker={"color": theme.accent, "size": 10},
        customdata=_customdata(table),
        hovertemplate="%{customdata[0]}<br>%{x:.1%} (%{customdata[1]:.1%} to %{customdata[2]:.1%}), "
        "n = %{customdata[3]}<extra></extra>",
    )


def _bars(table: pd.DataFrame, theme: Theme) -> go.Bar:
    return go.Bar(
        x=table["value"],
        y=list(range(len(table))),
        error_x=_interval(table, theme),
        orientation="h",
        marker_color=tint(theme.accent, 0.75),
        customdata=_customdata(table),
        hovertemplate="%{customdata[0]}<br>accuracy %{x:.1%}, n = %{customdata[3]}<extra></extra>",
    )


def _times(table: pd.DataFrame, theme: Theme) -> go.Scatter:
    """Dots, not bars: a logarithmic axis has no zero for a bar to start from."""
    return go.Scatter(
        x=table["seconds"],
        y=list(range(len(table))),
        mode="markers+text",
        marker={"color": theme.muted, "size": 10, "symbol": "diamond"},
        text=[_duration(seconds) for seconds in table["seconds"]],
        textposition="middle right",
        textfont={"color": theme.muted, "size": 12},
        cliponaxis=False,
        hoverinfo="skip",
    )


def _duration(seconds: float) -> str:
    if not seconds >= 0:
        return ""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"  {seconds / length:.3g} {unit}"
    return f"  {seconds:.2g} s"


def _customdata(table: pd.DataFrame) -> list[tuple[object, ...]]:
    names = [safe(name) for name in table["name"]]
    return list(zip(names, table["low"], table["high"], table["n"], strict=True))
