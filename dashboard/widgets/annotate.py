"""Tags and a note on one sample, kept in the study for everybody who opens it."""

from __future__ import annotations

import streamlit as st

from dashboard.frame.context import Context
from dashboard.text import plain, visible
from xai_core.errors import XaiError
from xai_core.store.annotations import LONGEST_NOTE, Annotations

_FAILED = "annotation.failed"


def annotate(context: Context, row: int) -> None:
    """Draw the two fields; what is changed is written at once."""
    annotations = context.study.annotations
    [found] = annotations.of([row])
    tags, note = f"tags.{context.study.name}.{row}", f"note.{context.study.name}.{row}"
    st.session_state[tags], st.session_state[note] = list(found.tags), found.note
    left, right = st.columns(2)
    left.multiselect(
        "Tags",
        sorted({*annotations.known_tags(), *found.tags}),
        format_func=visible,
        key=tags,
        accept_new_options=True,
        placeholder="Add a tag",
        help="Kept in the study; they go with the export of a cell.",
        on_change=_tag,
        args=(annotations, row, tags, found.tags),
    )
    right.text_area("Note", key=note, height=70, max_chars=LONGEST_NOTE, on_change=_note, args=(annotations, row, note))
    if error := st.session_state.pop(_FAILED, None):
        st.error(plain(error))


def _tag(annotations: Annotations, row: int, key: str, before: tuple[str, ...]) -> None:
    after = st.session_state[key]
    try:
        for tag in set(after) - set(before):
            annotations.add_tag(row, tag)
        for tag in set(before) - set(after):
            annotations.remove_tag(row, tag)
    except XaiError as error:
        st.session_state[_FAILED] = str(error)


def _note(annotations: Annotations, row: int, key: str) -> None:
    try:
        annotations.set_note(row, st.session_state[key])
    except XaiError as error:
        st.session_state[_FAILED] = str(error)
