"""What heatmaps are drawn as, and the scales beside them: the same over every gallery and grid."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from dashboard.frame import session
from dashboard.frame.context import Context
from dashboard.heat.evidence import look
from dashboard.text import Markdown, plain
from xai_core.drawing.colours import css_gradient, sign_scale, strength_scale
from xai_core.triage.looks import LOOKS, MEANING
from xai_core.types import Card


def look_choice(context: Context) -> None:
    """Draw the choice of what heatmaps are drawn as."""
    words = "\n".join(f"- **{plain(LOOKS[key])}**: {plain(meaning)}" for key, meaning in MEANING.items())
    st.segmented_control(
        "Draw as",
        list(LOOKS),
        format_func=lambda key: plain(LOOKS[key]),
        help=Markdown(words),
        **session.bound("look", look(context)),
    )


def scales(cards: Iterable[Card], most: str) -> list[dict[str, str]]:
    """The colour scales of these methods for a component's legend.

    Args:
        cards: the methods'.
        most: what the signed scale's upper end is called, as `for the target`.
    """
    kinds = {card.signed for card in cards}
    strength = {"low": "none", "high": "strongest", "gradient": css_gradient(strength_scale())}
    sign = {"low": "against", "high": most, "gradient": css_gradient(sign_scale())}
    strength["title"], sign["title"] = "Strength of evidence.", "Signed evidence; zero is transparent."
    return [scale for scale, signed in ((strength, False), (sign, True)) if signed in kinds]
