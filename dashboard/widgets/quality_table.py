"""The table of explanation quality: methods down, metrics across, what knows nothing of the model at the end."""

from __future__ import annotations

from itertools import chain, groupby, repeat

import numpy as np
import streamlit as st

from dashboard.text import escaped
from dashboard.widgets.table import table
from xai_core.answers.method_quality import Cell, MethodQuality
from xai_core.answers.quality_figures import cell_words, extent, short_of
from xai_core.answers.quality_words import ASPECT_WORDS, beaten, rank_words, shown
from xai_core.types import Card
from xai_core.words import DIRECTIONS, reading

_ARROWS = {1: "↑", -1: "↓", 0: ""}
_CONTROLS = "Controls: they know nothing of the model. A method should beat them."


def quality_table(found: MethodQuality) -> None:
    """Draw it."""
    bounds = {metric.key: extent(found, metric) for metric in found.metrics}
    methods, controls = found.believable, found.controls
    width = len(found.metrics) + 2
    heading = f'<tr class="heading"><th scope="rowgroup" colspan="{width}">{escaped(_CONTROLS)}</th></tr>'
    body = "".join(_row(found, card, bounds) for card in methods)
    rest = heading + "".join(_row(found, card, bounds) for card in controls) if controls else ""
    st.html(
        f'<div class="quality-box" tabindex="0" role="region" aria-label="Table of explanation quality">'
        f'<table class="quality"><thead>{_head(found)}</thead><tbody>{body}{rest}</tbody></table></div>'
    )


def _head(found: MethodQuality) -> str:
    groups = [(aspect, len(list(cards))) for aspect, cards in groupby(found.metrics, key=lambda card: card.aspect)]
    aspects = "".join(
        f'<th scope="colgroup" class="aspect" colspan="{count}">{escaped(ASPECT_WORDS.get(aspect, aspect))}</th>'
        for aspect, count in groups
    )
    metrics = "".join(_metric(card) for card in found.metrics)
    first, last = '<th scope="col">Method</th>', '<th scope="col">Seconds per map</th>'
    return f"<tr><td></td>{aspects}<td></td></tr><tr>{first}{metrics}{last}</tr>"


def _metric(card: Card) -> str:
    hint = f"{card.summary} {reading(card.unit, card.direction)}. Does not show: {card.blind_spot}"
    direction = f"{_ARROWS[card.direction]} {DIRECTIONS[card.direction]}"
    return (
        f'<th scope="col" class="metric" title="{escaped(hint)}"><b>{escaped(card.title)}</b>'
        f"<span>{escaped(direction)}</span></th>"
    )


def _row(found: MethodQuality, method: Card, bounds: dict[str, tuple[float, float]]) -> str:
    cells = "".join(_cell(found, found.cells[metric.key, method.key], bounds[metric.key]) for metric in found.metrics)
    seconds = found.seconds.get(method.key)
    twin = found.twins.get(method.key)
    titles = {card.key: card.title for card in found.methods}
    note = f"<small>the same map as {escaped(titles[twin])}: counts once</small>" if twin else ""
    kind = ' class="control"' if method.control else ""
    time = "" if seconds is None else f"{seconds:.2g}"
    return (
        f'<tr{kind}><th scope="row">{escaped(method.title.removesuffix(" (control)"))}{note}</th>{cells}'
        f'<td class="{"" if time else "none"}">{escaped(time or "–")}</td></tr>'
    )


def _cell(found: MethodQuality, cell: Cell, bounds: tuple[float, float]) -> str:
    words = f'<span class="unseen">{escaped(cell_words(found, cell))}</span>'
    title = f'title="{escaped(cell_words(found, cell))}"'
    if not cell.n:
        why = "not scored" if cell.reasons else "to come"
        return f'<td class="none" {title}>{words}<span aria-hidden="true">– <small>{why}</small></span></td>'
    interval = f"<small>{shown(cell.low)} to {shown(cell.high)}</small>" if np.isfinite(cell.low) else ""
    kind = "best" if cell.best else ""
    rank = f'<span class="rank">{_rank(cell)}</span>' if cell.rank else ""
    seen = f'<span class="value">{shown(cell.mean)}</span>{rank}{_bar(cell, bounds)}{interval}{_notes(found, cell)}'
    return f'<td class="{kind}" {title}>{words}<span aria-hidden="true">{seen}</span></td>'


def _rank(cell: Cell) -> str:
    return "best" if cell.best else f"rank {escaped(rank_words(cell.rank))}"


def _notes(found: MethodQuality, cell: Cell) -> str:
    lines = []
    if cell.n < len(found.rows):
        lines.append(f"n {cell.n}" + (f", {cell.not_scored} not scored" if cell.not_scored else ""))
    told = "".join(f"<small>{escaped(line)}</small>" for line in lines)
    short = short_of(found, cell.metric, cell.method)
    parts = {"worse": "worse than", "cannot be told": "not better than"}
    warned = {key: f"{words} {', '.join(short[key])}" for key, words in parts.items() if key in short}  # type: ignore[index]
    kinds = {"worse": "short worse", "cannot be told": "short"}
    return told + "".join(f'<small class="{kinds[key]}">{escaped(line)}</small>' for key, line in warned.items())


def _bar(cell: Cell, bounds: tuple[float, float]) -> str:
    low, high = bounds
    if not high > low:
        return ""
    first, last = (cell.low, cell.high) if np.isfinite(cell.low) else (cell.mean, cell.mean)
    places = (100 * (value - low) / (high - low) for value in (first, last, cell.mean))
    left, right, middle = (max(0.0, min(100.0, place)) for place in places)
    arms = f'<i style="left:{left:.1f}%;width:{right - left:.1f}%"></i>'
    return f'<span class="bar">{arms}<em style="left:{middle:.1f}%"></em></span>'


def not_better(found: MethodQuality) -> None:
    """In words, which methods do not beat a map that knows nothing of the model, and by which metric."""
    lines = [
        (method.title if first else "", line)
        for method in found.believable
        for first, line in zip(chain([True], repeat(False)), beaten(found, method), strict=False)
    ]
    table(("Method", "By which metric"), lines)
