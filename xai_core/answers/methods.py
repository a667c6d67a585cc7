"""The methods as a person meets them: in what order, and how one is named and drawn with its settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from xai_core.explainers import EXPLAINERS
from xai_core.explainers.base import Explainer
from xai_core.types import Card

DEFAULT_METHODS = ("gradcam", "gradcam++", "lrp", "ig", "shap")
"""What is looked at where nobody chose."""

FAMILIES = ("From a layer that can be chosen", "From the whole model", "Controls, which ignore the model")


def family(card: Card) -> str:
    """The one of `FAMILIES` that a method belongs to."""
    if card.control:
        return FAMILIES[2]
    return FAMILIES[0] if "cam_layer" in card.needs else FAMILIES[1]


def in_menus() -> Iterator[Explainer]:
    """All methods by family, quick ones first in each."""
    return iter(sorted(EXPLAINERS, key=lambda explainer: FAMILIES.index(family(explainer.card))))


def takes_layer(explainer: Explainer, params: Any) -> bool:
    """Whether the layer that its maps come from can be chosen."""
    return "cam_layer" in explainer.card_for(params).needs
