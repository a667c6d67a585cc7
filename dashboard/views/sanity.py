"""Do these heatmaps depend on what the model learned? The same maps from the trained and from a randomised model."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import session
from dashboard.context import Context
from dashboard.evidence import columns
from dashboard.sanity_maps import CONTROL, COUNT, checked
from dashboard.text import plain
from dashboard.widgets.empty import empty, no_predictions
from dashboard.widgets.method_picker import method_picker
from dashboard.widgets.method_settings import settings_in_force
from dashboard.widgets.pending import ask, live
from dashboard.widgets.sanity import conclusions, pairs, similarities
from xai_core.answers.maps import Column
from xai_core.answers.scope import Members, drawn

TITLE = "Sanity check"
QUESTION = "Do these heatmaps depend on what the model learned?"
ICON = "sanity"
URL = "sanity"
ORDER = 50

SEEDS = (0, 1, 2)


def render(context: Context) -> None:
    """Draw the page."""
    among = context.members
    if not len(among.rows):
        no_predictions(context)
        return
    method_picker(context)
    trained, randomised = _both(context)
    if not trained:
        empty("No heatmaps to check", "Choose a run with a model, and a method that holds for it.")
        return
    settings_in_force(context, trained)
    rows, whence = _choices(context, among)
    seed = context.selection.seed
    st.markdown(
        f"{len(rows)} {'picture' if len(rows) == 1 else 'pictures'} {plain(whence)}. Each map is made twice: from the "
        f"trained model, and from one of the same shape with random weights (seed {seed:d}). A map that stays the same "
        "cannot show what was learned. This is one randomisation of all layers at once; the cascade, layer by layer, "
        "is not part of this check."
    )
    if len(rows) < 2:
        empty("Too few pictures", "The comparison needs at least two. Choose the whole split, or another cell.")
        return
    jobs = [
        ask(context, randomised, rows, "predicted", weights=_weights(context), urgent=False),
        ask(context, trained, rows, "predicted", urgent=False),
    ]
    live(context, jobs, lambda: _results(context, rows), what="Heatmaps of both models")


def _choices(context: Context, among: Members) -> tuple[NDArray[np.int64], str]:
    """The samples that are compared, and where they come from, in words."""
    chosen = context.selection
    cell = among.cell(*chosen.cell) if chosen.cell else np.empty(0, np.int64)
    sources = {"split": "Of the split"} | ({"cell": "Of the chosen cell"} if len(cell) else {})
    with st.container(horizontal=True, gap="medium"):
        source = "split"
        if len(sources) > 1:
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
    seed = context.study.info.seed
    if source == "cell":
        return drawn(cell, COUNT, seed), "of the chosen cell, drawn by the study's seed"
    return drawn(among.rows, COUNT, seed), "of the split, drawn by the study's seed"


def _weights(context: Context) -> str:
    return f"randomised:{context.selection.seed}"


def _both(context: Context) -> tuple[list[Column], list[Column]]:
    """The chosen methods and the control, on the trained and on the randomised model."""
    keys = tuple(dict.fromkeys([*context.selection.methods, CONTROL]))
    return columns(context, keys), columns(context, keys, weights=_weights(context))


def _results(context: Context, rows: NDArray[np.int64]) -> None:
    found = [checked(context, *both, rows) for both in zip(*_both(context), strict=True)]
    conclusions(found, len(rows))
    if any(one.checks for one in found):
        similarities(found)
    pairs(context, found, rows)
