"""What is here, and how good is it?"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.context import Context
from dashboard.widgets.empty import empty

TITLE = "Overview"
QUESTION = "What is here, and how good is it?"
ICON = "overview"
URL = "overview"
ORDER = 10


def render(context: Context) -> None:
    """Draw the page."""
    study = context.study
    first, second, third = st.columns(3)
    first.metric("Samples", f"{len(study.samples):,}")
    second.metric("Classes", len(study.class_names))
    third.metric("Runs", len(study.runs()))
    if not study.runs():
        empty("No run yet", "Train a model on this study, or import predictions.", command=f"xai train {study.path}")
        return
    st.dataframe(pd.DataFrame({"run": study.runs()}), hide_index=True)
