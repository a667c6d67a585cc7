"""What maps were computed with, and the lines that compute them again."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.frame.context import Context
from dashboard.widgets.table import table
from xai_core.answers.maps import Column, explain_line
from xai_core.answers.provenance import provenance
from xai_core.answers.sample import Sample, specs


def provenance_of(context: Context, columns: Sequence[Column], sample: Sample) -> None:
    """An expander with methods, versions, parameters, model and seed, and one `xai` line per target."""
    found, folder = provenance(context.scope, columns, sample.row), str(context.study.path)
    with st.expander("Provenance: what these maps were computed with, and how to repeat it"):
        lines = [(method.title, method.version, method.parameters) for method in found.methods]
        table(("Method", "Version", "Parameters"), lines)
        table(("Common to all", ""), found.common)
        asked = specs(sample, context.selection.target)
        again = [explain_line(folder, context.scope.run, columns, sample.row, spec) for spec in asked]
        st.code("\n".join(again), language="bash", wrap_lines=True)
