"""Samples with their heatmaps as cards: pictures come by address, so the page itself stays small."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import session
from dashboard.colours import css_gradient, sign_scale, strength_scale
from dashboard.context import Context
from dashboard.evidence import Column, Panel
from dashboard.tiles import picture_tile

PAGE = 24

_HTML = """
<div class="gallery">
  <div class="bar">
    <label class="opacity">Heatmap opacity
      <input type="range" min="0" max="1" step="0.01" value="0.75"><output>75 %</output></label>
    <div class="scales" style="display:contents"></div>
  </div>
  <div class="cards"></div>
</div>
"""
_SCALED = {
    "each": "Each map is drawn up to its own maximum: colours cannot be compared between pictures.",
    "shared": "All maps of a method on this page share one maximum: weak ones look weak.",
}


@cache
def _component() -> Any:
    here = Path(__file__)
    css, js = (here.with_suffix(kind).read_text(encoding="utf-8") for kind in (".css", ".js"))
    return st.components.v2.component("second_look_gallery", html=_HTML, css=css, js=js)


def gallery(
    context: Context, rows: NDArray[np.int64], columns: Sequence[Column], panels: Sequence[Sequence[Panel]], *, key: str
) -> int | None:
    """Draw one card per sample.

    Args:
        context: the open view.
        rows: N row numbers, in order; all have predictions.
        columns: the methods.
        panels: for each column N panels.
        key: of the element.

    Returns:
        The row number of a sample that was opened just now, or None.
    """
    data = {
        "columns": [{"title": column.card.title, "summary": column.card.summary} for column in columns],
        "items": [_item(context, int(row), [list_[i] for list_ in panels]) for i, row in enumerate(rows)],
        "scales": _scales(columns, context.selection.normalise),
        "openable": session.has_page("sample"),
        "chosen": context.selection.sample,
    }
    opened = _component()(key=key, data=data, on_open_change=lambda: None).open
    return None if opened is None else int(opened)


def _item(context: Context, row: int, panels: Sequence[Panel]) -> dict[str, Any]:
    return {
        "row": row,
        "id": str(context.study.samples["id"].iat[row]),
        "base": picture_tile(context.services.tiles, context.study, context.run, row),
        "classes": _classes(context, row),
        "tiles": [_tile(panel) for panel in panels],
    }


def _tile(panel: Panel) -> dict[str, str]:
    if panel.reason:
        return {"none": panel.reason}
    tile = {"heat": panel.address} if panel.address else {}
    return tile | ({"flag": panel.caution} if panel.caution else {})


def _classes(context: Context, row: int) -> list[dict[str, Any]]:
    """The true and the predicted class with their probabilities; one entry where they are the same."""
    predictions = context.predictions
    assert predictions is not None, "a gallery shows samples with predictions"
    place = int(np.searchsorted(predictions.rows, row))
    label, predicted = int(context.study.labels[row]), int(predictions.predicted[place])

    def one(role: str, index: int, kind: str) -> dict[str, Any]:
        share = float(predictions.probabilities[place, index])
        name = context.study.class_names[index]
        return {"role": role, "name": name, "share": share, "chance": f"{share:.1%}".replace("%", " %"), "kind": kind}

    if label == predicted:
        return [one("Correct", label, "right")]
    return [one("True", label, "right"), one("Predicted", predicted, "wrong")]


def _scales(columns: Sequence[Column], normalise: str) -> list[dict[str, str]]:
    note = _SCALED[normalise]
    found = []
    if any(not column.card.signed for column in columns):
        title = f"Strength of evidence for the target. {note}"
        found.append({"low": "none", "high": "strongest", "gradient": css_gradient(strength_scale()), "title": title})
    if any(column.card.signed for column in columns):
        title = f"Signed evidence; zero is transparent. {note}"
        found.append(
            {"low": "against", "high": "for the target", "gradient": css_gradient(sign_scale()), "title": title}
        )
    return found
