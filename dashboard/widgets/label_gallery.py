"""Pictures of a segmenter as cards: the annotation, the prediction and how they differ, over the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Column:
    """One layer of each picture: whose label map, and drawn how."""

    run: Run
    kind: LabelLayer
    title: str
    summary: str


_TRUTH = ("Annotation", "What the data says that each pixel is.")
_SAID = ("Prediction", "The most probable class of each pixel.")
_COMPARED = "Where the prediction is wrong, and how."
_CELL = ("This cell", "The pixels of the true class that were taken for the predicted one.")


def label_gallery(
    context: Context, run: Run, pictures: Sequence[tuple[int, int]], cell: Cell | None, key: str
) -> int | None:
    """Draw one card for each picture; gives the row of one that was opened just now, or None.

    Args:
        pictures: rows, and how many of their pixels are meant: wrong ones, or those of the cell.
    """
    columns = [Column(run, "truth", *_TRUTH), Column(run, "said", *_SAID)]
    columns += [Column(run, "compared", "Difference", _COMPARED)]
    columns += [Column(run, "cell", *_CELL)] if cell else []
    what = "In this cell" if cell else "Wrong"
    lines = [_line(what, counted(pixels, "pixel"), good=not pixels) for _, pixels in pictures]
    return _draw(context, run, columns, [row for row, _ in pictures], lines, cell, key)


def change_gallery(
    context: Context, before: Run, after: Run, pictures: Sequence[tuple[int, int]], key: str
) -> int | None:
    """The same of two runs.

    Args:
        pictures: rows, and how many more of their pixels the later run has right.
    """
    columns = [Column(after, "truth", *_TRUTH)]
    for run, when in ((before, "before"), (after, "after")):
        columns += [Column(run, "said", f"Prediction {when}", _SAID[1])]
    for run, when in ((before, "before"), (after, "after")):
        columns += [Column(run, "compared", f"Difference {when}", _COMPARED)]
    lines = [
        _line("Better" if gained > 0 else "Worse", counted(abs(gained), "pixel"), good=gained > 0)
        for _, gained in pictures
    ]
    return _draw(context, after, columns, [row for row, _ in pictures], lines, None, key)


def _line(role: str, name: str, *, good: bool) -> dict[str, Any]:
    return {"role": role, "name": name, "share": 0.0, "chance": "", "kind": "right" if good else "wrong"}


def _draw(
    context: Context,
    run: Run,
    columns: Sequence[Column],
    rows: Sequence[int],
    lines: Sequence[dict[str, Any]],
    cell: Cell | None,
    key: str,
) -> int | None:
    legend(context.study.class_names, background=context.study.has_background, cell=cell)
    tiles, ids = context.services.tiles, context.study.samples["id"]
    bases = [picture_tile(tiles, context.study, run, row, side=LARGE_SIDE) for row in rows]
    data = {
        "columns": [{"title": column.title, "summary": column.summary} for column in columns],
        "items": [
            {
                "row": row,
                "id": visible(ids.iat[row]),
                "base": base,
                "large": base,
                "classes": [line],
                "tiles": [{"heat": label_tile(tiles, each.run, row, each.kind, cell or (0, 0))} for each in columns],
            }
            for row, base, line in zip(rows, bases, lines, strict=True)
        ],
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
