"""Augmentations: one file each."""

from xai_core.training.augmentations.base import (
    AUGMENTATIONS,
    COLOUR,
    ERASING,
    GEOMETRY,
    MIXING,
    Augmentation,
    augment,
    augmentation,
    chosen,
    settled,
)

__all__ = [
    "AUGMENTATIONS",
    "COLOUR",
    "ERASING",
    "GEOMETRY",
    "MIXING",
    "Augmentation",
    "augment",
    "augmentation",
    "chosen",
    "settled",
]
