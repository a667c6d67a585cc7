"""How far heatmaps moved between two runs, by what became of the samples."""

from __future__ import annotations

import math

import streamlit as st

from dashboard.text import escaped, plain
from dashboard.widgets.table import table
from xai_core.answers.movement import READ_AS, Line, Movement
from xai_core.answers.shift import HEADS, HINTS


def movement_card(found: Movement) -> None:
    """Draw one line per transition: mean rank correlation with its interval, and n."""
    lines = "".join(map(_line, found.lines))
    st.html(
        f'<div class="movement"><p class="figure-title">{escaped(found.title)}</p>'
        f"<p class=quiet>{escaped(found.counted)}</p>{lines}<p class=quiet>{escaped(READ_AS)}</p></div>"
    )
    if found.about:
        st.caption(plain(found.about))
    if found.most:
        table(HEADS, [one.line for one in found.most], hints=HINTS)


def _line(line: Line) -> str:
    value, low, high = (float(number) for number in (line.alike.value, line.alike.low, line.alike.high))
    bar = ""
    if math.isfinite(low):
        bar = f'<i class="range" style="left:{_place(low):.2f}%;width:{_place(high) - _place(low):.2f}%"></i>'
    return (
        f'<div class="pair"><span class="who">{escaped(line.name)}</span><b>{line.value}</b>'
        f'<div class="track zero">{bar}<i class="point" style="left:{_place(value):.2f}%"></i></div>'
        f'<span class="quiet">{line.bounds}</span></div>'
    )


def _place(value: float) -> float:
    """Percent of a track from −1 to 1."""
    return 50 + 50 * min(1.0, max(-1.0, value))
