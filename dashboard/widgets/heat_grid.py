"""Heatmaps of a few pictures in rows, large, and each one enlarged on a click or a key."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.frame.context import Context
from dashboard.heat.evidence import legend_notes, look
from dashboard.heat.map_grid import Frame, Row, Stack
from dashboard.text import visible
from dashboard.widgets.legend import scales
from dashboard.widgets.offers import offered
from xai_core.drawing.looks import FADED
from xai_core.task import SEGMENTATION

_HTML = """
<div class="board">
  <div class="bar">
    <button class="original" type="button" aria-pressed="false">Original</button>
    <label class="opacity">Opacity
      <input type="range" min="0" max="1" step="0.01" value="0.75"><output>75 %</output></label>
    <label class="outline" hidden><input type="checkbox" checked> <span class="what"></span></label>
    <div class="scales" style="display:contents"></div>
    <p class="said"></p>
  </div>
  <div class="rows"></div>
  <dialog></dialog>
</div>
"""
_ODD = "#c2571a"


@cache
def _component() -> Any:
    here = Path(__file__)
    names = ("heat_grid.css", "tiles.css", "heat_grid.js", "tiles.js")
    css, common, js, tiles = (here.with_name(name).read_text(encoding="utf-8") for name in names)
    return st.components.v2.component("second_look_heat_grid", html=_HTML, css=css + common, js=js + tiles)


def heat_grid(context: Context, rows: Sequence[Row], *, key: str, flow: bool = False) -> None:
    """Draw the rows.

    Args:
        context: the open view.
        rows: each with as many stacks as it likes.
        key: of the element.
        flow: stacks are small, for many pictures side by side.
    """
    frames = [frame for row in rows for stack in row.stacks for frame in stack.frames]
    cards = [frame.card for frame in frames]
    data = {
        "rows": [_row(row) for row in rows],
        "columns": max((len(row.stacks) for row in rows), default=1),
        "flow": flow,
        "odd": _ODD,
        "scales": [] if look(context) == "outline" else scales(cards, "for the class"),
        "said": " ".join(legend_notes(context, (frame.panel for frame in frames))),
        "look": look(context),
        "faded": FADED,
        "offered": bool(offered()),
        "outlined": f"Outline of the {'region' if context.study.info.task == SEGMENTATION else 'object'}",
    }
    _component()(key=key, data=data)


def _row(row: Row) -> dict[str, Any]:
    title = [{"text": visible(text), "strong": bool(place % 2)} for place, text in enumerate(row.title) if text]
    return {"title": title, "note": visible(row.note), "cells": [_stack(stack) for stack in row.stacks]}


def _stack(stack: Stack) -> dict[str, Any]:
    return {
        "base": stack.base,
        "shape": round(stack.shape, 4),
        "mask": stack.mask,
        "frames": [_frame(frame) for frame in stack.frames],
        "caption": visible(stack.caption),
        "notes": [{"text": visible(note.text), "title": visible(note.title), "odd": note.odd} for note in stack.notes],
    }


def _frame(frame: Frame) -> dict[str, str]:
    if frame.panel.reason:
        return {"title": visible(frame.title), "none": visible(frame.panel.reason)}
    shown = {"title": visible(frame.title), "about": visible(frame.about)}
    if frame.panel.address is None:
        return shown
    return shown | {"heat": frame.panel.address, "fade": frame.panel.fade or ""}
