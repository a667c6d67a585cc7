"""Sentences of an answer, as captions: what must be known of maps before they are looked at."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.frame.context import Context
from dashboard.heat.evidence import Panel
from dashboard.text import plain
from xai_core.answers.maps import ONE_MAP_WHY, Column, one_map, refusals, same, same_for_every_class
from xai_core.answers.scope import Rows


def said_of_maps(
    context: Context, columns: Sequence[Column], panels: Sequence[Sequence[Panel]], rows: Rows, spec: str | None = None
) -> None:
    """Draw a line for each sentence.

    Args:
        context: the open view.
        columns: the methods.
        panels: for each method its maps.
        rows: the samples.
        spec: what the maps explain; None for the chosen target.
    """
    sentences = refusals(columns, [[panel.facts for panel in of_method] for of_method in panels])
    for sentence in (*sentences, same_for_every_class(columns)):
        if sentence:
            st.caption(plain(sentence))
    for sentence in one_map(same(context.scope.run, columns, rows, spec or context.selection.target)):
        st.caption(plain(sentence), help=plain(ONE_MAP_WHY))
