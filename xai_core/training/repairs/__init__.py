"""Repairs of a last layer: one file each."""

from xai_core.training.repairs.base import REPAIRS, SPLITS_TO_LEARN_FROM, Repair, RepairInput, RepairOutput, repair

__all__ = ["REPAIRS", "SPLITS_TO_LEARN_FROM", "Repair", "RepairInput", "RepairOutput", "repair"]
