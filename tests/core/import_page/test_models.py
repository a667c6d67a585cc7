"""`docs/import.md`: every line of its tables is run, on files made as the line says: models."""

from __future__ import annotations

import importlib
import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import xai_core as xai
from tests.core.import_page.page import INPUT, KNOWN, covered, line, lines_of
from tests.core.test_hugging_face import write_folder
from tests.tiny_study import fails
from xai_core.cli.main import main
from xai_core.models.build import fresh_module
from xai_core.models.preprocess import Preprocess
from xai_core.models.zoo import zoo_module
from xai_core.pipeline.load import load_classifier
from xai_core.store.study import Study

CODE = """
import torch
from torch import nn

class build(nn.Sequential):
    def __init__(self, num_classes):
        torch.manual_seed(3)
        super().__init__(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.append(nn.Linear(4, num_classes))

net = build(2)

def trained():
    return build(2)

class Parts(build):
    def forward(self, x):
        return {"doubled": [super().forward(x)], "logits": super().forward(x)}
"""


class Logits(nn.Module):
    """What a model of transformers calls so."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(x).logits
        return logits


class Picked(nn.Module):
    """Some outputs of a model."""

    def __init__(self, model: nn.Module, places: list[int]) -> None:
        super().__init__()
        self.model, self.places = model, places

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(x)
        return logits[:, self.places]


def own_net(root: Path, code: str = CODE) -> nn.Module:
    (root / "nets.py").write_text(code)
    module: nn.Module = importlib.import_module("nets").net
    return module


def theirs() -> nn.Module:
    return fresh_module("small_resnet", 2, INPUT, seed=4)


def begun(prefix: str) -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": value for name, value in theirs().state_dict().items()}


def training(root: Path) -> nn.Module:
    momentum = {"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    torch.save({"epoch": 3, "optimizer": momentum, "model": begun("module.")}, root / "checkpoint.pt")
    return theirs()


def lightning(root: Path) -> nn.Module:
    saved = {"epoch": 3, "pytorch-lightning_version": "2.4", "hyper_parameters": {"lr": 0.1}}
    torch.save(saved | {"state_dict": begun("model."), "optimizer_states": []}, root / "last.ckpt")
    return theirs()


def saved(module: nn.Module, path: Path) -> nn.Module:
    torch.save(module.state_dict(), path)
    return module


def half(root: Path) -> nn.Module:
    module = saved(theirs().half(), root / "half.pth")
    return module.float()


def safe(root: Path) -> nn.Module:
    save_file(dict(theirs().state_dict()), root / "net.safetensors")
    return theirs()


def of_library(spec: str, path: Path) -> nn.Module:
    torch.manual_seed(5)
    return saved(zoo_module(spec, 2, Preprocess(64, 64, 3, (0.5,) * 3, (0.5,) * 3)), path)


def whole(root: Path) -> None:
    own_net(root)
    torch.save(nn.Linear(3, 2), root / "whole.pt")


def hugging_face(root: Path) -> nn.Module:
    """Of more classes, by the names in its configuration."""
    model = write_folder(root / "folder", "vit")
    config = json.loads((root / "folder" / "config.json").read_text())
    config["id2label"] = dict(enumerate(("bird", "dog", "fish", "cat")))
    (root / "folder" / "config.json").write_text(json.dumps(config))
    return Picked(Logits(model), [3, 1])


def wide(root: Path) -> nn.Module:
    own_net(root)
    return Picked(saved(importlib.import_module("nets").build(4), root / "wide.pth"), [3, 1])


MODELS: dict[str, Callable[[Path], nn.Module | None]] = {
    "a state dict of one": lambda root: saved(theirs(), root / "net.pth"),
    "same as safetensors": safe,
    "training checkpoint": training,
    "Lightning": lightning,
    "half precision": half,
    "model of torchvision": lambda root: of_library("torchvision:shufflenet_v2_x0_5", root / "shuffle.pth"),
    "model of timm": lambda root: of_library("timm:resnet10t", root / "timm.pth"),
    "Hugging Face": hugging_face,
    "function or class": lambda root: saved(own_net(root), root / "own.pth"),
    "there ready": lambda root: saved(own_net(root), root / "own.pth"),
    "returns a trained": own_net,
    "dictionary or a tuple": lambda root: saved(own_net(root), root / "parts.pth"),
    "another order": lambda root: Picked(saved(own_net(root), root / "own.pth"), [1, 0]),
    "more classes": wide,
    "live module": own_net,
    "whole pickled": whole,
}
"""Write the files that a line names; returns the model as its owner has it."""
MODEL_LINES = lines_of("Models")


def test_each_way_to_bring_a_model_is_tried() -> None:
    covered(MODEL_LINES, MODELS)


@pytest.mark.parametrize("about", [about for about in MODELS if about != "whole pickled"])
def test_a_model_comes_in_and_answers_as_its_owner_has_it(about: str, here: Path, mine: Study) -> None:
    model = MODELS[about](here)
    assert model is not None
    said = line(MODEL_LINES, about)
    if said.startswith("xai "):
        assert main(shlex.split(said)[1:]) == 0
    else:
        exec(said, {"study": xai.open_study("mine"), "net": model})
    made = load_classifier(mine.run("theirs"))
    x = torch.rand(2, *made.input_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = model.eval()(x)
        torch.testing.assert_close(made.logits(x.to(made.device)).cpu(), wanted, rtol=1e-4, atol=1e-5)
    assert main(["predict", "mine", "--run", "theirs", "--limit", "2"]) == 0


def test_what_would_run_code_is_refused_and_says_how_to_save_it(
    here: Path, mine: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    MODELS["whole pickled"](here)
    words = ["--arch", "nets:build", "--weights", "whole.pt", *KNOWN.split()]
    assert "model.state_dict()" in fails(capsys, "import", "mine", "--run", "theirs", *words)


INPUTS = lines_of("Models", "it was trained with | add")


@pytest.mark.parametrize("trained", INPUTS)
def test_a_model_is_asked_as_it_was_trained(trained: str, here: Path, mine: Study) -> None:
    """What each flag does is compared with torchvision's in `test_preprocess.py`; here, that a line can be copied."""
    added = shlex.split(INPUTS[trained].strip("`"))
    grey = added[added.index("--mean") + 1].count(",") == 0 if "--mean" in added else False
    words = ["--arch", "nets:build", "--classes", "cat,dog", "--try-on", "0", "--cam-layer", "0", *added]
    words += [] if "--mean" in added else ["--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5"]
    saved(own_net(here, CODE.replace("Conv2d(3", "Conv2d(1") if grey else CODE), here / "own.pth")
    assert main(["import", "mine", "--run", "theirs", "--weights", "own.pth", *words]) == 0
    assert main(["predict", "mine", "--run", "theirs", "--limit", "1"]) == 0
