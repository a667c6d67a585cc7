"""Why there is no map: said once above the pictures, so that "not available" need not be hovered over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import streamlit as st

from dashboard.evidence import Column, Panel


def refusals(columns: Sequence[Column], panels: Sequence[Sequence[Panel]]) -> None:
    """One line for each method and reason, with how many of its maps are refused.

    Args:
        columns: the methods.
        panels: for each method its maps.
    """
    for column, maps in zip(columns, panels, strict=True):
        for reason, count in Counter(panel.reason for panel in maps if panel.reason).items():
            of = "" if count == len(maps) else f" for {count} of {len(maps)} maps"
            st.caption(f"{column.card.title} is not available{of}: {reason}")
