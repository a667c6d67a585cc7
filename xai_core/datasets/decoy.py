"""A patch in a corner whose grey says a class: a shortcut that is known to the pixel (DecoyMNIST).

Ross, Hughes and Doshi-Velez 2017, Right for the Right Reasons, section 5.1: a patch of 4 × 4 in a corner drawn anew for
each picture, its grey 255 − 25 · class; in the test it says any class. Here a share of the training and validation
pictures has a patch of another class, so that there are groups in which the shortcut fails.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PATCH, CLASSES, STEP = 4, 10, 25
BACKGROUND = 12
"""Greys up to here are background, and not garment."""


@dataclass(frozen=True)
class Decoy:
    """The patch of one picture: the class that it says, and its corner (0 … 3: from the left, then from the top)."""

    says: int
    corner: int

    @property
    def grey(self) -> int:
        """0 … 255."""
        return 255 - STEP * self.says

    def place(self, side: int) -> tuple[slice, slice]:
        """Its rows and columns in a picture of this side."""
        ends = slice(0, PATCH), slice(side - PATCH, side)
        return ends[self.corner // 2], ends[self.corner % 2]


def decoy_of(seed: int, sample: str, label: int, split: str, share: float) -> Decoy:
    """The patch of a sample: of these arguments alone, so that it is the same whenever the picture is read.

    Args:
        share: of training and validation pictures whose patch says their class; in the test it says any, evenly.
    """
    drawn = hashlib.sha256(f"{seed}:{sample}".encode()).digest()
    if split == "test":
        says = int.from_bytes(drawn[8:16], "big") % CLASSES
    elif int.from_bytes(drawn[:8], "big") < share * 2**64:
        says = label
    else:
        says = (label + 1 + int.from_bytes(drawn[8:16], "big") % (CLASSES - 1)) % CLASSES
    return Decoy(says, drawn[16] % 4)


def with_decoy(pixels: NDArray[np.uint8], decoy: Decoy) -> NDArray[np.uint8]:
    """A copy with the patch in it."""
    shown = pixels.copy()
    shown[decoy.place(len(pixels))] = decoy.grey
    return shown


def garment(pixels: NDArray[np.uint8], decoy: Decoy) -> NDArray[np.bool_]:
    """Where the garment is seen: `(side, side)`, without what the patch hides."""
    found = pixels > BACKGROUND
    found[decoy.place(len(pixels))] = False
    return found
