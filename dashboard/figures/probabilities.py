"""What the model makes of one picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from dashboard.figures.theme import Theme, axis, class_axis, empty, safe, style, tint


def top(
    probabilities: NDArray, class_names: Sequence[str], theme: Theme, *, true: int | None = None, k: int = 5
) -> go.Figure:
    """The k largest of `(K,)` probabilities, the true class always among them.

    Args:
        probabilities: NaN for classes whose probability was not kept.
        true: the label, or None for a picture without one.
    """
    order = np.argsort(-np.asarray(probabilities, float), kind="stable")  # NaN comes last
    shown = [i for i in order[:k].tolist() if np.isfinite(probabilities[i])]
    if not shown:
        return empty(theme, "No probabilities for this picture.")
    if true is not None and true not in shown:
        shown.append(true)
    shown.reverse()
    figure = go.Figure(_bar(probabilities, class_names, shown, int(order[0]), true, theme))
    style(figure, theme, height=90 + 34 * len(shown), margin_t=12)
    figure.update_xaxes(axis(theme, "probability", range=[0, 1.16], tickvals=[0, 0.25, 0.5, 0.75, 1], tickformat=".0%"))
    figure.update_yaxes(class_axis(theme, "", [class_names[i] for i in shown]))
    return figure.update_yaxes(ticktext=[_name(i, class_names, int(order[0]), true) for i in shown])


def _name(index: int, names: Sequence[str], predicted: int, true: int | None) -> str:
    marks = [word for word, marked in (("predicted", index == predicted), ("true", index == true)) if marked]
    return safe(names[index], 22) + (f" · <b>{' and '.join(marks)}</b>" if marks else "")


def _bar(
    probabilities: NDArray, names: Sequence[str], shown: list, predicted: int, true: int | None, theme: Theme
) -> go.Bar:
    def colour(index: int) -> str:
        if index == true:
            return theme.accent
        return theme.series[1] if index == predicted and true is not None else tint(theme.muted, 0.5)

    values = [float(probabilities[i]) for i in shown]
    bar = go.Bar(x=values, y=list(range(len(shown))), orientation="h", marker_color=[colour(i) for i in shown])
    bar.update(text=[f"{100 * value:.1f} %" for value in values], textposition="outside", cliponaxis=False)
    bar.update(textfont={"color": theme.text}, customdata=[safe(names[i]) for i in shown])
    return bar.update(hovertemplate="%{customdata}: %{x:.2%}<extra></extra>")
