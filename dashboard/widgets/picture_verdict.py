"""What a segmenter said of one picture, and the choice of the region whose evidence is shown."""

from __future__ import annotations

import streamlit as st

from dashboard.frame import session
from dashboard.frame.context import Context
from dashboard.text import plain
from dashboard.widgets.annotate import annotate
from dashboard.widgets.label_gallery import legend
from dashboard.widgets.region_picker import Box, region_picker
from dashboard.widgets.sample_facts import sample_facts
from dashboard.widgets.table import table
from xai_core.answers.picture import HEADS, Picture, boxed, explained, pointed_at
from xai_core.regions import CELL, place_of
from xai_core.store.run import Run
from xai_core.text import counted
from xai_core.types import TARGET_SPECS, Target
from xai_core.words import cell_name

MAIN = "predicted"
_MAIN = "The main object and the main mistake"


def picture_verdict(context: Context, run: Run, picture: Picture) -> None:
    """The picture to point at, beside its classes."""
    chosen = context.selection.target
    left, right = st.columns([5, 6], gap="large", vertical_alignment="top")
    with left:
        shown = explained(context.scope, picture, chosen)[0].target

        def pick(box: Box) -> None:
            point = box[:2] == box[2:]
            target = pointed_at(run, picture.row, *box[:2]) if point else boxed(run, picture.row, _not_empty(box))
            session.update(target=target.key)

        region_picker(context, run, picture.row, shown, key="region", on_pick=pick)
        legend(picture.names, background=picture.background)
    with right:
        _region_choice(context, picture)
        table(HEADS, picture.lines)
        sample_facts(context, picture.row)
        annotate(context, picture.row)


def _not_empty(box: Box) -> Box:
    left, top, right, bottom = box
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _region_choice(context: Context, picture: Picture) -> None:
    chosen = context.selection.target
    words = {MAIN: _MAIN} | {one.key: f"{one.words} ({counted(one.pixels, 'pixel')})" for one in picture.offered}
    current = MAIN if chosen in TARGET_SPECS else chosen
    if current not in words:
        words[current] = _own(picture, current)
    st.selectbox(
        "Evidence for",
        list(words),
        format_func=lambda key: plain(words[key]),
        help="A region of the picture and its class. Point at one in the picture, or draw a box, for any other.",
        **session.bound("target", current),
    )


def _own(picture: Picture, key: str) -> str:
    """A region that was picked, or that this picture does not have."""
    target = Target.parse(key)
    name, place = picture.names[target.positive], place_of(target.region)
    if place is None:
        return f"{name}: this picture has no such pixel"
    if place.kind == CELL:
        return f"{name}, where it is {cell_name(*(picture.names[index] for index in place.at))}"
    return f"{name}, {'in the box' if place.kind == 'box' else 'the part at'} {', '.join(map(str, place.at))}"
