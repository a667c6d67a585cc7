"""Pictures of a segmenter as cards: the annotation, the prediction and how they differ, over the picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard.drawing.tiles import LARGE_SIDE, LabelLayer, label_tile, picture_tile
from dashboard.frame import session
from dashboard.frame.context import Context
from dashboard.text import escaped, visible
from dashboard.widgets.gallery import draw
from xai_core.drawing.label_maps import CELL, MEANINGS, colour_of
from xai_core.drawing.looks import FADED
from xai_core.store.run import Run
from xai_core.text import counted
from xai_core.triage.confusion import Cell

LAYERS: dict[LabelLayer, tuple[str, str]] = {
    "truth": ("Annotation", "What the data says that each pixel is."),
    "said": ("Prediction", "The most probable class of each pixel."),
    "compared": ("Difference", "Where the prediction is wrong, and how."),
}
CELL_LAYER = ("This cell", "The pixels of the true class that were taken for the predicted one.")


def label_gallery(
    context: Context, run: Run, pictures: Sequence[tuple[int, int]], cell: Cell | None, key: str
) -> int | None:
    """Draw one card for each picture; gives the row of one that was opened just now, or None.

    Args:
        pictures: rows, and how many of their pixels are meant: wrong ones, or those of the cell.
    """
    layers: dict[LabelLayer, tuple[str, str]] = {**LAYERS, **({"cell": CELL_LAYER} if cell else {})}
    legend(context.study.class_names, background=context.study.has_background, cell=cell)
    data = {
        "columns": [{"title": title, "summary": summary} for title, summary in layers.values()],
        "items": [_item(context, run, row, pixels, layers, cell) for row, pixels in pictures],
        "scales": [],
        "said": "",
        "look": "heat",
        "faded": FADED,
        "opacity": "Opacity of labels",
        "offered": False,
        "openable": session.has_page("sample"),
        "chosen": context.selection.sample,
    }
    return draw(data, key=key)


def _item(
    context: Context, run: Run, row: int, pixels: int, layers: dict[LabelLayer, tuple[str, str]], cell: Cell | None
) -> dict[str, Any]:
    tiles, what = context.services.tiles, "in this cell" if cell else "wrong"
    line = {"role": what.capitalize(), "name": counted(pixels, "pixel"), "share": 0.0, "chance": ""}
    return {
        "row": row,
        "id": visible(context.study.samples["id"].iat[row]),
        "base": picture_tile(tiles, context.study, run, row, side=LARGE_SIDE),
        "large": picture_tile(tiles, context.study, run, row, side=LARGE_SIDE),
        "classes": [line | {"kind": "wrong" if pixels else "right"}],
        "tiles": [{"heat": label_tile(tiles, run, row, kind, cell or (0, 0))} for kind in layers],
    }


def legend(names: Sequence[str], *, background: bool, cell: Cell | None) -> None:
    """Draw what the colours mean: of classes, and of differences."""
    classes = [(colour_of(at), name) for at, name in enumerate(names) if at or not background]
    differences = [(colour, f"{word}: {meaning}") for word, (colour, meaning) in MEANINGS.items()]
    if cell is not None:
        differences.append((CELL, "this cell"))
    lines = f"<p><b>Classes</b>{_chips(classes)}</p><p><b>Difference</b>{_chips(differences)}</p>"
    st.html(f'<div class="label-legend">{lines}</div>')


def _chips(entries: Sequence[tuple[str, str]]) -> str:
    return "".join(f'<span><i style="background:{colour}"></i>{escaped(words)}</span>' for colour, words in entries)
