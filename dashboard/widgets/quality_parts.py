"""Below the table of explanation quality: curves, who agrees with whom, what each metric shows and does not."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard.export import quality_csv
from dashboard.figures import agreement, lines
from dashboard.figures.lines import Line
from dashboard.frame.context import Context
from dashboard.text import Markdown, plain
from dashboard.widgets.part import part
from dashboard.widgets.plot import page_theme, plot
from xai_core.answers.maps import ONE_MAP_WHY
from xai_core.answers.method_quality import MethodQuality
from xai_core.answers.quality_figures import methods_square, metrics_square
from xai_core.answers.quality_words import RANKS_WHY, same_maps
from xai_core.types import Card
from xai_core.words import reading, with_truth

LEAST_DRAWN = 3
"""Two metrics are one number."""


def curves(found: MethodQuality) -> None:
    """Mean curves of a chosen metric, all methods; nothing where no metric has any."""
    drawn = {metric.key: metric for metric in found.metrics if _lines(found, metric, control=False)}
    if not drawn:
        return
    part("Curves", "Means over samples; the band is their 95 % interval. Controls are grey.")
    key = st.segmented_control(
        "Metric", list(drawn), format_func=lambda key: plain(drawn[key].title), default=next(iter(drawn)), key="curve"
    )
    metric = drawn[key or next(iter(drawn))]
    methods, controls = (_lines(found, metric, control=control) for control in (False, True))
    steps = np.linspace(0, 1, len(np.asarray(methods[0].values)))
    figure = lines.curves(methods, page_theme(), nulls=controls, x=steps, x_title=metric.curve, y_title=metric.title)
    plot(figure, key="quality-curves", alt=f"{metric.title}: mean curve of each method")
    st.caption(f"{plain(metric.summary)} Limits: {plain(metric.blind_spot)}")


def _lines(found: MethodQuality, metric: Card, *, control: bool) -> list[Line]:
    cells = [found.cells[metric.key, card.key] for card in found.methods if card.control is control]
    return [
        Line(cell.method.title, cell.curve.value, cell.curve.low, cell.curve.high, cell.n)
        for cell in cells
        if cell.curve is not None
    ]


def agreements(found: MethodQuality) -> None:
    """Whether metrics agree about methods, and methods about pictures."""
    part("Do the metrics agree?", "Kendall's rank correlation of the methods' means: 1 the same order, −1 the reverse.")
    metrics = metrics_square(found)
    if len(metrics.names) >= LEAST_DRAWN and metrics.known:
        left, right = st.columns([3, 2], gap="large")
        with left:
            figure = agreement.square(metrics, page_theme(), unit="Kendall's τ")
            plot(figure, key="metrics-agree", alt="Rank correlation of metrics over methods")
        with right:
            _conflicts(found)
    elif found.metrics_agree:
        st.markdown(plain(found.metrics_agree[0].sentence))
    else:
        st.caption("It takes two metrics with a better end, and three methods that both have scored.")
    part("Do the methods agree?", "Rank correlation of their maps of the same pictures. Agreement is no proof.")
    figure = agreement.square(methods_square(found), page_theme(), unit="Spearman's ρ")
    plot(figure, key="methods-agree", alt="Rank correlation of the maps of each two methods")


def _conflicts(found: MethodQuality) -> None:
    turned = [pair for pair in found.metrics_agree if pair.conflict]
    if not turned:
        st.caption("No two metrics order methods in opposite ways beyond chance.")
        return
    st.markdown("**Where they contradict each other**")
    for pair in turned:
        st.caption(plain(pair.sentence))


def readings(found: MethodQuality) -> None:
    """What each metric asks and what it does not show; how ranks come about."""
    with st.expander("How to read this table, and what each metric does not show"):
        st.markdown(plain(f"{RANKS_WHY} Bold is what is better than every other method."))
        if found.twins:
            st.markdown(plain(f"{' '.join(same_maps(found))} {ONE_MAP_WHY}"))
        for card in found.metrics:
            st.markdown(_about(card))


def _about(card: Card) -> Markdown:
    about = f"**{plain(card.title)}** ({plain(reading(card.unit, card.direction))}). {plain(card.summary)}"
    source = f" *{plain(card.paper)}*" if card.paper else ""
    known = plain(with_truth(card.agreement))
    return Markdown(f"{about} Does not show: {plain(card.blind_spot)} {known}{source}")


def export(context: Context, found: MethodQuality) -> None:
    """The table as a file."""
    st.download_button(
        "Table (CSV)",
        lambda: quality_csv(found),
        file_name=f"{context.selection.run}-explanation-quality.csv",
        mime="text/csv",
        on_click="ignore",
        key="quality.csv",
    )
