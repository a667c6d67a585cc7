"""Stored maps as answers speak of them: a method with its parameters, and where its maps are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xai_core.answers.methods import takes_layer
from xai_core.answers.scope import Rows
from xai_core.explainers import EXPLAINERS
from xai_core.explainers.base import Explainer
from xai_core.params import build
from xai_core.store.maps import MapStore
from xai_core.store.obstacles import obstacle
from xai_core.store.run import Run
from xai_core.triage.identities import same_maps
from xai_core.types import Card


@dataclass(frozen=True)
class Column:
    """One method with its parameters, and where its maps are (None: none yet)."""

    card: Card
    params: Any
    maps: MapStore | None


def columns(
    run: Run | None,
    methods: Sequence[str],
    settings: Mapping[str, Mapping[str, Any]],
    *,
    layer: str = "",
    weights: str = "trained",
) -> list[Column]:
    """Those of the methods that are known and can be used on the run.

    Args:
        run: the run; without one no method can be used.
        methods: keys of explainers.
        settings: parameters that are not at their defaults, by method.
        layer: for methods that take one; "" for their own.
        weights: `trained`, or `randomised:SEED`: the model whose maps they are.
    """
    found = []
    for key in methods:
        if run is None or key not in EXPLAINERS:
            continue
        explainer = EXPLAINERS[key]
        params = params_of(explainer, settings.get(key, {}), layer)
        if obstacle(run, explainer, params) is None:
            found.append(Column(explainer.card_for(params), params, run.maps(key, params, weights=weights)))
    return found


def params_of(explainer: Explainer, values: Mapping[str, Any], layer: str = "") -> Any:
    """Given values over the method's defaults, with the layer where the method takes one."""
    params: Any = build(explainer.params, values)
    return build(explainer.params, {**values, "layer": layer}) if layer and takes_layer(explainer, params) else params


def target_keys(run: Run, rows: Rows, spec: str) -> list[str]:
    """What a target resolves to for each row, as maps are kept by. Raises as `Run.targets`."""
    return [target.key for target in run.targets(rows, spec)]


def same(run: Run, wanted: Sequence[Column], rows: Rows, spec: str) -> list[frozenset[str]]:
    """Titles of methods whose stored maps of these rows are the same up to scale, in groups."""
    keys = target_keys(run, rows, spec)
    unsigned = [column for column in wanted if column.maps is not None and not column.card.signed]
    return same_maps({column.card.title: column.maps.get(rows, keys).maps for column in unsigned if column.maps})
