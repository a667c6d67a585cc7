"""Architectures: one file per family. Each builds a fresh module and declares its CAM layer."""

from xai_core.models.architectures.base import ARCHITECTURES, Architecture

__all__ = ["ARCHITECTURES", "Architecture"]
