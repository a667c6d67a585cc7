"""Models whose outputs are not the study's classes one by one: picked by name, taken out of tuples and tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import xai_core as xai
from tests.run_info import rewrite
from tests.tiny_study import SIDE, fails, write_pictures, xai_json
from tests.tiny_study import xai as command
from xai_core.errors import BadInput, BadParameter
from xai_core.models.answer import Answer
from xai_core.models.build import fresh_module
from xai_core.models.preprocess import Preprocess
from xai_core.models.weights import read_weights
from xai_core.models.wrappers import Answering, asked
from xai_core.pipeline.class_match import answer_for
from xai_core.pipeline.imports import Model, import_model
from xai_core.pipeline.load import load_classifier
from xai_core.sanity.randomise import randomised
from xai_core.store.study import Study

Capture = pytest.CaptureFixture[str]
HALF = (0.5, 0.5, 0.5)
LOOK: dict[str, Any] = {"size": SIDE, "mean": HALF, "std": HALF}
FLAGS = ["--size", str(SIDE), "--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5"]
STUDY = ("dark blue", "green", "red")
THEIRS = ("purple", "RED", "n7", "grey", "Dark_Blue", "emerald, green, jade", "white")
PICKED = (4, 5, 1)
CODE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, classes=3):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.head = nn.Linear(4, classes)

    def forward(self, x):
        features = self.body(x).mean((2, 3))
        return {"features": features, "logits": self.head(features)}

def trained():
    torch.manual_seed(3)
    return Net()

def drawn():
    return Net()
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outputs")
    command("new", folder / "s", "--dataset", "image-folder", "--data", write_pictures(folder / "p", per_class=6))
    return folder / "s"


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "tables.py").write_text(CODE)


def _wide(narrow: nn.Module, picked: Sequence[int] = PICKED, outputs: int = len(THEIRS)) -> nn.Module:
    """The same network with more outputs, of which those that are picked are the narrow one's."""
    wide = fresh_module("small_cnn", outputs, _prep(), seed=8)
    state = wide.state_dict()
    for name, tensor in narrow.state_dict().items():
        if tensor.shape == state[name].shape:
            state[name] = tensor
        else:
            state[name][list(picked)] = tensor
    wide.load_state_dict(state)
    return wide.eval()


def _prep() -> Preprocess:
    return Preprocess(SIDE, SIDE, 3, HALF, HALF)


def _narrow() -> nn.Module:
    return fresh_module("small_cnn", 3, _prep(), seed=1).eval()


def test_classes_are_picked_by_name_and_the_run_opens_as_that_model(
    study: Path, tmp_path: Path, capsys: Capture
) -> None:
    torch.save(_wide(_narrow()).state_dict(), tmp_path / "wide.pt")
    torch.save(_narrow().state_dict(), tmp_path / "narrow.pt")
    names = tmp_path / "names.txt"
    names.write_text("\n".join(THEIRS))
    words = ["import", study, "--arch", "small_cnn", *FLAGS]
    listed = ",".join(f'"{name}"' if "," in name else name for name in THEIRS)
    for run, given in (("wide", ["--classes-file", names]), ("listed", ["--classes", listed])):
        result = xai_json(capsys, *words, "--run", run, "--weights", tmp_path / "wide.pt", *given)
        assert any("3 classes are picked out of the model's 7 by name" in note for note in result["notes"])
        assert any("of the model written otherwise" in note for note in result["notes"])
    command(*words, "--run", "narrow", "--weights", tmp_path / "narrow.pt", "--classes", ",".join(STUDY))
    runs = {name: Study.open(study).run(name) for name in ("wide", "listed", "narrow")}
    assert runs["wide"].info.answer == {"outputs": 7, "picked": list(PICKED), "logits": None}
    assert runs["narrow"].info.answer == {}
    assert runs["wide"].info.fingerprint == runs["listed"].info.fingerprint
    wide, narrow = (load_classifier(runs[name], device="cpu") for name in ("wide", "narrow"))
    assert wide.fingerprint == runs["wide"].info.fingerprint
    x = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(wide.logits(x), narrow.logits(x))
    assert read_weights(runs["wide"].weights).keys() == _narrow().state_dict().keys()
    for name in ("wide", "narrow"):
        command("predict", study, "--run", name)
        command("explain", study, "--run", name, "--methods", "gradcam,lrp", "--limit", "2")
    found = [runs[name].predictions for name in ("wide", "narrow")]
    assert found[0] is not None
    assert found[1] is not None
    np.testing.assert_allclose(found[0].probabilities, found[1].probabilities, atol=1e-5)
    assert randomised(wide, 1).module.picked is not None
    one, other = (asked(randomised(each, 1).module).state_dict() for each in (wide, narrow))
    assert all(torch.equal(one[name], other[name]) for name in one if one[name].shape == other[name].shape)


def test_another_choice_is_another_model(study: Path, tmp_path: Path) -> None:
    opened = Study.open(study)
    torch.save(_wide(_narrow()).state_dict(), tmp_path / "wide.pt")
    runs = [
        import_model(
            opened, f"choice{number}", Model("small_cnn", tmp_path / "wide.pt", classes, None, SIDE, HALF, HALF)
        )
        for number, classes in enumerate((THEIRS, THEIRS[::-1], (*THEIRS[1:], "more")))
    ]
    assert len({run.info.fingerprint for run in runs}) == 3
    assert runs[2].info.answer["picked"] == [3, 4, 0]
    rewrite(runs[0], answer={"outputs": 7, "picked": [4, 5, 2], "logits": None})
    with pytest.raises(BadInput, match="other weights than those"):
        load_classifier(opened.run("choice0"), device="cpu")
    for answer in ({"outputs": 7}, {"outputs": 10**9, "picked": [1, 2, 3]}, {"outputs": 7, "picked": [1, 1, 2]}):
        rewrite(runs[0], answer=answer)
        with pytest.raises(BadInput, match="which of a model's outputs are the classes is not told"):
            load_classifier(opened.run("choice0"), device="cpu")


def test_a_live_model_that_only_its_program_holds_is_picked_from_too(study: Path) -> None:
    class Held(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = _wide(_narrow())

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x.mean((2, 3)), self.net(x)

    run = xai.open_study(study).add_model(Held(), "held", **LOOK, classes=THEIRS, predict=("test",))
    assert run.stored.info.answer == {"outputs": 7, "picked": list(PICKED), "logits": 1}
    notes = " ".join(run.stored.info.provenance["notes"])
    assert "picked out of the model's 7" in notes
    assert "The model returns a tuple (0: (1, 3), 1: (1, 7)): part 1 is taken for the logits." in notes
    assert np.isfinite(run.explain(Study.open(study).rows("test")[:1], ["gradcam", "lrp"])["gradcam"].maps).all()


def test_probabilities_are_refused_also_where_some_are_picked(study: Path) -> None:
    opened = xai.open_study(study)
    with pytest.raises(BadInput, match="returns probabilities"):
        opened.add_model(nn.Sequential(_wide(_narrow()), nn.Softmax(1)), "soft", **LOOK, classes=THEIRS)
    with pytest.raises(BadInput, match=r"the output has shape \(1, 7\) instead of \(1, 8\)"):
        opened.add_model(_wide(_narrow()), "more", **LOOK, classes=(*THEIRS, "more"))
    assert not {"soft", "more"} & set(opened.runs)


def test_a_table_of_an_own_function_that_needs_no_weights_file(study: Path, capsys: Capture, code: None) -> None:
    words = ["import", study, "--run", "table", "--cam-layer", "body", *FLAGS, "--classes", "red,green,dark blue"]
    line = fails(capsys, *words, "--arch", "tables:drawn")
    assert "the model needs --weights: its function draws others each time: tables:drawn." in line
    result = xai_json(capsys, *words, "--arch", "tables:trained")
    assert "Weights as tables:trained returns them." in result["notes"]
    assert any("its logits are taken" in note for note in result["notes"])
    assert any("put into the study's order" in note for note in result["notes"])
    run = Study.open(study).run("table")
    assert run.info.answer == {"outputs": 3, "picked": [2, 1, 0], "logits": "logits"}
    made = load_classifier(run, device="cpu")
    assert isinstance(made.module, Answering)
    x = torch.randn(1, 3, SIDE, SIDE)
    torch.testing.assert_close(made.logits(x), made.module.asked(x)["logits"][:, [2, 1, 0]])
    command("predict", study, "--run", "table")
    command("explain", study, "--run", "table", "--methods", "gradcam", "--limit", "1")


@pytest.mark.parametrize(
    ("classes", "says"),
    [
        (("red", "blue"), "the model's classes lack 2 classes of the study: dark blue, green. Give all names"),
        ((), "lack 3 classes of the study: dark blue, green, red. .* given are 0 outputs"),
        (("red", "red", "green", "dark blue"), r"several outputs of the model are called red: 0 \(red\) and 1 \(red\)"),
        (("red, green", "dark blue"), r"one output of the model is two classes, green and red: 0 \(red, green\)"),
    ],
)
def test_names_that_do_not_fit_are_named(study: Path, classes: tuple[str, ...], says: str) -> None:
    with pytest.raises(BadParameter, match=says):
        answer_for(Study.open(study), classes)


def test_ids_and_names_of_a_list_both_count(tmp_path: Path, capsys: Capture) -> None:
    data = write_pictures(tmp_path / "p", per_class=3)
    for folder in data.glob("*/*"):
        folder.rename(folder.with_name({"red": "n1", "green": "n2", "dark blue": "n3"}[folder.name]))
    (tmp_path / "names.txt").write_text("n1 crane\nn2 crane\nn3 heron\n")
    command(
        "new", tmp_path / "s", "--dataset", "image-folder", "--data", data, "--classes-file", tmp_path / "names.txt"
    )
    study = Study.open(tmp_path / "s")
    assert study.class_names == ("crane (n1)", "crane (n2)", "heron")
    assert answer_for(study, ("n3", "n0", "n2", "n1"))[0] == Answer(4, (3, 2, 0))
    index = {"0": ["n3", "heron"], "1": ["n9", "crane"], "2": ["n1", "crane"], "3": ["n2", "crane"]}
    (tmp_path / "index.json").write_text(json.dumps(index))
    torch.save(fresh_module("small_cnn", 4, _prep()).state_dict(), tmp_path / "w.pt")
    words = ["import", tmp_path / "s", "--run", "all", "--arch", "small_cnn", *FLAGS, "--weights", tmp_path / "w.pt"]
    command(*words, "--classes-file", tmp_path / "index.json")
    assert Study.open(tmp_path / "s").run("all").info.answer["picked"] == [2, 3, 0]
    assert "say the same" in fails(capsys, *words, "--classes-file", tmp_path / "index.json", "--classes", "a")


def test_those_that_are_the_studys_as_they_come_change_nothing(study: Path) -> None:
    assert answer_for(Study.open(study), STUDY) == (Answer(3), [])
    assert Answer(3).as_dict() == {}
    assert Answer.from_dict({}, 3) == Answer(3)
