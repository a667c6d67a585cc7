"""Does the model look at the object or at its surroundings? Evidence by its distance, beside chance and controls."""

from __future__ import annotations

from dashboard.figures import lines
from dashboard.figures.lines import Line
from dashboard.widgets.part import part
from dashboard.widgets.plot import page_theme, plot
from dashboard.widgets.table import table
from xai_core.answers.context import HOW, SAME_EVERYWHERE, ContextAnswer, OfMethod, against_words, outside_words

HEADS = ("method", "evidence outside", "of the area", "n", "less those of controls, in points")


def surroundings(found: ContextAnswer) -> None:
    """How much more evidence there is than area, band by band, and how much of it is outside; nothing without maps."""
    if not found.believable:
        return
    part("The object or its surroundings?", f"{HOW} Below a tenth it is drawn at the lower edge.")
    figure = lines.curves(
        [_line(each) for each in found.believable],
        page_theme(),
        x=found.bands,
        x_title="",
        y_title="evidence, times its share of the area",
        nulls=[Line(SAME_EVERYWHERE, [1.0]), *(_line(each) for each in found.methods if each.card.control)],
        logarithmic=True,
    )
    plot(figure, key="surroundings", alt="Evidence by its distance, as times the share of the area there")
    rows = [(each.card.title, *outside_words(each), f"{each.n:,}", against_words(each)) for each in found.methods]
    table(HEADS, rows, hints=("", "Share of the positive evidence that lies outside, with its 95 % interval."))


def _line(each: OfMethod) -> Line:
    times = each.bands.times
    return Line(each.card.title, times.value, times.low, times.high, each.n)
