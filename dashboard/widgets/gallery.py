"""Samples with their heatmaps as cards: pictures come by address, so the page itself stays small."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
) -> int | None:
    """Draw one card per sample.

    Args:
        context: the open view.
        rows: N row numbers, in order; all have predictions.
        columns: the methods.
        panels: for each column N panels.
        key: of the element.
        headings: what each card says of its sample; None for its true and predicted class.

    Returns:
        The row number of a sample that was opened just now, or None.
    """
    data = {
        "columns": [{"title": column.card.title, "summary": column.card.summary} for column in columns],
        "items": [
            _item(context, int(row), [list_[i] for list_ in panels], headings[i] if headings else None)
            for i, row in enumerate(rows)
        ],
        "scales": [] if look(context) == "outline" else scales([column.card for column in columns], "for the target"),
        "said": " ".join(legend_notes(context, chain(*panels))),
        "look": look(context),
        "faded": FADED,
        "offered": bool(offered()),
        "openable": session.has_page("sample"),
        "chosen": context.selection.sample,
    }
    return draw(data, key=key)


def draw(data: Mapping[str, Any], *, key: str) -> int | None:
    """The component itself. `data` is as `gallery` makes it; returns the row of a sample that was opened just now."""
    opened = _component()(key=key, data=data, on_open_change=lambda: None).open
    return None if opened is None else int(opened)


def _item(context: Context, row: int, panels: Sequence[Panel], heading: Sequence[ClassLine] | None) -> dict[str, Any]:
    return {
        "row": row,
        "id": visible(context.study.samples["id"].iat[row]),
        "base": picture_tile(context.services.tiles, context.study, context.run, row),
        "large": picture_tile(context.services.tiles, context.study, context.run, row, side=LARGE_SIDE),
        "classes": [line.data() for line in (heading or _classes(context, row))],
        "tiles": [_tile(panel) for panel in panels],
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
