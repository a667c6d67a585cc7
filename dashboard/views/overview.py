"""What is here, and how good is it?"""

from __future__ import annotations

import streamlit as st

from dashboard.context import Context
from dashboard.figures import history, reliability
from dashboard.summaries import aligned, all_runs, measured
from dashboard.text import Markdown, plain
from dashboard.widgets.data_card import data_card
from dashboard.widgets.empty import empty, no_predictions
from dashboard.widgets.plot import page_theme, plot
from dashboard.widgets.runs_table import runs_figures, runs_table
from dashboard.widgets.worst_pairs import worst_pairs
from xai_core.answers.confusion import unpredicted
from xai_core.triage.confusion import confusion_counts
from xai_core.triage.confusion import worst_pairs as largest_confusions
from xai_core.triage.quality import reliability as reliability_table

TITLE = "Overview"
QUESTION = "What is here, and how good is it?"
ICON = "overview"
URL = "overview"
ORDER = 10

SPLITS = {"train": "training samples", "validation": "validation samples", "test": "test samples", "all": "all samples"}


def render(context: Context) -> None:
    """Draw the page."""
    with st.container(key="data-card"):
        data_card(context)
    with st.container(key="runs"):
        _runs(context)
    if context.run is not None:
        with st.container(key="run"):
            _run(context)


def _runs(context: Context) -> None:
    st.subheader("Runs", anchor=False)
    if context.run is None:
        no_predictions(context)
        return
    runs = all_runs(context)
    st.caption(_seen(context))
    runs_table(context, runs)
    runs_figures(runs)


def _seen(context: Context) -> Markdown:
    split = context.selection.split
    words = f"Measured on {SPLITS[split]}; choose others at the left."
    if split in ("train", "all"):
        words += " Models have seen the training samples: expect better numbers than on new pictures."
    return Markdown(words)


def _run(context: Context) -> None:
    st.subheader(f"Run {plain(context.selection.run)}", anchor=False)
    predictions = context.predictions
    if predictions is None or not measured(context, predictions).n:
        no_predictions(context)
    else:
        note = unpredicted(context.scope)
        if note:
            st.caption(plain(note))
        left, right = st.columns([4, 3], gap="large")
        with left:
            _worst(context)
        with right:
            _reliability(context)
    _curves(context)


def _worst(context: Context) -> None:
    st.html(f'<p class="figure-title">Worst pairs, {SPLITS[context.selection.split]}</p>')
    predictions, study = context.predictions, context.study
    assert predictions is not None, "a measured run has predictions"
    rows, places = aligned(context, predictions)
    counts = confusion_counts(study.labels[rows], predictions.predicted[places], len(study.class_names))
    pairs = largest_confusions(counts, study.class_names)
    if pairs.empty:
        empty("No confusions", f"All {len(rows):,} samples of this split are right.")
    else:
        worst_pairs(pairs)


def _reliability(context: Context) -> None:
    predictions = context.predictions
    assert predictions is not None, "a measured run has predictions"
    rows, places = aligned(context, predictions)
    chances, predicted = predictions.probabilities[places], predictions.predicted[places]
    table = reliability_table(context.study.labels[rows], predicted, chances)
    error = measured(context, predictions).calibration_error
    figure = reliability.calibration(table, error, page_theme(), title="Right as often as it says?")
    plot(figure, key="reliability", alt="Accuracy against confidence")


def _curves(context: Context) -> None:
    assert context.run is not None
    found = context.run.history
    if found is not None and len(found):
        figure = history.curves(found, page_theme(), title="Training curves")
        plot(figure, key="history", alt="Loss and accuracy over epochs")
