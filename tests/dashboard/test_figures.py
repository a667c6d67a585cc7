"""Every figure builds from ordinary, empty, NaN and hostile input; axes are titled; text is escaped."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from PIL import Image

from dashboard.figures import (
    arms,
    confusion,
    history,
    lines,
    maps,
    probabilities,
    quality,
    reliability,
    similarity,
    transitions,
)
from dashboard.figures.theme import DARK, LIGHT, Theme, heat_scale, safe, share_ticks, theme_of
from xai_core.answers.sample import Chance

HOSTILE = ["<script>alert(1)</script>", "a</b> & %{x}", "größe 裙子"]
COUNTS = np.array([[5.0, 1, 0], [2, 7, 0], [0, 0, 0]])
CONFIG = Path(__file__).resolve().parents[2] / ".streamlit" / "config.toml"


def run_table() -> pd.DataFrame:
    return pd.DataFrame(
        {"name": HOSTILE, "value": [0.8, 0.9, np.nan], "low": 0.7, "high": 0.95, "n": 350, "seconds": [12, np.nan, 3.0]}
    )


def bins() -> pd.DataFrame:
    return pd.DataFrame(
        {"left": [0, 0.5], "right": [0.5, 1], "n": [0, 9], "confidence": [np.nan, 0.8]}
        | {"accuracy": [np.nan, 0.7], "low": [np.nan, 0.5], "high": [np.nan, 0.9]}
    )


def moves() -> pd.DataFrame:
    return pd.DataFrame({"fixed": [3, 0, 1], "broken": 1, "still wrong": 2, "changed its mistake": 0, "n": 9})


def curve_table() -> pd.DataFrame:
    lines = {"epoch": [1, 2] * 4, "split": ["train"] * 4 + ["validation"] * 4}
    measures = (["loss"] * 2 + ["accuracy"] * 2) * 2
    return pd.DataFrame(lines).assign(measure=measures, value=[1, 0.5, 0.5, 0.8, 1.1, np.nan, 0.4, 0.7])


def lines_of(name: str) -> list[lines.Line]:
    return [lines.Line(name, [0.1, np.nan, 0.3], [0, np.nan, 0.2], [0.2, np.nan, 0.4], 12), lines.Line("b", [1, 2, 3])]


MAP = np.array([[0.0, 1, np.nan], [-1, 0.2, 0.3]])
NULL = lines.Line("edges", [0.5])
STEPS = {"x": HOSTILE, "x_title": "layer", "y_title": "similarity"}
CHANCES = [Chance(HOSTILE[0], 0.7, predicted=True, true=False), Chance(HOSTILE[2], 0.2, predicted=False, true=True)]

FULL: dict[str, Callable[[Theme], go.Figure]] = {
    "matrix": lambda t: confusion.matrix(COUNTS, HOSTILE, t),
    "shares": lambda t: confusion.matrix(np.where(COUNTS > 0, COUNTS / 9, np.nan), HOSTILE, t, per="true"),
    "difference": lambda t: confusion.difference(COUNTS - 2, HOSTILE, t, title="<b>x"),
    "same": lambda t: confusion.difference(0 * COUNTS, HOSTILE, t),
    "history": lambda t: history.curves(curve_table(), t),
    "runs": lambda t: quality.runs(run_table(), t),
    "cost": lambda t: quality.cost(run_table(), t),
    "cost without times": lambda t: quality.cost(run_table().assign(seconds=np.nan), t),
    "profiles": lambda t: lines.profiles(lines_of(HOSTILE[0]), t, unit="share"),
    "curves": lambda t: lines.curves(lines_of(HOSTILE[0]), t, nulls=[NULL], **STEPS),
    "arms": lambda t: arms.arms(
        {HOSTILE[0]: {HOSTILE[1]: [0.5, 0.6], "b": [0.7]}, "x": {HOSTILE[1]: [1], "b": [1]}}, t
    ),
    "transitions": lambda t: transitions.bars(moves(), HOSTILE, t),
    "calibration": lambda t: reliability.calibration(bins(), "expected calibration error 10.0 %", t),
    "top": lambda t: probabilities.top(CHANCES, t),
    "strips": lambda t: similarity.strips(
        [similarity.Strip(HOSTILE[0], np.array([0.1, np.nan]), 0.5), similarity.Strip("none", np.empty(0))],
        t,
        null_name="own class",
    ),
}
UNTITLED: dict[str, Callable[[Theme], go.Figure]] = {
    "row": lambda t: maps.row(
        [maps.Panel(MAP, HOSTILE[0], 3, outline=MAP > 0), maps.Panel(MAP, "b", picture=Image.new("L", (28, 28)))],
        t,
        signed=True,
        unit="share",
    ),
}
EMPTY: dict[str, Callable[[Theme], go.Figure]] = {
    "matrix": lambda t: confusion.matrix(np.zeros((0, 0)), [], t),
    "no counts": lambda t: confusion.matrix(np.zeros((2, 2)), ["a", "b"], t),
    "difference": lambda t: confusion.difference(np.zeros((0, 0)), [], t),
    "history": lambda t: history.curves(curve_table().head(0), t),
    "runs": lambda t: quality.runs(run_table().head(0), t),
    "cost": lambda t: quality.cost(run_table().tail(1), t),
    "profiles": lambda t: lines.profiles([lines.Line("a", [np.nan])], t, unit="share"),
    "curves": lambda t: lines.curves([], t, **STEPS),
    "transitions": lambda t: transitions.bars(0 * moves(), HOSTILE, t),
    "calibration": lambda t: reliability.calibration(bins().head(1), "No probabilities.", t),
    "top": lambda t: probabilities.top([], t),
    "strips": lambda t: similarity.strips([similarity.Strip("a", np.array([np.nan]))], t, null_name="own"),
    "row": lambda t: maps.row([maps.Panel(np.full((2, 2), np.nan), "a", 0)], t, signed=False, unit="share"),
    "no panels": lambda t: maps.row([], t, signed=False, unit="share"),
}


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
@pytest.mark.parametrize("name", [*FULL, *UNTITLED])
def test_figures_build_and_escape(name, theme):
    figure = (FULL | UNTITLED)[name](theme)
    assert figure.data
    text = figure.to_json()
    for tag in ("<script", "\\u003cscript", "a</b>", "a\\u003c/b"):
        assert tag not in text
    assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"


@pytest.mark.parametrize("name", FULL)
def test_quantities_have_titles(name):
    layout = FULL[name](LIGHT).layout.to_plotly_json()
    axes = [value for key, value in layout.items() if key.startswith(("xaxis", "yaxis"))]
    for axis in axes:
        shared_with_another = axis.get("showticklabels") is False or "matches" in axis
        assert axis.get("title", {}).get("text") or "ticktext" in axis or shared_with_another


@pytest.mark.parametrize("name", EMPTY)
def test_nothing_to_show_says_so(name):
    figure = EMPTY[name](DARK)
    assert not figure.data
    assert figure.layout.annotations[0].text


def test_names_never_become_templates():
    """`%{x}` in a class name must reach the tooltip as a value, never as part of the template."""
    for build in (FULL | UNTITLED).values():
        for trace in build(LIGHT).data:
            template = trace.to_plotly_json().get("hovertemplate") or ""
            assert "a&lt;/b&gt;" not in template


def test_safe():
    assert safe("<b>x</b> & y") == "&lt;b&gt;x&lt;/b&gt; &amp; y"
    assert safe("a\nb  c") == "a b c"
    assert safe("cat\u200b\u202e") == "cat[U+200B][U+202E]", "not to be taken for another class"
    assert safe("👩\u200d🔬") == "👩\u200d🔬"
    assert safe("<" * 100, 10) == "&lt;" * 9 + "…"


def test_matrix_numbers_only_where_they_can_be_read():
    large = np.ones((40, 40))
    assert confusion.matrix(COUNTS, HOSTILE, LIGHT).data[0].texttemplate
    figure = confusion.matrix(np.ones((200, 200)), [str(i) for i in range(200)], LIGHT)
    assert figure.data[0].texttemplate is None
    assert len(figure.layout.xaxis.ticktext) <= 40
    assert len(confusion.matrix(large, [str(i) for i in range(40)], LIGHT).layout.xaxis.ticktext) == 40


def test_classes_named_alike_or_like_numbers_stay_apart():
    figure = confusion.matrix(COUNTS, ["7", "7", "1e3"], LIGHT)
    assert list(figure.layout.xaxis.tickvals) == [0, 1, 2]
    assert list(figure.layout.xaxis.ticktext) == ["7", "7", "1e3"]


def test_the_difference_is_centred_on_zero():
    heat = confusion.difference(np.array([[5.0, -1], [0, 0]]), ["a", "b"], LIGHT).data[0]
    assert heat.zmin == -heat.zmax == -5
    scale = heat_scale(signed=True)
    assert min(int(scale[len(scale) // 2][1][i : i + 2], 16) for i in (1, 3, 5)) > 240


def test_profiles_stand_upright():
    low, high = FULL["profiles"](LIGHT).layout.yaxis.range
    assert (low, high) == (1, 0)


def test_panels_share_one_scale():
    panels = [maps.Panel(np.full((2, 2), 0.2), "a"), maps.Panel(np.full((2, 2), -0.8), "b")]
    scale = maps.row(panels, LIGHT, signed=True, unit="share").layout.coloraxis
    assert (scale.cmin, scale.cmax) == (-0.8, 0.8)
    assert scale.colorbar.title.text == "share"


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]),
        (0.823, 0.871, ["83 %", "84 %", "85 %", "86 %", "87 %"]),
        (-0.04, 0.04, ["−4 %", "−2 %", "0 %", "2 %", "4 %"]),
        (0.5, 0.5, None),
        (np.nan, np.nan, None),
    ],
)
def test_shares_on_axes_are_written_as_in_sentences(low, high, ticks):
    found = share_ticks(low, high)
    assert found["ticktext"] == ticks or ticks is None
    assert all(text.endswith(" %") for text in found["ticktext"])
    assert 2 <= len(found["tickvals"]) <= 7


def test_mean_maps_are_drawn_as_tiles_are():
    panels = [maps.Panel(np.outer(np.arange(24.0), np.ones(24)), "a", picture=Image.new("RGB", (24, 24), "red"))]
    figures = {
        look: maps.row(panels, LIGHT, signed=False, unit="share", look=look)
        for look in ("heat", "cells", "outline", "alone")
    }
    assert figures["cells"].data[0].z.shape == (8, 8)
    assert figures["cells"].data[0].z.sum() == pytest.approx(panels[0].values.sum())
    lines = [trace for trace in figures["outline"].data if trace.type == "scatter"]
    assert min(y for y in lines[0].y if y is not None) > 12, "the line is around the dense lower part"
    assert [bool(figure.layout.images) for figure in figures.values()] == [True, True, True, False]
    assert [figure.layout.coloraxis.showscale for figure in figures.values()] == [True, True, False, True]


def test_the_outline_goes_around_what_is_true():
    x, y = maps._outline(np.array([[False, True], [False, False]]))
    points = {(a, b) for a, b in zip(x, y, strict=True) if a is not None}
    assert points == {(0.5, -0.5), (1.5, -0.5), (0.5, 0.5), (1.5, 0.5)}


# Linear sRGB as three kinds of colour-blind eyes see it, Machado et al. (2009), full severity.
EYES = {
    "normal": np.eye(3),
    "protanopia": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    "deuteranopia": [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
    "tritanopia": [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]],
}
TO_LMS = [[0.41222, 0.53633, 0.05145], [0.21190, 0.68070, 0.10740], [0.08830, 0.28172, 0.62998]]
TO_OKLAB = [[0.21045, 0.79362, -0.00407], [1.97800, -2.42859, 0.45059], [0.02590, 0.78277, -0.80868]]


def linear(colour: str) -> np.ndarray:
    value = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def oklab(colour: np.ndarray) -> np.ndarray:
    return np.array(TO_OKLAB) @ np.cbrt(np.array(TO_LMS) @ np.clip(colour, 0, 1))


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
@pytest.mark.parametrize("eye", EYES)
def test_series_can_be_told_apart(theme, eye):
    seen = [oklab(np.array(EYES[eye]) @ linear(colour)) for colour in theme.series]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 0.12


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_colours_stand_out_from_the_page(theme):
    def contrast(first: str, second: str) -> float:
        dark, light = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (first, second))
        return (light + 0.05) / (dark + 0.05)

    assert all(contrast(colour, theme.surface) >= 3 for colour in theme.series)
    assert contrast(theme.text, theme.surface) >= 7
    assert contrast(theme.muted, theme.surface) >= 4.5
    assert contrast("#ffffff", theme.most) >= 4.5


def test_colours_are_those_of_the_pages():
    pages = tomllib.loads(CONFIG.read_text(encoding="utf-8"))["theme"]
    for name in ("light", "dark"):
        theme = theme_of(name)
        assert (theme.accent, theme.surface) == (pages[name]["primaryColor"], pages[name]["backgroundColor"])
