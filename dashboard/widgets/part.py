"""The heading of a part of a page."""

from __future__ import annotations

import html

import streamlit as st


def part(title: str, note: str = "") -> None:
    """A line, a title, and what to know before reading on."""
    more = f"<p>{html.escape(note)}</p>" if note else ""
    st.html(f'<div class="part"><h3>{html.escape(title)}</h3>{more}</div>')
