"""Where the camera stands: how much of the figure a picture shows."""

from __future__ import annotations

import math

from xai_core.demo.art.chance import Chance
from xai_core.demo.art.geometry import Camera

SHARES = {
    "Dress": {"full": 0.45, "three quarter": 0.55},
    "Graphic tee": {"full": 0.2, "three quarter": 0.3, "upper": 0.5},
    "Pants": {"full": 0.4, "three quarter": 0.1, "lower": 0.5},
    "Shorts": {"full": 0.35, "three quarter": 0.4, "tight": 0.25},
    "Skirt": {"full": 0.12, "three quarter": 0.28, "lower": 0.6},
}
"""How often each framing is taken, of the pictures of a class that are not framed tightly on purpose."""


def frame(chance: Chance, kind: str, waist: float, hem: float, drift: float) -> Camera:
    """A camera for one of the framings.

    Args:
        kind: `full`, `three quarter`, `upper`, `lower` or `tight`.
        waist, hem: heights of the garment's waist and lower edge; `tight` is measured from them.
        drift: how far the hips stand to the right.
    """
    roll = math.radians(chance.between(-3.5, 3.5))
    x = chance.between(-0.35, 0.35)
    if kind == "tight":
        return tight(chance, waist, hem, drift, roll)
    low, high = {
        "full": (chance.between(-0.7, -0.15), chance.between(8.2, 8.7)),
        "three quarter": (chance.between(-0.3, 0.9), chance.between(6.3, 7.4)),
        "upper": (chance.between(0.2, 1.1), chance.between(4.1, 5.2)),
        "lower": (chance.between(2.1, 2.7), chance.between(8.1, 8.6)),
    }[kind]
    return Camera(x, 0.5 * (low + high), high - low, roll)


def tight(chance: Chance, waist: float, hem: float, drift: float, roll: float) -> Camera:
    """Close on the lower body: a strip of 6 to 18 % of the height, above the waist, shows the bodice or top."""
    strip = chance.between(0.06, 0.18)
    span = min(max((hem - waist) / chance.between(0.6, 0.9), 2.7), 5.6)
    return Camera(drift + chance.between(-0.25, 0.25), waist + span * (0.5 - strip), span, 0.6 * roll)
