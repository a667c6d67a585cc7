"""Losses: one file each."""

from xai_core.training.losses.base import LOSSES, Loss, loss

__all__ = ["LOSSES", "Loss", "loss"]
