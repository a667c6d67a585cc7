"""Stored maps as answers speak of them: a method with its parameters, and where its maps are."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from xai_core.answers.diagnostics import Note, caution, notes
from xai_core.answers.methods import in_menus, takes_layer
from xai_core.answers.on_object import OnObject
from xai_core.answers.scope import Rows, Scope
from xai_core.explainers import EXPLAINERS
from xai_core.explainers.base import Explainer
from xai_core.params import as_dict, build
from xai_core.store.maps import REFUSED, STORED, MapStore, StoredMaps
from xai_core.store.obstacles import obstacle
from xai_core.store.run import Run
from xai_core.triage.confusion import Cell
from xai_core.triage.identities import same_maps
from xai_core.triage.looks import Look, cell_sums
from xai_core.triage.normalise import Scaling, evidence, is_fine, limits, percentile_of, scale_in_words
from xai_core.types import Card


@dataclass(frozen=True)
class Column:
    """One method with its parameters, and where its maps are (None: none yet)."""

    card: Card
    params: Any
    maps: MapStore | None


@dataclass(frozen=True)
class MapFacts:
    """What there is to say of one map of one sample.

    Attributes:
        state: `stored`, `refused`, or `missing`: still to be computed.
        reason: why it is refused; None where it is not.
        scale: the value drawn as full strength; None where there is no map.
        fine: whether the map has a value per pixel.
        clipped: share of its values that are stronger than full strength.
        diagnostics: what the method says of this map, by name.
        on_object: how much of its evidence lies on the picture's mask; None where that is not asked, or there is none.
    """

    state: Literal["stored", "refused", "missing"] = "missing"
    reason: str | None = None
    scale: float | None = None
    fine: bool = False
    clipped: float = 0.0
    diagnostics: Mapping[str, float] = field(default_factory=dict)
    on_object: OnObject | None = None

    @property
    def caution(self) -> str | None:
        """What to know before trusting it; None where there is nothing."""
        return caution(self.diagnostics)

    @property
    def notes(self) -> list[Note]:
        """A line for each diagnostic that has a meaning by itself."""
        return [*([self.on_object.note] if self.on_object else []), *notes(self.diagnostics)]

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "state": self.state,
            "reason": self.reason,
            "full_colour": self.scale,
            "clipped": self.clipped,
            "caution": self.caution,
            "notes": [note.text for note in self.notes],
            "on_object": self.on_object.as_json() if self.on_object else None,
        }


def no_heatmaps(run: Run | None) -> str:
    """Why there are no heatmaps at all, in a sentence; "" where some method can be used."""
    reasons = [obstacle(run, explainer) for explainer in in_menus()]
    return "" if None in reasons else f"No heatmaps: {reasons[0] if reasons else 'no explanation method is installed.'}"


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


def refreshed(run: Run | None, found: Sequence[Column]) -> list[Column]:
    """The same columns (of the trained model) with stores that were made since; none is looked up again."""
    if run is None:
        return list(found)
    return [each if each.maps else replace(each, maps=run.maps(each.card.key, each.params)) for each in found]


def params_of(explainer: Explainer, values: Mapping[str, Any], layer: str = "") -> Any:
    """Given values over the method's defaults, with the layer where the method takes one."""
    params: Any = build(explainer.params, values)
    return build(explainer.params, {**values, "layer": layer}) if layer and takes_layer(explainer, params) else params


def target_keys(run: Run, rows: Rows, spec: str) -> list[str]:
    """What a target resolves to for each row, as maps are kept by. Raises as `Run.targets`."""
    return [target.key for target in run.targets(rows, spec)]


def found(column: Column, rows: Rows, keys: Sequence[str], scaling: Scaling, look: Look = "heat") -> list[MapFacts]:
    """What is stored, by pairs of row and resolved target.

    Args:
        scaling: `per image`: each map by its own scale; `shared`: all of these by one.
        look: as what they are drawn: the scale is that of what is seen.
    """
    if column.maps is None:
        return [MapFacts()] * len(rows)
    stored = column.maps.get(rows, keys)
    shown = evidence(stored.maps, signed=column.card.signed)
    fine = is_fine(shown)
    if look == "cells":
        shown = cell_sums(shown)
    scales = limits(shown, scaling=scaling, percentile=percentile_of(shown))
    clipped = [
        float((np.abs(one) > scale).mean()) if one.size else 0.0 for one, scale in zip(shown, scales, strict=True)
    ]
    return [_facts(stored, i, float(scales[i]) or 1.0, fine, clipped[i]) for i in range(len(rows))]


def scale_note(facts: Iterable[MapFacts], scaling: Scaling, look: Look = "heat") -> str:
    """What full colour means for these maps, in a sentence; "" where none is stored, or colour means nothing."""
    if look == "outline":
        return ""
    kinds = {one.fine and look != "cells" for one in facts if one.scale is not None}
    return scale_in_words(scaling, fine=True in kinds, coarse=False in kinds)


def _facts(stored: StoredMaps, i: int, scale: float, fine: bool, clipped: float) -> MapFacts:
    if stored.state[i] != STORED:
        refused = stored.state[i] == REFUSED
        return MapFacts("refused" if refused else "missing", stored.refusals[i] if refused else None)
    told = {name: float(values[i]) for name, values in stored.diagnostics.items() if np.isfinite(values[i])}
    return MapFacts("stored", None, scale, fine, clipped, told)


def refusals(wanted: Sequence[Column], facts: Sequence[Sequence[MapFacts]]) -> list[str]:
    """A sentence for each method and reason, with how many of its maps are refused.

    Args:
        wanted: the methods.
        facts: for each method its maps.
    """
    sentences = []
    for column, of_method in zip(wanted, facts, strict=True):
        for reason, count in Counter(one.reason for one in of_method if one.reason).items():
            of = "" if count == len(of_method) else f" for {count:d} of {len(of_method)} maps"
            sentences.append(f"{column.card.title} is not available{of}: {reason}")
    return sentences


def one_map(groups: Sequence[Collection[str]]) -> list[str]:
    """A sentence for each group of methods (their titles) that gave the same maps."""
    sorted_ = [sorted(titles) for titles in groups]
    return [
        f"{', '.join(names[:-1])} and {names[-1]} are the same map here: that they agree is no evidence."
        for names in sorted_
    ]


ONE_MAP_WHY = (
    "At a layer that is followed by global pooling and one linear layer these formulas come to the same, up to scale. "
    "Choose another layer, or another method, for a second opinion."
)


def same_for_every_class(wanted: Sequence[Column]) -> str:
    """A sentence that names the methods whose maps do not depend on the class, or ""."""
    names = [column.card.title for column in wanted if not column.card.class_specific]
    if not names:
        return ""
    return f"Not about the class: {', '.join(names)}. The map is the same whichever class is asked about."


def explain_line(study: str, run: Run, wanted: Sequence[Column], row: int, target: str) -> str:
    """`xai explain …` for one sample, quoted for a shell.

    Args:
        study: the study's folder as it is to be named.
        run: the run.
        wanted: the methods.
        row: the sample.
        target: one of TARGET_SPECS or a class index as text.
    """
    samples = [f"--ids={run.study.samples['id'].iat[row]}"]  # an id may begin with a dash
    return shlex.join(_explain(study, run, wanted, samples, target))


def explain_many_line(scope: Scope, wanted: Sequence[Column], cell: Cell | None, target: str) -> str:
    """`xai explain … --background` for a cell of the split, or all of it."""
    samples = ["--split", scope.split, *(part for one in scope.where for part in ("--where", one.text))]
    if cell is not None:
        true, predicted = (scope.names[index] for index in cell)
        samples += [f"--true={true}", f"--predicted={predicted}"]
    return shlex.join([*_explain(str(scope.study.path), scope.run, wanted, samples, target), "--background"])


def _explain(study: str, run: Run, wanted: Sequence[Column], samples: Sequence[str], target: str) -> list[str]:
    words = ["xai", "explain", study, "--run", run.name]
    words += ["--methods", ",".join(column.card.key for column in wanted), *samples, "--target", target]
    return words + [part for c in wanted for setting in settings(c) for part in ("--set", f"{c.card.key}.{setting}")]


def settings(column: Column) -> list[str]:
    """A method's parameters that are not at their defaults, as `steps=100`."""
    defaults = as_dict(type(column.params)())
    return [f"{name}={value}" for name, value in as_dict(column.params).items() if value != defaults[name]]


def same(run: Run, wanted: Sequence[Column], rows: Rows, spec: str) -> list[frozenset[str]]:
    """Titles of methods whose stored maps of these rows are the same up to scale, in groups."""
    keys = target_keys(run, rows, spec)
    unsigned = [column for column in wanted if column.maps is not None and not column.card.signed]
    return same_maps({column.card.title: column.maps.get(rows, keys).maps for column in unsigned if column.maps})
