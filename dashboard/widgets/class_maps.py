"""The parts of the page about whole classes: mean maps, where the evidence lies, differences, resemblance."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import streamlit as st
from PIL import Image

from dashboard import class_maps as stats
from dashboard.class_maps import Group, Groups
from dashboard.context import Context
from dashboard.figures import lines, maps, similarity
from dashboard.figures.lines import Line
from dashboard.figures.similarity import Strip
from dashboard.text import plain
from dashboard.widgets.part import part
from dashboard.widgets.plot import page_theme, plot
from dashboard.widgets.table import table
from xai_core.errors import XaiError
from xai_core.triage.aggregates import MeanDifference
from xai_core.types import Card

FEW = 10
"""Below this many maps a mean is said to be of few."""

_UNITS = {"each": "share of each map's maximum", "shared": "evidence, in the method's unit"}


def means(context: Context, found: Groups, card: Card, over_picture: bool) -> None:
    """The three mean maps on one scale, and how many samples each stands on."""
    pictures = _pictures(context, found) if over_picture else [None] * 3
    panels = [
        maps.Panel(group.mean, group.title, len(group.maps), picture)
        for group, picture in zip(found, pictures, strict=True)
    ]
    unit = "mean " + _UNITS[context.selection.normalise]
    part("Mean heatmaps", counted(found))
    if any(len(group.maps) or group.coming for group in found):
        plot(maps.row(panels, page_theme(), signed=card.signed, unit=unit, height=380), key="means", alt=_alt(found))
    few = [group for group in found if 0 < len(group.maps) < FEW]
    if few:
        words = "; ".join(f"{group.title}: {len(group.maps)}" for group in few)
        st.caption(f"Few pictures ({plain(words)}): a single one can change such a mean.")


def _pictures(context: Context, found: Groups) -> list[Image.Image | None]:
    """The mean pictures; without them, and said why, where a file is gone: the maps are there all the same."""
    try:
        return [stats.mean_picture(context, group) for group in found]
    except XaiError as error:
        st.caption(f"Without the mean pictures: {plain(error)}")
        return [None] * 3


def counted(found: Groups) -> str:
    """How many samples were drawn; how many maps are missing, and why; at what grid they are compared."""
    notes = []
    drawn = [group for group in found if group.total > len(group.rows)]
    if drawn:
        words = ", ".join(f"{len(group.rows)} of {group.total:,} ({group.title})" for group in drawn)
        notes.append(f"Drawn by the study's seed: {words}.")
    for name, word in (("coming", "not computed yet"), ("refused", "refused by the method")):
        left = sum(getattr(group, name) for group in found)
        if left:
            notes.append(f"{left} of {sum(len(group.rows) for group in found)} maps {word}.")
    reasons = dict.fromkeys(reason for group in found for reason in group.reasons)
    return " ".join([*notes, *_several(list(reasons)), *_coarser(found)])


def _several(reasons: Sequence[str]) -> list[str]:
    """The first reason; others differ in a number only, or are few."""
    more = [f"({len(reasons) - 1} more reasons are told at each picture.)"] if len(reasons) > 1 else []
    return [*(f"{reason[:1].upper()}{reason[1:]}" for reason in reasons[:1]), *more]


def _coarser(found: Groups) -> list[str]:
    """That large maps are averaged to a coarser grid, with both sizes; nothing where they are not."""
    group = next((group for group in found if len(group.maps)), None)
    if group is None or group.native == group.maps.shape[:0:-1]:
        return []
    (width, height), (columns, rows) = group.native, group.maps.shape[:0:-1]
    return [
        f"Each map of {width} × {height} pixels is averaged to a grid of {columns} × {rows}: "
        "single pixels are too noisy to compare."
    ]


def places(context: Context, found: Groups) -> None:
    """Where the evidence lies: profile from top to bottom, and centre."""
    seed = context.study.info.seed
    part("Where the evidence lies")
    left, right = st.columns([1, 1], gap="large", vertical_alignment="center")
    profiles = [_profile(group, seed) for group in found if len(group.maps)]
    with left:
        figure = lines.profiles(profiles, page_theme(), unit=_UNITS[context.selection.normalise])
        plot(figure, key="profiles", alt="Mean evidence from the top of the picture to its bottom, by group")
    with right:
        head = ("Centre of the evidence", "From the top", "From the left", "n")
        hints = ("Mean of the maps' centres of mass, positive evidence only, with its 95 % interval.",)
        table(head, [_centre(group, seed) for group in found if len(group.maps)], hints=hints)


def _profile(group: Group, seed: int) -> Line:
    estimate = stats.profile(group.maps, seed)
    return Line(group.title, estimate.value, estimate.low, estimate.high, estimate.n)


def _centre(group: Group, seed: int) -> tuple[str, str, str, str]:
    estimate = stats.centre(group.maps, seed)
    down, right = (_percent(*(float(x[i]) for x in (estimate.value, estimate.low, estimate.high))) for i in (0, 1))
    return group.title, down, right, str(estimate.n)


def _percent(value: float, low: float, high: float) -> str:
    if not np.isfinite(value):
        return "–"
    return f"{value:.0%}".replace("%", " %") + (f" ({100 * low:.0f}–{100 * high:.0f})" if np.isfinite(low) else "")


def differences(context: Context, found: Groups) -> None:
    """What the confused ones have more or less of than the recognised ones of each class."""
    others = [group for group in (found.true, found.predicted) if len(group.maps)]
    if not others or not len(found.confused.maps):
        return
    seed = context.study.info.seed
    results = [stats.difference(found.confused.maps, group.maps, seed) for group in others]
    panels = [
        maps.Panel(result.values, f"against {group.title}", outline=result.significant)
        for result, group in zip(results, others, strict=True)
    ]
    part(
        "What the confused ones have more of, and less of",
        f"{found.confused.title}: orange where there is more evidence than in the recognised ones, blue where less.",
    )
    plot(
        maps.row(panels, page_theme(), signed=True, unit="difference of means", height=380),
        key="differences",
        alt="Differences",
    )
    for group, result in zip(others, results, strict=True):
        st.caption(plain(_significance(group, result)))


def _significance(group: Group, result: MeanDifference) -> str:
    n, m = result.n
    against = f"Against {group.title} (n = {n} and {m}): "
    if min(n, m) < 2:
        return f"{against}too few maps to tell a difference from chance."
    share = float(result.significant.mean())
    if not share:
        return f"{against}nowhere does the difference exceed what chance gives (95 %, the whole map at once)."
    shown = "less than 1 %" if share < 0.01 else f"{share:.0%}".replace("%", " %")
    return against + f"outlined, {shown} of the map differs by more than chance (95 %, the whole map at once)."


def resemblances(context: Context, found: Groups, cell: tuple[int, int]) -> None:
    """Do the confused ones look like the class they were taken for?"""
    true, predicted = (context.study.class_names[index] for index in cell)
    part(f"Do they look like {predicted}, or like {true}?")
    result = stats.resembles(found.confused.maps, found.true.maps, found.predicted.maps, context.study.info.seed)
    if not result.n or not result.references:
        st.caption(
            f"There is nothing to compare: both {plain(true)} and {plain(predicted)} need recognised samples with maps."
        )
        return
    p = "p < 0.001" if result.p < 0.001 else f"p = {result.p:.3f}"
    st.markdown(f"**{plain(_minus(result.sentence))}**" + ("" if np.isnan(result.low) else f" {p}."))
    strips = [
        Strip(f"with {true}, recognised", result.to_true, _mean(result.true_own)),
        Strip(f"with {predicted}, recognised", result.to_predicted, _mean(result.predicted_own)),
    ]
    name = "what recognised samples reach with the others of their class"
    chart, words = st.columns([3, 2], gap="large", vertical_alignment="center")
    with chart:
        plot(similarity.strips(strips, page_theme(), null_name=name), key="resemblance", alt="Similarities")
    maps_each = f"{result.references:d} {'map' if result.references == 1 else 'maps'}"
    left_out = f" {result.left_out:d} maps without any variation are left out." if result.left_out else ""
    words.caption(
        f"Each dot is one picture of {plain(true)} that was taken for {plain(predicted)}: how its map correlates, "
        f"pixel by pixel, with the mean map of each class. Both means are of {maps_each}.{left_out}"
    )


def _minus(text: str) -> str:
    """With typographic minus signs before numbers."""
    return re.sub(r"-(?=\d)", "−", text)


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _alt(found: Groups) -> str:
    return "Mean heatmaps: " + "; ".join(f"{group.title}, n = {len(group.maps)}" for group in found)
