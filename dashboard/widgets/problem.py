"""Errors as a person should see them."""

from __future__ import annotations

import logging
from collections.abc import Callable

import streamlit as st

from dashboard.text import escaped
from xai_core.errors import XaiError

LOG = logging.getLogger("xai.dashboard")


def guarded(draw: Callable[[], None]) -> None:
    """Draw; an error becomes a box, and what is around it stays usable. For pages, and for parts that redraw alone."""
    try:
        draw()
    except XaiError as error:
        problem_box(error)
    except Exception:
        LOG.exception("a page failed")
        unexpected_box()


def problem_box(error: XaiError) -> None:
    """A red box: the problem, the value, and what to do about it."""
    value = "" if error.value is None else f"<code>{escaped(str(error.value)[:200])}</code>"
    st.html(
        f'<div class="problem" role="alert"><strong>{escaped(_sentence(error.problem))}</strong> {value}'
        f"<p>{escaped(error.remedy)}</p></div>"
    )


def unexpected_box() -> None:
    """For an error that is ours: the log has the details, the page stays calm."""
    st.html(
        '<div class="problem" role="alert"><strong>Something went wrong on our side.</strong>'
        "<p>The server's log has the details. Reload the page, or choose another run or page.</p></div>"
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
