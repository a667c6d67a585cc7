"""Folders with code of a user's own, which the tests of it share."""

from __future__ import annotations

import textwrap
from pathlib import Path

from xai_core.models.build import imported
from xai_core.models.classifier import Classifier
from xai_core.models.preprocess import Preprocess

RGB, GREY = Preprocess(16, 16, 3, (0.5,) * 3, (0.5,) * 3), Preprocess(16, 16, 1, (0.5,), (0.5,))


NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, classes, channels=3):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head = nn.Conv2d(channels, 4, 3), nn.Linear(4, classes)
    def features(self, x):
        return self.conv(x).relu().mean((2, 3))
    def forward(self, x):
        return self.head(self.features(x))

def build(classes):
    return Net(classes)
"""


def project(folder: Path, **files: str) -> Path:
    """A folder with these modules; `a__b` is `a/b.py`."""
    for name, code in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(code))
    return folder


def load(folder: Path, spec: str = "model:build", *, preprocess: Preprocess = RGB, known: object = None) -> Classifier:
    """A model of two classes, with the weights that its function gives it."""
    return imported(spec, None, ("cat", "dog"), preprocess, trusted=True, folder=folder, known=known)  # type: ignore[arg-type]
