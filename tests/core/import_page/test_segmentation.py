"""`docs/import.md`: every line of its tables is run, on files made as the line says: segmentation."""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision import models

from tests.core.import_page.page import INPUT, covered, line, lines_of
from tests.core.import_page.test_models import saved
from tests.core.segmentation_trees import mask_folder, write_coco
from xai_core.cli.main import main
from xai_core.models.build import fresh_module
from xai_core.models.segmenters import OneOutput
from xai_core.pipeline.load import load_classifier
from xai_core.store.study import Study

NAMES = ("background", "red", "green")
CODE = """
import torch
from torch import nn

class halved(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        torch.manual_seed(3)
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, num_classes, 1))

    def forward(self, x):
        return {"out": self.layers(x)}
"""


class Brought(nn.Module):
    """Its `out` at the size of the input, as torch resizes it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.interpolate(self.model(x)["out"], x.shape[-2:], mode="bilinear", align_corners=False)


def unet(root: Path) -> nn.Module:
    return saved(fresh_module("small_unet", 3, INPUT, seed=4), root / "unet.pth")


def of_torchvision(root: Path) -> nn.Module:
    torch.manual_seed(5)
    net = models.get_model("lraspp_mobilenet_v3_large", weights=None, weights_backbone=None, num_classes=3)
    saved(net, root / "lraspp.pth")
    return OneOutput(net.backbone, net.classifier, whole=True)


def own(root: Path) -> nn.Module:
    (root / "nets.py").write_text(CODE)
    return Brought(saved(importlib.import_module("nets").halved(3), root / "own.pth"))


LINES = lines_of("Segmentation")
MODELS: dict[str, Callable[[Path], nn.Module]] = {
    "a state dict of one": unet,
    "of torchvision": of_torchvision,
    "dictionary with": own,
    "trained on tiles": unet,
}
DATA: dict[str, Callable[[Path], object]] = {
    "annotations of COCO": lambda root: write_coco(
        root / "scenes" / "instances_default.json", pictures=20, folder="images"
    ),
    "label PNGs": lambda root: mask_folder(root / "labelled"),
}


def test_each_way_is_tried() -> None:
    covered(LINES, MODELS | DATA)


@pytest.mark.parametrize("about", DATA)
def test_annotations_come_in(about: str, here: Path) -> None:
    DATA[about](here)
    assert main(shlex.split(line(LINES, about))[1:]) == 0
    study = Study.open(here / "mine")
    assert (study.info.task, study.class_names) == ("segmentation", NAMES)
    assert study.samples["has_mask"].all()


@pytest.mark.parametrize("about", MODELS)
def test_a_segmenter_comes_in_and_answers_as_its_owner_has_it(about: str, here: Path) -> None:
    DATA["annotations of COCO"](here)
    assert main(["new", "mine", "--data", "scenes"]) == 0
    model = MODELS[about](here)
    assert main(shlex.split(line(LINES, about))[1:]) == 0
    run = Study.open(here / "mine").run("theirs")
    made = load_classifier(run)
    x = torch.rand(2, *made.input_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(made.logits(x.to(made.device)).cpu(), model.eval()(x), rtol=1e-4, atol=1e-5)
    assert main(["predict", "mine", "--run", "theirs", "--splits", "test"]) == 0
    assert made.preprocess.tiled == ("tiles" in about)
    assert run.has_predictions
