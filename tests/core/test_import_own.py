"""`xai import` of the user's own modules: each thing that does not fit is one line that says what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

import xai_core
from tests import tiny_study
from tests.run_info import rewrite
from tests.tiny_study import fails, xai, xai_json
from xai_core.errors import BadInput
from xai_core.pipeline.load import Bench
from xai_core.store.study import Study

Capture = pytest.CaptureFixture[str]

CODE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, channels=3, classes=3, wrap=lambda logits: logits):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(channels, 4, 3, 2), nn.ReLU())
        self.spare, self.wrap, self.pair = nn.Conv2d(1, 1, 1), wrap, Pair()
        self.head = nn.Linear(4, classes)

    def forward(self, x):
        return self.wrap(self.head(self.pair(self.body(x))[0].mean((2, 3))))

class Few(Net):
    def forward(self, x):
        if len(x) > 8: raise ValueError("too many")
        return super().forward(x)

class Pair(nn.Module):
    def forward(self, x):
        return x, x

def good(): return Net()
def pair(): return Net(wrap=lambda logits: (logits, logits))
def named(): return Net(wrap=lambda logits: {"logits": logits, "features": logits.T})
def none(): return Net(wrap=lambda logits: {"a": logits.T, "b": 1.0})
def several(): return Net(wrap=lambda logits: {"a": logits, "b": logits})
def half(): return Net(classes=2)
def grey(): return Net(channels=1)
def flat(): return nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 3))
def maps(): return nn.Conv2d(3, 3, 1)
def chance(): return Net(wrap=lambda logits: nn.functional.dropout(logits))
def few(): return Few()
def mixed(): return Net(wrap=lambda logits: logits - logits.mean(0) / 2)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    data = tiny_study.write_pictures(folder / "pictures", per_class=4)
    xai("new", folder / "colours", "--dataset", "image-folder", "--data", data)
    return folder


@pytest.fixture
def folder(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the user's code and a study."""
    monkeypatch.chdir(made)
    monkeypatch.setenv("XDG_STATE_HOME", str(made / "state"))
    (made / "own_nets.py").write_text(CODE)
    yield made
    sys.modules.pop("own_nets", None)


def words(folder: Path, function: str, *, size: int = 32, run: str = "new") -> list[str | Path]:
    """Everything that an import needs but the layer, with weights that fit the function."""
    sys.path.insert(0, str(folder))
    module = getattr(__import__("own_nets"), function)()
    sys.path.remove(str(folder))
    torch.save(module.state_dict(), folder / "w.pt")
    known = ["--size", str(size), "--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5", "--classes", "dark blue,green,red"]
    return ["import", folder / "colours", "--run", run, "--arch", f"own_nets:{function}", "--weights", "w.pt", *known]


CANDIDATES = "Layers with a map: body (4×15×15), body.0 (4×15×15)."


@pytest.mark.parametrize(
    ("function", "layer", "says"),
    [
        (
            "none",
            "none",
            "own_nets:none returns nothing of shape (1, 3): dict of a: (3, 1), b: float. Wrap it in",
        ),
        ("several", "none", "returns several of shape (1, 3) and none called logits: dict of a: (1, 3), b: (1, 3)."),
        ("half", "none", "the output has shape (1, 2) instead of (1, 3)"),
        ("maps", "none", "the study is for classification, and the model tells the class of each place"),
        ("grey", "none", "own_nets:grey does not take this input: Given groups=1, weight of size [4, 1, 3, 3]"),
        ("flat", "none", "mat1 and mat2 shapes cannot be multiplied (1x3072 and 12288x3). Check --size"),
        (
            "chance",
            "none",
            "a picture's answer depends on its batch, or on chance: own_nets:chance. Use BatchNorm with",
        ),
        ("mixed", "none", "a picture's answer depends on its batch, or on chance"),
        ("good", "bod", f"no layer of this name: bod. Did you mean body or body.1 or body.0? {CANDIDATES}"),
        ("good", "zzz", f"no layer of this name: zzz. {CANDIDATES}"),
        ("good", "spare", f"the model does not use this layer: spare. {CANDIDATES}"),
        ("good", "pair", f"--cam-layer gives a tuple, which is no map: pair. {CANDIDATES}"),
        ("good", "head", f"--cam-layer gives (1, 3), which is no map: head. {CANDIDATES}"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(
    folder: Path, capsys: Capture, function: str, layer: str | None, says: str
) -> None:
    given = ["--cam-layer", layer] if layer else []
    assert says in fails(capsys, *words(folder, function), *given)
    assert Study.open(folder / "colours").runs() == []


def test_without_a_layer_pixel_methods_work_and_class_activation_maps_say_what_they_need(
    folder: Path, capsys: Capture, tmp_path: Path
) -> None:
    study = tmp_path / "colours"
    xai("new", study, "--dataset", "image-folder", "--data", folder / "pictures")
    given = words(folder, "good", run="own")
    given[1] = study
    xai(*given, "--cam-layer", "none")
    xai("predict", study, "--run", "own")
    explain = ["explain", study, "--run", "own", "--limit", "1", "--methods"]
    line = fails(capsys, *explain, "gradcam")
    assert f"declares no layer for class activation maps. Give the method a layer. {CANDIDATES}" in line
    result = xai_json(capsys, *explain, "gradcam,saliency", "--set", "gradcam.layer=body")
    assert all(state == {"stored": 1, "refused": 0} for state in result["methods"].values()), result
    xai(*explain, "gradcam,saliency,layercam")
    *_, line = capsys.readouterr().out.splitlines()
    assert line.startswith("  left out gradcam, layercam: this run's model declares no layer for class activation maps")
    result = xai_json(capsys, *explain, "all")
    assert {"gradcam", "shap_layer", "guided_gradcam"} <= set(result["methods_left_out"])
    assert not set(result["methods_left_out"]) & set(result["methods"])
    assert result["methods"]["edges"] == {"stored": 1, "refused": 0}
    stored = xai_core.open_study(study).run("own").explain([0], ["gradcam", "saliency"])
    assert list(stored) == ["saliency"]


def test_without_a_word_a_layer_is_proposed_and_told_and_where_there_is_none_pixel_methods_are_left(
    folder: Path, capsys: Capture, tmp_path: Path
) -> None:
    study = tmp_path / "colours"
    xai("new", study, "--dataset", "image-folder", "--data", folder / "pictures")
    for function, layer, says in (
        (
            "good",
            "body",
            "Class activation maps are made at body: the last layer that the whole answer passes through; it",
        ),
        ("flat", "", "No layer of this model holds a map: pixel methods only."),
    ):
        given = words(folder, function, run=function, size=64)
        given[1] = study
        result = xai_json(capsys, *given)
        assert result["cam_layer"] == layer == Study.open(study).run(function).info.cam_layer
        assert any(note.startswith(says) for note in result["notes"])


def test_edited_code_is_refused_by_command_and_by_a_warm_process_until_it_is_put_back(
    folder: Path, capsys: Capture, tmp_path: Path
) -> None:
    study = tmp_path / "colours"
    xai("new", study, "--dataset", "image-folder", "--data", folder / "pictures")
    given = words(folder, "good", run="own")
    given[1] = study
    result = xai_json(capsys, *given, "--cam-layer", "body")
    assert "Pictures are squashed to 32×32." in result["notes"][0]
    xai("predict", study, "--run", "own")
    run = Study.open(study).run("own")
    assert set(run.info.code) == {"own_nets"}
    bench = Bench("cpu")
    assert bench.classifier(run) is bench.classifier(run)
    (folder / "own_nets.py").write_text(CODE.replace("mean((2, 3))", "amax((2, 3))"))
    says = "the model's code is not the code that this run was imported with: own_nets. Put the old code back"
    assert says in fails(capsys, "predict", study, "--run", "own")
    with pytest.raises(BadInput, match="not the code that this run was imported with"):
        bench.classifier(run)
    rewrite(run, code={}, probe=run.info.probe)
    with pytest.raises(BadInput, match="does not answer as it did"):
        bench.classifier(run)
    rewrite(run, code={}, probe=[["a"]])
    with pytest.raises(BadInput, match=r"damaged: own/run.json"):
        bench.classifier(run)
    rewrite(run, code={}, probe=[])  # as a run of an earlier version
    bench.classifier(run)
    (folder / "own_nets.py").write_text(CODE)
    bench.classifier(run)


@pytest.mark.parametrize("command", ["import", "train"])
def test_a_mean_on_the_scale_of_255_is_refused(folder: Path, capsys: Capture, command: str) -> None:
    given = words(folder, "good") if command == "import" else ["train", folder / "colours", "--run", "t", "--arch"]
    given += ["--cam-layer", "none"] if command == "import" else ["small_cnn"]
    line = fails(capsys, *given, "--mean", "123.675,116.28,103.53", "--std", "58.395,57.12,57.375")
    assert "divide both by 255: --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225." in line


def test_a_model_that_takes_few_at_once_is_asked_one_by_one(folder: Path, tmp_path: Path) -> None:
    study = tmp_path / "colours"
    xai("new", study, "--dataset", "image-folder", "--data", folder / "pictures")
    given = words(folder, "few", run="own")
    given[1] = study
    xai(*given, "--cam-layer", "none")
    xai("predict", study, "--run", "own")
    predictions = Study.open(study).run("own").predictions
    assert predictions is not None
    assert len(predictions.rows) == 21
