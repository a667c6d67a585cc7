"""A study, a model and its heatmaps in a few lines of Python."""

from __future__ import annotations

import inspect
import logging
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import xai_core as xai
from tests.tiny_study import SIDE, write_pictures
from xai_core.drawing.sheet import GAP, HEAD, TILE
from xai_core.errors import BadInput, BadParameter, NotFound, XaiError
from xai_core.models.build import fresh_module
from xai_core.models.preprocess import Preprocess
from xai_core.notebook.runs import Explained
from xai_core.pipeline.live import ONLY_HERE
from xai_core.pipeline.load import Bench
from xai_core.store.study import Study as Stored

HALF = (0.5, 0.5, 0.5)
LOOK: dict[str, Any] = {"size": SIDE, "mean": HALF, "std": HALF}
FILE = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self, classes):
        super().__init__(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))
"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> xai.Study:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return xai.study(write_pictures(tmp_path / "pictures", per_class=6), tmp_path / "study")


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[nn.Module]:
    """A model of a class in a file of the user's."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "their_own_net.py").write_text(FILE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "code")
    torch.manual_seed(0)
    yield __import__("their_own_net").Net(3)
    del sys.modules["their_own_net"]


class Inner(nn.Module):
    """Needs more than a number of classes: nobody can build it again from its name."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


def own(classes: int = 3) -> nn.Module:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))
    return Inner(body)


def test_from_pictures_to_heatmaps_in_four_lines(study: xai.Study) -> None:
    net = fresh_module("small_cnn", 3, Preprocess(SIDE, SIDE, 3, HALF, HALF), seed=1)
    run = study.add_model(net, "mine", **LOOK)
    assert run.stored.info.architecture == "small_cnn"
    assert set(run.predictions["split"]) == {"train", "validation", "test"}
    rows = run.mistakes
    wrong = run.predictions.query("split == 'test' and true != predicted")
    assert sorted(rows) == sorted(wrong["row"])
    maps = run.explain(rows[:2], {"gradcam": {}, "ig": {"steps": 4}})
    assert maps["ig"].maps.shape == (2, SIDE, SIDE)
    assert np.isfinite(maps["gradcam"].maps).all()
    assert maps["ig"].refusals == (None, None)
    _shown_inline(study, run, maps)
    again = xai.open_study(study.stored.path).run("mine")
    np.testing.assert_array_equal(again.explain(rows[:2], "ig")["ig"].maps.shape, (2, SIDE, SIDE))


def _shown_inline(study: xai.Study, run: xai.Run, maps: Explained) -> None:
    """What a notebook makes of the last line of a cell."""
    assert maps._repr_png_().startswith(b"\x89PNG")
    heat, one = maps.figure(), maps.figure(most=1, look="outline")
    assert heat.height - one.height >= TILE
    below = np.asarray(heat.crop((GAP + TILE + GAP, HEAD + HEAD, GAP + 2 * TILE, HEAD + HEAD + TILE)))
    assert below.std() > 5, "a map over the picture, not an empty place"
    with pytest.raises(NotFound, match="way to draw"):
        maps.figure(look="nothing")  # type: ignore[arg-type]
    assert "33 (18 train, 6 validation, 9 test)" in study._repr_html_()
    assert "of 9</td>" in run._repr_html_()
    assert repr(maps).startswith("Heatmaps of mine: gradcam (2, ")


def test_names_are_text_in_a_notebook(tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path / "<b>pictures", per_class=6)
    made = xai.study(pictures, tmp_path / "<script>")
    assert "<script>" not in made._repr_html_()
    assert "&lt;script&gt;" in made._repr_html_()


def test_a_model_is_copied_as_it_is_now(study: xai.Study) -> None:
    net = own()
    run = study.add_model(net, "mine", **LOOK, predict=())
    with torch.no_grad():
        net.body[-1].weight.zero_()  # type: ignore[union-attr, operator]
    kept = study.bench.classifier(run.stored).module
    assert kept.body[-1].weight.abs().sum() > 0  # type: ignore[union-attr, operator, index]


def test_a_class_in_a_file_opens_elsewhere(study: xai.Study, theirs: nn.Module) -> None:
    run = study.add_model(theirs, "mine", **LOOK)
    assert run.stored.info.architecture == "their_own_net:Net"
    assert run.stored.info.cam_layer == "1"
    asked = run.explain([0, 1], "gradcam")["gradcam"].maps
    elsewhere = Bench("cpu").classifier(Stored.open(study.stored.path).run("mine"))
    assert elsewhere.fingerprint == run.stored.info.fingerprint
    assert np.isfinite(asked).all()


def test_code_that_cannot_be_found_again_is_told_and_goes_on_here(study: xai.Study) -> None:
    run = study.add_model(own(), "mine", **LOOK)
    only_here, layer = run.stored.info.provenance["notes"]
    assert only_here == ONLY_HERE
    assert layer.startswith("Class activation maps are made at body.1: the last layer that the whole answer passes")
    maps = run.explain([0, 1], ["gradcam", "saliency"], target="green")
    assert all(np.isfinite(one.maps).all() for one in maps.values())
    assert maps["gradcam"].target == str(study.classes.index("green"))
    _shown_inline(study, run, maps)
    again = xai.open_study(study.stored.path).run("mine")
    assert len(again.predictions) == len(study.samples)
    with pytest.raises(BadInput, match="lives in the program that added it"):
        again.explain([2], "saliency")


def test_code_that_is_named_must_build_this_model(
    study: xai.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    makers = (
        "def make(classes):\n    return Net(classes)\n\ndef other(classes):\n    return nn.Sequential(Net(classes))\n"
    )
    text = f"{FILE}\n{makers}"
    (tmp_path / "named_nets.py").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    body = own().body
    assert isinstance(body, nn.Module)
    with pytest.raises(XaiError):
        study.add_model(body, "mine", **LOOK, code="named_nets:other")
    assert study.runs == []
    assert study.add_model(body, "mine", **LOOK, code="named_nets:make").stored.has_model


def test_opening_it_again_and_another_one_in_its_place(study: xai.Study, tmp_path: Path) -> None:
    assert xai.study(tmp_path / "pictures", tmp_path / "study").stored.path == study.stored.path
    write_pictures(tmp_path / "others", per_class=6)
    with pytest.raises(BadInput, match="another study is here"):
        xai.study(tmp_path / "others", tmp_path / "study")


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"classes": ("red", "green", "blue")}, BadParameter, "lack 1 class of the study: dark blue"),
        ({"mean": (120, 120, 120)}, BadParameter, "0…1 scale"),
        ({"cam_layer": "nope"}, NotFound, "no layer of this name: nope"),
        ({"size": 2}, BadInput, "does not take this input"),
    ],
)
def test_what_does_not_fit_leaves_no_run(
    study: xai.Study, change: dict[str, Any], error: type[XaiError], says: str
) -> None:
    with pytest.raises(error, match=says):
        study.add_model(own(), "mine", **(LOOK | change))
    assert study.runs == []


def test_wrong_questions_have_answers_in_one_line(study: xai.Study) -> None:
    run = study.add_model(own(), "mine", **LOOK, predict=("test",))
    for asked, says in (
        (lambda: run.explain([], "ig"), "no samples"),
        (lambda: run.explain([0], "nope"), "nope"),
        (lambda: run.explain([10**6], "ig"), "no predictions for all"),
        (lambda: run.explain([0], "ig", target="purple"), "purple"),
        (lambda: run.predict("dev"), "not a split"),
        (lambda: study.run("gone"), "gone"),
    ):
        with pytest.raises(XaiError, match=says):
            asked()


@pytest.mark.slow
def test_the_dashboard_is_served_in_the_background(study: xai.Study, capsys: pytest.CaptureFixture[str]) -> None:
    address = study.show()
    assert capsys.readouterr().out == f"Second Look: {address}\n"
    with urllib.request.urlopen(f"{address}/_stcore/health", timeout=10) as reply:
        assert reply.status == 200
    study.stop()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{address}/_stcore/health", timeout=2)


def test_fewer_right_than_by_guessing_is_told(study: xai.Study, caplog: pytest.LogCaptureFixture) -> None:
    class Wrong(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            colour = x.flatten(2).mean(2)  # red, green, blue; the study has dark blue, green, red
            return torch.stack([colour[:, 0], colour[:, 2], colour[:, 1]], 1)

    with caplog.at_level(logging.WARNING, "xai"):
        study.add_model(Wrong(), "wrong", **LOOK)
    assert "than by guessing (33.3 %)" in caplog.text


def test_what_is_offered_is_frozen() -> None:
    def words(thing: type) -> list[str]:
        return [name for name, _ in inspect.getmembers(thing) if not name.startswith("_")]

    assert xai.__all__ == ["Maps", "Run", "Study", "open_study", "study"]
    assert words(xai.Study) == ["add_model", "bench", "classes", "run", "runs", "samples", "show", "stop"]
    assert words(xai.Run) == ["explain", "mistakes", "name", "predict", "predictions"]
    assert sorted(set(words(Explained)) - set(words(dict))) == ["figure"]
    assert list(inspect.signature(xai.study).parameters) == ["data", "folder", "dataset", "seed", "params"]


def test_importing_it_is_light() -> None:
    code = "import sys, xai_core; xai_core.study; print('torch' in sys.modules, 'pandas' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["False", "False"]


def test_samples_that_cannot_be_read_are_named(
    study: xai.Study, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = study.add_model(own(), "mine", **LOOK, predict=("test",))
    row = int(run.predictions["row"].iloc[0])
    (tmp_path / "pictures" / study.samples["path"].iloc[row]).unlink()
    with caplog.at_level(logging.WARNING, "xai"):
        found = run.explain([row, row + 1], "saliency")["saliency"]
    assert np.isnan(found.maps[0]).all()
    assert np.isfinite(found.maps[1]).all()
    assert "left out" in caplog.text


class Held:
    """A data set as programs hold it."""

    classes = ("light", "dark")  # not as they sort

    def __init__(self, picture: Any, label: Any = None) -> None:
        self.picture, self.label = picture, label

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Any:
        label = index % 2 if self.label is None else self.label
        return self.picture(index, index % 2), label


def _grey(index: int, label: int) -> torch.Tensor:
    return torch.full((1, 8, 8), 0.2 + 0.6 * label) + index / 255


def test_a_data_set_that_a_program_holds(tmp_path: Path) -> None:
    made = xai.study({"train": Held(_grey), "test": Held(_grey)}, tmp_path / "held")
    assert made.classes == ("light", "dark")
    assert made.samples["split"].value_counts().to_dict() == {"train": 6, "test": 8, "validation": 2}
    row = int(made.samples.query("split == 'test' and label == 1").index[0])
    pixels = np.asarray(made.stored.picture(row))
    assert pixels.shape == (8, 8)
    assert pixels[0, 0] == round((0.8 + 1 / 255) * 255)
    assert xai.study({"train": Held(_grey)}, tmp_path / "held").stored.path == made.stored.path


def test_a_data_frame_and_its_further_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_pictures(tmp_path / "pictures", per_class=6)
    monkeypatch.chdir(folder)
    paths = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))
    rows = [(path, Path(path).parts[1], Path(path).parts[0], number % 2) for number, path in enumerate(paths)]
    frame = pd.DataFrame(rows, columns=["file", "label", "split", "camera"])
    made = xai.study(frame, tmp_path / "framed")
    assert made.classes == ("dark blue", "green", "red")
    assert set(made.samples["path"]) == set(paths)
    monkeypatch.chdir(tmp_path)
    assert made.stored.picture(0).size == (SIDE, SIDE)
    assert xai.study(frame, tmp_path / "framed").stored.path == made.stored.path


@pytest.mark.parametrize(
    ("data", "classes", "says"),
    [
        (Held(lambda *_: torch.full((3, 8, 8), -2.0)), None, "not on the scale from 0 to 1: sample 0"),
        (Held(lambda *_: np.zeros((8, 8, 5), np.uint8)), None, "not a picture: sample 0: uint8"),
        (Held(lambda *_: "cat.png"), None, "not a picture: sample 0"),
        (Held(_grey, label=2), None, "a label of no class: sample 0: 2"),
        (Held(_grey, label=[0, 1]), None, "not a picture with a label: sample 0"),
        (Held(_grey), ("a/b", "c"), "cannot be folders: a/b"),
        ([(0, 0)], None, "names of the classes are not known"),
        ({"dev": Held(_grey)}, None, "not splits: dev"),
    ],
)
def test_what_is_no_data_set_of_pictures_leaves_nothing(data: Any, classes: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(XaiError, match=says):
        xai.study(data, tmp_path / "held", **({"classes": classes} if classes else {}))
    assert list(tmp_path.iterdir()) == []
