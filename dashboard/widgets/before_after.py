"""The same samples before and after a change: which to list, both runs' heatmaps, and how far these moved."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dashboard.drawing.tiles import picture_tile
from dashboard.frame import session
from dashboard.frame.comparison import seen_by
from dashboard.frame.context import Context
from dashboard.heat import evidence
from dashboard.heat.evidence import Panel
from dashboard.text import plain
from dashboard.widgets import pending
from dashboard.widgets.empty import empty
from dashboard.widgets.gallery import ClassLine, gallery
from dashboard.widgets.legend import look_choice
from dashboard.widgets.movement import movement_card
from dashboard.widgets.one_method import one_method
from dashboard.widgets.pages import turning
from xai_core.answers.cell import page_of
from xai_core.answers.compare import MEANING, Comparison, outcome_name
from xai_core.answers.maps import Column
from xai_core.answers.movement import MEASURED_UP_TO, Side, moved, movement
from xai_core.store.run import Run
from xai_core.triage.confusion import Cell

_SCALES = {"each": "Per picture", "shared": "Per run"}


@dataclass(frozen=True)
class Listed:
    """The samples of the page, and what is shown of them.

    Attributes:
        rows: all row numbers of the group, in order; `shown` those of this page.
        sides: baseline and candidate as contexts, those with a model with the method's column.
        spec: the class that all maps explain, as text.
        target: its name.
    """

    rows: NDArray[np.int64]
    shown: NDArray[np.int64]
    sides: tuple[tuple[Context, Column | None], ...]
    spec: str
    target: str

    @property
    def explained(self) -> list[tuple[Context, Column]]:
        """The sides that have heatmaps."""
        return [(side, column) for side, column in self.sides if column is not None]


def before_after(context: Context, found: Comparison, baseline: Run, cell: Cell) -> None:
    """Draw the choice of samples, their cards, and how far their heatmaps moved."""
    rows = _rows(context, found, cell)
    if not len(rows):
        empty("No such sample", "No sample in this group made this transition. Choose another group or transition.")
        return
    page = page_of(rows, context.selection.page)
    listed = _listed(context, baseline, cell, rows, page.rows)
    jobs = [pending.ask(side, [column], listed.shown, listed.spec) for side, column in listed.explained]
    if len(rows) > len(listed.shown) and len(listed.explained) == 2 and _measure_all(len(rows)):
        every = rows[:MEASURED_UP_TO]
        jobs += [pending.ask(side, [column], every, listed.spec, urgent=False) for side, column in listed.explained]
    pending.live(context, jobs, lambda: _drawn(context, found, listed), what="Heatmaps of both runs")
    turning(page.pages, page.number)


def _rows(context: Context, found: Comparison, cell: Cell) -> NDArray[np.int64]:
    """Draw the choice of group and transition; gives the rows, what changed first."""
    true, predicted = (context.study.class_names[i] for i in cell)
    own, chosen = outcome_name(true, predicted), context.selection
    groups = {"cell": own, "class": f"All {true}", "all": "All samples"}
    with st.container(horizontal=True, gap="medium"):
        st.segmented_control(
            "Samples",
            list(groups),
            format_func=lambda group: plain(groups[group]),
            help="Of the cell: samples that lie in it before, after, or both times.",
            **session.bound("among", chosen.among),
        )
        members = found.among(chosen.among, cell)
        counts = {"": sum(found.numbers(members).values())} | found.numbers(members)
        fates = ["", *MEANING]
        st.segmented_control(
            "What became of them",
            [fate for fate in fates if counts[fate] or fate in ("", chosen.transition)],
            format_func=lambda fate: f"{plain((fate or 'any').capitalize())} · {counts[fate]:,}",
            **session.bound("transition", chosen.transition),
        )
    return found.listed(chosen.among, cell, chosen.transition)


def _listed(context: Context, baseline: Run, cell: Cell, rows: NDArray[np.int64], shown: NDArray[np.int64]) -> Listed:
    """Draw the choice of method, target and scale."""
    assert context.run is not None, "there is a candidate"
    contexts = [seen_by(context, run) for run in (baseline, context.run)]
    able = [side for side in contexts if side.run and side.run.info.fingerprint]
    method, spec = None, cell[1]
    if able:
        with st.container(horizontal=True, gap="medium", key="compare-maps"):
            with st.container(width=320):
                method = one_method(able[-1])
            if method:
                spec = _target(context, cell)
                _scale(context)
            look_choice(context)
    sides = [(side, _column(side, method) if side in able else None) for side in contexts]
    silent = [side.selection.run for side, column in sides if column is None]
    if silent:
        st.caption(
            f"No heatmaps of {plain(' and '.join(silent))}: there are predictions, but no model that could be "
            "explained."
        )
    return Listed(rows, shown, tuple(sides), str(spec), context.study.class_names[spec])


def _column(side: Context, method: Column | None) -> Column | None:
    found = evidence.columns(side, [method.card.key]) if method else []
    return found[0] if found else None


def _target(context: Context, cell: Cell) -> int:
    """The class that the maps explain: that of the cell, or the true one. The same for both runs."""
    names, chosen = context.study.class_names, context.selection.target
    if cell[0] == cell[1]:
        return cell[1]
    words = {"predicted": names[cell[1]], "true": names[cell[0]]}
    shown = chosen if chosen in words else "predicted"
    st.segmented_control(
        "Evidence for",
        list(words),
        format_func=lambda word: plain(words[word]),
        help="The class that the heatmaps of both runs explain, whatever each run predicted.",
        **session.bound("target", shown),
    )
    return cell[1] if shown == "predicted" else cell[0]


def _scale(context: Context) -> None:
    st.segmented_control(
        "Colour scale",
        list(_SCALES),
        format_func=_SCALES.__getitem__,
        help="Per picture: each map has a scale of its own. Per run: one for the run's maps on this page.",
        **session.bound("normalise", context.selection.normalise),
    )


def _measure_all(count: int) -> bool:
    words = (
        f"Measure all {count:,}" if count <= MEASURED_UP_TO else f"Measure the first {MEASURED_UP_TO:,} of {count:,}"
    )
    return st.toggle(
        words,
        key="compare.all",
        help="Computes the heatmaps of both runs for all these samples, not only for those on this page.",
    )


def _drawn(context: Context, found: Comparison, listed: Listed) -> None:
    sides = [(side, _column(side, column)) for side, column in listed.explained]  # stores may exist by now
    ready = [(side, column) for side, column in sides if column is not None]
    distance = np.full(len(listed.shown), np.nan)
    if len(ready) == 2:
        before, after = (_side(side, column) for side, column in ready)
        movement_card(movement(found, before, after, listed.rows, listed.spec))
        distance = moved(before, after, listed.shown, listed.spec)
    panels = [_panels(side, column, listed) for side, column in ready]
    if len(panels) == 2:
        panels[1] = [replace(p, note=_note(value)) for p, value in zip(panels[1], distance, strict=True)]
    opened = gallery(
        context,
        listed.shown,
        [_titled(context, side, column) for side, column in ready],
        panels,
        key="compare.cards",
        headings=[_heading(context, listed, int(row)) for row in listed.shown],
    )
    if opened is not None:
        session.go("sample", sample=opened)


def _side(side: Context, column: Column) -> Side:
    return side.scope.run, column


def _panels(side: Context, column: Column, listed: Listed) -> list[Panel]:
    """One per sample, over the part of the picture that this run's model sees."""
    tiles, study, found = side.services.tiles, side.study, evidence.panels(side, column, listed.shown, listed.spec)
    under = [picture_tile(tiles, study, side.run, int(row)) for row in listed.shown]
    return [replace(panel, picture=address) for panel, address in zip(found, under, strict=True)]


def _titled(context: Context, side: Context, column: Column) -> Column:
    when = "After" if side.run is context.run else "Before"
    return replace(column, card=replace(column.card, title=f"{when}: {column.card.title}"))


def _note(value: float) -> str:
    return f"ρ {value:.2f}".replace("-", "−") if math.isfinite(value) else ""


def _heading(context: Context, listed: Listed, row: int) -> list[ClassLine]:
    """The true class, and what each run said."""
    names, label = context.study.class_names, int(context.study.labels[row])
    lines = [ClassLine("True", names[label], None, right=True)]
    for role, (side, _) in zip(("Before", "After"), listed.sides, strict=True):
        predictions = side.predictions
        assert predictions is not None, "both runs predicted the sample"
        answer = predictions.at([row])
        said = int(answer.predicted[0])
        lines.append(ClassLine(role, names[said], float(answer.probabilities[0, said]), right=said == label))
    return lines
