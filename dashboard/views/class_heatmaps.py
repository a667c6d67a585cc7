"""What does the model look at, on the whole? Mean heatmaps of a confusion and of its two classes."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.frame import session
from dashboard.frame.cached import group_masks, group_measures
from dashboard.frame.context import Context
from dashboard.frame.state import PLACES
from dashboard.heat.evidence import columns
from dashboard.widgets.class_maps import differences, means, places, resemblances
from dashboard.widgets.confusion_choice import confusion_choice
from dashboard.widgets.empty import empty, no_predictions
from dashboard.widgets.legend import look_choice
from dashboard.widgets.one_method import one_method
from dashboard.widgets.pending import ask, live
from xai_core.answers.aggregate import aggregate
from xai_core.answers.confusion import confusions, counts_of
from xai_core.answers.groups import wanted
from xai_core.answers.maps import Column
from xai_core.task import CLASSIFICATION, SEGMENTATION
from xai_core.triage.confusion import Cell

TITLE = "Class heatmaps"
QUESTION = "What does the model look at, on the whole?"
ICON = "heatmaps"
URL = "class-heatmaps"
ORDER = 40
TASKS = (CLASSIFICATION, SEGMENTATION)

_TARGETS = {"predicted": "Predicted", "true": "True"}
_PLACES = {"object": "Around the object", "picture": "In the picture"}
_SCALES = {"each": "All alike", "shared": "By strength"}


def render(context: Context) -> None:
    """Draw the page."""
    if not len(context.predicted):
        no_predictions(context)
        return
    counts = counts_of(context.scope)
    if not confusions(counts):
        empty("Nothing is confused here", "Every sample of this split was recognised. Choose another split or run.")
        return
    with st.container(key="class-choices"):
        left, right = st.columns([3, 2])
        with left:
            cell = confusion_choice(context, counts)
        with right:
            column = one_method(context)
        if column is None:
            return
        spec = _ways(context)
    if cell is None:
        empty("The chosen cell holds no confusion", "It is on the diagonal: choose a confusion from the list above.")
        return
    if not len(context.scope.cell(*cell)):
        true, predicted = (context.study.class_names[index] for index in cell)
        empty("This cell is empty", f"No {true} was taken for {predicted} in this split: choose from the list above.")
        return
    _maps(context, cell, column, spec)


def _ways(context: Context) -> str:
    """Draw how maps are counted and drawn; gives which class they explain."""
    chosen = context.selection
    spec = chosen.target if chosen.target in _TARGETS else "predicted"
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        st.segmented_control(
            "Evidence for",
            list(_TARGETS),
            format_func=_TARGETS.__getitem__,
            help="The class that each map explains: the one the model predicted, or the true one.",
            **session.bound("target", spec),
        )
        st.segmented_control(
            "Pictures count",
            list(_SCALES),
            format_func=_SCALES.__getitem__,
            help="All alike: each map is divided by its own maximum first. By strength: maps as they are, so that "
            "pictures with strong evidence count for more.",
            **session.bound("normalise", chosen.normalise),
        )
        if context.study.info.task == SEGMENTATION:
            st.segmented_control(
                "Laid together",
                PLACES,
                format_func=_PLACES.__getitem__,
                help="Around the object: each map is cut around the largest part of what it explains first. In the "
                "picture: maps as they lie.",
                **session.bound("place", chosen.place),
            )
        look_choice(context)
    return spec


def _maps(context: Context, cell: Cell, column: Column, spec: str) -> None:
    jobs = [ask(context, [column], rows, part, urgent=False) for rows, part in wanted(context.scope, cell, spec)]
    align = context.study.info.task == SEGMENTATION and context.selection.place == PLACES[0]

    def draw() -> None:
        """From what is stored by now."""
        now = columns(context, [column.card.key])[0]  # its store may exist by now
        scale = context.selection.normalise
        kept: dict[str, Any] = {"measured": group_measures, "masked": group_masks}
        found = aggregate(context.scope, cell, now, spec, scale=scale, align=align, **kept)
        means(context, found)
        if any(len(group.maps) for group in found.groups):
            places(found)
            differences(found)
            resemblances(found)

    live(context, jobs, draw, what=f"{column.card.title} of the three groups")
