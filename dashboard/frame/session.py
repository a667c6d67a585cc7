"""The selection of one browser session: kept in its state, mirrored in the URL, shown by bound widgets."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dashboard.frame.state import Selection, from_query, to_query

_SELECTION = "selection"
_QUERY = "selection.query"
_PREVIOUS = "selection.previous"
_PAGE = "selection.page_shown"
_TOUCHED = "selection.touched"
_RESOLVED = "selection.resolved"
_NOTES = "selection.notes"
_PAGES = "menu.pages"
_ID = "session.id"
_IN_FLIGHT_SECONDS = 0.5
_FIELDS = frozenset(entry.name for entry in fields(Selection))


def connection() -> Callable[[], bool]:
    """What tells whether the browser of this session is there."""
    context = get_script_run_ctx()
    if context is None or not runtime.exists():
        return lambda: True
    session = context.session_id
    return lambda: not runtime.exists() or runtime.get_instance().is_active_session(session)


def own_id() -> str:
    """A name of this session that nobody can guess."""
    return str(st.session_state.setdefault(_ID, uuid.uuid4().hex))


def current() -> Selection:
    """What is selected in this session."""
    return st.session_state.get(_SELECTION, Selection())


def update(**changes: Any) -> None:
    """Change the selection; meant for callbacks, which run before the page does."""
    st.session_state[_SELECTION] = current().changed(**changes)
    st.session_state[_TOUCHED] = True


def bound(name: str, shown: Any) -> dict[str, Any]:
    """Arguments that make a widget show the field `name` as `shown`, and change it.

    The selection stays the one truth: the widget's own state is overwritten on every run.
    """
    key = f"select.{name}"
    st.session_state[key] = shown
    return {"key": key, "on_change": _take, "args": (name, key)}


def _take(name: str, key: str) -> None:
    value = st.session_state[key]
    if value is not None:
        update(**{name: tuple(value) if isinstance(value, list) else value})


def read_url(page: str) -> tuple[str, ...]:
    """Take the selection from the URL where the person changed it (a link, Back, Forward).

    Returns one sentence for each value that means nothing; they stay until something else is chosen, because a page
    may run again by itself, as when heatmaps are done.
    """
    query = _ours()
    changed_here = st.session_state.pop(_TOUCHED, False)
    moved = st.session_state.get(_PAGE) != page
    st.session_state[_PAGE] = page
    known = st.session_state.get(_QUERY)
    came_by_menu = known is not None and moved and not query
    if query == known or changed_here or came_by_menu or _in_flight(query):
        if changed_here or moved:
            st.session_state[_NOTES] = ()
        return tuple(st.session_state.get(_NOTES, ()))
    st.session_state[_SELECTION], notes = from_query(query)
    st.session_state[_QUERY], st.session_state[_NOTES] = query, notes
    return notes


def write_url(resolved: Selection) -> None:
    """Mirror the selection in the URL, only on change: each write is an entry in the browser's history.

    A view in which nothing was chosen keeps a bare URL; any other one names study, run and split, so that the link
    still means the same when runs have been added.
    """
    st.session_state[_RESOLVED] = resolved
    query = to_query(resolved) if current() != Selection() else {}
    if query != _ours():
        foreign = {name: value for name, value in st.query_params.to_dict().items() if name not in _FIELDS}
        st.query_params.from_dict({**foreign, **query})
    if query != st.session_state.get(_QUERY):
        st.session_state[_PREVIOUS] = (st.session_state.get(_QUERY), time.monotonic())
        st.session_state[_QUERY] = query


def _ours() -> dict[str, str]:
    return {name: value for name, value in st.query_params.to_dict().items() if name in _FIELDS}


def _in_flight(query: dict[str, str]) -> bool:
    """Whether the browser sent this before our last change of the URL had reached it."""
    previous, when = st.session_state.get(_PREVIOUS, (None, 0.0))
    return query == previous and time.monotonic() - when < _IN_FLIGHT_SECONDS


def remember_pages(pages: dict[str, Any]) -> None:
    """The menu's pages by URL, for `go`."""
    st.session_state[_PAGES] = pages


def has_page(url: str) -> bool:
    """Whether the menu has this page."""
    return url in st.session_state.get(_PAGES, {})


def go(url: str, **changes: Any) -> None:
    """Open another page with the selection changed. Does not return.

    The URL changes together with the page: one entry in the browser's history, so that Back leads here again.
    """
    update(**changes)
    shown = st.session_state.get(_RESOLVED, current()).changed(**changes)
    st.session_state[_QUERY] = to_query(shown)
    st.switch_page(st.session_state[_PAGES][url], query_params=to_query(shown))
