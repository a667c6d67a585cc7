"""Samples with their heatmaps as cards: pictures come by address, so the page itself stays small."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard.drawing.tiles import LARGE_SIDE, picture_tile
from dashboard.frame import session
from dashboard.frame.context import Context
from dashboard.heat.evidence import Panel, full_colour, legend_notes, look
from dashboard.text import visible
from dashboard.widgets.legend import scales
from dashboard.widgets.offers import offered
from xai_core.answers.maps import Column
from xai_core.drawing.looks import FADED
from xai_core.words import percent

_HTML = """
<div class="gallery">
  <div class="bar">
    <label class="opacity"><span class="of">Heatmap opacity</span>
      <input type="range" min="0" max="1" step="0.01" value="0.75"><output>75 %</output></label>
    <div class="scales" style="display:contents"></div>
    <p class="said"></p>
  </div>
  <div class="cards"></div>
  <dialog></dialog>
</div>
"""


@dataclass(frozen=True)
class ClassLine:
    """One class in a card's heading: its role, name and probability (None or NaN: not known), whether it is right."""

    role: str
    name: str
    share: float | None
    right: bool

    def data(self) -> dict[str, Any]:
        """As the browser wants it."""
        known = self.share is not None and math.isfinite(self.share)
        kind = "right" if self.right else "wrong"
        return {
            "role": self.role,
            "name": visible(self.name),
            "share": self.share if known else 0.0,
            "chance": percent(self.share) if known and self.share is not None else "",
            "kind": kind,
        }


@dataclass(frozen=True)
class Layer:
    """A column that lies over each picture and is no heatmap: what it is, and for each picture its tile's address."""

    title: str
    summary: str
    tiles: Sequence[str]


@cache
def _component() -> Any:
    here = Path(__file__)
    names = ("gallery.css", "tiles.css", "gallery.js", "tiles.js")
    css, common, js, tiles = (here.with_name(name).read_text(encoding="utf-8") for name in names)
    return st.components.v2.component("second_look_gallery", html=_HTML, css=css + common, js=js + tiles)


def gallery(
    context: Context,
    rows: NDArray[np.int64],
    columns: Sequence[Column],
    panels: Sequence[Sequence[Panel]],
    *,
    key: str,
    headings: Sequence[Sequence[ClassLine]] | None = None,
    layers: Sequence[Layer] = (),
    outlines: Sequence[str] | None = None,
    opacity: str = "Heatmap opacity",
) -> int | None:
    """Draw one card per sample.

    Args:
        context: the open view.
        rows: N row numbers, in order; all have predictions.
        columns: the methods.
        panels: for each column N panels.
        key: of the element.
        headings: what each card says of its sample; None for its true and predicted class.
        layers: columns before those of the methods.
        outlines: for each sample the address of what is outlined on all its tiles; None for nothing.
        opacity: what the slider is called.

    Returns:
        The row number of a sample that was opened just now, or None.
    """
    heads = [(layer.title, layer.summary) for layer in layers]
    heads += [(column.card.title, column.card.summary) for column in columns]
    drawn = look(context) if columns else "heat"
    data = {
        "columns": [{"title": title, "summary": summary} for title, summary in heads],
        "items": [
            _item(context, int(row), headings[i] if headings else None)
            | {"tiles": [*({"heat": layer.tiles[i]} for layer in layers), *(_tile(list_[i]) for list_ in panels)]}
            | {"outline": outlines[i] if outlines else ""}
            for i, row in enumerate(rows)
        ],
        "scales": [] if drawn == "outline" else scales([column.card for column in columns], "for the target"),
        "said": " ".join(legend_notes(context, chain(*panels))) if columns else "",
        "look": drawn,
        "faded": FADED,
        "opacity": opacity,
        "offered": bool(columns) and bool(offered()),
        "openable": session.has_page("sample"),
        "chosen": context.selection.sample,
    }
    opened = _component()(key=key, data=data, on_open_change=lambda: None).open
    return None if opened is None else int(opened)


def _item(context: Context, row: int, heading: Sequence[ClassLine] | None) -> dict[str, Any]:
    return {
        "row": row,
        "id": visible(context.study.samples["id"].iat[row]),
        "base": picture_tile(context.services.tiles, context.study, context.run, row),
        "large": picture_tile(context.services.tiles, context.study, context.run, row, side=LARGE_SIDE),
        "classes": [line.data() for line in (heading or _classes(context, row))],
    }


def _tile(panel: Panel) -> dict[str, str]:
    if panel.reason:
        return {"none": visible(panel.reason)}
    tile = {"heat": panel.address} if panel.address else {}
    more = {"flag": panel.facts.caution, "base": panel.picture, "note": panel.note, "fade": panel.fade}
    more["full"] = full_colour(panel) if panel.address else ""
    return tile | {name: text for name, text in more.items() if text}


def _classes(context: Context, row: int) -> list[ClassLine]:
    """The true and the predicted class with their probabilities; one entry where they are the same."""
    said = context.scope.predictions.at([row])
    label, predicted, chances = int(context.study.labels[row]), int(said.predicted[0]), said.probabilities[0]

    def one(role: str, index: int) -> ClassLine:
        share = float(chances[index])
        return ClassLine(role, context.study.class_names[index], share, right=index == label)

    return [one("Correct", label)] if label == predicted else [one("True", label), one("Predicted", predicted)]
