"""Augmentations: one file each."""

from xai_core.training.augmentations.base import AUGMENTATIONS, Augmentation, augmentation

__all__ = ["AUGMENTATIONS", "Augmentation", "augmentation"]
