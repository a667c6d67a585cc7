"""Choice of one method, for pages that show a single one."""

from __future__ import annotations

import streamlit as st

from dashboard.frame import session
from dashboard.frame.context import Context
from dashboard.heat.evidence import columns
from dashboard.text import plain
from dashboard.widgets.badges import badges
from dashboard.widgets.method_settings import settings_note
from xai_core.answers.maps import Column, no_heatmaps
from xai_core.answers.methods import in_menus
from xai_core.explainers import EXPLAINERS
from xai_core.store.obstacles import obstacle


def one_method(context: Context) -> Column | None:
    """Draw the choice; gives the method, or None (and says why) where none can be used."""
    reasons = {explainer.card.key: obstacle(context.run, explainer) for explainer in in_menus()}
    usable = [key for key, reason in reasons.items() if reason is None]
    if not usable:
        st.info(plain(no_heatmaps(context.run)))
        return None
    wanted = (context.selection.method, *context.selection.methods, *usable)
    shown = next(key for key in wanted if key in usable)
    card = EXPLAINERS[shown].card
    st.selectbox(
        "Method",
        usable,
        format_func=lambda key: EXPLAINERS[key].card.title,
        help=f"{plain(card.summary)} Limits: {plain(card.blind_spot)}",
        **session.bound("method", shown),
    )
    (column,) = columns(context, [shown])
    settings_note(context, [column])
    badges(context, [column])
    return column
