"""Why this one? One picture, its probabilities, and the evidence for each class in question."""

from __future__ import annotations

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
from dashboard.widgets.plot import page_theme, plot
from dashboard.widgets.provenance import provenance_of
from dashboard.widgets.said import said_of_maps
from dashboard.widgets.sample_facts import sample_facts
from dashboard.widgets.sample_picker import sample_picker
from xai_core.answers.maps import Column, refreshed
from xai_core.answers.sample import Sample, chances, facts, sample_of, specs
from xai_core.answers.sample import title as title_of

TITLE = "Sample"
QUESTION = "Why this one?"
ICON = "sample"
URL = "sample"
ORDER = 30

_SCALES = {"each": "Per map", "shared": "Per method"}


def render(context: Context) -> None:
    """Draw the page."""
    if not len(context.members.rows):
        no_predictions(context)
        return
    row = sample_picker(context)
    sample = sample_of(context.scope, row)
    if sample is None:
        empty(
            "No prediction for this sample",
            "The run was not applied to it, or could not answer: xai predict asks again, and says why. "
            "Choose another sample or run.",
        )
        return
    _heading(context, sample)
    _verdict(context, sample)
    _evidence(context, sample)


def _heading(context: Context, sample: Sample) -> None:
    scope = context.scope
    title, which = title_of(scope, sample), facts(scope, sample.row)
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


def _evidence(context: Context, sample: Sample) -> None:
    with st.container(key="sample-evidence"):
        method_picker(context)
        columns = evidence.columns(context)
        if not columns:
            return
        badges(context, columns)
        _choices(context, columns)
        wanted = np.array([sample.row])
        job = ask(context, columns, wanted, specs(sample, context.selection.target))
        live(context, [job], lambda: _maps(context, sample, columns), what="Heatmaps of this picture")
        provenance_of(context, columns, sample)


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


def _maps(context: Context, sample: Sample, known: list[Column]) -> None:
    columns = refreshed(context.run, known)
    found = rows(context, sample, columns)
    panels = [[row.stacks[place].frames[0].panel for row in found] for place in range(len(columns))]
    said_of_maps(context, columns, panels, np.array([sample.row]))
    heat_grid(context, found, key="maps")
