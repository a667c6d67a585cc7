"""Repairs of a last layer: one file each."""

from xai_core.training.repairs.base import REPAIRS, Repair, RepairInput, RepairOutput, repair

__all__ = ["REPAIRS", "Repair", "RepairInput", "RepairOutput", "repair"]
