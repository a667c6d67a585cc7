"""Pictures with their maps side by side as one picture, for a report or a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from xai_core.drawing.looks import FADED, Fade, faded
from xai_core.triage.looks import Look

TILE, GAP, HEAD, LEGEND = 168, 8, 26, 20
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_INK, _PAPER, _EMPTY = "#1a2422", "#ffffff", "#eef1ee"
_OPACITY = 0.75
_NARROWEST = 560
_PLAIN = str.maketrans({"\u00d7": "x", "\u2212": "-", "\u2013": "-", "→": "->"})
_TOGETHER = "\u00a0"
"""Between a number and its sign: no line breaks there."""


@dataclass(frozen=True)
class Line:
    """One sample: what is said above it, its picture, and a picture for each column (None: grey, none is there)."""

    caption: str
    picture: Image.Image
    panels: Sequence[Image.Image | None]


def sheet(titles: Sequence[str], lines: Sequence[Line], foot: str) -> Image.Image:
    """A line for each sample, the column titles above, and at the foot what must be said of all; mode RGB.

    Args:
        titles: of the columns beside the original.
        lines: with pictures as `tile` makes them, a panel for each title.
        foot: how maps are drawn; broken between words.
    """
    high = TILE + HEAD + GAP
    width = max(_NARROWEST, GAP + (len(titles) + 1) * (TILE + GAP))
    font = ImageFont.load_default(13)
    said = _wrapped(_drawable(foot), font, width - 2 * GAP)
    drawn = Image.new("RGB", (width, HEAD + len(lines) * high + GAP + len(said) * LEGEND), _PAPER)
    pen = ImageDraw.Draw(drawn)
    for place, title in enumerate(["Original", *titles]):
        pen.text((GAP + place * (TILE + GAP), 6), _shortened(pen, _drawable(title), font), _INK, font)
    for place, line in enumerate(lines):
        top = HEAD + place * high
        pen.text((GAP, top + 5), _drawable(line.caption), _INK, font)
        _draw_line(drawn, line, top + HEAD)
    for place, text in enumerate(said):
        pen.text((GAP, drawn.height - LEGEND * (len(said) - place) + 2), text, _INK, font)
    return drawn


def tile(picture: Image.Image, side: int = TILE) -> Image.Image:
    """The picture with `side` pixels at its longer side, as large as a sheet shows it, RGB; small ones look sharp."""
    factor = side / max(picture.size)
    return _sized(
        picture.convert("RGB"), (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    )


def laid_over(base: Image.Image, layer: Image.Image, fade: Fade | None, look: Look) -> Image.Image:
    """A map's RGBA layer over a `tile`, which fades as on pages."""
    under = base if fade is None else faded(base, fade, 0.0 if look == "alone" else FADED)
    layer = _sized(layer, base.size)
    opacity = _OPACITY if look in ("heat", "cells") else 1.0
    under = under.copy()
    under.paste(layer.convert("RGB"), (0, 0), layer.getchannel("A").point(lambda value: round(value * opacity)))
    return under


def _draw_line(drawn: Image.Image, line: Line, top: int) -> None:
    drawn.paste(line.picture, (GAP, top))
    for place, panel in enumerate(line.panels, start=1):
        left = GAP + place * (TILE + GAP)
        if panel is None:
            drawn.paste(_EMPTY, (left, top, left + line.picture.width, top + line.picture.height))
        else:
            drawn.paste(panel, (left, top))


def _sized(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    small = max(picture.size) < TILE / 2
    return picture.resize(size, Image.Resampling.NEAREST if small else Image.Resampling.BILINEAR)


def _wrapped(text: str, font: Font, width: int) -> list[str]:
    """Lines of at most `width` pixels, broken between words."""
    lines = [""]
    for word in text.replace(" %", _TOGETHER + "%").split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return [line.replace(_TOGETHER, " ") for line in lines]


def _drawable(text: str) -> str:
    """Without the signs that the font lacks and that have a plain form."""
    return text.translate(_PLAIN)


def _shortened(pen: ImageDraw.ImageDraw, text: str, font: Font) -> str:
    while len(text) > 4 and pen.textlength(text, font) > TILE:
        text = text[:-2].rstrip() + "…"
    return text
