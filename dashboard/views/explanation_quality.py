"""Which method should I believe here?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard.frame import session
from dashboard.frame.cached import context_of, quality_of
from dashboard.frame.context import Context
from dashboard.heat.evidence import columns
from dashboard.text import plain
from dashboard.widgets import quality_job
from dashboard.widgets.empty import empty, no_predictions
from dashboard.widgets.jobs import open_job
from dashboard.widgets.method_picker import method_picker
from dashboard.widgets.method_settings import settings_note
from dashboard.widgets.part import part
from dashboard.widgets.quality_parts import agreements, curves, export, readings
from dashboard.widgets.quality_table import not_better, quality_table
from dashboard.widgets.split_or_cell import split_or_cell
from dashboard.widgets.surroundings import surroundings
from xai_core.answers.maps import Column, refreshed
from xai_core.answers.method_quality import MethodQuality
from xai_core.answers.quality_choice import (
    LIMIT,
    SPEC,
    Samples,
    metrics_asked,
    samples,
    score_line,
    usable_metrics,
    with_controls,
)
from xai_core.metrics import METRICS
from xai_core.params import as_dict
from xai_core.task import CLASSIFICATION, SEGMENTATION
from xai_core.triage.confusion import Cell

TITLE = "Explanation quality"
QUESTION = "Which method should I believe here?"
ICON = "quality"
URL = "quality"
ORDER = 55
TASKS = (CLASSIFICATION, SEGMENTATION)

COUNTS = (50, 100, LIMIT, 500, 1000)
SECONDS_BETWEEN_LOOKS = 3.0
READ_AS = (
    "Bars and the numbers below them are 95 % intervals over samples. A rank is a range wherever paired differences "
    "cannot tell; bold and “best” is what is better than every other method."
)


def render(context: Context) -> None:
    """Draw the page."""
    if not len(context.predicted):
        no_predictions(context)
        return
    if not method_picker(context):
        return
    metrics = _metric_choice(context)
    chosen, cell = _sample_choice(context)
    wanted = columns(context, with_controls(context.scope.run, context.selection.methods))
    settings_note(context, wanted)
    if not len(chosen.rows):
        empty("No samples", "Choose the whole split, or another cell.")
        return
    open_ = open_job(context, *quality_job.OPERATIONS) is not None
    every = SECONDS_BETWEEN_LOOKS if open_ else None
    st.fragment(_drawn, run_every=every)(context, chosen, cell, wanted, metrics, open_)


def _metric_choice(context: Context) -> list[str]:
    usable = usable_metrics(context.scope.run)
    return st.multiselect(
        "Metrics",
        usable,
        format_func=lambda key: METRICS[key].card.title,
        placeholder="Choose metrics",
        help="What each asks and does not show stands below the table. Nothing is averaged over metrics.",
        **session.bound("metrics", metrics_asked(context.selection.metrics, usable)),
    )


def _sample_choice(context: Context) -> tuple[Samples, Cell | None]:
    selection = context.selection
    with st.container(horizontal=True, gap="medium"):
        of = split_or_cell(context, "Samples", key="quality.samples")
        st.segmented_control(
            "At most",
            sorted({*COUNTS, selection.count}),
            format_func=lambda count: f"{count:,}",
            help="Drawn by the study's seed: the same ones every time, and a larger number adds to them.",
            **session.bound("count", selection.count),
        )
    return samples(context.scope, of, selection.count), of


def _drawn(
    context: Context,
    chosen: Samples,
    cell: Cell | None,
    wanted: Sequence[Column],
    metrics: Sequence[str],
    was_open: bool,
) -> None:
    job = open_job(context, *quality_job.OPERATIONS)
    if (job is None) == was_open:  # it ended, or began elsewhere: look at it from now on, or no longer
        st.rerun()
    methods = [(column.card.key, as_dict(column.params)) for column in wanted]
    found = quality_of(context, chosen.rows, methods, [(key, {}) for key in metrics])
    st.caption(plain(f"{chosen.sentence}; each heatmap explains what the model predicted."))
    if job is not None:
        quality_job.follow(context, job)
    else:
        line = score_line(context.scope, wanted, metrics, cell, context.selection.count)
        quality_job.offer(context, found, _arguments(context, cell, methods, metrics), line)
    if any(one.n for one in found.cells.values()):
        _results(context, found, wanted)


def _arguments(context: Context, cell: Cell | None, methods: Sequence[Any], metrics: Sequence[str]) -> dict[str, Any]:
    """The table's samples, methods and metrics as a job takes them."""
    chosen = context.selection
    return {
        "run": chosen.run,
        "methods": [list(each) for each in methods],
        "metrics": [[key, {}] for key in metrics],
        "target": SPEC,
        "split": chosen.split,
        "cell": cell,
        "limit": chosen.count,
        **({"where": list(chosen.where)} if chosen.where else {}),
    }


def _results(context: Context, found: MethodQuality, wanted: Sequence[Column]) -> None:
    quality_table(found)
    st.caption(READ_AS)
    with st.container(horizontal=True, gap="small"):
        export(context, found)
    readings(found)
    if found.behind:
        part("Not better than a map that knows nothing of the model")
        not_better(found)
    curves(found)
    surroundings(context_of(context, found.rows, refreshed(context.run, wanted)))
    agreements(found)
