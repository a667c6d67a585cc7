"""Ways of training beside each other, over their seeds: which differences may be claimed."""

from __future__ import annotations

import streamlit as st

from dashboard.figures.arms import arms as figure
from dashboard.frame.context import Context
from dashboard.text import plain
from dashboard.widgets.part import part
from dashboard.widgets.plot import page_theme, plot
from dashboard.widgets.table import table
from xai_core.answers.arms import CAVEATS, Arms, beside
from xai_core.store.run import Run
from xai_core.triage.confusion import Cell


def arms(context: Context, baseline: Run, cell: Cell | None) -> None:
    """Draw the table and the seeds; nothing where the study has no arm of several seeds."""
    found = beside(context.readable, baseline, context.selection.split, context.where)
    if found is None or not len(found.rows):
        return
    with st.container(key="arms"):
        part("Ways of training, over their seeds", found.counted)
        chosen = cell or found.largest
        shares = found.shares(chosen)
        table(
            ["Way of training", "Seeds", *(title for name in shares for title in (name, "Change"))], found.lines(chosen)
        )
        plot(figure(shares, page_theme()), key="arms.seeds", alt=_alt(found))
        with st.expander("What may be said, in words"):
            for candidate in found.candidates:
                for outcome in found.outcomes(candidate, chosen):
                    st.markdown(f"**{plain(candidate.name)}**: {plain(outcome.verdict.sentence)}")
        st.caption(plain(" ".join([*CAVEATS[:2], found.tried]).strip()))


def _alt(found: Arms) -> str:
    return f"Accuracy of every seed of {', '.join(arm.name for arm in (found.baseline, *found.candidates))}."
