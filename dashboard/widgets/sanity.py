"""The parts of the sanity check: what follows for each method, every sample's similarity, the maps themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard import evidence
from dashboard.context import Context
from dashboard.figures import similarity
from dashboard.figures.similarity import Strip
from dashboard.map_grid import Frame, Row, Stack
from dashboard.sanity_maps import MEASURES, Checked, Reading
from dashboard.text import plain
from dashboard.tiles import picture_tile
from dashboard.widgets.heat_grid import heat_grid
from dashboard.widgets.part import part
from dashboard.widgets.plot import page_theme, plot
from dashboard.widgets.table import table
from xai_core.similarities import SIMILARITIES

_SCALED = {
    "each": "Each map is drawn up to its own maximum.",
    "shared": "The maps of a method and a model share one maximum.",
}
_READ = (
    "Left: the trained model's map against the randomised model's, same picture. Right: the trained model's maps of "
    "different pictures. > or < where the 95 % interval of the difference leaves out zero, ≈ where it does not."
)


def conclusions(found: Sequence[Checked], count: int) -> None:
    """One line per method: the numbers, how many pictures they stand on, and what follows."""
    head = ("Method", *(SIMILARITIES[name].card.title for name in MEASURES), "Pictures", "What the numbers say")
    hints = ("", *(f"{SIMILARITIES[name].card.summary} {_READ}" for name in MEASURES), "Compared, of those drawn.")
    table(head, [_line(one, count) for one in found], hints=hints)


def _line(one: Checked, count: int) -> tuple[str, ...]:
    numbers = [_number(one.readings.get(name)) for name in MEASURES]
    n = max((reading.n for reading in one.readings.values()), default=0)
    words = one.sentence if not one.coming else "Still being computed."
    refused = [
        f"{k} refused for the {which} model"
        for k, which in zip(one.refused, ("trained", "randomised"), strict=True)
        if k
    ]
    if refused:
        words += f" ({', '.join(refused)}.)"
    elif not one.coming and n < count:
        words += f" ({count - n} constant maps have no similarity.)"
    return one.trained.card.title, *numbers, f"{n} of {count}", words


def _number(reading: Reading | None) -> str:
    if reading is None or not np.isfinite(reading.value):
        return "–"
    value, null = _two(reading.value), _two(reading.null)
    return f"{value} {reading.sign} {null}" if reading.sign else value


def _two(value: float) -> str:
    """Two decimals; zero has no sign."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


def similarities(found: Sequence[Checked]) -> None:
    """Every picture a dot, on the measure that is chosen."""
    part("Every picture", "How alike the two maps of a picture are, by method.")
    titles = {name: SIMILARITIES[name].card.title for name in MEASURES}
    measure = st.segmented_control(
        "Measure", MEASURES, format_func=lambda name: plain(titles[name]), default="ssim", key="measure"
    )
    measure = measure or "ssim"
    card = SIMILARITIES[measure].card
    st.caption(f"{plain(card.summary)} Limits: {plain(card.blind_spot)}")
    strips = [_strip(one, measure) for one in found if measure in one.checks]
    figure = similarity.strips(
        strips,
        page_theme(),
        null_name="trained model's maps of different pictures (mean)",
        unit=f"{card.title}, 1 = same",
    )
    plot(figure, key="similarities", alt=f"{card.title} of trained against randomised, by method")


def _strip(one: Checked, measure: str) -> Strip:
    return Strip(one.trained.card.title, one.checks[measure].values, one.readings[measure].null)


def pairs(context: Context, found: Sequence[Checked], rows: NDArray[np.int64]) -> None:
    """The maps: trained above, randomised below."""
    part("The maps")
    shown = [_row(context, one, rows) for one in found]
    heat_grid(shown, key="pairs", scaling=_SCALED[context.selection.normalise], flow=True)


def _row(context: Context, one: Checked, rows: NDArray[np.int64]) -> Row:
    card, seed = one.trained.card, context.selection.seed
    trained, randomised = (
        evidence.panels(context, column, rows, "predicted") for column in (one.trained, one.randomised)
    )
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
