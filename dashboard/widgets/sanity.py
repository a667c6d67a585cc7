"""The parts of the sanity check: a verdict for each method, its curves, maps layer by layer, and pairs of maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard.drawing.tiles import picture_tile
from dashboard.figures.lines import Line, curves
from dashboard.frame.context import Context
from dashboard.heat import evidence
from dashboard.heat.map_grid import Frame, Row, Stack
from dashboard.text import plain
from dashboard.widgets.heat_grid import heat_grid
from dashboard.widgets.jobs import begin_button
from dashboard.widgets.legend import look_choice
from dashboard.widgets.part import part
from dashboard.widgets.plot import page_theme, plot
from dashboard.widgets.table import table
from xai_core.answers import sanity
from xai_core.answers.cascade import Curve, orders_of
from xai_core.answers.maps import Column
from xai_core.answers.sanity import MEASURES, NO_RANKING, READ_AS, SPEC, Checked
from xai_core.answers.strip import Strip, strip
from xai_core.sanity.orders import ORDER_WORDS
from xai_core.similarities import SIMILARITIES
from xai_core.words import NO_NUMBER


def verdicts(found: Sequence[Checked]) -> None:
    """One line per method: what follows, from which layer on, and what it stands on."""
    head = ("Method", "Verdict", "From layer", "Pictures", "Seeds", "What the numbers say")
    hints = ("", READ_AS, "From this layer on to the output, random weights change the maps measurably.", "", "", "")
    table(head, [_line(one) for one in found], hints=hints)
    st.caption(plain(NO_RANKING))


def _line(one: Checked) -> tuple[str, ...]:
    said = one.verdict
    numbers = (f"{said.n}", f"{said.seeds}") if said.kind != "unchecked" else (NO_NUMBER, NO_NUMBER)
    return one.title, said.words, said.since or NO_NUMBER, *numbers, said.sentence


def begin(context: Context, columns: Sequence[Column]) -> None:
    """A button that begins the cascade of these methods as a job, with how long it takes."""
    run, split = context.scope.run, context.selection.split
    count = min(len(context.predicted), sanity.SAMPLES)
    with st.expander("Check these methods layer by layer"):
        st.caption(plain(sanity.estimate(context.study, columns, count)))
        arguments = sanity.check_arguments(run, columns, split)
        begin_button(context, "sanity", arguments, sanity.check_line(run, columns, split))


def layers(found: Sequence[Checked]) -> None:
    """How alike maps stay, layer by layer, of the method and on the measure that are chosen."""
    shown = {one.key: one for one in found if one.found and orders_of(one.found)}
    if not shown:
        return
    part("Layer by layer", "How alike a method's maps stay to those of the trained model, and what else they resemble.")
    with st.container(horizontal=True, gap="medium"):
        key = st.selectbox(
            "Method", list(shown), format_func=lambda key: plain(shown[key].title), key="sanity.method", width=260
        )
        measure = st.segmented_control(
            "Measure",
            MEASURES,
            format_func=lambda name: plain(SIMILARITIES[name].card.title),
            default="ssim",
            key="measure",
        )
    chosen, measure = shown.get(key) or next(iter(shown.values())), measure or "ssim"
    card = SIMILARITIES[measure].card
    st.caption(f"{plain(card.summary)} Limits: {plain(card.blind_spot)}")
    assert chosen.found is not None, "only those with a cascade are offered"
    drawn = [curve for order in orders_of(chosen.found) if (curve := chosen.found.curve(order, measure)) is not None]
    several = [curve for curve in drawn if len(curve.points) > 1] or drawn
    for place, curve in zip(st.columns(min(2, len(several))) * len(several), several, strict=False):
        with place:
            _curve(chosen, curve, measure, found)


def _curve(one: Checked, curve: Curve, measure: str, others: Sequence[Checked]) -> None:
    assert one.found is not None, "only those with a cascade are offered"
    title, words = SIMILARITIES[measure].card.title, ORDER_WORDS[curve.order]
    lines = [_as_line(one.title, curve)]
    for other in others:
        beside = other.found.curve("all", measure) if other.control and other.key != one.key and other.found else None
        if beside is not None:  # it is the same whatever is random
            lines.append(_as_line(other.title, replace(beside, points=list(beside.points) * len(curve.points))))
    sticks = [
        Line(stick.name, [stick.value.mean], [stick.value.low], [stick.value.high], stick.value.n)
        for stick in one.found.yardsticks(measure)
    ]
    figure = curves(
        lines,
        page_theme(),
        x=list(curve.names),
        x_title=f"random {words}: each step adds this layer",
        y_title=f"{title}, 1 = same",
        nulls=sticks,
    )
    st.markdown(f"**Random {plain(words)}**")
    plot(figure, key=f"cascade.{curve.order}", alt=f"{title} of {one.title}, layers random {words}")


def _as_line(title: str, curve: Curve) -> Line:
    values, low, high = ([getattr(point, name) for point in curve.points] for name in ("mean", "low", "high"))
    return Line(title, values, low, high, curve.points[0].n)


def pictures(context: Context, columns: Sequence[Column]) -> None:
    """The maps themselves, layer by layer from the output down, of one sample."""
    strips = [found for column in columns if not column.card.control and (found := strip(context.scope.run, column))]
    rows = list(dict.fromkeys(row for found in strips for row in found.rows))
    if not rows:
        return
    part("The maps, layer by layer", "Random from the output down; means of areas, at most 32 by 32 of them.")
    ids = context.study.samples["id"]
    row = st.segmented_control(
        "Sample", rows, format_func=lambda row: plain(str(ids.iat[row])), default=rows[0], key="sanity.sample"
    )
    shown = [_strip_row(context, found, row if row in found.rows else found.rows[0]) for found in strips]
    heat_grid(context, shown, key="strip", flow=True)


def _strip_row(context: Context, found: Strip, row: int) -> Row:
    card, keys = found.column.card, found.keys(row)
    rows = np.full(len(keys), row, dtype=np.int64)
    base = picture_tile(context.services.tiles, context.study, context.run, row)
    panels = evidence.panels_of(context, found.column, rows, keys)
    stacks = [
        Stack(base, 1.0, [Frame(panel, card, f"{card.title}, {name}", _about(context, row))], caption=name)
        for panel, name in zip(panels, found.names, strict=True)
    ]
    return Row(["", card.title], stacks, "left: trained · then random from the output down")


def pairs(context: Context, both: Sequence[tuple[Column, Column]], rows: NDArray[np.int64]) -> None:
    """The maps of more samples: trained above, all layers random below."""
    part("Trained and random")
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
    (target,) = context.scope.run.targets([row], SPEC)
    names = context.study.class_names
    said = f"vidence for {names[target.positive]}, which the trained model predicted."
    return f"E{said}" if target.region else f"{names[int(context.study.labels[row])]}; e{said}"
