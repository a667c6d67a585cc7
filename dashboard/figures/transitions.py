"""What became of each class's samples between two runs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from dashboard.figures.theme import Theme, axis, class_axis, empty, safe, style, tint

_MOST = 30  # classes in one figure


def bars(table: pd.DataFrame, class_names: Sequence[str], theme: Theme, *, title: str = "") -> go.Figure:
    """Stacked bars of samples that were or are wrong, per class; samples right in both runs are left out.

    Args:
        table: columns `fixed`, `broken`, `still wrong`, `changed its mistake`, `n`; one row per class, in order.
    """
    kinds = _kinds(theme)
    table = table.assign(name=list(class_names), **{"class": range(len(table))}, wrong=table[list(kinds)].sum(axis=1))
    table = table[table["wrong"] > 0].sort_values("wrong", kind="stable").tail(_MOST)
    if table.empty:
        return empty(theme, "No sample is wrong in either run.", title=title)
    figure = go.Figure([_bar(table, kind, look) for kind, look in kinds.items()])
    style(figure, theme, title=title, height=130 + 28 * len(table), barmode="stack", margin_t=76 if title else 52)
    figure.update_layout(legend_traceorder="normal")
    figure.update_xaxes(axis(theme, "samples (those right in both runs left out)"))
    return figure.update_yaxes(class_axis(theme, "true class", table["name"]))


def _kinds(theme: Theme) -> dict[str, dict]:
    """Colour and pattern of each transition: the patterns tell them apart without colour."""
    return {
        "fixed": {"color": theme.series[0]},
        "broken": _patterned(theme.series[1], "/", theme.surface),
        "still wrong": {"color": tint(theme.muted, 0.75)},
        "changed its mistake": _patterned(tint(theme.muted, 0.4), ".", theme.text),
    }


def _patterned(colour: str, shape: str, ink: str) -> dict:
    return {"color": colour, "pattern": {"shape": shape, "bgcolor": colour, "fgcolor": ink, "size": 6}}


def _bar(table: pd.DataFrame, kind: str, look: dict) -> go.Bar:
    names = [safe(name) for name in table["name"]]
    return go.Bar(
        x=table[kind],
        y=list(range(len(table))),
        orientation="h",
        name=kind,
        marker=look,
        customdata=[(*line, kind) for line in zip(names, table["n"], table["class"], strict=True)],
        hovertemplate=f"%{{customdata[0]}}: %{{x}} of %{{customdata[1]}} {kind}<extra></extra>",
    )
