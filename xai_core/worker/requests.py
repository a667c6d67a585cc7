"""What can be asked of the worker: each request a value that knows what it is called, how much it is, and its message.

What becomes of a message in the other process stands in `operations.py`, under the same names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from xai_core.types import Specs, several

Named = tuple[str, Mapping[str, Any]]
"""A method's key and parameters."""

Uploaded = tuple[int, str, Path]
"""A picture from outside the study: its number, what it is called, and where its bytes lie."""


class Request(Protocol):
    """What the worker can be asked for."""

    @property
    def title(self) -> str:
        """What people read of it."""
        ...

    @property
    def total(self) -> int:
        """Its units of progress."""
        ...

    @property
    def message(self) -> dict[str, Any]:
        """Values that are JSON: `op`, one of the worker's operations, and what it takes."""
        ...


@dataclass(frozen=True)
class Explain:
    """Heatmaps of samples, into the study's store.

    Attributes:
        study: its folder.
        weights: "trained", or another state as the store names it.
        urgent: somebody waits for it.
    """

    study: Path
    run: str
    rows: Sequence[int]
    target: Specs
    methods: Sequence[Named]
    weights: str = "trained"
    urgent: bool = True

    @property
    def title(self) -> str:
        """What people read of it."""
        return f"Heatmaps of {self.run}"

    @property
    def total(self) -> int:
        """Maps."""
        return len(self.rows) * len(self.methods) * len(several(self.target))

    @property
    def message(self) -> dict[str, Any]:
        """Of operation `explain`."""
        return {
            "op": "explain",
            "study": str(self.study),
            "run": self.run,
            "rows": [int(row) for row in self.rows],
            "targets": list(several(self.target)),
            "methods": _listed(self.methods),
            "weights": self.weights,
            "urgent": self.urgent,
        }


@dataclass(frozen=True)
class Preview:
    """What a training's augmentations make of a few pictures, as a PNG file `into`."""

    study: Path
    arguments: Mapping[str, Any]
    into: Path

    title = "Preview of augmentations"
    total = 1

    @property
    def message(self) -> dict[str, Any]:
        """Of operation `preview`."""
        about = {"study": str(self.study), "arguments": dict(self.arguments), "into": str(self.into)}
        return {"op": "preview", "urgent": True} | about


@dataclass(frozen=True)
class Look:
    """What a run says of pictures from outside the study, and their heatmaps, into a session's folder."""

    study: Path
    run: str
    pictures: Sequence[Uploaded]
    methods: Sequence[Named]
    target: str
    into: Path

    @property
    def title(self) -> str:
        """What people read of it."""
        return f"{'Heatmaps' if self.methods else 'Predictions'} of new pictures by {self.run}"

    @property
    def total(self) -> int:
        """Predictions, or maps."""
        return len(self.pictures) * max(1, len(self.methods))

    @property
    def message(self) -> dict[str, Any]:
        """Of operation `look`."""
        return {
            "op": "look",
            "study": str(self.study),
            "run": self.run,
            "pictures": [[number, name, str(path)] for number, name, path in self.pictures],
            "methods": _listed(self.methods),
            "target": self.target,
            "into": str(self.into),
            "urgent": True,
        }


def _listed(methods: Sequence[Named]) -> list[list[Any]]:
    return [[key, dict(values)] for key, values in methods]
