"""Heatmaps of a few pictures in rows, large: original, superimposed or heat alone, and each one enlarged on a click."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.drawing.colours import css_gradient, sign_scale, strength_scale
from dashboard.heat.map_grid import Frame, Row, Stack
from dashboard.text import visible
from xai_core.types import Card

_HTML = """
<div class="board">
  <div class="bar">
    <div class="looks" role="group" aria-label="What to show"></div>
    <label class="opacity">Opacity
      <input type="range" min="0" max="1" step="0.01" value="0.75"><output>75 %</output></label>
    <label class="outline" hidden><input type="checkbox" checked> Outline of the object</label>
    <div class="scales" style="display:contents"></div>
  </div>
  <div class="rows"></div>
  <dialog></dialog>
</div>
"""
_ODD = "#c2571a"


@cache
def _component() -> Any:
    here = Path(__file__)
    files = (here.with_suffix(".css"), here.with_suffix(".js"), here.with_name("tiles.js"))
    css, js, tiles = (file.read_text(encoding="utf-8") for file in files)
    return st.components.v2.component("second_look_heat_grid", html=_HTML, css=css, js=js + tiles)


def heat_grid(rows: Sequence[Row], *, key: str, scaling: str, flow: bool = False) -> None:
    """Draw the rows.

    Args:
        rows: each with as many stacks as it likes.
        key: of the element.
        scaling: one sentence on what full colour means.
        flow: stacks are small, for many pictures side by side.
    """
    cards = {frame.card.key: frame.card for row in rows for stack in row.stacks for frame in stack.frames}
    data = {
        "rows": [_row(row) for row in rows],
        "columns": max((len(row.stacks) for row in rows), default=1),
        "flow": flow,
        "odd": _ODD,
        "scales": _scales(cards, scaling),
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
    ground = sign_scale()[128] if frame.card.signed else strength_scale()[0]
    return shown | {"heat": frame.panel.address, "ground": f"#{ground.tobytes().hex()}"}


def _scales(cards: Mapping[str, Card], scaling: str) -> list[dict[str, str]]:
    kinds = {card.signed for card in cards.values()}
    strength = {"low": "none", "high": "strongest", "gradient": css_gradient(strength_scale())}
    sign = {"low": "against", "high": "for the class", "gradient": css_gradient(sign_scale())}
    strength["title"] = f"Strength of evidence. {scaling}"
    sign["title"] = f"Signed evidence; zero is transparent. {scaling}"
    return [scale for scale, wanted in ((strength, False), (sign, True)) if wanted in kinds]
