"""Do these heatmaps depend on what the model learned? The same maps from the trained and from randomised models."""

from __future__ import annotations

import streamlit as st

from dashboard.frame import session
from dashboard.frame.context import Context
from dashboard.heat.evidence import columns
from dashboard.text import plain
from dashboard.widgets import sanity as parts
from dashboard.widgets.empty import empty, no_predictions
from dashboard.widgets.jobs import open_job
from dashboard.widgets.method_picker import method_picker
from dashboard.widgets.method_settings import settings_note
from dashboard.widgets.pending import ask, live
from dashboard.widgets.split_or_cell import split_or_cell
from xai_core.answers import cascade, sanity
from xai_core.answers.maps import Column
from xai_core.answers.sanity import SPEC, Checked, Chosen
from xai_core.task import CLASSIFICATION, SEGMENTATION

TITLE = "Sanity check"
QUESTION = "Do these heatmaps depend on what the model learned?"
ICON = "sanity"
URL = "sanity"
ORDER = 50
TASKS = (CLASSIFICATION, SEGMENTATION)

OPERATIONS = ("sanity", "check")
"""Jobs that fill what this page shows."""
SEEDS = (0, 1, 2)
LEAST = 2
"""Pictures: with one there is no other to compare with."""
SECONDS_BETWEEN_LOOKS = 5.0


def render(context: Context) -> None:
    """Draw the page."""
    if not len(context.predicted):
        no_predictions(context)
        return
    method_picker(context)
    trained, randomised = _both(context)
    if not trained:
        empty("No heatmaps to check", "Choose a run with a model, and a method that holds for it.")
        return
    settings_note(context, trained)
    st.markdown(plain(sanity.READ_AS))
    working = open_job(context, *OPERATIONS) is not None
    st.fragment(_cascade, run_every=SECONDS_BETWEEN_LOOKS if working else None)(context, working)
    if all(one.found for one in _stored(context, trained)) and not st.toggle("More pictures, side by side", key="more"):
        return
    samples, seed = _choices(context), context.selection.seed
    if len(samples.rows) < LEAST:
        empty("Too few pictures", "The comparison needs at least two. Choose the whole split, or another cell.")
        return
    jobs = [
        ask(context, randomised, samples.rows, SPEC, weights=sanity.randomised(seed), urgent=False),
        ask(context, trained, samples.rows, SPEC, urgent=False),
    ]
    live(context, jobs, lambda: _pairs(context, samples), what="Heatmaps of both models")


def _cascade(context: Context, working: bool) -> None:
    """What is stored by now; the page is drawn anew once the job has ended."""
    if working and open_job(context, *OPERATIONS) is None:
        st.rerun()
    wanted = columns(context, sanity.with_controls(context.selection.methods))
    found = [_checked(context, one, column) for one, column in zip(_stored(context, wanted), wanted, strict=True)]
    parts.verdicts(found)
    parts.begin(context, columns(context))
    parts.layers(found)
    parts.pictures(context, wanted)


def _stored(context: Context, wanted: list[Column]) -> list[Checked]:
    return sanity.checked(context.scope.run, wanted)


def _checked(context: Context, one: Checked, column: Column) -> Checked:
    """Where no cascade was run, what the maps of a single random model say."""
    if one.found is not None:
        return one
    seed, rows = context.selection.seed, sanity.samples(context.scope).rows
    (random,) = columns(context, [column.card.key], weights=sanity.randomised(seed))
    return Checked(one.key, one.title, one.control, cascade.of_maps(context.scope.run, column, random, rows))


def _choices(context: Context) -> Chosen:
    """Draw what may be chosen; gives the samples whose maps are shown."""
    chosen = context.selection
    with st.container(horizontal=True, gap="medium"):
        cell = split_or_cell(context, "Pictures", key="sanity.pictures")
        st.segmented_control(
            "Random weights",
            list(dict.fromkeys([*SEEDS, chosen.seed])),
            format_func=lambda seed: f"Seed {seed:d}",
            help="Each seed is another randomised model. What holds should hold for all of them.",
            **session.bound("seed", chosen.seed),
        )
    return sanity.samples(context.scope, cell)


def _both(context: Context) -> tuple[list[Column], list[Column]]:
    """The chosen methods and the picture's edges, on the trained and on the randomised model."""
    keys, weights = sanity.beside(context.selection.methods), sanity.randomised(context.selection.seed)
    return columns(context, keys), columns(context, keys, weights=weights)


def _pairs(context: Context, samples: Chosen) -> None:
    parts.pairs(context, list(zip(*_both(context), strict=True)), samples.rows)
