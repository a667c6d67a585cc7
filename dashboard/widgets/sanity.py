"""The parts of the sanity check: what follows for each method, every sample's similarity, the maps themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard.drawing.tiles import picture_tile
from dashboard.figures import similarity
from dashboard.figures.similarity import Strip
from dashboard.frame.context import Context
from dashboard.heat import evidence
from dashboard.heat.map_grid import Frame, Row, Stack
from dashboard.text import plain
from dashboard.widgets.heat_grid import heat_grid
from dashboard.widgets.legend import look_choice
from dashboard.widgets.part import part
from dashboard.widgets.plot import page_theme, plot
from dashboard.widgets.table import table
from xai_core.answers.maps import Column
from xai_core.answers.sanity import MEASURES, READ_AS, SPEC, Checked, Sanity
from xai_core.similarities import SIMILARITIES


def conclusions(found: Sanity) -> None:
    """One line per method: the numbers, how many pictures they stand on, and what follows."""
    head = ("Method", *(SIMILARITIES[name].card.title for name in MEASURES), "Pictures", "What the numbers say")
    hints = ("", *(f"{SIMILARITIES[name].card.summary} {READ_AS}" for name in MEASURES), "Compared, of those drawn.")
    table(head, [_line(one) for one in found.methods], hints=hints)


def _line(one: Checked) -> tuple[str, ...]:
    return one.title, *map(one.shown, MEASURES), f"{one.n} of {one.drawn}", one.sentence


def similarities(found: Sanity) -> None:
    """Every picture a dot, on the measure that is chosen."""
    part("Every picture", "How alike the two maps of a picture are, by method.")
    titles = {similarity.card.key: similarity.card.title for similarity in SIMILARITIES}
    measure = st.segmented_control(
        "Measure",
        [*MEASURES, *(name for name in titles if name not in MEASURES)],
        format_func=lambda name: plain(titles[name]),
        default=MEASURES[0],
        key="measure",
    )
    measure = measure or MEASURES[0]
    card = SIMILARITIES[measure].card
    st.caption(f"{plain(card.summary)} Limits: {plain(card.blind_spot)}")
    strips = [_strip(one, measure) for one in found.methods if measure in one.checks]
    figure = similarity.strips(
        strips,
        page_theme(),
        null_name="trained model's maps of different pictures (mean)",
        unit=f"{card.title}, 1 = same",
    )
    plot(figure, key="similarities", alt=f"{card.title} of trained against randomised, by method")


def _strip(one: Checked, measure: str) -> Strip:
    return Strip(one.title, one.checks[measure].values, one.readings[measure].null)


def pairs(context: Context, both: Sequence[tuple[Column, Column]], rows: NDArray[np.int64]) -> None:
    """The maps: trained above, randomised below."""
    part("The maps")
    look_choice(context)
    shown = [_row(context, *columns, rows) for columns in both]
    heat_grid(context, shown, key="pairs", flow=True)


def _row(context: Context, first: Column, second: Column, rows: NDArray[np.int64]) -> Row:
    card, seed = first.card, context.selection.seed
    trained, randomised = (evidence.panels(context, column, rows, SPEC) for column in (first, second))
    stacks = []
    for place, row in enumerate(rows.tolist()):
        base = picture_tile(context.services.tiles, context.study, context.run, row)
        frames = [
            Frame(trained[place], card, f"{card.title}, trained model", _about(context, row)),
            Frame(randomised[place], card, f"{card.title}, random weights (seed {seed})", _about(context, row)),
        ]
        stacks.append(Stack(base, 1.0, frames))
    return Row(["", card.title], stacks, f"above: trained · below: random weights, seed {seed}")


def _about(context: Context, row: int) -> str:
    predictions = context.predictions
    assert predictions is not None, "maps are asked for samples with predictions"
    predicted = int(predictions.at([row]).predicted[0])
    names = context.study.class_names
    return (
        f"{names[int(context.study.labels[row])]}; evidence for {names[predicted]}, which the trained model predicted."
    )
