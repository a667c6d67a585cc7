"""Which runs of a study were trained by the same recipe, but for the seed, or on random labels."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from xai_core.errors import XaiError
from xai_core.store.run import Run

RANDOM_LABELS = "random_labels"
"""Of a training configuration: the training labels were shuffled."""
MOST = 2
"""Runs of each kind that are compared with."""

_ASIDE = {"seed", "best_epoch", RANDOM_LABELS}


def related(run: Run) -> list[tuple[str, Run]]:
    """Other models of one recipe: `run` those trained apart with another seed, `labels` those on random labels."""
    if not run.info.training or run.info.training.get(RANDOM_LABELS):
        return []
    found: dict[str, list[Run]] = {"run": [], "labels": []}
    for name in run.study.runs():
        other = _opened(run, name)
        if other is None or other.info.fingerprint == run.info.fingerprint:
            continue
        shuffled = bool(other.info.training.get(RANDOM_LABELS))
        aside = _ASIDE | {"epochs"} if shuffled else _ASIDE  # memorising takes longer
        if _recipe(other, aside) == _recipe(run, aside):
            found["labels" if shuffled else "run"].append(other)
    return [(kind, other) for kind, others in found.items() for other in others[:MOST]]


def _opened(run: Run, name: str) -> Run | None:
    if name == run.name:
        return None
    try:
        other = run.study.run(name)
        return other if other.has_model else None
    except XaiError:  # a damaged run is told where it is opened
        return None


def _recipe(run: Run, aside: Set[str]) -> Mapping[str, Any]:
    """Architecture, input and configuration, without what may differ."""
    sizes = {side: (run.info.preprocess or {}).get(side) for side in ("height", "width", "channels")}
    return {name: value for name, value in run.info.training.items() if name not in aside} | sizes
