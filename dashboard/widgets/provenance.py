"""What maps were computed with, and the lines that compute them again."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.frame.context import Context
from dashboard.widgets.table import table
from xai_core.answers.maps import Column, explain_line
from xai_core.answers.sample import Sample, specs
from xai_core.params import as_dict
from xai_core.store.identity import sample_seed


def provenance(context: Context, columns: Sequence[Column], sample: Sample) -> None:
    """An expander with methods, versions, parameters, model and seed, and one `xai` line per target."""
    run, folder = context.scope.run, str(context.study.path)
    with st.expander("Provenance: what these maps were computed with, and how to repeat it"):
        table(("Method", "Version", "Parameters"), [_method(column, run.info.cam_layer) for column in columns])
        size = run.info.preprocess or {}
        seed = sample_seed(context.study.info.seed, str(context.study.samples["id"].iat[sample.row]))
        facts = [
            ("Model", f"{run.info.architecture}, input {size.get('width')} × {size.get('height')}"),
            ("Weights, architecture and input", f"fingerprint {run.info.fingerprint[:16]}"),
            ("Seed of random methods", f"{seed}, from the study's seed {context.study.info.seed} and the sample's id"),
        ]
        table(("Common to all", ""), facts)
        asked = specs(sample, context.selection.target)
        lines = [explain_line(folder, run, columns, sample.row, spec) for spec in asked]
        st.code("\n".join(lines), language="bash", wrap_lines=True)


def _method(column: Column, declared: str) -> tuple[str, str, str]:
    values = as_dict(column.params)
    if not values.get("layer", "-"):
        values["layer"] = f"{declared} (default)"
    return column.card.title, str(column.card.version), ", ".join(f"{k} {v}" for k, v in values.items()) or "none"
