"""Why this one? One picture, its probabilities, and the evidence for each class in question."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from dashboard.drawing.tiles import outline_tile, picture_tile
from dashboard.figures import probabilities
from dashboard.frame import session
from dashboard.frame.context import Context
from dashboard.heat import evidence
from dashboard.heat.sample_maps import rows, shape_of
from dashboard.text import escaped, plain
from dashboard.widgets.annotate import annotate
from dashboard.widgets.badges import badges
from dashboard.widgets.empty import empty, no_predictions
from dashboard.widgets.heat_grid import heat_grid
from dashboard.widgets.legend import look_choice
from dashboard.widgets.method_picker import method_picker
from dashboard.widgets.method_settings import layer_choice, settings_form
from dashboard.widgets.pending import ask, live
from dashboard.widgets.picture_verdict import picture_verdict
from dashboard.widgets.plot import page_theme, plot
from dashboard.widgets.provenance import provenance_of
from dashboard.widgets.said import said_of_maps
from dashboard.widgets.sample_facts import sample_facts
from dashboard.widgets.sample_picker import sample_picker
from xai_core.answers.explained import Explained
from xai_core.answers.maps import Column, refreshed
from xai_core.answers.picture import explained as explained_in_picture
from xai_core.answers.picture import picture_of
from xai_core.answers.picture import specs as specs_of_picture
from xai_core.answers.sample import Sample, chances, explained, facts, sample_of, specs
from xai_core.answers.sample import title as title_of
from xai_core.task import CLASSIFICATION, SEGMENTATION

TITLE = "Sample"
QUESTION = "Why this one?"
ICON = "sample"
URL = "sample"
ORDER = 30
TASKS = (CLASSIFICATION, SEGMENTATION)

_SCALES = {"each": "Per map", "shared": "Per method"}


def render(context: Context) -> None:
    """Draw the page."""
    if not len(context.predicted):
        no_predictions(context)
        return
    row = sample_picker(context)
    draw = _picture if context.study.info.task == SEGMENTATION else _sample
    if not draw(context, row):
        empty(
            "No prediction for this sample",
            "The run was not applied to it, or could not answer: xai predict asks again, and says why. "
            "Choose another sample or run.",
        )


def _sample(context: Context, row: int) -> bool:
    """Of a classifier; whether it said something of the sample."""
    sample = sample_of(context.scope, row)
    if sample is None:
        return False
    _heading(title_of(context.scope, sample), facts(context.scope, row))
    _verdict(context, sample)
    chosen = context.selection.target
    _evidence(context, row, specs(sample, chosen), explained(context.scope, sample, chosen))
    return True


def _picture(context: Context, row: int) -> bool:
    """Of a segmenter; whether it said something of the picture."""
    picture = picture_of(context.scope, row)
    if picture is None:
        return False
    _heading(picture.title, facts(context.scope, row))
    picture_verdict(context, context.scope.run, picture)
    chosen = context.selection.target
    _evidence(context, row, specs_of_picture(picture, chosen), explained_in_picture(context.scope, picture, chosen))
    return True


def _heading(title: str, which: str) -> None:
    st.html(f'<div class="cell-title"><h2>{escaped(title)}</h2><p>{escaped(which)}</p></div>')


def _verdict(context: Context, sample: Sample) -> None:
    """The picture beside the probabilities."""
    left, right = st.columns([2, 5], gap="large", vertical_alignment="top")
    address = picture_tile(context.services.tiles, context.study, context.run, sample.row, side=512)
    shape = shape_of(context, sample.row)
    mask = outline_tile(context.services.tiles, context.study, context.run, sample.row, side=512)
    line = f'<img class="mask" src="{mask}" alt="The outline of its object">' if mask else ""
    left.html(
        f'<div class="portrait" style="aspect-ratio:{shape:.4f}"><img src="{address}" alt="The sample">{line}</div>'
    )
    with left:
        sample_facts(context, sample.row)
    with right:
        known = chances(context.scope, sample)
        if known or not context.scope.lacks:
            plot(probabilities.top(known, page_theme()), key="probabilities", alt="The five largest probabilities")
        if context.scope.lacks:
            st.caption(plain(context.scope.lacks))
        annotate(context, sample.row)


def _evidence(context: Context, row: int, asked: Sequence[str], wanted: Sequence[Explained]) -> None:
    with st.container(key="sample-evidence"):
        method_picker(context)
        columns = evidence.columns(context)
        if not columns:
            return
        badges(context, columns)
        _choices(context, columns)
        job = ask(context, columns, np.array([row]), asked)
        live(context, [job], lambda: _maps(context, row, wanted, columns), what="Heatmaps of this picture")
        provenance_of(context, columns, row, asked)


def _choices(context: Context, columns: list[Column]) -> None:
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        st.segmented_control(
            "Colour scale",
            list(_SCALES),
            format_func=_SCALES.__getitem__,
            help="Per map: each has a scale of its own. Per method: one for the rows below, weak maps look weak.",
            **session.bound("normalise", context.selection.normalise),
        )
        look_choice(context)
        layer_choice(context, columns)
    settings_form(context, columns)


def _maps(context: Context, row: int, wanted: Sequence[Explained], known: list[Column]) -> None:
    columns = refreshed(context.run, known)
    found = rows(context, row, wanted, columns)
    panels = [[line.stacks[place].frames[0].panel for line in found] for place in range(len(columns))]
    said_of_maps(context, columns, panels, np.array([row]))
    heat_grid(context, found, key="maps")
