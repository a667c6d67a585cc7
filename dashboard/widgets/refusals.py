"""What must be known of maps before they are looked at: said once above the pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import streamlit as st

from dashboard.evidence import Panel
from dashboard.text import plain
from xai_core.answers.maps import Column


def refusals(columns: Sequence[Column], panels: Sequence[Sequence[Panel]]) -> None:
    """One line for each method and reason, with how many of its maps are refused.

    Args:
        columns: the methods.
        panels: for each method its maps.
    """
    for column, maps in zip(columns, panels, strict=True):
        for reason, count in Counter(panel.reason for panel in maps if panel.reason).items():
            of = "" if count == len(maps) else f" for {count:d} of {len(maps)} maps"
            st.caption(f"{plain(column.card.title)} is not available{of}: {plain(reason)}")


def one_map(groups: Sequence[Collection[str]]) -> None:
    """One line for each group of methods (their titles) that gave the same maps."""
    for titles in groups:
        names = sorted(titles)
        st.caption(
            f"{plain(', '.join(names[:-1]))} and {plain(names[-1])} are the same map here: that they agree is no "
            "evidence.",
            help="At a layer that is followed by global pooling and one linear layer these formulas come to the same, "
            "up to scale. Choose another layer, or another method, for a second opinion.",
        )


def same_for_every_class(columns: Sequence[Column]) -> None:
    """One line that names the methods whose maps do not depend on the class."""
    names = [column.card.title for column in columns if not column.card.class_specific]
    if names:
        st.caption(
            f"Not about the class: {plain(', '.join(names))}. The map is the same whichever class is asked about."
        )
