"""Heatmaps of more samples than a page shows, as a job."""

from __future__ import annotations

import streamlit as st

from dashboard.frame.context import Context
from dashboard.widgets.jobs import begin_button
from xai_core.answers.maps import Column, explain_many_line
from xai_core.params import as_dict

_SAMPLES = {"cell": "This cell", "split": "The whole split"}


def explain_more(context: Context, columns: list[Column], spec: str | None = None) -> None:
    """A choice of samples, a button that explains all of them in the background, and the command.

    Args:
        spec: what is explained; None for the chosen target.
    """
    if context.run is None or not columns:
        return
    with st.expander("Explain more in the background"):
        chosen_samples = st.radio(
            "Samples", list(_SAMPLES), format_func=_SAMPLES.__getitem__, horizontal=True, key="explain.more"
        )
        chosen, target = context.selection, spec or context.selection.target
        cell = None if chosen_samples == "split" else chosen.cell
        count = len(context.predicted if cell is None else context.scope.cell(*cell))
        arguments = {
            "run": context.run.name,
            "methods": [[column.card.key, as_dict(column.params)] for column in columns],
            "target": target,
            "split": chosen.split,
            "cell": cell,
            **({"where": list(chosen.where)} if chosen.where else {}),
        }
        line = explain_many_line(context.scope, columns, cell, target)
        st.caption(f"{count:,} {'sample' if count == 1 else 'samples'}; what is stored is not computed again.")
        begin_button(context, "explain", arguments, line)
