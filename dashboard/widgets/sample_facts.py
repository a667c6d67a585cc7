"""What the study's table says of a sample beside its label."""

from __future__ import annotations

import streamlit as st

from dashboard.frame.context import Context
from dashboard.widgets.table import table
from xai_core.answers.sample import metadata

_SHOWN = 8


def sample_facts(context: Context, row: int) -> None:
    """Draw them, where there are any; many begin folded."""
    told = metadata(context.scope, row)
    if told:
        table(("Facts", ""), told[:_SHOWN])
    if len(told) > _SHOWN:
        with st.expander(f"{len(told) - _SHOWN} more facts"):
            table(("Facts", ""), told[_SHOWN:])
