"""What does it say of other pictures? Some that somebody drops here, predicted and explained as samples are."""

from __future__ import annotations

from functools import partial

import streamlit as st

from dashboard.frame import session
from dashboard.frame.context import Context
from dashboard.frame.session import own_id
from dashboard.frame.uploads import Dropped
from dashboard.heat import evidence, new_maps
from dashboard.text import plain, visible
from dashboard.widgets.badges import badges
from dashboard.widgets.dropped import dropped, said
from dashboard.widgets.empty import empty, no_predictions
from dashboard.widgets.heat_grid import heat_grid
from dashboard.widgets.legend import look_choice
from dashboard.widgets.method_picker import method_picker
from dashboard.widgets.method_settings import layer_choice, settings_form
from dashboard.widgets.offers import Lacking
from dashboard.widgets.part import part
from dashboard.widgets.pending import asked_once, live
from xai_core.answers.maps import Column, refusals, same_for_every_class
from xai_core.answers.new_pictures import (
    NO_MODEL,
    SESSION_ONLY,
    Answer,
    answers,
    predict_line,
    spec_of,
    unpredicted,
    unusable,
    usable_columns,
)
from xai_core.params import as_dict
from xai_core.store.new_pictures import NewPictures
from xai_core.task import CLASSIFICATION, SEGMENTATION
from xai_core.worker.requests import Look

TITLE = "New pictures"
QUESTION = "What does it say of other pictures?"
ICON = "upload"
URL = "new-pictures"
ORDER = 35
TASKS = (CLASSIFICATION, SEGMENTATION)

_SCALES = {"each": "Per map", "shared": "Per method"}


def render(context: Context) -> None:
    """Draw the page."""
    if context.run is None:
        no_predictions(context)
        return
    if not context.run.has_model:
        empty("This run has no model to ask", NO_MODEL)
        return
    found = dropped(context)
    if not found.pictures:
        empty("Drop some pictures", f"{context.run.name} predicts and explains them as the study's own. {SESSION_ONLY}")
        return
    kept = NewPictures(found.folder, context.run)
    if missing := unpredicted(kept, [number for number, *_ in found.pictures]):
        job = _ask(context, kept, found, missing, [], Lacking())
        live(context, [job], partial(_drawn, context, kept, found), what="Predictions")
        return
    known = _predictions(context, kept, found)
    if known:
        _evidence(context, kept, found, known)


def _drawn(context: Context, kept: NewPictures, found: Dropped) -> None:
    _predictions(context, kept, found)


def _predictions(context: Context, kept: NewPictures, found: Dropped) -> list[Answer]:
    known, left_out = answers(kept, [(number, name) for number, name, _ in found.pictures])
    said(context, kept, known, left_out)
    return known


def _evidence(context: Context, kept: NewPictures, found: Dropped, known: list[Answer]) -> None:
    part("On what evidence?")
    if not method_picker(context, unusable):
        return
    run, spec = context.scope.run, spec_of(context.selection.target)
    columns = usable_columns(run, kept, evidence.columns(context))
    if columns:
        badges(context, columns)
        _choices(context, columns)
        missing = new_maps.missing(columns, known, spec)
        numbers = [each.number for each in known]
        job = _ask(context, kept, found, numbers, columns, Lacking(columns, missing)) if missing else None
        live(context, [job], lambda: _maps(context, kept, columns, known), what="Heatmaps of new pictures")
    st.caption("The same from a terminal, for a folder of any size:")
    st.code(predict_line(run, columns, spec), language="bash", wrap_lines=True)


def _choices(context: Context, columns: list[Column]) -> None:
    names, of_pixels = context.study.class_names, context.study.info.task == SEGMENTATION
    said = "Main object" if of_pixels else "Predicted class"
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        st.selectbox(
            "Evidence for",
            ["predicted", *map(str, range(len(names)))],
            format_func=lambda spec: visible(names[int(spec)]) if spec.isdigit() else said,
            help="The class that the heatmaps explain"
            + (", where it is predicted." if of_pixels else ". Nobody knows the true class of these pictures."),
            width=200,
            **session.bound("target", spec_of(context.selection.target)),
        )
        st.segmented_control(
            "Colour scale",
            list(_SCALES),
            format_func=_SCALES.__getitem__,
            help="Per map: each has a scale of its own. Per method: one for all pictures, weak maps look weak.",
            **session.bound("normalise", context.selection.normalise),
        )
        look_choice(context)
        layer_choice(context, columns)
    settings_form(context, columns)


def _ask(
    context: Context, kept: NewPictures, found: Dropped, numbers: list[int], columns: list[Column], lacking: Lacking
) -> str | None:
    """The job for these pictures: predictions, and heatmaps by some methods."""
    pictures = [each for each in found.pictures if each[0] in numbers]
    methods = [(column.card.key, as_dict(column.params)) for column in columns]
    target, run = spec_of(context.selection.target), context.scope.run

    def start() -> str:
        asked = Look(context.study.path, run.name, pictures, methods, target, found.folder)
        return context.services.worker.ask(asked, owner=own_id())

    view = (str(kept.path), target, tuple(numbers), str(methods))
    return asked_once(context, view, start, lacking)


def _maps(context: Context, kept: NewPictures, known: list[Column], pictures: list[Answer]) -> None:
    columns = usable_columns(context.scope.run, kept, known)
    found = new_maps.panels(context, columns, pictures)
    for sentence in (
        *refusals(columns, [[panel.facts for panel in each] for each in found]),
        same_for_every_class(columns),
    ):
        if sentence:
            st.caption(plain(sentence))
    heat_grid(context, new_maps.rows(context, kept, columns, pictures, found), key="new-maps")
