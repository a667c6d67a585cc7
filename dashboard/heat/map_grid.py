"""What a grid of large heatmaps shows: rows of stacks, each stack the maps of one picture. Drawn by `heat_grid`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dashboard.heat.evidence import Panel
from xai_core.answers.diagnostics import Note
from xai_core.types import Card


@dataclass(frozen=True)
class Frame:
    """One map over the stack's picture. `title` says method and target, `about` what to know of it."""

    panel: Panel
    card: Card
    title: str
    about: str


@dataclass(frozen=True)
class Stack:
    """Maps of one picture, one under the other.

    Attributes:
        base: address of the picture's tile.
        shape: its width ÷ height.
        mask: address of the outline of its object; "" where it has no mask.
    """

    base: str
    shape: float
    frames: Sequence[Frame]
    caption: str = ""
    notes: Sequence[Note] = ()
    mask: str = ""


@dataclass(frozen=True)
class Row:
    """Stacks with a heading, given in parts; every second part stands out."""

    title: Sequence[str]
    stacks: Sequence[Stack] = field(default_factory=tuple)
    note: str = ""
