"""One picture from start to end: who, wearing what, seen from where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from xai_core.demo.art import palette
from xai_core.demo.art.backgrounds import paint_background
from xai_core.demo.art.body import paint_arm, paint_back_hair, paint_head, paint_legs, paint_torso
from xai_core.demo.art.canvas import BACKGROUND, Canvas
from xai_core.demo.art.chance import Chance
from xai_core.demo.art.cloth import Wear, band, button
from xai_core.demo.art.fabrics import FLOWING, PANTS, SHORTS, TEES, Fabric, denim, draw_fabric, plain
from xai_core.demo.art.figure import Figure, draw_figure
from xai_core.demo.art.framing import SHARES, frame
from xai_core.demo.art.geometry import points
from xai_core.demo.art.jackets import Jacket, draw_jacket, paint_jacket
from xai_core.demo.art.parts import BODY, Change, visible
from xai_core.demo.art.prints import paint_print
from xai_core.demo.art.skirts import Skirt, draw_skirt, paint_skirt
from xai_core.demo.art.tops import Top, draw_bodice, draw_plain_top, draw_tee, paint_sleeve, paint_top
from xai_core.demo.art.trousers import Trousers, draw_pants, draw_shorts, paint_trousers

CLASSES = ("Dress", "Graphic tee", "Pants", "Shorts", "Skirt")
JACKETS = 0.35
"""The share of dresses, and of skirts, that an open jacket is worn with."""


@dataclass(frozen=True)
class Belt:
    """What marks the waist of a dress or skirt: a belt with a buckle, or a band of its own cloth."""

    colour: palette.Colour
    buckle: bool


@dataclass(frozen=True)
class Outfit:
    """What is worn. The labelled garment is `top`, `bottom` or, for a dress, both."""

    label: str
    top: Top
    top_fabric: Fabric
    bottom: Skirt | Trousers
    bottom_fabric: Fabric
    belt: Belt | None
    jacket: Jacket | None = None


@dataclass(frozen=True)
class Drawing:
    """A finished picture.

    Attributes:
        rgb: `(size, size, 3)` uint8.
        mask: `(size, size)` bool, the labelled garment's visible pixels.
        framing: how it was framed.
        parts: by part the pixels that are seen of it, see `visible`.
    """

    rgb: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    framing: str
    parts: Mapping[str, NDArray[np.bool_]]


def draw(
    chance: Chance, label: str, size: int, tight_share: float, change: Change | None = None, kind: str = ""
) -> Drawing:
    """One picture of a garment of class `label`. `tight_share` of its class is framed tightly on purpose.

    With a `kind` that stands behind the figure, else any.

    With a change it is the same picture drawn again, the same person, clothes, pose, camera, light and grain, but for
    that. The figure's shadow on the floor stays, whatever part of it goes.
    """
    change = change or Change()
    figure = draw_figure(chance.branch(1), astride=label == "Shorts")
    framing = framing_of(chance, label, tight_share)
    # In a tight picture a sleeve that reaches past the strip would tell what only the strip may tell.
    outfit = draw_outfit(chance.branch(2), figure, label, longest_sleeve=0.6 if framing == "tight" else 2.0)
    view = chance.branch(3)
    camera = frame(view, framing, outfit.bottom.top, _hem(outfit.bottom), figure.stance.shifts[1])
    canvas = Canvas(size, camera, view.side(), change.gone)
    place = chance.branch(4)
    if change.without == BACKGROUND:
        paint_background(canvas, place.branch(change.other))
    else:
        paint_background(canvas, place, kind)
    paint_person(canvas, figure, _without(outfit, change.without), chance.branch(5))
    return Drawing(_developed(canvas, chance.branch(6)), canvas.owned > 0.5, framing, visible(canvas.shares))


def _without(outfit: Outfit, part: str) -> Outfit:
    """What is worn where a jacket or a belt is not: what people without one wear."""
    if part == "jacket":
        return replace(outfit, jacket=None)
    if part == "belt" and outfit.belt is not None:
        return replace(outfit, belt=_own_band(outfit.bottom_fabric))
    return outfit


def framing_of(chance: Chance, label: str, tight_share: float) -> str:
    """How the picture with this chance is framed."""
    stream = chance.branch(7)
    return "tight" if stream.coin(tight_share) else stream.weighted(SHARES[label])


def _hem(bottom: Skirt | Trousers) -> float:
    return bottom.hem if isinstance(bottom, Skirt) else 4.0 + 1.9 * bottom.ends


def draw_outfit(chance: Chance, figure: Figure, label: str, longest_sleeve: float = 2.0) -> Outfit:
    """The labelled garment in its cloth, and plain clothes of another colour with it."""
    if label == "Dress":
        fabric = draw_fabric(chance, FLOWING)
        waist = chance.between(2.7, 3.1)
        bodice = draw_bodice(chance, waist + 0.05, longest_sleeve)
        jacket = draw_jacket(chance, fabric, waist, longest_sleeve) if chance.coin(JACKETS) else None
        skirt = draw_skirt(chance, figure, waist)
        return Outfit(label, bodice, fabric, skirt, fabric, _belt(chance, fabric), jacket)
    if label == "Graphic tee":
        fabric = draw_fabric(chance, TEES)
        bottom, cloth = _plain_bottom(chance, figure, fabric)
        return Outfit(label, draw_tee(chance), fabric, bottom, cloth, None)
    fabric = draw_fabric(chance, {"Pants": PANTS, "Shorts": SHORTS, "Skirt": FLOWING}[label])
    bottom = _labelled_bottom(chance, figure, label, fabric.name == "denim")
    top = draw_plain_top(chance, bottom.top + 0.08, longest_sleeve)
    cloth = plain(palette.apart(chance, fabric.ground, 0.36), chance.between(0.01, 0.05))
    belt = _belt(chance, fabric) if label == "Skirt" else None
    open_jacket = label == "Skirt" and chance.coin(JACKETS)
    jacket = draw_jacket(chance, cloth, bottom.top, longest_sleeve) if open_jacket else None
    return Outfit(label, top, cloth, bottom, fabric, belt, jacket)


def _labelled_bottom(chance: Chance, figure: Figure, label: str, jeans: bool) -> Skirt | Trousers:
    if label == "Skirt":
        return draw_skirt(chance, figure, chance.between(2.85, 3.2))
    return draw_pants(chance, jeans) if label == "Pants" else draw_shorts(chance, jeans)


def _belt(chance: Chance, fabric: Fabric) -> Belt:
    dark = palette.colour("1d1816")
    if chance.coin():
        return _own_band(fabric)
    belts = (palette.mix(fabric.ground, dark, 0.35), palette.colour("3b2a20"), dark, palette.cloth(chance))
    return Belt(chance.pick(belts), buckle=True)


def _own_band(fabric: Fabric) -> Belt:
    return Belt(palette.mix(fabric.ground, palette.colour("1d1816"), 0.14), buckle=False)


def _plain_bottom(chance: Chance, figure: Figure, top: Fabric) -> tuple[Skirt | Trousers, Fabric]:
    cloth = denim(chance) if chance.coin(0.4) else plain(palette.apart(chance, top.ground, 0.28))
    jeans = cloth.name == "denim"
    kind = chance.weighted({"pants": 0.7, "shorts": 0.15, "skirt": 0.15})
    if kind == "skirt":
        return draw_skirt(chance, figure, 3.05), cloth
    return (draw_pants(chance, jeans) if kind == "pants" else draw_shorts(chance, jeans)), cloth


def paint_person(canvas: Canvas, figure: Figure, outfit: Outfit, chance: Chance) -> None:
    """The figure in its clothes, from back to front."""
    style = chance.weighted({"short": 0.15, "bob": 0.3, "long": 0.3, "bun": 0.25})
    shoe = palette.cloth(chance)
    noise = chance.field(canvas.size, canvas.size)
    top = Wear(outfit.top_fabric, noise, outfit.label in ("Dress", "Graphic tee"))
    bottom = Wear(outfit.bottom_fabric, noise, outfit.label != "Graphic tee")
    jacket = outfit.jacket
    sleeves = (top, outfit.top) if jacket is None else (Wear(jacket.fabric, noise, False), jacket.cut)
    of = "sleeves" if jacket is None else "jacket"
    with canvas.part("hair"):
        paint_back_hair(canvas, figure, style)
    if figure.behind:
        _paint_arms(canvas, figure, *sleeves, of)
    paint_legs(canvas, figure, shoe, chance.coin(0.5))
    with canvas.part(BODY):
        paint_torso(canvas, figure)
    if outfit.label == "Graphic tee":
        _paint_bottom(canvas, figure, bottom, outfit)
        _paint_tee(canvas, figure, top, outfit.top, chance)
    else:
        with canvas.part("top"):
            paint_top(canvas, figure, top, outfit.top)
        _paint_bottom(canvas, figure, bottom, outfit)
    if jacket is not None:
        with canvas.part("jacket"):
            paint_jacket(canvas, figure, sleeves[0], jacket)
    _paint_arms_in_front(canvas, figure, *sleeves, of)
    with canvas.part("head"):
        paint_head(canvas, figure, style)


def _paint_arms(canvas: Canvas, figure: Figure, wear: Wear, top: Top, of: str) -> None:
    """Both arms in sleeves that are a part of their own, or the jacket's."""
    for index in (0, 1):
        with canvas.part("arms"):
            paint_arm(canvas, figure, index)
        with canvas.part(of):
            paint_sleeve(canvas, figure, wear, top, index)


def _paint_arms_in_front(canvas: Canvas, figure: Figure, wear: Wear, top: Top, of: str) -> None:
    """The arms, or only the sleeves' upper parts where the arms are behind the back."""
    if not figure.behind:
        _paint_arms(canvas, figure, wear, top, of)
        return
    for index in (0, 1):
        with canvas.part(of):
            paint_sleeve(canvas, figure, wear, top, index, end=0.8)


def _paint_tee(canvas: Canvas, figure: Figure, wear: Wear, top: Top, chance: Chance) -> None:
    with canvas.part("top"):
        alpha = paint_top(canvas, figure, wear, top)
    with canvas.part("print"):
        paint_print(canvas, figure, chance.branch(1), wear.fabric.ground, alpha)


def _paint_bottom(canvas: Canvas, figure: Figure, wear: Wear, outfit: Outfit) -> None:
    with canvas.part("bottom"):
        _paint_hanging(canvas, figure, wear, outfit)


def _paint_hanging(canvas: Canvas, figure: Figure, wear: Wear, outfit: Outfit) -> None:
    if isinstance(outfit.bottom, Trousers):
        paint_trousers(canvas, figure, wear, outfit.bottom)
        return
    skirt = outfit.bottom
    alpha = paint_skirt(canvas, figure, wear, skirt)
    width = skirt.widths[0]
    waistband = canvas.coverage(band(figure, width, skirt.top - 0.01, skirt.top + 0.14))
    canvas.darken(0.22 * canvas.blurred(waistband, 0.05) * alpha)
    if outfit.belt is None:
        return
    with canvas.part("belt" if outfit.belt.buckle else "bottom"):
        canvas.paint(waistband, outfit.belt.colour, 1.0, wear.owned)
        if outfit.belt.buckle:
            x, y = figure.place(points([[0.15 * figure.turn, skirt.top + 0.09]]))[0]
            button(canvas, float(x), float(y), 0.06, palette.colour("c9a26b"))


def _developed(canvas: Canvas, chance: Chance) -> NDArray[np.uint8]:
    """Exposure, and the noise of a camera."""
    exposure = chance.between(0.9, 1.08)
    warmth = (np.array([1.0, 0.0, -1.0]) * chance.between(-0.03, 0.03)) + 1.0
    grain = (chance.field(3, canvas.size, canvas.size, 3).sum(axis=0) - 1.5) * chance.between(0.01, 0.035)
    return np.rint(np.clip(canvas.rgb * exposure * warmth + grain, 0, 1) * 255).astype(np.uint8)
