"""The parts of the page about whole classes: mean maps, where the evidence lies, differences, resemblance."""

from __future__ import annotations

import streamlit as st
from PIL import Image

from dashboard.figures import lines, maps, similarity
from dashboard.figures.lines import Line
from dashboard.figures.similarity import Strip
from dashboard.frame.cached import mean_picture
from dashboard.frame.context import Context
from dashboard.heat.evidence import look
from dashboard.text import plain
from dashboard.widgets.part import part
from dashboard.widgets.plot import page_theme, plot
from dashboard.widgets.table import table
from xai_core.answers.aggregate import UNITS, Aggregate
from xai_core.answers.on_object import TITLE
from xai_core.errors import XaiError
from xai_core.triage.looks import MEANING


def means(context: Context, found: Aggregate) -> None:
    """The three mean maps on one scale, and how many samples each stands on."""
    how = look(context)
    pictures = _pictures(context, found) if how != "alone" else [None] * 3
    panels = [
        maps.Panel(group.mean, group.title, len(group.maps), picture)
        for group, picture in zip(found.groups, pictures, strict=True)
    ]
    unit = f"mean {UNITS[found.scale]}{', summed over a cell' if how == 'cells' else ''}"
    part("Mean heatmaps", " ".join(found.counted))
    if any(len(group.maps) or group.coming for group in found.groups):
        figure = maps.row(panels, page_theme(), signed=found.column.card.signed, unit=unit, height=380, look=how)
        plot(figure, key="means", alt=_alt(found))
        if how in ("cells", "outline"):
            st.caption(plain(MEANING[how]))
    if found.few:
        st.caption(plain(found.few))


def _pictures(context: Context, found: Aggregate) -> list[Image.Image | None]:
    """The mean pictures; without them, and said why, where a file is gone: the maps are there all the same."""
    try:
        return [mean_picture(context, group) for group in found.groups]
    except XaiError as error:
        st.caption(f"Without the mean pictures: {plain(error)}")
        return [None] * 3


def places(found: Aggregate) -> None:
    """Where the evidence lies: profile from top to bottom, and centre."""
    part("Where the evidence lies")
    left, right = st.columns([1, 1], gap="large", vertical_alignment="center")
    known = zip(found.groups, found.measures.profiles, strict=True)
    profiles = [Line(group.title, one.value, one.low, one.high, one.n) for group, one in known if len(group.maps)]
    with left:
        figure = lines.profiles(profiles, page_theme(), unit=UNITS[found.scale])
        plot(figure, key="profiles", alt="Mean evidence from the top of the picture to its bottom, by group")
    with right:
        head = ("Centre of the evidence", "From the top", "From the left", "n")
        hints = ("Mean of the maps' centres of mass, positive evidence only, with its 95 % interval.",)
        table(head, [(title, down, across, str(n)) for title, down, across, n in found.centres], hints=hints)
        if found.on_object:
            titles = ("Evidence on the object", "Share", "Masks' area", "n")
            told = (
                TITLE,
                "Mean over samples, with its 95 % interval.",
                "Of what the model sees, of the same samples.",
            )
            table(titles, [(title, share, area, str(n)) for title, share, area, n in found.on_object], hints=told)


def differences(found: Aggregate) -> None:
    """What the confused ones have more or less of than the recognised ones of each class."""
    if not found.differences:
        return
    panels = [
        maps.Panel(result.values, f"against {group.title}", outline=result.significant)
        for group, result, _ in found.differences
    ]
    part(
        "What the confused ones have more of, and less of",
        f"{found.groups.confused.title}: orange where there is more evidence than in the recognised ones, blue where "
        "less.",
    )
    figure = maps.row(panels, page_theme(), signed=True, unit="difference of means", height=380)
    plot(figure, key="differences", alt="Differences")
    for _, _, sentence in found.differences:
        st.caption(plain(sentence))


def resemblances(found: Aggregate) -> None:
    """Do the confused ones look like the class they were taken for?"""
    true, predicted = (found.scope.names[index] for index in found.cell)
    part(f"Do they look like {predicted}, or like {true}?")
    result = found.measures.resemblance
    if not result.n or not result.references:
        st.caption(plain(found.resembles))
        return
    st.markdown(f"**{plain(found.resembles)}**")
    strips = [
        Strip(f"with {true}, recognised", result.to_true, result.own_means[0]),
        Strip(f"with {predicted}, recognised", result.to_predicted, result.own_means[1]),
    ]
    name = "what recognised samples reach with the others of their class"
    chart, words = st.columns([3, 2], gap="large", vertical_alignment="center")
    with chart:
        plot(similarity.strips(strips, page_theme(), null_name=name), key="resemblance", alt="Similarities")
    words.caption(plain(found.read_as))


def _alt(found: Aggregate) -> str:
    return "Mean heatmaps: " + "; ".join(f"{group.title}, n = {len(group.maps)}" for group in found.groups)
