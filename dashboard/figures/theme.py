"""Colours, type and escaping that all figures share."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from dashboard.text import visible
from xai_core.drawing.colours import plotly_scale, sign_scale, strength_scale
from xai_core.words import percent


@dataclass(frozen=True)
class Theme:
    """The colours of one mode, as `#rrggbb`.

    Attributes:
        text, muted, grid: for words, for what must not compete with data, for lines of reference.
        surface: the page behind the figure; figures themselves are transparent.
        accent: the one colour of emphasis, first of `series`.
        most: the darker end for counts, on which white numbers can be read.
        series: for kinds of things. Apart for normal eyes and for all three kinds of colour blindness (see tests).
    """

    name: str
    text: str
    muted: str
    grid: str
    surface: str
    accent: str
    most: str
    series: tuple[str, ...]

    @property
    def counts(self) -> list[tuple[float, str]]:
        """From the page's own colour, for none, to `most`."""
        return [(0.0, self.surface), (1.0, self.most)]


LIGHT = Theme(
    name="light",
    text="#1a2422",
    muted="#66736f",
    grid="#e2e7e4",
    surface="#fcfcfa",
    accent="#0e7069",
    most="#0e7069",
    series=("#0e7069", "#b03401", "#438ae8", "#a98c29", "#6f0a78"),
)
DARK = Theme(
    name="dark",
    text="#e4ebe8",
    muted="#94a6a1",
    grid="#2c3735",
    surface="#0f1514",
    accent="#4cc2b4",
    most="#1c7d73",
    series=("#4cc2b4", "#ee8b0c", "#5e6bf0", "#f8e48b", "#a76185"),
)
FONT = "Inter, 'Segoe UI', 'SF Pro Text', Roboto, 'Noto Sans', 'Liberation Sans', sans-serif"
"""As in the pages' theme. It must be named: plotly's own style sheet hides the page's font from figures."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5)
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "x")
"""Beside the colours, so that no series is told by colour alone."""


def theme_of(name: str) -> Theme:
    """DARK for "dark", LIGHT for everything else."""
    return DARK if name == "dark" else LIGHT


def heat_scale(*, signed: bool) -> list[tuple[float, str]]:
    """The colours of heatmaps, the same in tiles and figures."""
    return plotly_scale(sign_scale() if signed else strength_scale())


def safe(value: object, limit: int = 60) -> str:
    """Text as plotly shows it literally: visible, on one line, shortened, its markup escaped."""
    text = " ".join(visible(value).split())
    return html.escape(text if len(text) <= limit else text[: limit - 1] + "…", quote=False)


def tint(colour: str, opacity: float) -> str:
    """`#rrggbb` as `rgba(…)`."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def axis(theme: Theme, title: str = "", **changes: Any) -> dict[str, Any]:
    """A quiet axis with a title that says quantity and unit."""
    return {
        "title": {"text": title, "font": {"size": 13}, "standoff": 8},
        "gridcolor": theme.grid,
        "linecolor": theme.grid,
        "zerolinecolor": theme.grid,
        "tickfont": {"color": theme.muted, "size": 12},
        "automargin": True,
    } | changes


def share_ticks(low: float = 0.0, high: float = 1.0) -> dict[str, Any]:
    """About five ticks of a share between two values, written as in sentences: Plotly's own formats have no space."""
    span = high - low if math.isfinite(high - low) and high > low else 1.0
    step = next((step for step in _STEPS if span / step <= 6), _STEPS[-1])
    first = math.ceil(low / step - 1e-9) if math.isfinite(low) else 0
    values = [round((first + place) * step, 6) for place in range(int(span / step + 1e-9) + 1)]
    text = [percent(value, 0 if step >= 0.01 else 1).replace("-", "−") for value in values]
    return {"tickmode": "array", "tickvals": values, "ticktext": text}


def class_axis(theme: Theme, title: str, names: Iterable[object], **changes: Any) -> dict[str, Any]:
    """An axis of positions 0 … K − 1 named by classes; with more than 40, about 25 of the names.

    Positions, not categories: plotly takes the class "7" for a number and merges classes of one name.
    """
    labels = [safe(name, 22) for name in names]
    step = -(-len(labels) // (40 if len(labels) <= 40 else 25)) or 1
    ticks = {"tickmode": "array", "tickvals": list(range(0, len(labels), step)), "ticktext": labels[::step]}
    return axis(theme, title, **(ticks | {"showgrid": False, "zeroline": False} | changes))


def style(figure: go.Figure, theme: Theme, *, title: str = "", height: int = 340, **changes: Any) -> go.Figure:
    """The looks of every figure; returns the figure given."""
    figure.update_layout(
        {
            "template": go.layout.Template(),
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": FONT, "color": theme.text, "size": 13},
            "title": {
                "text": safe(title, 90),
                "font": {"size": 15},
                "x": 0,
                "xref": "paper",
                "y": 1,
                "yref": "container",
            }
            | {"yanchor": "top", "pad": {"t": 10}},
            "margin": {"l": 8, "r": 12, "t": 44 if title else 28, "b": 8},
            "height": height,
            "hoverlabel": {"bgcolor": theme.surface, "bordercolor": theme.grid, "font": {"color": theme.text}},
            "legend": {"orientation": "h", "x": 0, "y": 1.01, "yanchor": "bottom", "font": {"size": 12}},
            "hovermode": "closest",
            "bargap": 0.3,
        }
    )
    return figure.update_layout(changes)


def colour_bar(theme: Theme, title: str, **changes: Any) -> dict[str, Any]:
    """A slim colour bar whose title states quantity and unit."""
    return {
        "title": {"text": title, "side": "right", "font": {"size": 12}},
        "thickness": 12,
        "outlinewidth": 0,
        "tickfont": {"color": theme.muted, "size": 11},
    } | changes


def empty(theme: Theme, message: str, *, title: str = "", height: int = 220) -> go.Figure:
    """A figure that says why there is nothing to see."""
    figure = style(go.Figure(), theme, title=title, height=height)
    figure.add_annotation(
        text=message, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, font={"color": theme.muted, "size": 14}
    )
    hidden = {"visible": False, "range": [0, 1]}
    return figure.update_layout(xaxis=hidden, yaxis=hidden)
