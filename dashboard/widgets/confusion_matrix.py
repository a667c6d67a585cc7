"""The confusion matrix as a canvas with keyboard, tooltip and a ranked list of confusions."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard.text import visible
from xai_core.answers.confusion import cells
from xai_core.triage.confusion import Cell

LIST_FIRST_ABOVE = 200
"""With more classes than this, cells are too small to read: the ranked list leads."""

_HTML = """
<div class="view">
  <div class="board"><canvas tabindex="0" role="application"></canvas><div class="tip" role="tooltip"></div></div>
  <div class="side">
    <input class="search" type="search" placeholder="Find a class" aria-label="Find a class">
    <div><h4 class="heading"></h4><ol class="pairs"></ol></div>
    <div class="legend"></div>
  </div>
  <div class="live" aria-live="polite"></div><div class="probe"></div>
</div>
"""


@cache
def _component() -> Any:
    here = Path(__file__)
    css, js = (here.with_suffix(kind).read_text(encoding="utf-8") for kind in (".css", ".js"))
    return st.components.v2.component("second_look_confusion_matrix", html=_HTML, css=css, js=js)


def confusion_matrix(
    counts: NDArray[np.int64],
    labels: Sequence[str],
    *,
    key: str,
    chosen: Cell | None,
    mode: str = "count",
    order: Sequence[int] | None = None,
    unit: str = "sample",
    showing: Sequence[int] | None = None,
    on_choose: Callable[[Cell | None], None],
) -> None:
    """Draw the matrix.

    Args:
        counts: `(K, K)`, row = true class, column = predicted class.
        labels: K class names; drawn as text, never as markup.
        key: of the element.
        chosen: the selected cell (true, predicted).
        mode: `count`, or the share per `true` or `predicted` class.
        order: the classes in order of display; None as given.
        unit: what is counted, one of them.
        showing: in how many pictures each class is, where pictures are counted, which show several.
        on_choose: called with the new cell, or None, before the page runs again.
    """
    data = {
        "cells": pack(counts),
        "labels": [visible(label) for label in labels],
        "order": None if order is None else [int(i) for i in order],
        "mode": mode,
        "unit": unit,
        "showing": None if showing is None else [int(count) for count in showing],
        "list_first": len(labels) > LIST_FIRST_ABOVE,
        "command": _command(key, chosen),
    }
    _component()(key=key, data=data, on_cell_change=lambda: on_choose(_reported(key)))


def pack(counts: NDArray[np.int64]) -> str:
    """The rows of `cells` as little-endian uint32, in base64."""
    return base64.b64encode(cells(counts).astype("<u4").tobytes()).decode()


def _reported(key: str) -> Cell | None:
    cell = (st.session_state.get(key) or {}).get("cell")
    return (int(cell[0]), int(cell[1])) if cell else None


def _command(key: str, chosen: Cell | None) -> dict[str, Any]:
    """What the browser is told to select: a new version only where it does not show that by itself.

    The data of a click thus stays byte for byte what it was, and Streamlit does not send it again.
    """
    memory = st.session_state.setdefault(f"{key}.command", {"version": 0, "cell": None, "shown": None})
    reported = _reported(key)
    if reported != memory.get("reported"):
        memory |= {"reported": reported, "shown": reported}
    if memory["shown"] != chosen:
        memory |= {"version": memory["version"] + 1, "cell": list(chosen) if chosen else None, "shown": chosen}
    return {"version": memory["version"], "cell": memory["cell"]}
