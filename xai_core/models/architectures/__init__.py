"""Architectures: one file per family. Each builds a fresh module and declares its CAM layer."""

from xai_core.models.architectures.base import ARCHITECTURES, Architecture, architectures_for, check_task

__all__ = ["ARCHITECTURES", "Architecture", "architectures_for", "check_task"]
