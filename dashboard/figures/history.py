"""Training curves."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard.figures.theme import DASHES, SYMBOLS, Theme, axis, empty, safe, share_ticks, style


def curves(history: pd.DataFrame, theme: Theme, *, title: str = "") -> go.Figure:
    """Loss and accuracy over epochs, one line per split; of segmenters mean IoU instead of accuracy.

    Args:
        history: `epoch`, `split`, `measure`, `value`; of the measures, `loss` and `accuracy` or `mean_iou` are drawn.
    """
    if history.empty:
        return empty(theme, "This run was not trained here: there are no curves.", title=title)
    share = "mean_iou" if (history["measure"] == "mean_iou").any() else "accuracy"
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.11)
    for number, (split, lines) in enumerate(history.groupby("split", sort=True)):
        for column, measure in enumerate(("loss", share), start=1):
            part = lines[lines["measure"] == measure]
            figure.add_trace(_line(part, str(split), measure, number, theme), row=1, col=column)
    style(figure, theme, title=title, height=320, margin_t=64 if title else 36)
    figure.update_xaxes(axis(theme, "epoch", tickformat="d", showgrid=False, dtick=_step(history)))
    figure.update_yaxes(axis(theme, "loss", rangemode="tozero"), col=1)
    return figure.update_yaxes(axis(theme, _NAMES.get(share, share), **_shares(history, share)), col=2)


_NAMES = {"mean_iou": "mean IoU"}


def _shares(history: pd.DataFrame, measure: str) -> dict[str, Any]:
    known = history.loc[history["measure"] == measure, "value"].dropna()
    return share_ticks(known.min(), known.max()) if len(known) else share_ticks()


def _step(history: pd.DataFrame) -> int:
    return max(1, int(history["epoch"].max()) // 10)


def _line(part: pd.DataFrame, split: str, measure: str, number: int, theme: Theme) -> go.Scatter:
    part = part.sort_values("epoch")
    form = ".3f" if measure == "loss" else ".1%"
    return go.Scatter(
        x=part["epoch"],
        y=part["value"],
        name=safe(split),
        legendgroup=split,
        showlegend=measure == "loss",
        mode="lines+markers",
        line={"color": theme.series[number % 5], "dash": DASHES[number % 5], "width": 2},
        marker={"symbol": SYMBOLS[number % 5], "size": 6},
        hovertemplate=f"epoch %{{x}}, {_NAMES.get(measure, measure)} %{{y:{form}}}",
    )
