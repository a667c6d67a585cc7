"""The methods as a person meets them: in what order, and how one is named and drawn with its settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from xai_core.explainers import EXPLAINERS
from xai_core.explainers.base import Explainer
from xai_core.params import specs
from xai_core.types import Card

FAMILIES = ("From a layer that can be chosen", "From the whole model", "Controls, which ignore the model")


def family(card: Card) -> str:
    """The one of `FAMILIES` that a method belongs to."""
    if card.cost == 0:
        return FAMILIES[2]
    return FAMILIES[0] if "cam_layer" in card.needs else FAMILIES[1]


def in_menus() -> Iterator[Explainer]:
    """All methods by family, quick ones first in each."""
    return iter(sorted(EXPLAINERS, key=lambda explainer: FAMILIES.index(family(explainer.card))))


def card_of(explainer: Explainer, params: Any) -> Card:
    """What these parameters make of a method: whose maps it averages is in its title, and decides how they are drawn.

    Largest absolute values have no sign, whatever the card says.
    """
    averaged = _averaged(explainer, params)
    if averaged is not None:
        other = averaged.card
        return replace(explainer.card, title=f"{explainer.card.title} of {other.title}", signed=other.signed)
    if getattr(params, "channels", "") == "max":
        return replace(explainer.card, signed=False)
    return explainer.card


def takes_layer(explainer: Explainer, params: Any) -> bool:
    """Whether the layer that its maps come from can be chosen."""
    averaged = _averaged(explainer, params)
    return _has_layer(explainer) and (averaged is None or _has_layer(averaged))


def _averaged(explainer: Explainer, params: Any) -> Explainer | None:
    other: str = getattr(params, "method", "")
    return EXPLAINERS[other] if other in EXPLAINERS and other != explainer.card.key else None


def _has_layer(explainer: Explainer) -> bool:
    return any(spec.name == "layer" for spec in specs(explainer.params))
