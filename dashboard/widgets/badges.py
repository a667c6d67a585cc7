"""Beside each method's name, whether its heatmaps were checked for this model, and behind it the sentence."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.frame import session
from dashboard.frame.cached import badges_of
from dashboard.frame.context import Context
from dashboard.text import plain
from dashboard.widgets.jobs import begin_button
from xai_core.answers.badge import Badge, Part, check_arguments, check_estimate, check_line
from xai_core.answers.maps import Column

_PAGES = {"sanity": "Sanity check", "quality": "Explanation quality"}
_WHY_NOT = (
    "Nobody has looked yet whether these heatmaps change with the model's weights, and whether they beat maps that "
    "know nothing of it."
)


def badges(context: Context, columns: Sequence[Column]) -> None:
    """Draw one mark for each method: a button that opens the sentence and leads to the evidence.

    What a mark opens is drawn with the page. Where the server opens it, the answer to a closing can arrive after the
    next opening, and closes that as well.
    """
    if not columns:
        return
    with st.container(horizontal=True, gap="small", key="badges"):
        found = badges_of(context.scope.run, columns)
        for badge in found:
            _badge(context, badge)
        unchecked = [column for column, badge in zip(columns, found, strict=True) if badge.kind == "unchecked"]
        if unchecked and context.scope.run.info.fingerprint:
            _offer(context, unchecked)


def _badge(context: Context, badge: Badge) -> None:
    key = f"badge.{badge.kind}.{badge.method}"
    with st.popover(f"{plain(badge.mark)} {plain(badge.title)}: {plain(badge.word)}", key=key, type="tertiary"):
        st.markdown(f"**{plain(badge.title)}** on {plain(context.scope.run.name)}: {plain(badge.word)}")
        for part in badge.parts:
            _part(badge, part)


def _part(badge: Badge, part: Part) -> None:
    st.markdown(f"**{plain(part.title)}**: {plain(part.sentence)}")
    if session.has_page(part.page):
        word = "Check this on" if part.kind == "unchecked" else "See"
        opened = st.button(f"{word} {_PAGES[part.page]}", key=f"badge.open.{badge.method}.{part.page}")
        if opened:
            _open(badge, part)


def _offer(context: Context, columns: Sequence[Column]) -> None:
    """Both checks of the methods that have none, as a job."""
    box = st.popover("Check them", key="badge.check", type="tertiary", on_change="rerun")
    if box.open:  # the estimate looks through the stores of all runs
        run = context.scope.run
        with box:
            st.markdown(_WHY_NOT)
            st.caption(plain(check_estimate(run, columns)))
            begin_button(context, "check", check_arguments(run, columns), check_line(run, columns))


def _open(badge: Badge, part: Part) -> None:
    methods = session.current().methods
    session.go(part.page, methods=methods if badge.method in methods else (*methods, badge.method))
