"""Is the annotation right? Proposals of a run, one card each, and what people decide about them."""

from __future__ import annotations

import streamlit as st

from dashboard.frame import session
from dashboard.frame.context import Context
from dashboard.text import plain, visible
from dashboard.widgets.empty import empty, no_predictions
from dashboard.widgets.pages import on_page, pages_below
from dashboard.widgets.proposal_cards import Decision, proposal_cards
from dashboard.widgets.table import table
from xai_core.answers.annotations import (
    HISTORY,
    AnnotationsAnswer,
    decided,
    methods_with_proposals,
    proposed,
)
from xai_core.errors import XaiError
from xai_core.label_maps import REVIEWED
from xai_core.store.versions import versions
from xai_core.task import SEGMENTATION
from xai_core.triage.proposals import KINDS

TITLE = "Annotations"
QUESTION = "Is the annotation right?"
ICON = "annotations"
URL = "annotations"
ORDER = 16
TASKS = (SEGMENTATION,)

ON_A_PAGE = 6
METHOD = "hirescam"
PERSON, KIND, WHICH = "annotations.person", "annotations.kind", "annotations.which"
_FAILED, _DONE = "annotations.failed", "annotations.done"
OPEN, DECIDED = "To decide", "Decided"


def render(context: Context) -> None:
    """Draw the page."""
    run = context.run
    if run is None or run.label_maps() is None:
        no_predictions(context)
        return
    methods = methods_with_proposals(run)
    method = context.selection.method if context.selection.method in methods else next(iter(methods), METHOD)
    answer = proposed(run, method, context.selection.version or REVIEWED)
    if not answer.looked_at:
        text = "Let the run look through the training pictures: where it and its evidence speak against the annotation."
        empty("No proposals yet", text, command=answer.line)
        return
    st.markdown(f"**{plain(answer.sentence)}** {plain(' '.join(answer.enlargements))}")
    _who(context, answer)
    _cards(context, answer)
    _after(answer)


def _who(context: Context, answer: AnnotationsAnswer) -> None:
    """Who decides, and into which version."""
    name, version, undo = st.columns([2, 2, 3], vertical_alignment="bottom")
    kept = st.session_state.get(PERSON, "")
    said = name.text_input("You", value=kept, placeholder="Your name", max_chars=100, help="Kept with what you decide.")
    st.session_state[PERSON] = said
    known = sorted({answer.version, *versions(context.study)})
    version.selectbox(
        "Version",
        known,
        format_func=visible,
        accept_new_options=True,
        help="Beside the original annotation, which stays as it is. Type another name to begin one.",
        **session.bound("version", answer.version),
    )
    last = answer.last_words
    undo.button(
        "Undo",
        disabled=not (last and said),
        help=plain(last) if last else None,
        on_click=_undo,
        args=(answer,),
        icon=":material/undo:",
    )
    if error := st.session_state.pop(_FAILED, None):
        st.error(plain(error))
    nobody = "" if said.strip() else "Give your name to decide: it is kept with each decision. "
    st.caption(plain(nobody + (st.session_state.pop(_DONE, "") or answer.standing)))


def _cards(context: Context, answer: AnnotationsAnswer) -> None:
    left, right = st.columns([1, 2])
    which = (
        left.segmented_control(
            "Show",
            [OPEN, DECIDED],
            format_func=lambda one: plain(one.capitalize()),
            default=OPEN,
            key=WHICH,
            on_change=_first,
        )
        or OPEN
    )
    kind = right.segmented_control(
        "Kind", list(KINDS), format_func=lambda one: plain(one.capitalize()), key=KIND, on_change=_first
    )
    if kind:
        st.caption(plain(KINDS[kind]))
    questions = [
        one
        for one in answer.questions
        if (one.decision is None) == (which == OPEN) and kind in (None, one.proposal.kind)
    ]
    if not questions:
        empty("None here", "Choose another kind, or what is decided already.")
        return
    with st.container(key="proposals"):
        proposal_cards(
            context,
            answer,
            on_page(context, questions, ON_A_PAGE),
            key="proposal-cards",
            may_decide=bool(st.session_state[PERSON].strip()),
            on_decide=lambda said: _decide(answer, said),
        )
    pages_below(context, len(questions), ON_A_PAGE)


def _first() -> None:
    session.update(page=1)


def _decide(answer: AnnotationsAnswer, said: Decision) -> None:
    """Write what the browser says; what cannot be is told above the cards."""
    try:
        st.session_state[_DONE] = decided(answer, said, st.session_state.get(PERSON, ""))
    except XaiError as error:
        st.session_state[_FAILED] = str(error)


def _undo(answer: AnnotationsAnswer) -> None:
    try:
        st.session_state[_DONE] = answer.undo(st.session_state.get(PERSON, ""))
    except XaiError as error:
        st.session_state[_FAILED] = str(error)


def _after(answer: AnnotationsAnswer) -> None:
    """What was done so far, and what to do with the version."""
    if answer.history:
        with st.expander("What was decided"):
            table(HISTORY, answer.history)
    with st.expander("Train from it, or edit it elsewhere"):
        st.code("\n".join(answer.commands), language="bash")
