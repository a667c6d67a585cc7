"""The pictures that a person has dropped: taking them in, and what is said of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from dashboard.drawing.tiles import dropped_tile
from dashboard.frame.context import Context
from dashboard.frame.session import connection, own_id
from dashboard.frame.uploads import Dropped
from dashboard.text import escaped, plain, visible
from xai_core.answers.new_pictures import MOST, SESSION_ONLY, Answer, table
from xai_core.store.new_pictures import NewPictures
from xai_core.tables import csv_bytes
from xai_core.words import percent

KINDS = ("png", "jpg", "jpeg", "webp")
_TAKEN = "dropped.taken"
_TOO_MANY = "dropped.too_many"
_KEPT = "dropped.kept"
_SIDE = 128


def dropped(context: Context) -> Dropped:
    """Draw the place to drop pictures, and the choice of those to keep; gives them."""
    found = context.services.uploads.of(own_id(), connection())
    taken = st.session_state.setdefault(_TAKEN, 0)
    key = f"dropped.files.{taken}"
    st.file_uploader(
        "Pictures: PNG, JPEG or WebP, up to 20 MB each",
        list(KINDS),
        accept_multiple_files=True,
        key=key,
        on_change=_take,
        args=(found, key),
        help=plain(f"Up to {MOST} at a time. {SESSION_ONLY}"),
    )
    if too_many := st.session_state.get(_TOO_MANY, 0):
        st.warning(
            plain(f"{too_many} left out: a page looks at {MOST} pictures. xai predict --images takes any number.")
        )
    if found.pictures:
        names = {number: name for number, name, _ in found.pictures}
        st.session_state[_KEPT] = list(names)
        st.multiselect(
            "Looked at",
            list(names),
            format_func=lambda number: visible(names[number]),
            key=_KEPT,
            on_change=_keep,
            args=(found,),
        )
    return found


def _take(found: Dropped, key: str) -> None:
    """What was dropped becomes part of the list, which outlives a visit to another page; the place is empty again."""
    files = st.session_state[key]
    st.session_state[_TOO_MANY] = found.add(files)
    st.session_state[_TAKEN] += 1


def _keep(found: Dropped) -> None:
    found.keep(st.session_state[_KEPT])
    st.session_state[_TOO_MANY] = 0


def said(context: Context, kept: NewPictures, answers: Sequence[Answer], left_out: Mapping[str, str]) -> None:
    """Draw a line for each picture: its class, how sure the model is, and which classes come next."""
    for name, reason in left_out.items():
        text = reason if name in reason else f"{reason} ({name})"
        st.html(f'<div class="problem" role="alert"><p>{escaped(text[:1].upper() + text[1:])}</p></div>')
    if not answers:
        return
    head = "".join(f'<th scope="col">{title}</th>' for title in ("", "Picture", "Predicted", "Confidence", "Next"))
    lines = "".join(_line(context, kept, answer) for answer in answers)
    st.html(f'<table class="facts new-pictures"><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>')
    st.download_button(
        "Table (CSV)",
        lambda: csv_bytes(table([answer.as_json() for answer in answers])),
        file_name=f"{context.study.name}-{context.scope.run.name}-new-pictures.csv",
        mime="text/csv",
        on_click="ignore",
        help="All probabilities, as xai predict --images --out writes them.",
    )


def _line(context: Context, kept: NewPictures, answer: Answer) -> str:
    address = dropped_tile(context.services.tiles, kept, answer.number, side=_SIDE)
    share = f'<span class="meter" aria-hidden="true"><i style="width:{answer.confidence:.1%}"></i></span>'
    return (
        f'<tr><td class="thumb"><img src="{address}" alt=""></td><th scope="row">{escaped(answer.name)}</th>'
        f'<td>{escaped(answer.predicted_name)}</td><td class="number">{share}{percent(answer.confidence)}</td>'
        f"<td>{escaped(answer.runners_up)}</td></tr>"
    )
