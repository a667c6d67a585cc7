"""Exported files: they answer as the model, explain themselves as HiResCAM does, and nothing half-made is left."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.core.segmentation_trees import write_coco
from tests.how_to import example
from tests.oracles.models import wrap
from tests.tiny_study import fails, unlearned, xai, xai_json
from xai_core.errors import BadInput, NotApplicable, StorageFull, XaiError
from xai_core.exports import EXPORTS, Format
from xai_core.exports.engine.asked import check_no_choices
from xai_core.exports.engine.closed_form import explained
from xai_core.models.build import classifier as build_classifier
from xai_core.models.build import fresh_module
from xai_core.models.classifier import Classifier
from xai_core.models.preprocess import Preprocess
from xai_core.models.weights import fingerprint, save_weights
from xai_core.pipeline import export_check
from xai_core.pipeline.export import about_path, export
from xai_core.pipeline.export_check import check, check_maps, takes_several
from xai_core.pipeline.make import make_study
from xai_core.store.run import RunInfo
from xai_core.store.study import Study
from xai_core.types import CancelToken

Capture = pytest.CaptureFixture[str]
GO_ON = CancelToken()


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unlearned(tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Photos with a red or a green square, and a small U-net that learned nothing."""
    root = tmp_path_factory.mktemp("scenes")
    (root / "data").mkdir()
    write_coco(root / "data" / "instances_default.json", pictures=12)
    made = make_study(root / "study", root / "data")
    small, module = _square(32), fresh_module("small_unet", 3, _square(32))
    info = RunInfo("small_unet", small.as_dict(), "bottom", fingerprint(module, "small_unet", small))
    with made.new_run("unet", info) as run:
        save_weights(module, run.weights)
    return made


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_check, "RUNS", 6)


def _square(side: int) -> Preprocess:
    return Preprocess(side, side, 3, (0.5,) * 3, (0.5,) * 3)


def _model(architecture: str, side: int = 32) -> Classifier:
    return build_classifier(architecture, ("a", "b", "c"), _square(side), None)


def _pictures(made: Classifier, count: int = 3) -> Tensor:
    return torch.randn(count, *made.input_shape, generator=torch.Generator().manual_seed(1))


# Every format


@pytest.mark.parametrize("key", EXPORTS.keys())
def test_a_format_holds_its_contract(key: str) -> None:
    """Its file gives the model's logits and maps, for one picture and, where it says so, for several."""
    made = _member(key)
    model = _model("small_cnn")
    x = _pictures(model)
    data = made.make(explained(model).module.eval(), x, ["logits", "cam"], made.batches)
    ask = made.open(data)
    found = check(model, ask, x, cancel=GO_ON)
    assert (found.pictures, found.equal, found.said) == (3, 3, 3)
    assert check_maps(model, ask, x, model.cam_layer, cancel=GO_ON).maps == 3
    assert takes_several(ask, x) == made.batches
    assert made.versions()["torch"]
    assert made.suffix.startswith(".")


def _member(key: str) -> Format:
    try:
        EXPORTS[key].check_installed()
    except XaiError as missing:
        if key in ("onnx", "torchscript"):
            raise
        pytest.skip(str(missing))
    return EXPORTS[key]


# Maps in closed form


@pytest.mark.parametrize(
    ("architecture", "side", "layer"),
    [
        ("small_resnet", 32, "block3"),
        ("small_cnn", 32, "features"),
        ("mobilenet_v2", 64, "features.18"),
        ("small_unet", 32, "last"),
        ("deeplabv3_mobilenet_v3_large", 64, "classifier.3"),
        ("fcn_resnet50", 32, "classifier.2"),
    ],
)
def test_maps_in_closed_form_are_those_of_hirescam(architecture: str, side: int, layer: str) -> None:
    model = _model(architecture, side)
    made = explained(model)
    module, x = made.module.eval(), _pictures(model, 2)
    assert made.layer == layer

    def ask(pictures: Any) -> Sequence[Any]:
        with torch.no_grad():
            return [output.numpy() for output in module(torch.from_numpy(pictures))]

    found = check_maps(model, ask, x, layer, cancel=GO_ON)
    assert found.maps >= 2
    assert found.difference < 1e-5
    assert check(model, ask, x, cancel=GO_ON).difference == 0
    _adds_up(model, *(torch.from_numpy(output) for output in ask(x.numpy())))


def _adds_up(model: Classifier, logits: Tensor, maps: Tensor) -> None:
    """What the places add, and the constant once for a classifier or for each pixel of the region, is the score."""
    last = [part for part in model.module.modules() if isinstance(part, (nn.Linear, nn.Conv2d))][-1]
    assert last.bias is not None
    if logits.ndim == 4:
        region = nn.functional.one_hot(logits.argmax(1), 3).movedim(-1, 1)
        score, times = (logits * region).sum((2, 3)), region.sum((2, 3))
    else:
        score, times = logits, torch.ones_like(logits)
    total = maps.sum((2, 3)) + times * last.bias.detach()
    torch.testing.assert_close(total, score, rtol=1e-4, atol=1e-4 * float(score.abs().max()))


class TwoLayers(nn.Module):
    """A mean over places before two layers: no closed form."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.head = nn.Conv2d(3, 6, 3), nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 5))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean((2, 3)))


class WideHead(nn.Module):
    """A segmenter that ends in a convolution over neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.head = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 5, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).relu())


@pytest.mark.parametrize("architecture", ["small_vit", "vgg16", "lraspp_mobilenet_v3_large"])
def test_other_heads_do_not_explain_themselves(architecture: str) -> None:
    with pytest.raises(NotApplicable, match="Leave --with-explanation out"):
        explained(_model(architecture, 32))


def test_heads_of_strangers_are_looked_at_and_not_guessed() -> None:
    two = wrap(TwoLayers(), "features")
    wide = replace(wrap(WideHead(), "features"), output_size=two.input_shape[1:])
    for model, why in ((two, "does not get the means of features"), (wide, "no such layer gives its logits")):
        with pytest.raises(NotApplicable, match=why):
            explained(model)
    with pytest.raises(NotApplicable, match="declares no layer"):
        explained(replace(two, cam_layer=""))


# Code that no trace holds


class Chooses(nn.Module):
    """Goes one of two ways by what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 5)

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean((2, 3))
        return self.head(means if means.sum() > 0 else -means)


def test_code_that_decides_by_values_is_refused() -> None:
    model = wrap(Chooses(), "")
    with pytest.raises(NotApplicable, match="decides by values"):
        EXPORTS["torchscript"].make(Chooses(), _pictures(model, 1), ["logits"], True)
    check_no_choices(TwoLayers(), _pictures(model, 1))


# The command


def test_the_command_writes_both_files_and_says_what_was_measured(study: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "net.pt"
    words = ["export", study, "--run", "baseline", "--to", "torchscript", "--with-explanation", "--out", out]
    told = xai_json(capsys, *words, "--samples", "5")
    about = json.loads(about_path(out).read_text())
    assert about["classes"] == ["dark blue", "green", "red"]
    assert about["preprocess"]["mean"] == [0.5, 0.5, 0.5]
    assert about["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert about["checked"] == told["checked"]
    assert about["outputs"][1]["layer"] == "features"
    assert about["input"]["shape"] == ["N", 3, 32, 32]
    assert (told["checked"]["pictures"], told["checked"]["said"]) == (5, 5)
    assert fails(capsys, *words) == (f"xai: something is here already: {out}. Choose another place for the file.")
    out.unlink()
    assert f"{about_path(out)}. Choose another place" in fails(capsys, *words)
    about_path(out).unlink()
    xai(*words)
    lines = capsys.readouterr().out.splitlines()
    assert "equal to PyTorch on 16 pictures" in lines[1]
    assert lines[1].endswith("16 of 16 predictions are equal")
    assert "at the layer features: 16 maps" in lines[2]
    assert "median of 6 runs" in lines[3]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["net.pt", "net.pt.json"]


def test_a_segmenter_is_exported_with_its_regions(scenes: Study, tmp_path: Path) -> None:
    made = export(scenes.run("unet"), "torchscript", tmp_path / "unet.pt", explanation=True, samples=2)
    logits, maps = EXPORTS["torchscript"].open((tmp_path / "unet.pt").read_bytes())(
        np.zeros((1, 3, 32, 32), np.float32)
    )
    assert (logits.shape, maps.shape) == ((1, 3, 32, 32), (1, 3, 32, 32))
    assert made.about["task"] == "segmentation"
    assert made.about["checked"]["said"] == 2 * 32 * 32
    assert made.about["outputs"][1]["layer"] == "last"


def test_mistakes_are_told_in_one_line(study: Path, tmp_path: Path, capsys: Capture, monkeypatch: Any) -> None:
    words = ["export", study, "--run", "baseline", "--out", tmp_path / "x", "--to"]
    assert "no export format of this name: coreml. Known: torchscript, onnx" in fails(capsys, *words, "coreml")
    for package, key, extra in (("onnxruntime", "onnx", "export"), ("executorch", "executorch", "executorch")):
        monkeypatch.setitem(sys.modules, package, None)
        remedy = f"Install it: pip install 'second-look[{extra}]'."
        assert fails(capsys, *words, key) == f"xai: {package} is not installed: --to {key}. {remedy}"
    words[5] = tmp_path / "none" / "x"
    assert "no such folder" in fails(capsys, *words, "torchscript")
    assert not list(tmp_path.iterdir())


# What goes wrong leaves nothing


@pytest.fixture
def answers() -> Iterator[list[Any]]:
    """A format whose file answers as it is told to."""
    told: list[Any] = []

    def make(*_: Any) -> bytes:
        return b"file"

    known = EXPORTS["torchscript"]
    member = EXPORTS.add(replace(known, card=replace(known.card, key="broken"), make=make, open=lambda _: told[0]))
    yield told
    del EXPORTS._members[member.card.key]


def test_a_file_that_answers_otherwise_is_not_written(answers: list[Any], study: Path, tmp_path: Path) -> None:
    run = Study.open(study).run("baseline")

    def refused(match: str, ask: Any) -> None:
        answers[:] = [ask]
        with pytest.raises(BadInput, match=match):
            export(run, "broken", tmp_path / "net", samples=2)
        assert not list(tmp_path.iterdir())

    refused(r"on 2 pictures logits differ by up to .* of the largest \(1e-04 is allowed\)", _Constant(3.0))
    refused("logits differ by up to inf", _Constant(np.nan))
    refused(r"it gives \(1, 7\), PyTorch \(1, 3\)", _Constant(0.0, 7))
    refused("cannot be asked: ZeroDivisionError", lambda _: 1 / 0)


class _Constant:
    def __init__(self, value: float, classes: int = 3) -> None:
        self.value, self.classes = value, classes

    def __call__(self, x: Any) -> Sequence[Any]:
        return [np.full((len(x), self.classes), self.value, np.float32)]


def test_what_cannot_be_written_in_a_format_is_one_line(study: Path, tmp_path: Path, monkeypatch: Any) -> None:
    def fail(*_: Any) -> bytes:
        raise ValueError("no\nwords for it")

    member = EXPORTS["torchscript"]
    monkeypatch.setitem(EXPORTS._members, "torchscript", replace(member, make=fail))
    with pytest.raises(BadInput, match=r"^small_cnn cannot be written as TorchScript: ValueError: no words for it\."):
        export(Study.open(study).run("baseline"), "torchscript", tmp_path / "net", samples=1)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_neither_file(study: Path, tmp_path: Path, monkeypatch: Any) -> None:
    def full(path: Path, _: bytes) -> None:
        raise StorageFull("no room left on the disk", value=path, remedy="Free some space.")

    monkeypatch.setattr("xai_core.pipeline.export.write_atomic", full)
    with pytest.raises(StorageFull):
        export(Study.open(study).run("baseline"), "torchscript", tmp_path / "net", samples=1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopped_midway_it_leaves_nothing(number: int, study: Path, tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from dataclasses import replace\n"
        "from xai_core.exports import EXPORTS\n"
        "from xai_core.cli.main import main\n"
        "def slow(*_):\n"
        "    print('making', flush=True, file=sys.__stdout__)\n"
        "    time.sleep(2)\n"
        "    return b'half'\n"
        "EXPORTS._members['torchscript'] = replace(EXPORTS['torchscript'], make=slow)\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    words = ["export", study, "--run", "baseline", "--to", "torchscript", "--out", tmp_path / "net"]
    process = subprocess.Popen([sys.executable, "-c", code, *map(str, words)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "making\n"
    time.sleep(0.1)
    os.kill(process.pid, number)
    assert process.wait(120) == (130 if number == signal.SIGINT else -number)
    process.stdout.close()
    assert not list(tmp_path.iterdir())


def test_the_format_of_the_page(tmp_path: Path) -> None:
    with example("add-an-export-format", EXPORTS, tmp_path) as member:
        model = _model("small_cnn")
        x = _pictures(model)
        ask = member.open(member.make(explained(model).module.eval(), x, ["logits", "cam"], True))
        assert check(model, ask, x, cancel=GO_ON).equal == 3
        assert check_maps(model, ask, x, "features", cancel=GO_ON).maps == 3
        assert takes_several(ask, x) == member.batches
