"""A model imported with the preprocessing that it was trained with: stored as said, and maps land on the picture."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.tiny_study import fails, xai, xai_json
from xai_core.answers.maps import columns
from xai_core.models.preprocess import Preprocess
from xai_core.store.study import Study

Capture = pytest.CaptureFixture[str]

CODE = """
import torch
from torch import nn

class Bright(nn.Module):
    \"""Its first logit is how much white there is.\"""
    def __init__(self, classes=2):
        super().__init__()
        self.body, self.head = nn.Conv2d(3, 2, 3, padding=1), nn.Linear(2, classes)
        for part in (self.body, self.head):
            nn.init.constant_(part.weight, 1.0)
            nn.init.zeros_(part.bias)
        with torch.no_grad():
            self.head.weight[1] = 0.1

    def forward(self, x):
        return self.head(self.body(x).relu().mean((2, 3)))
"""
SIZES = [(96, 60), (60, 96), (70, 70)]
PATCH = 12


def _patch(width: int, height: int) -> tuple[int, int]:
    """Left and top of the white patch: off the middle, and inside every fit's part."""
    return int(width * 0.58) - PATCH // 2, int(height * 0.4) - PATCH // 2


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planted")
    (folder / "bright_nets.py").write_text(CODE)
    for number, (width, height) in enumerate(SIZES * 4):
        for name in ("a", "b"):
            pixels = np.zeros((height, width, 3), np.uint8)
            left, top = _patch(width, height)
            pixels[top : top + PATCH, left : left + PATCH] = 255 - number
            (folder / "pictures" / name).mkdir(parents=True, exist_ok=True)
            pixels[0, 0] = number, ord(name), 0  # no two are the same
            Image.fromarray(pixels).save(folder / "pictures" / name / f"{number:02d}.png")
    xai("new", folder / "study", "--dataset", "image-folder", "--data", folder / "pictures")
    return folder


@pytest.fixture
def folder(made: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(made)
    monkeypatch.setenv("XDG_STATE_HOME", str(made / "state"))
    yield made
    sys.modules.pop("bright_nets", None)


def _words(folder: Path, run: str, *given: str) -> list[str | Path]:
    sys.path.insert(0, str(folder))
    torch.save(__import__("bright_nets").Bright().state_dict(), folder / "w.pt")
    sys.path.remove(str(folder))
    known = ["--mean", "0,0,0", "--std", "1,1,1", "--classes", "a,b", "--cam-layer", "body"]
    arch = ["--arch", "bright_nets:Bright", "--weights", "w.pt"]
    return ["import", folder / "study", "--run", run, *arch, *known, *given]


WAYS = {
    "squash": ["--size", "48"],
    "oblong": ["--size", "32x64"],
    "both": ["--size", "40", "--resize", "48", "--fit", "squash"],
    "centre": ["--size", "48", "--fit", "crop", "--interpolation", "bicubic"],
    "share": ["--size", "42", "--crop-share", "0.875", "--no-antialias"],
    "pad": ["--size", "48", "--fit", "pad", "--interpolation", "area"],
    "oblong-pad": ["--size", "40x64", "--fit", "pad", "--fill", "0,0,0"],
}


@pytest.mark.parametrize("way", WAYS)
def test_a_planted_patch_is_found_where_it_lies_in_the_picture(folder: Path, way: str) -> None:
    """Import, predict, explain, and the stored map taken back to the original picture: its middle is the patch's."""
    xai(*_words(folder, way, *WAYS[way]))
    xai("predict", folder / "study", "--run", way)
    xai("explain", folder / "study", "--run", way, "--methods", "gradcam", "--target", "a", "--split", "test")
    study = Study.open(folder / "study")
    run = study.run(way)
    (column,) = columns(run, ["gradcam"], {})
    assert column.maps is not None
    rows = study.rows("test").tolist()
    assert len(rows) == 4
    preprocess = Preprocess.from_dict(run.info.preprocess or {})
    for row, heat in zip(rows, column.maps.get(rows, ["0"] * len(rows)).maps, strict=True):
        width, height = study.picture(row).size
        x0, y0, x1, y1 = preprocess.box(width, height)
        across, down = (x1 - x0) / heat.shape[1], (y1 - y0) / heat.shape[0]
        lit = np.argwhere(heat > heat.max() / 2) + 0.5
        left, top = _patch(width, height)
        found = x0 + lit[:, 1].mean() * across, y0 + lit[:, 0].mean() * down
        assert found == pytest.approx((left + PATCH / 2, top + PATCH / 2), abs=1.5 * max(across, down)), way


def test_what_was_said_of_the_preprocessing_is_stored_and_told(folder: Path, capsys: Capture) -> None:
    result = xai_json(capsys, *_words(folder, "told", "--size", "42", "--crop-share", "0.875", "--no-antialias"))
    assert "A picture's shorter side becomes 48 pixels (bilinear, no antialiasing)" in result["notes"][0]
    stored = Study.open(folder / "study").run("told").info.preprocess
    assert stored is not None
    assert (stored["fit"], stored["resize"], stored["antialias"]) == ("crop", 48, False)
    assert "interpolation" not in stored
    padded = xai_json(capsys, *_words(folder, "filled", "--size", "40x64", "--fit", "pad", "--fill", "114"))
    assert "fitted into 64×40 whole; what is around them is filled with 114,114,114" in padded["notes"][0]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--size", "48", "--crop-share", "1.5"], "1.5 is not a share above 0 and up to 1"),
        (["--size", "48", "--crop-share", "nan"], "nan is not finite"),
        (["--size", "32x64", "--crop-share", "0.9"], "goes with a square alone"),
        (["--size", "48", "--resize", "56", "--crop-share", "0.9"], "Give --resize instead"),
        (["--size", "48", "--fit", "pad", "--resize", "56"], "Leave --resize out"),
        (["--size", "48", "--fit", "crop", "--fill", "3"], "with the fit pad alone"),
        (["--size", "48", "--interpolation", "lanczos", "--no-antialias"], "always antialiased: lanczos"),
    ],
)
def test_what_does_not_go_together_is_told_in_one_line(
    folder: Path, capsys: Capture, given: list[str], says: str
) -> None:
    assert says in fails(capsys, *_words(folder, "wrong", *given))


def test_training_on_from_weights_says_what_it_takes_for_mean_and_std(folder: Path, capsys: Capture) -> None:
    from xai_core.models.build import fresh_module

    torch.save(fresh_module("small_cnn", 2, Preprocess(32, 32, 3, (0,) * 3, (1,) * 3)).state_dict(), folder / "cnn.pt")
    words = ["train", folder / "study", "--arch", "small_cnn", "--init", folder / "cnn.pt", "--size", "32"]
    words += ["--epochs", "1", "--run"]
    says = "Taken as none was given: ImageNet's mean 0.485, 0.456, 0.406 and std 0.229, 0.224, 0.225"
    assert sum(says in note for note in xai_json(capsys, *words, "on")["notes"]) == 1
    given = xai_json(capsys, *words, "told-both", "--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5")
    assert not any("Taken" in note for note in given["notes"])


def test_another_way_that_fits_better_is_told_and_not_taken(folder: Path, capsys: Capture) -> None:
    """The 24 pictures of this study have 16 to train on: too few to say anything, which costs nothing."""
    notes = xai_json(capsys, *_words(folder, "few", "--size", "48", "--try-on", "30"))["notes"]
    assert not any("fit" in note for note in notes)
