"""The heading of a part of a page."""

from __future__ import annotations

import streamlit as st

from dashboard.text import escaped


def part(title: str, note: str = "") -> None:
    """A line, a title, and what to know before reading on."""
    more = f"<p>{escaped(note)}</p>" if note else ""
    st.html(f'<div class="part"><h3>{escaped(title)}</h3>{more}</div>')
