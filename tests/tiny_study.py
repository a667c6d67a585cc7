"""A small real study made by the command itself: three colours of picture, a small network trained for an epoch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from xai_core.cli.main import main
from xai_core.store.study import Study

COLOURS = {"red": (200, 40, 40), "green": (40, 180, 60), "dark blue": (30, 40, 150)}
SIDE = 32


def write_pictures(folder: Path, *, per_class: int = 12) -> Path:
    """Noisy pictures with a blob of the class's colour, in train/validation/test folders."""
    rng = np.random.default_rng(0)
    for split, count in (("train", per_class), ("validation", per_class // 3), ("test", per_class // 2)):
        for name, colour in COLOURS.items():
            target = folder / split / name
            target.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)
                top, left = rng.integers(2, SIDE - 18, 2)
                pixels[top : top + 16, left : left + 16] = colour
                Image.fromarray(pixels).save(target / f"{number:03d}.png")
    return folder


def xai(*words: str | Path) -> None:
    """Run a command that must succeed."""
    assert main([str(word) for word in words]) == 0, words


def xai_json(capsys: pytest.CaptureFixture[str], *words: str | Path) -> dict[str, Any]:
    """Run a command with --json and return its object."""
    capsys.readouterr()
    xai(*words, "--json")
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 1, "one JSON object and nothing else on standard output"
    return json.loads(lines[0])


def fails(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    """Run a command that must fail as a user's mistake, and return its one line."""
    capsys.readouterr()
    assert main([str(word) for word in words]) == 1, words
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("xai: ")]
    assert len(error) == 1, error
    return error[0]


def make(folder: Path, runs: Sequence[str] = ("baseline",)) -> Study:
    """The study `colours` in a folder, with trained and predicted runs."""
    xai("new", folder / "colours", "--dataset", "image-folder", "--data", write_pictures(folder / "pictures"))
    for seed, run in enumerate(runs):
        words = ["--arch", "small_resnet", "--epochs", "1", "--batch-size", "8", "--seed", str(seed)]
        xai("train", folder / "colours", "--run", run, *words)
        xai("predict", folder / "colours", "--run", run)
    return Study.open(folder / "colours")


def unlearned(folder: Path) -> Path:
    """A study of a few pictures, one of them turned by EXIF, with a run that has learned nothing and predicted all."""
    from xai_core.models.build import fresh_module
    from xai_core.models.preprocess import Preprocess
    from xai_core.models.weights import fingerprint, save_weights
    from xai_core.store.run import RunInfo

    data, turned = write_pictures(folder / "data", per_class=4), Image.Exif()
    turned[0x0112] = 6
    with Image.open(data / "test" / "red" / "000.png") as picture:
        picture.resize((32, 20)).save(data / "test" / "red" / "000.jpg", exif=turned)
    xai("new", folder / "colours", "--dataset", "image-folder", "--data", data)
    square = Preprocess(32, 32, 3, (0.5,) * 3, (0.5,) * 3)
    opened, module = Study.open(folder / "colours"), fresh_module("small_cnn", 3, square)
    info = RunInfo("small_cnn", square.as_dict(), "features", fingerprint(module, "small_cnn", square))
    with opened.new_run("baseline", info) as run:
        save_weights(module, run.weights)
    xai("predict", folder / "colours", "--run", "baseline")
    return folder / "colours"
