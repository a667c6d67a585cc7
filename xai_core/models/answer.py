"""How what a model returns becomes a study's logits. No torch here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xai_core.errors import BadInput

MOST_OUTPUTS = 1_000_000
"""Beyond which no head could be held: such a number is damage."""


@dataclass(frozen=True)
class Answer:
    """Where a model's logits lie, and which of them are about the study's classes.

    Attributes:
        outputs: how many logits the model gives.
        picked: the study's classes as places among them, in the study's order; () for all as they come.
        logits: where they lie in what the model returns: the place in a tuple, or a name; None where that is a tensor.
        size: of a segmenter, the height and width that its logits are resized to, bilinearly with corners not aligned;
            () where they come at the input's size.
    """

    outputs: int
    picked: tuple[int, ...] = ()
    logits: int | str | None = None
    size: tuple[int, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether the model's answer is the study's logits as it is."""
        return not self.picked and self.logits is None and not self.size

    def as_dict(self) -> dict[str, Any]:
        """The JSON form; {} of a plain one, so that what is known by it stays what it was before there were others."""
        if self.plain:
            return {}
        size = {"size": list(self.size)} if self.size else {}
        return {"outputs": self.outputs, "picked": list(self.picked), "logits": self.logits, **size}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], classes: int) -> Answer:
        """The inverse of `as_dict`, for a study of so many classes. Raises BadInput for what cannot be."""
        if not values:
            return cls(classes)
        outputs: Any = values.get("outputs")
        picked: Any = values.get("picked")
        size: Any = values.get("size", [])
        logits = values.get("logits")
        counted = type(outputs) is int and 1 <= outputs <= MOST_OUTPUTS
        placed = logits is None or isinstance(logits, str) or (type(logits) is int and logits >= 0)
        sized = isinstance(size, list) and len(size) in (0, 2) and all(type(s) is int and s > 0 for s in size)
        lists = isinstance(picked, list) and sized
        if not (counted and placed and lists and _are_places(picked, outputs, classes)):
            remedy = "Import the model again."
            raise BadInput(
                "which of a model's outputs are the classes is not told", value=str(values)[:80], remedy=remedy
            )
        return cls(outputs, tuple(picked), logits, tuple(size))


def _are_places(picked: Sequence[Any], outputs: Any, classes: int) -> bool:
    """Whether each of the classes has an output of its own."""
    inside = all(type(place) is int and 0 <= place < outputs for place in picked)
    return inside and len(set(picked)) == len(picked) and (len(picked) == classes if picked else outputs == classes)
