"""One table of method × model × arguments: what feeds the contract suite.

A method is named once, with arguments that make it quick on the small models, and with the models that it refuses.
Every pair that is not refused must give maps. A new method adds its row here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.oracles.families import FAMILIES, family
from tests.oracles.models import Plain, Residual, Tokens, model
from xai_core.explainers.gradient_shap import ShapLayerParams, ShapParams
from xai_core.explainers.integrated_gradients import IGParams
from xai_core.explainers.occlusion import OcclusionParams
from xai_core.explainers.smoothgrad import SmoothGradParams
from xai_core.models.classifier import Classifier


@dataclass(frozen=True)
class Row:
    """What the contract suite must know of a method.

    Attributes:
        params: quick arguments; None for the defaults.
        linear: the map of a difference is the difference of the two maps.
        seeded: draws random numbers, from the row's seed.
        refused: models that get no map, with a pattern that the reason must match.
    """

    params: Any = None
    linear: bool = True
    seeded: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)


HABITS = {"plain": Plain, "residual": Residual, "tokens": Tokens}
"""Models that make it hard."""

MODELS: dict[str, Callable[[], Classifier]] = {
    **{name: partial(model, kind) for name, kind in HABITS.items()},
    **{key: partial(family, key) for key in FAMILIES},
}
"""By the name of a habit, or by the architecture whose family it is of. Each call makes a classifier of its own, so
that a test may do to it what it likes."""

LRP_REFUSED = dict.fromkeys(("efficientnet_b0", "convnext_tiny"), "no rule")
"""Decides every pair of relevance propagation."""

WITHOUT_RECTIFIERS = ("tokens", "mobilenet_v2", "efficientnet_b0", "convnext_tiny", "vit_b_16", "small_vit")

TABLE: dict[str, Row] = {
    "gradcam": Row(),
    "gradcam++": Row(linear=False),
    "xgradcam": Row(),
    "hirescam": Row(),
    "layercam": Row(linear=False),
    "eigencam": Row(linear=False),
    "ablationcam": Row(),
    "scorecam": Row(linear=False),
    "lrp": Row(refused=LRP_REFUSED),
    "ig": Row(IGParams(steps=8)),
    "shap": Row(ShapParams(samples=6, background=4), seeded=True),
    "shap_layer": Row(
        ShapLayerParams(samples=6, background=4),
        seeded=True,
        refused=dict.fromkeys(("vit_b_16", "small_vit"), "goes around this layer"),
    ),
    "saliency": Row(),
    "input_x_gradient": Row(),
    "occlusion": Row(OcclusionParams(window=0.3, stride=0.25)),
    "smoothgrad": Row(SmoothGradParams(samples=3), seeded=True),
    "deeplift": Row(refused=dict.fromkeys(WITHOUT_RECTIFIERS, "no rule")),
    "guided_gradcam": Row(linear=False, refused=dict.fromkeys(WITHOUT_RECTIFIERS, "rectifiers")),
    "edges": Row(),
    "centre": Row(),
    "object": Row(),
    "random": Row(seeded=True),
    "region": Row(refused=dict.fromkeys(MODELS, "no places")),
}

HELD = [(key, name) for key, row in TABLE.items() for name in MODELS if name not in row.refused]
"""Pairs that must give maps."""

OF_CLASSIFIERS = [key for key, row in TABLE.items() if set(row.refused) != set(MODELS)]
"""Methods that explain a classifier at all."""

REFUSED = [(key, name) for key, row in TABLE.items() for name in MODELS if name in row.refused]
"""Pairs that must give none."""
