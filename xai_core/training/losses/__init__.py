"""Losses: one file each."""

from xai_core.training.losses.base import LOSSES, Loss, LossInput, LossOutput, loss

__all__ = ["LOSSES", "Loss", "LossInput", "LossOutput", "loss"]
