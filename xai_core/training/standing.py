"""How far an unfinished training is, read from its file without torch."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xai_core.training.history import long

FILE = "resume.safetensors"


@dataclass
class Standing:
    """What training has come to, besides tensors.

    Attributes:
        identity: digest of everything that decides the outcome; only the same training may go on from here.
        epoch: the last finished epoch, from 1; 0 before the first.
        best_epoch, best_accuracy: of the checkpoint that is kept; 0 and −1 before the first.
        found: parameters of the loss that were found at the start, see `Loss.settle`.
        history: one line for each epoch, split and measure, see `training.history`.
    """

    identity: str
    epoch: int = 0
    best_epoch: int = 0
    best_accuracy: float = -1.0
    history: list[dict[str, Any]] = field(default_factory=list)
    found: dict[str, float] = field(default_factory=dict)


def read_history(folder: Path) -> list[dict[str, Any]]:
    """The history so far; none where nothing lies there, or what lies there cannot be read."""
    import safetensors

    try:
        with safetensors.safe_open(folder / FILE, framework="numpy") as file:
            history = json.loads(file.metadata()["standing"])["history"]
        return long(history) if isinstance(history, list) else []
    except (safetensors.SafetensorError, OSError, ValueError, KeyError, TypeError):
        return []
