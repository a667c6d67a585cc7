"""Choice of samples by their facts: which facts must hold, on every page."""

from __future__ import annotations

import streamlit as st

from dashboard.frame import session
from dashboard.frame.context import Context
from dashboard.text import plain, searched, visible
from xai_core.store.facts import Condition, Value, said

_LISTED = 50
"""With more values than this, they are searched for."""

_FACT, _FIND = "facts.name", "facts.find"


def fact_filter(context: Context) -> None:
    """Draw what holds, each with a way to give it up, and the choice of one more; nothing where there are no facts."""
    facts = context.study.facts
    if not facts.names:
        return
    with st.container(key="fact-filter", gap="small"):
        for one in context.where:
            rest = tuple(other.text for other in context.where if other != one)
            words = {"where": rest}
            st.button(
                f"{plain(one.words)} ✕",
                key=f"facts.drop.{one.text}",
                help="Only these samples count, on every page. Click to count all again.",
                on_click=session.update,
                kwargs=words,
                width="stretch",
            )
        with st.popover("Only samples where …", width="stretch"):
            name = st.selectbox(
                "Fact", facts.names, format_func=visible, key=_FACT, help="A column of the study's table."
            )
            if name is not None:
                _value(context, name)


def _value(context: Context, name: str) -> None:
    values = [value for value, _ in context.study.facts.values(name)]
    if len(values) > _LISTED:
        text = st.text_input("Find a value", key=_FIND, placeholder=f"One of {len(values):,}: a part of it")
        wanted = searched(text.strip())
        values = [value for value in values if wanted and wanted in searched(said(value))][:_LISTED]
        if not values:
            st.caption("No value contains this." if wanted else "There are too many for a list.")
            return
    key = f"facts.value.{name}"
    st.session_state[key] = None
    st.selectbox(
        "Value",
        range(len(values)),
        index=None,
        format_func=lambda place: visible(said(values[place])),
        placeholder="Choose a value",
        key=key,
        on_change=_take,
        args=(key, name, values),
    )


def _take(key: str, name: str, values: list[Value]) -> None:
    place = st.session_state[key]
    if place is None:
        return
    chosen = Condition(name, values[place])
    others = [text for text in session.current().where if not text.startswith(f"{name}=")]
    session.update(where=(*others, chosen.text))
