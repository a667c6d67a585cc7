"""Why a method cannot be used on a run, or a metric on a study: one answer for pages, commands and the worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from xai_core.errors import XaiError
from xai_core.explainers import EXPLAINERS
from xai_core.explainers.base import Explainer
from xai_core.metrics.base import OF_PLACES, Metric
from xai_core.params import build
from xai_core.store.layers import convolutional_layers
from xai_core.task import SEGMENTATION
from xai_core.text import listed

if TYPE_CHECKING:
    from xai_core.store.run import Run
    from xai_core.store.study import Study

NO_MODEL = "this run has predictions, but no model that could be explained."
NO_MASKS = "the study has no masks."
IN_TILES = "this run's model sees no picture whole, but in tiles, and this method's maps of tiles do not add up."
NOT_HIDDEN = "this run's model sees pictures in tiles, and is not asked about pictures of which a part is hidden."
NO_REGIONS = "the study is of whole pictures, whose classes have no regions."


def obstacle(run: Run | None, explainer: Explainer, params: Any = None) -> str | None:
    """Why a method cannot be used on a run, in one sentence; None where it can. Arguments as of `lacking`."""
    if run is None or not run.info.fingerprint:
        return NO_MODEL
    return next(iter(lacking(run, explainer, params).values()), None)


def out_of_reach(study: Study, metric: Metric) -> str | None:
    """Why a metric can score nothing of a study, in one sentence; None where it can."""
    if "parts" in metric.card.needs and not study.has_parts:
        return "the study's pictures cannot be drawn again without a part."
    return None


def usable(
    run: Run, methods: Sequence[tuple[str, Mapping[str, Any]]]
) -> tuple[list[tuple[str, Mapping[str, Any]]], dict[str, str]]:
    """Methods with their parameters, without those that need what the run or its study lacks; and why, by key.

    All of them where none would be left: who computes them then tells more.
    """
    reasons = {}
    for key, values in methods:
        explainer = EXPLAINERS[key]
        if found := lacking(run, explainer, build(explainer.params, values)):
            reasons[key] = next(iter(found.values()))
    kept = [(key, values) for key, values in methods if key not in reasons]
    return (kept, reasons) if kept else (list(methods), {})


def lacking(run: Run, explainer: Explainer, params: Any = None) -> dict[str, str]:
    """What a method needs and the run or its study lacks: a sentence by need.

    Args:
        run: a run with a model.
        explainer: the method.
        params: an instance of its params type; None for the defaults.
    """
    params = explainer.params() if params is None else params
    found = {}
    if in_tiles(run):
        found["whole"] = IN_TILES
    if not (run.info.cam_layer or getattr(params, "layer", "")):
        found["cam_layer"] = f"this run's model declares no layer for class activation maps.{_layers(run)}"
    if not run.study.samples["has_mask"].any():
        found["mask"] = NO_MASKS
    if run.study.task.key != SEGMENTATION:
        found["region"] = NO_REGIONS
    return {need: found[need] for need in found if need in explainer.card_for(params).needs}


def metric_obstacle(run: Run, metric: Metric) -> str | None:
    """Why a metric says nothing of any sample of a run's study, in one sentence; None where it does."""
    needs = {"mask"} if run.study.task.key == SEGMENTATION else OF_PLACES
    if metric.card.needs & needs and not run.study.samples["has_mask"].any():
        return NO_MASKS
    if in_tiles(run) and metric.card.needs & {"model", "parts"}:
        return NOT_HIDDEN
    return out_of_reach(run.study, metric)


def in_tiles(run: Run) -> bool:
    """Whether the run's model sees pictures in tiles."""
    return (run.info.preprocess or {}).get("fit") == "tiles"


def _layers(run: Run) -> str:
    """The layers that the model could be asked at, those near the decision first; "" where none is known."""
    names: list[str] = []
    with suppress(XaiError):  # damaged weights are told where they are loaded
        names = convolutional_layers(run)[::-1]
    return f" Name one of its layers with --set METHOD.layer=NAME: {listed(names)}." if names else ""
