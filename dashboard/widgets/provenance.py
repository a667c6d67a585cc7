"""What maps were computed with, and the lines that compute them again."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.frame.context import Context
from dashboard.widgets.table import table
from xai_core.answers.maps import Column, explain_line
from xai_core.answers.provenance import provenance


def provenance_of(context: Context, columns: Sequence[Column], row: int, asked: Sequence[str]) -> None:
    """An expander with methods, versions, parameters, model and seed, and one `xai` line for each that is asked."""
    found, folder = provenance(context.scope, columns, row), str(context.study.path)
    with st.expander("Provenance: what these maps were computed with, and how to repeat it"):
        lines = [(method.title, method.version, method.parameters) for method in found.methods]
        table(("Method", "Version", "Parameters"), lines)
        table(("Common to all", ""), found.common)
        again = [explain_line(folder, context.scope.run, columns, row, spec) for spec in asked]
        st.code("\n".join(again), language="bash", wrap_lines=True)
