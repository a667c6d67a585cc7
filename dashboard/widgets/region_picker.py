"""A picture on which a person points at a region, or draws a box: with the mouse, a finger or the keyboard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.drawing.tiles import LARGE_SIDE, LabelLayer, label_tile, picture_tile, region_tile
from dashboard.frame.context import Context
from dashboard.heat.sample_maps import shape_of
from dashboard.text import visible
from xai_core.models.preprocess import Preprocess
from xai_core.store.run import Run
from xai_core.types import Target

LAYERS: Mapping[LabelLayer, str] = {"compared": "Difference", "said": "Prediction", "truth": "Annotation"}

_HTML = """
<div class="picker">
  <div class="bar" role="radiogroup" aria-label="Over the picture"></div>
  <div class="stage" tabindex="0" role="application"
    aria-label="Point at a region, or draw a box. Arrows move the cross, with Shift they draw a box, Enter asks.">
    <div class="box" hidden></div><div class="cross" hidden></div>
  </div>
  <p class="hint">Click a region, or draw a box. By keys: arrows, Shift with arrows, Enter.</p>
</div>
"""

Box = tuple[int, int, int, int]


@cache
def _component() -> Any:
    here = Path(__file__)
    names = ("region_picker.css", "region_picker.js", "tiles.js")
    css, js, tiles = (here.with_name(name).read_text(encoding="utf-8") for name in names)
    return st.components.v2.component("second_look_region_picker", html=_HTML, css=css, js=js + tiles)


def region_picker(
    context: Context, run: Run, row: int, shown: Target | None, *, key: str, on_pick: Callable[[Box], None]
) -> None:
    """Draw the picture.

    Args:
        shown: the target whose region is outlined; None for none.
        key: of the element.
        on_pick: called before the page runs again with what was picked, left, top, right and bottom in the picture's
            pixels; of a point, right and bottom are left and top.
    """
    tiles = context.services.tiles
    layers = [{"key": "none", "title": "Picture alone", "address": ""}]
    layers += [
        {"key": kind, "title": title, "address": label_tile(tiles, run, row, kind)} for kind, title in LAYERS.items()
    ]
    data = {
        "base": picture_tile(tiles, context.study, run, row, side=LARGE_SIDE),
        "shape": round(shape_of(context, row), 4),
        "layers": layers,
        "outline": region_tile(tiles, run, row, shown.key) if shown else "",
        "name": visible(context.study.samples["id"].iat[row]),
    }
    _component()(key=key, data=data, on_picked_change=lambda: _picked(context, run, row, key, on_pick))


def _picked(context: Context, run: Run, row: int, key: str, on_pick: Callable[[Box], None]) -> None:
    picked = (st.session_state.get(key) or {}).get("picked")
    if isinstance(picked, list) and len(picked) == 4 and all(isinstance(each, int | float) for each in picked):
        on_pick(in_pixels(context, run, row, picked))


def in_pixels(context: Context, run: Run, row: int, shares: list[float]) -> Box:
    """Left, top, right, bottom in a picture's pixels, of shares of the part that the model sees; within the picture."""
    wide, high = context.study.samples[["width", "height"]].to_numpy(int)[row].tolist()
    seen = Preprocess.from_dict(run.info.preprocess).box(wide, high) if run.info.preprocess else (0.0, 0.0, wide, high)
    across, down = seen[2] - seen[0], seen[3] - seen[1]
    left, right = (int(min(max(seen[0] + share * across, 0), wide - 1)) for share in shares[::2])
    top, bottom = (int(min(max(seen[1] + share * down, 0), high - 1)) for share in shares[1::2])
    return left, top, right, bottom
