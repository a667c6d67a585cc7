"""With what were maps computed: methods, their parameters, the model, and what random methods draw from?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from xai_core.answers.maps import Column
from xai_core.answers.scope import Scope
from xai_core.explainers.base import EXPLAINERS
from xai_core.params import as_dict
from xai_core.store.identity import sample_seed


@dataclass(frozen=True)
class Method:
    """A method, its version, and its parameters in one line."""

    title: str
    version: str
    parameters: str


@dataclass(frozen=True)
class Provenance:
    """What the maps of a sample were, or will be, computed with.

    Attributes:
        methods: one by one.
        common: what holds for all of them, as name and value.
    """

    methods: tuple[Method, ...]
    common: tuple[tuple[str, str], ...]

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        return {"methods": [asdict(method) for method in self.methods], "common": dict(self.common)}


def provenance(scope: Scope, columns: Sequence[Column], row: int) -> Provenance:
    """Of the maps of these methods of one sample."""
    info, study = scope.run.info, scope.study
    size, name = info.preprocess or {}, str(study.samples["id"].iat[row])
    seed = f"{sample_seed(study.info.seed, name)}, from the study's seed {study.info.seed} and the sample's id"
    common = (
        ("Model", f"{info.architecture}, input {size.get('width')} × {size.get('height')}"),
        ("Weights, architecture and input", f"fingerprint {info.fingerprint[:16]}"),
        ("Seed of random methods", seed),
    )
    return Provenance(tuple(_method(column, info.cam_layer) for column in columns), common)


def _method(column: Column, declared: str) -> Method:
    values = as_dict(column.params)
    if not values.get("layer", "-"):
        values["layer"] = f"{declared} (default)"
    return Method(column.card.title, str(column.card.version), _listed(values) or "none")


def settings_in_force(columns: Sequence[Column]) -> str:
    """What is not at its default for these methods: `SHAP: samples 8; …`. "" where all is."""
    found = []
    for column in columns:
        defaults = as_dict(EXPLAINERS[column.card.key].params())
        given = {name: value for name, value in as_dict(column.params).items() if value != defaults[name]}
        if given:
            found.append(f"{column.card.title}: {_listed(given)}")
    return "; ".join(found)


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())
