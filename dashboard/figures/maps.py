"""Heatmaps of evidence in a row, on one shared scale with its colour bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from PIL import Image
from plotly.subplots import make_subplots

from dashboard.figures.theme import Theme, colour_bar, empty, heat_scale, safe, style
from xai_core.drawing.colours import heat_layer, plotly_scale, sign_scale
from xai_core.drawing.looks import faded
from xai_core.triage.looks import Look, cell_sums, strongest_region

_MARKED = (("#111", 2),)
_LINES = (("#fff", 5), (plotly_scale(sign_scale())[-1][1], 2))
"""Of what is significant; and of the strongest part, as on tiles: in the colour of evidence for, with a light seam."""


@dataclass(frozen=True)
class Panel:
    """One heatmap.

    Attributes:
        values: `(h, w)` evidence.
        title: what it is of.
        n: how many samples it is the mean of, or None for a single one.
        picture: drawn beneath, stretched over the map: a mean picture, or the sample.
        outline: `(h, w)` bool, drawn as a line around True: what is significant.
    """

    values: NDArray
    title: str
    n: int | None = None
    picture: Image.Image | None = None
    outline: NDArray[np.bool_] | None = None

    @property
    def label(self) -> str:
        """The title with n, escaped."""
        return safe(self.title, 40) + ("" if self.n is None else f"<br>n = {self.n}")


def row(
    panels: Sequence[Panel], theme: Theme, *, signed: bool, unit: str, height: int = 340, look: Look = "heat"
) -> go.Figure:
    """Panels side by side. The scale is shared: the same colour is the same evidence in all of them.

    Args:
        signed: on the diverging scale, centred on zero; else from zero up.
        unit: of the evidence, for the colour bar, e.g. "mean share of each map's maximum".
        look: as what they are drawn, as tiles are: blocks, a line around the strongest part, or without the picture.
    """
    panels = [_as_seen(panel, look) for panel in panels]
    reach = max((_reach(panel.values) for panel in panels), default=0.0)
    if not any(np.isfinite(panel.values).any() for panel in panels):
        return empty(theme, "No maps to show yet.", height=height)
    figure = make_subplots(
        rows=1, cols=len(panels), subplot_titles=[panel.label for panel in panels], horizontal_spacing=0.03
    )
    for column, panel in enumerate(panels, start=1):
        _draw(figure, panel, column, reach, signed, look)
    bar = colour_bar(theme, safe(unit), len=0.9)
    scale = {"colorscale": heat_scale(signed=signed), "cmin": -reach if signed else 0, "cmax": reach, "colorbar": bar}
    scale["showscale"] = look != "outline"
    style(figure, theme, height=height, margin_t=56, coloraxis=scale)
    return figure.update_annotations(font={"size": 13, "color": theme.text})


def _as_seen(panel: Panel, look: Look) -> Panel:
    """The panel with what this look shows of it: a map without numbers stays as it is."""
    if not np.isfinite(panel.values).all():
        return panel
    if look == "cells":
        return replace(panel, values=cell_sums(panel.values[None])[0])
    if look == "outline":
        return replace(panel, outline=strongest_region(panel.values))
    return replace(panel, picture=None) if look == "alone" else panel


def _reach(values: NDArray) -> float:
    known = np.abs(values[np.isfinite(values)])
    return float(known.max()) or 1.0 if known.size else 0.0


def _draw(figure: go.Figure, panel: Panel, column: int, reach: float, signed: bool, look: Look) -> None:
    h, w = panel.values.shape
    shown = panel.picture is None and look != "outline"
    heat = go.Heatmap(z=panel.values, coloraxis="coloraxis", opacity=1.0 if shown else 0.0)
    heat.hovertemplate = "row %{y} of " + str(h) + " from the top<br>evidence %{z:.3g}<extra></extra>"
    figure.add_trace(heat, row=1, col=column)
    if panel.picture is not None:
        place = {"x": -0.5, "y": -0.5, "sizex": w, "sizey": h, "sizing": "stretch", "layer": "below"}
        layer = None if look == "outline" else heat_layer(panel.values, signed=signed, scale=reach or 1)
        drawn = _superimposed(panel.picture, layer, signed=signed, blocks=look == "cells")
        figure.add_layout_image(source=drawn, **place, row=1, col=column)  # the heatmap stays for its tooltip
    if panel.outline is not None and panel.outline.any():
        x, y = _outline(panel.outline)
        for colour, width in _LINES if look == "outline" else _MARKED:
            line = go.Scatter(x=x, y=y, mode="lines", hoverinfo="skip", showlegend=False)
            figure.add_trace(line.update(line={"color": colour, "width": width}), row=1, col=column)
    suffix = "" if column == 1 else str(column)
    bare = {"visible": False, "constrain": "domain", "range": [-0.5, w - 0.5]}
    figure.update_xaxes(bare, row=1, col=column)
    upright = {"visible": False, "constrain": "domain", "range": [h - 0.5, -0.5], "scaleanchor": f"x{suffix}"}
    figure.update_yaxes(upright | {"scaleratio": w / h}, row=1, col=column)


def _superimposed(picture: Image.Image, layer: NDArray[np.uint8] | None, *, signed: bool, blocks: bool) -> Image.Image:
    """The picture in grey (faded under both signs), evidence as opaque as it is strong; at least 256 pixels wide.

    Without a layer it is the picture in its own colours, to draw a line on.
    """
    enlarge = max(1.0, 256 / picture.width)
    size = (round(picture.width * enlarge), round(picture.height * enlarge))
    if layer is None:
        return picture.resize(size, Image.Resampling.BICUBIC)
    grey = faded(picture, "light") if signed else picture.convert("L")
    base = grey.resize(size, Image.Resampling.BICUBIC).convert("RGBA")
    heat = Image.fromarray(layer).resize(size, Image.Resampling.NEAREST if blocks else Image.Resampling.BILINEAR)
    return Image.alpha_composite(base, heat).convert("RGB")


def _outline(mask: NDArray[np.bool_]) -> tuple[list[float | None], list[float | None]]:
    """The borders between True and False cells as one broken line: segments parted by None."""
    padded = np.pad(mask, 1)
    x: list[float | None] = []
    y: list[float | None] = []
    for i, j in np.argwhere(padded[:, 1:] != padded[:, :-1]):
        x += [j - 0.5, j - 0.5, None]
        y += [i - 1.5, i - 0.5, None]
    for i, j in np.argwhere(padded[1:] != padded[:-1]):
        x += [j - 1.5, j - 0.5, None]
        y += [i - 0.5, i - 0.5, None]
    return x, y
