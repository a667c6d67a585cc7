"""Who agrees with whom: a square of rank correlations."""

from __future__ import annotations

import textwrap

import numpy as np
import plotly.graph_objects as go

from dashboard.figures.theme import Theme, axis, colour_bar, empty, heat_scale, safe, style
from xai_core.answers.quality_figures import Square

_LETTERS = 22


def square(found: Square, theme: Theme, *, unit: str, title: str = "") -> go.Figure:
    """Every two of them, with the number in the cell and all that is known of it on hovering.

    Args:
        unit: what the values are, for the colour bar.
    """
    if not found.known:
        return empty(theme, "Not enough to compare yet.", title=title)
    count, values = len(found.names), found.values.copy()
    np.fill_diagonal(values, np.nan)
    text = [["" if np.isnan(value) else f"{value:.2f}".replace("-", "−") for value in row] for row in values]
    hover = [["<br>".join(map(safe, textwrap.wrap(words, 60))) for words in row] for row in found.words]
    cells = go.Heatmap(z=values, x=list(range(count)), y=list(range(count)), zmin=-1, zmax=1, xgap=2, ygap=2)
    cells.update(colorscale=heat_scale(signed=True), colorbar=colour_bar(theme, unit), hoverongaps=False)
    cells.update(text=text, texttemplate="%{text}", textfont={"size": 12 if count <= 10 else 10})
    cells.update(customdata=hover, hovertemplate="%{customdata}<extra></extra>")
    figure = style(go.Figure(cells), theme, title=title, height=max(320, 150 + 36 * count))
    names = {"tickvals": list(range(count)), "ticktext": [safe(name, _LETTERS) for name in found.names]}
    bare = {"showgrid": False, "zeroline": False, **names}
    figure.update_xaxes(axis(theme, "", side="bottom", tickangle=-40, **bare))
    return figure.update_yaxes(axis(theme, "", autorange="reversed", **bare))
