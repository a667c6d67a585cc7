"""Segmenters of a person's own: what they return, at which resolution, and what is refused in one line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from xai_core.errors import BadInput, BadParameter
from xai_core.models.answer import Answer
from xai_core.models.build import imported
from xai_core.models.classifier import Classifier
from xai_core.models.preprocess import Preprocess
from xai_core.task import CLASSIFICATION, SEGMENTATION, TaskKey

PREP = Preprocess(16, 12, 3, (0.5,) * 3, (0.5,) * 3)
NAMES = ("background", "cable", "tower")
CODE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, kind):
        super().__init__()
        torch.manual_seed(0)
        stride = 2 if kind == "half" else 1
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, stride, 1), nn.ReLU())
        self.head, self.kind = nn.Conv2d(8, 4 if kind == "four" else 3, 1), kind

    def forward(self, x):
        logits = self.head(self.features(x))
        return {
            "last": lambda: logits.permute(0, 2, 3, 1),
            "whole": lambda: logits.mean((2, 3)),
            "table": lambda: {"out": logits, "aux": -logits},
            "pair": lambda: (logits, x),
        }.get(self.kind, lambda: logits)()

""" + "".join(
    f"def {kind}():\n    return Net('{kind}')\n" for kind in ("plain", "half", "four", "last", "whole", "table", "pair")
)


@pytest.fixture(autouse=True)
def _code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "own_segmenters.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    yield
    sys.modules.pop("own_segmenters", None)


def made(kind: str, task: TaskKey = SEGMENTATION) -> Classifier:
    return imported(f"own_segmenters:{kind}", None, NAMES, PREP, cam_layer="features", trusted=True, task=task)


@pytest.mark.parametrize(("kind", "says"), [("table", "part out is taken"), ("pair", "part 0 is taken")])
def test_logits_are_found_in_what_is_returned(kind: str, says: str) -> None:
    found, x = made(kind), torch.randn(2, 3, 16, 12)
    assert torch.equal(found.logits(x), made("plain").logits(x))
    assert any(says in note for note in found.notes)
    assert found.output_size == (16, 12)


def test_another_resolution_is_resized_and_told_and_kept_with_the_run() -> None:
    found, x = made("half"), torch.randn(2, 3, 16, 12)
    inner = found.module.asked(x)  # type: ignore[operator]
    expected = functional.interpolate(inner, size=(16, 12), mode="bilinear", align_corners=False)
    assert inner.shape == (2, 3, 8, 6)
    assert torch.equal(found.logits(x), expected)
    assert "The model answers at 8 × 6 places: its logits are resized to 16 × 12, bilinearly." in found.notes
    assert Answer.from_dict(found.answer.as_dict(), 3) == found.answer == Answer(3, size=(16, 12))


@pytest.mark.parametrize(
    ("kind", "task", "says"),
    [
        ("last", SEGMENTATION, r"the classes come last in the output: \(1, 16, 12, 3\).*permute\(0, 3, 1, 2\)"),
        ("four", SEGMENTATION, r"shape \(1, 4, 16, 12\) instead of \(1, 3, 16, 12\)"),
        ("whole", SEGMENTATION, r"for segmentation, and the model tells the class of whole pictures: \(1, 3\)"),
        ("plain", CLASSIFICATION, r"for classification, and the model tells the class of each place"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(kind: str, task: TaskKey, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        made(kind, task)


def test_an_architecture_of_the_other_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="small_cnn is an architecture for classification"):
        imported("small_cnn", tmp_path / "none", NAMES, PREP, task=SEGMENTATION)
