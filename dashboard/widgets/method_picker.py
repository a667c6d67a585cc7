"""Choice of methods: those that the run's model and the study's data allow, by family."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard.frame import session
from dashboard.frame.context import Context
from dashboard.text import Markdown, plain
from xai_core.answers.maps import no_heatmaps
from xai_core.answers.methods import FAMILIES, family, in_menus
from xai_core.explainers import EXPLAINERS, Explainer
from xai_core.store.obstacles import obstacle
from xai_core.store.run import Run
from xai_core.types import Card

Obstacle = Callable[[Run | None, Explainer], str | None]


def method_picker(context: Context, why_not: Obstacle = obstacle) -> bool:
    """Draw the choice and return True; where no method can be used, say why and return False.

    `why_not` says why a method cannot be used, where it cannot.
    """
    reasons = {explainer.card.key: why_not(context.run, explainer) for explainer in in_menus()}
    usable = [key for key, reason in reasons.items() if reason is None]
    if not usable:
        st.caption(plain(no_heatmaps(context.run)))
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


def _help(reasons: dict[str, str | None]) -> Markdown:
    """What each method does and where its limits are, family by family."""
    lists = []
    for name in FAMILIES:
        cards = [EXPLAINERS[key].card for key in reasons if family(EXPLAINERS[key].card) == name]
        lists.append("\n".join([f"**{plain(name)}**", "", *(_line(card, reasons[card.key]) for card in cards)]))
    return Markdown("\n\n".join(lists))


def _line(card: Card, reason: str | None) -> Markdown:
    off = f" *Off here: {plain(reason)}*" if reason else ""
    return Markdown(f"- **{plain(card.title)}**: {plain(card.summary)} Limits: {plain(card.blind_spot)}{off}")
