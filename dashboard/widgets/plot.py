"""A figure on a page, in the colours of the mode that the browser shows."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from dashboard.figures.theme import Theme, theme_of

_CONFIG = {"displayModeBar": False, "displaylogo": False, "scrollZoom": False}


def page_theme() -> Theme:
    """The figures' colours for light or dark, as the page is shown."""
    return theme_of(st.context.theme.type or "light")


def plot(figure: go.Figure, *, key: str, alt: str) -> None:
    """Draw a figure over the whole width.

    Args:
        key: of the element.
        alt: what it shows, for those who cannot see it.
    """
    st.plotly_chart(figure, theme=None, config=_CONFIG, key=key, alt=alt)
