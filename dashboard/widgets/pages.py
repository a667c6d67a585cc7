"""Turning over the pages of a long list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import streamlit as st

from dashboard.frame import session
from dashboard.frame.context import Context

T = TypeVar("T")


def on_page(context: Context, entries: Sequence[T], size: int) -> Sequence[T]:
    """Those of the open page, of `size` entries each; of the last one where there are fewer pages."""
    start = (_number(context, len(entries), size) - 1) * size
    return entries[start : start + size]


def pages_below(context: Context, count: int, size: int) -> None:
    """Draw the choice of a page, where there is more than one."""
    turning(-(-count // size), _number(context, count, size))


def turning(pages: int, page: int) -> None:
    """The same of so many pages, of which one is open."""
    if pages > 1:
        # Unlike other widgets this one takes no value from outside, so each page has a widget of its own.
        key = f"select.page.{page}"
        st.pagination(pages, default=page, key=key, on_change=_turn, args=(key,))


def _number(context: Context, count: int, size: int) -> int:
    return min(context.selection.page, max(1, -(-count // size)))


def _turn(key: str) -> None:
    session.update(page=st.session_state[key])
