"""Do these heatmaps depend on what the model learned? The same maps from the trained and from a randomised model."""

from __future__ import annotations

import streamlit as st

from dashboard.frame import session
from dashboard.frame.cached import compared
from dashboard.frame.context import Context
from dashboard.heat.evidence import columns
from dashboard.text import plain
from dashboard.widgets.empty import empty, no_predictions
from dashboard.widgets.method_picker import method_picker
from dashboard.widgets.method_settings import settings_note
from dashboard.widgets.pending import ask, live
from dashboard.widgets.sanity import conclusions, pairs, similarities
from xai_core.answers import sanity
from xai_core.answers.maps import Column
from xai_core.answers.sanity import LEAST, SPEC, Samples

TITLE = "Sanity check"
QUESTION = "Do these heatmaps depend on what the model learned?"
ICON = "sanity"
URL = "sanity"
ORDER = 50

SEEDS = (0, 1, 2)


def render(context: Context) -> None:
    """Draw the page."""
    if not len(context.members.rows):
        no_predictions(context)
        return
    method_picker(context)
    trained, randomised = _both(context)
    if not trained:
        empty("No heatmaps to check", "Choose a run with a model, and a method that holds for it.")
        return
    settings_note(context, trained)
    samples, seed = _choices(context), context.selection.seed
    st.markdown(plain(sanity.about(samples, seed)))
    if len(samples.rows) < LEAST:
        empty("Too few pictures", "The comparison needs at least two. Choose the whole split, or another cell.")
        return
    jobs = [
        ask(context, randomised, samples.rows, SPEC, weights=sanity.randomised(seed), urgent=False),
        ask(context, trained, samples.rows, SPEC, urgent=False),
    ]
    live(context, jobs, lambda: _results(context, samples), what="Heatmaps of both models")


def _choices(context: Context) -> Samples:
    """Draw what may be chosen; gives the samples that are compared."""
    chosen = context.selection
    cell = chosen.cell if chosen.cell and len(context.members.cell(*chosen.cell)) else None
    sources = {"split": "Of the split"} | ({"cell": "Of the chosen cell"} if cell else {})
    with st.container(horizontal=True, gap="medium"):
        source = "split"
        if cell:
            chosen_source = st.segmented_control(
                "Pictures",
                list(sources),
                format_func=lambda source: plain(sources[source]),
                default="split",
                key="sanity.pictures",
            )
            source = chosen_source or "split"
        st.segmented_control(
            "Random weights",
            list(dict.fromkeys([*SEEDS, chosen.seed])),
            format_func=lambda seed: f"Seed {seed:d}",
            help="Each seed is another randomised model. What holds should hold for all of them.",
            **session.bound("seed", chosen.seed),
        )
    return sanity.samples(context.scope, cell if source == "cell" else None)


def _both(context: Context) -> tuple[list[Column], list[Column]]:
    """The chosen methods and the control, on the trained and on the randomised model."""
    keys, weights = sanity.with_control(context.selection.methods), sanity.randomised(context.selection.seed)
    return columns(context, keys), columns(context, keys, weights=weights)


def _results(context: Context, samples: Samples) -> None:
    both = list(zip(*_both(context), strict=True))
    found = sanity.sanity(context.scope, samples, both, context.selection.seed, compared=compared)
    conclusions(found)
    if any(one.checks for one in found.methods):
        similarities(found)
    pairs(context, both, samples.rows)
