"""Choice of methods: those that the run's model and the study's data allow, quick ones first."""

from __future__ import annotations

import streamlit as st

from dashboard import session
from dashboard.context import Context
from dashboard.evidence import obstacle
from xai_core.explainers import EXPLAINERS


def method_picker(context: Context) -> bool:
    """Draw the choice and return True; where no method can be used, say why and return False."""
    reasons = {explainer.card.key: obstacle(context, explainer) for explainer in EXPLAINERS}
    usable = [key for key, reason in reasons.items() if reason is None]
    if not usable:
        st.caption(f"No heatmaps: {next(iter(reasons.values()), 'no explanation method is installed.')}")
        return False
    st.multiselect(
        "Methods",
        usable,
        format_func=lambda key: EXPLAINERS[key].card.title,
        placeholder="Choose methods",
        help=_help(reasons),
        **session.bound("methods", [key for key in context.selection.methods if key in usable]),
    )
    return True


def _help(reasons: dict[str, str | None]) -> str:
    """What each method does and does not show, as a list."""
    lines = []
    for explainer in EXPLAINERS:
        card, reason = explainer.card, reasons[explainer.card.key]
        off = f" *Off here: {reason}*" if reason else ""
        lines.append(f"- **{card.title}**: {card.summary} Does not show: {card.blind_spot}{off}")
    return "\n".join(lines)
