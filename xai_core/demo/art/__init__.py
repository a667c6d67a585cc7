"""Illustrations of people in clothes, drawn by the project: plain numpy, scipy and Pillow, no torch."""

from xai_core.demo.art.chance import Chance
from xai_core.demo.art.parts import Change
from xai_core.demo.art.scene import CLASSES, Drawing, draw

__all__ = ["CLASSES", "Chance", "Change", "Drawing", "draw"]
