"""The parts of a picture: what each is called, what goes with it when it is drawn away, and where it is seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xai_core.demo.art.canvas import BACKGROUND, Field

WITH: Mapping[str, tuple[str, ...]] = {
    BACKGROUND: (),
    "hair": (),
    "head": ("hair",),
    "arms": (),
    "legs": ("shoes",),
    "shoes": (),
    "top": ("sleeves", "print"),
    "sleeves": (),
    "print": (),
    "bottom": ("belt",),
    "belt": (),
    "jacket": (),
}
"""Every part that can be drawn away, and what goes with it: nothing hangs in the air."""

BODY = "body"
"""Neck and trunk: everything hangs on them, so they cannot be drawn away."""


@dataclass(frozen=True)
class Change:
    """What is different in a picture that is drawn again; nothing, by default.

    Attributes:
        without: the part that is not there. What lies behind it is seen: the body, clothes under it, the background.
            A belt leaves a band of the garment's own cloth, a jacket the sleeves that are worn under it, and in the
            background's place is another one.
        other: which other background, from 1.
    """

    without: str = ""
    other: int = 1

    def __post_init__(self) -> None:
        if self.without and self.without not in WITH:
            raise ValueError(f"no part {self.without!r} that can be drawn away")

    @property
    def gone(self) -> tuple[str, ...]:
        """The parts that are not painted; what has something else in its place is none of them."""
        return () if self.without in ("", BACKGROUND, "belt", "jacket") else (self.without, *WITH[self.without])


def visible(shares: Mapping[str, Field]) -> dict[str, NDArray[np.bool_]]:
    """By part, the pixels that are seen of it and of what goes with it; parts that are not seen are left out.

    A pixel is the part's that covers most of it. So the masks of parts that go with no other are disjoint, and all
    together cover the picture.
    """
    names = list(shares)
    owner = np.argmax(np.stack(list(shares.values())), axis=0)
    own = {name: owner == at for at, name in enumerate(names)}
    found = {}
    for name in (*WITH, BODY):
        mask = np.any([own[each] for each in (name, *WITH.get(name, ())) if each in own] or [np.zeros_like(owner)], 0)
        if mask.any():
            found[name] = mask
    return found
