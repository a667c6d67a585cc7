"""The pictures that a person has dropped: taking them in, and what is said of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from dashboard.drawing.tiles import dropped_tile
from dashboard.frame.context import Context
from dashboard.frame.session import connection, own_id
from dashboard.frame.uploads import Dropped
from dashboard.text import escaped, plain, visible
from dashboard.widgets.new_regions import regions_said
from xai_core.answers.new_pictures import MOST, SESSION_ONLY, Answer, RegionsAnswer, table
from xai_core.store.new_pictures import NewPictures
from xai_core.tables import csv_bytes
from xai_core.words import percent

KINDS = ("png", "jpg", "jpeg", "webp")
_FILES, _LISTED, _KEPT = "dropped.files", "dropped.listed", "dropped.kept"
_NAMED = 24
"""Letters of a name by which it is found again in a sentence that may shorten it."""
_SIDE = 128


def dropped(context: Context) -> Dropped:
    """Draw the place to drop pictures, and the choice of those that were dropped on an earlier visit; gives all."""
    found = context.services.uploads.of(own_id(), connection())
    files = st.file_uploader(
        "Pictures: PNG, JPEG or WebP, up to 20 MB each",
        list(KINDS),
        accept_multiple_files=True,
        key=_FILES,
        on_change=_removed,
        args=(found,),
        help=plain(f"Up to {MOST} at a time. {SESSION_ONLY}"),
    )
    st.session_state[_LISTED] = here = {file.file_id for file in files}
    if too_many := found.add(files):
        st.warning(
            plain(f"{too_many} left out: a page looks at {MOST} pictures. xai predict --images takes any number.")
        )
    _earlier(found, {found.numbers[each] for each in here if each in found.numbers})
    return found


def _earlier(found: Dropped, here: set[int]) -> None:
    """Pictures that the browser lists no more, since another page was open: they stay until they are removed."""
    names = {number: name for number, name, _ in found.pictures if number not in here}
    if names:
        st.session_state[_KEPT] = list(names)
        st.multiselect(
            "Dropped before",
            list(names),
            format_func=lambda number: visible(names[number]),
            key=_KEPT,
            on_change=lambda: found.keep(here | set(st.session_state[_KEPT])),
        )


def _removed(found: Dropped) -> None:
    """A file was taken out of the browser's list, or came to it; what came is taken in where the page is drawn."""
    gone = st.session_state.get(_LISTED, set()) - {file.file_id for file in st.session_state[_FILES]}
    removed = {found.numbers[each] for each in gone if each in found.numbers}
    found.keep({number for number, *_ in found.pictures} - removed)


def said(context: Context, kept: NewPictures, answers: Sequence[Answer], left_out: Mapping[str, str]) -> None:
    """Draw a line for each picture: its class, how sure the model is, and which classes come next."""
    for name, reason in left_out.items():
        text = reason if name[:_NAMED] in reason else f"{reason} ({name})"
        st.html(f'<div class="problem" role="alert"><p>{escaped(text[:1].upper() + text[1:])}</p></div>')
    if not answers:
        return
    if isinstance(answers[0], RegionsAnswer):
        regions_said(context, kept, answers)
        _table(context, answers, "Shares and confidences")
        return
    head = "".join(f'<th scope="col">{title}</th>' for title in ("", "Picture", "Predicted", "Confidence", "Next"))
    lines = "".join(_line(context, kept, answer) for answer in answers)
    st.html(f'<table class="facts new-pictures"><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>')
    _table(context, answers, "All probabilities")


def _table(context: Context, answers: Sequence[Answer], what: str) -> None:
    st.download_button(
        "Table (CSV)",
        lambda: csv_bytes(table([answer.as_json() for answer in answers])),
        file_name=f"{context.study.name}-{context.scope.run.name}-new-pictures.csv",
        mime="text/csv",
        on_click="ignore",
        help=f"{plain(what)}, as xai predict --images --out writes them.",
    )


def _line(context: Context, kept: NewPictures, answer: Answer) -> str:
    address = dropped_tile(context.services.tiles, kept, answer.number, side=_SIDE)
    share = f'<span class="meter" aria-hidden="true"><i style="width:{answer.confidence:.1%}"></i></span>'
    return (
        f'<tr><td class="thumb"><img src="{address}" alt=""></td><th scope="row">{escaped(answer.name)}</th>'
        f'<td>{escaped(answer.predicted_name)}</td><td class="number">{share}{percent(answer.confidence)}</td>'
        f"<td>{escaped(answer.runners_up)}</td></tr>"
    )
