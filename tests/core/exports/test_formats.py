"""Every format holds its contract, and files of segmenters answer as their models do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import torch

from tests.conftest import ROOT
from tests.core.exports import contract
from tests.core.exports.cases import GO_ON, made_model, noise
from tests.core.exports.contract import CASES, holds
from tests.how_to import example
from xai_core.exports import EXPORTS
from xai_core.exports.engine.closed_form import explained
from xai_core.pipeline.export import export
from xai_core.pipeline.export_check import check, check_maps, takes_several
from xai_core.pipeline.load import load_classifier
from xai_core.store.study import Study

APART = ("executorch",)
"""Not installed beside pytest, which its packages hook into: `make executorch` makes an environment of its own."""


@pytest.mark.parametrize(("architecture", "explanation"), CASES)
@pytest.mark.parametrize("key", [key for key in EXPORTS.keys() if key not in APART])  # noqa: SIM118 (a registry)
def test_a_format_holds_its_contract(key: str, architecture: str, explanation: bool) -> None:
    holds(key, architecture, explanation)


@pytest.mark.slow
@pytest.mark.timeout(1200)  # it compiles torch's and its own modules first, where nobody has done so
@pytest.mark.parametrize("key", APART)
def test_a_format_apart_holds_its_contract(key: str) -> None:
    python = ROOT / "build" / key / "bin" / "python"
    if not python.is_file():
        pytest.skip(f"{key} is not installed beside pytest: make {key} makes an environment for it")
    done = subprocess.run([python, "-m", contract.__name__, key], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(CASES)


@pytest.mark.parametrize("explanation", [True, False])
@pytest.mark.parametrize("key", ["onnx", "torchscript"])
def test_a_segmenter_is_exported_and_answers_of_pictures_that_it_was_not_checked_on(
    scenes: Study, tmp_path: Path, key: str, explanation: bool
) -> None:
    run = scenes.run("unet")
    made = export(run, key, tmp_path / "unet", explanation=explanation, samples=2)
    assert made.about["task"] == "segmentation"
    assert made.about["checked"]["said"] == 2 * 32 * 32
    assert [output["name"] for output in made.about["outputs"]] == ["logits", "cam"][: 1 + explanation]
    model = load_classifier(run, device="cpu")
    x = noise(model)
    logits, *maps = EXPORTS[key].open((tmp_path / "unet").read_bytes())(x.numpy())
    with torch.no_grad():
        expected = model.logits(x)
    torch.testing.assert_close(torch.from_numpy(logits), expected, rtol=0, atol=1e-4 * float(expected.abs().max()))
    assert [found.shape for found in maps] == [(3, 3, 32, 32)] * explanation
    assert [output["layer"] for output in made.about["outputs"][1:]] == ["last"] * explanation


def test_the_format_of_the_page(tmp_path: Path) -> None:
    with example("add-an-export-format", EXPORTS, tmp_path) as member:
        model = made_model("small_cnn")
        x = noise(model)
        ask = member.open(member.make(explained(model).module.eval(), x, ["logits", "cam"], True))
        assert check(model, ask, x, cancel=GO_ON).equal == 3
        assert check_maps(model, ask, x, "features", cancel=GO_ON).maps == 3
        assert takes_several(ask, x) == member.batches
