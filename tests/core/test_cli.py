"""The command, from pictures to explained errors, and what it says to mistakes."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import tiny_study
from tests.conftest import ROOT
from tests.tiny_study import fails, xai, xai_json
from xai_core.cli.flags import given_parameters
from xai_core.cli.main import all_commands, main, parser
from xai_core.errors import BadParameter
from xai_core.explainers.base import EXPLAINERS
from xai_core.params import specs
from xai_core.store.study import Study
from xai_core.training.config import TrainParams
from xai_core.triage.ordering import drawn

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_study.make(tmp_path_factory.mktemp("cli"), ["baseline", "other"]).path


@pytest.fixture
def study(made: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "colours"
    shutil.copytree(made, copy)
    return copy


def test_every_command_explains_itself(capsys: Capture) -> None:
    for command in all_commands():
        with pytest.raises(SystemExit) as ended:
            parser().parse_args([command.name, "--help"])
        assert ended.value.code == 0
        assert command.help.split()[0] in capsys.readouterr().out


def test_new_tells_what_it_found(tmp_path: Path, capsys: Capture) -> None:
    data = tiny_study.write_pictures(tmp_path / "data")
    (data / "train" / "red" / "broken.png").write_bytes(b"no picture")
    result = xai_json(capsys, "new", tmp_path / "s", "--dataset", "image-folder", "--data", data)
    assert result["samples"]["train"] == {"dark blue": 12, "green": 12, "red": 12}
    assert [bad["path"] for bad in result["unreadable"]] == ["train/red/broken.png"]


def test_explain_fills_the_store_and_goes_on_where_it_stopped(study: Path, capsys: Capture) -> None:
    words = ["explain", study, "--run", "baseline", "--methods", "gradcam,gradcam++,lrp,ig,shap", "--limit", "3"]
    words += ["--set", "ig.steps=8", "--set", "shap.samples=4"]
    first = xai_json(capsys, *words)
    assert all(state == {"stored": 3, "refused": 0} for state in first["methods"].values()), first
    stores = sorted((study / "runs" / "baseline" / "explanations").glob("*/maps.bin"))
    before = [path.read_bytes() for path in stores]
    assert len(stores) == 5
    xai(*words)
    assert [path.read_bytes() for path in stores] == before, "nothing is computed twice"


def test_explain_says_why_maps_are_refused(study: Path, capsys: Capture) -> None:
    run = Study.open(study).run("baseline")
    maps = run.maps("lrp", EXPLAINERS["lrp"].params(), create=True)
    assert maps is not None
    rows = drawn(run.study.rows("test"), 2, run.study.info.seed)  # among the three that are drawn below
    keys = [target.key for target in run.targets(rows, "predicted")]
    maps.put(rows, keys, np.full((2, 1, 1), np.nan, np.float32), {}, ("it is zero",) * 2)
    words = ["explain", study, "--run", "baseline", "--methods", "lrp,edges", "--limit", "3"]
    lrp = xai_json(capsys, *words)["methods"]["lrp"]
    assert lrp == {"stored": 1, "refused": 2, "reasons": {"it is zero": 2}}
    assert main([str(word) for word in words]) == 0
    assert "lrp   1 stored, 2 refused\n        2 × it is zero" in capsys.readouterr().out


def test_maps_that_are_all_refused_are_no_maps(study: Path, capsys: Capture) -> None:
    opened = Study.open(study)
    run = opened.run("baseline")
    rows = opened.rows("test")
    keys = [target.key for target in run.targets(rows, "predicted")]
    for weights in ("trained", "randomised:0"):
        maps = run.maps("lrp", EXPLAINERS["lrp"].params(), weights=weights, create=True)
        assert maps is not None
        maps.put(rows, keys, np.full((len(rows), 1, 1), np.nan, np.float32), {}, ("it is zero",) * len(rows))
    groups = xai_json(capsys, "aggregate", study, "--run", "baseline", "--method", "lrp", "--cell", "red:green")[
        "groups"
    ]
    assert all(group["n"] == 0 for group in groups.values())
    words = ["sanity", study, "--run", "baseline", "--methods", "lrp", "--limit", "4", "--orders", "all"]
    found = xai_json(capsys, *words, "--set", "lrp.composite=gamma", "--seeds", "1")["methods"]["lrp"]
    assert found["measures"]["spearman"]["random"]["n"] > 0
    words = ["aggregate", study, "--run", "baseline", "--method", "lrp", "--cell", "red:green"]
    groups = xai_json(capsys, *words, "--set", "lrp.composite=gamma")["groups"]
    assert any(group["n"] for group in groups.values())
    assert "not asked for" in fails(capsys, *words, "--set", "ig.steps=5")


def test_list_says_what_may_be_chosen(capsys: Capture) -> None:
    assert main(["list", "explainers"]) == 0
    assert "one of epsilon-plus-flat, gamma, epsilon" in capsys.readouterr().out


def test_the_same_map_serves_predicted_and_the_class(study: Path, capsys: Capture) -> None:
    run = Study.open(study).run("baseline")
    row = Study.open(study).rows("test")[0]
    name = Study.open(study).class_names[run.targets([row], "predicted")[0].positive]
    sample = Study.open(study).samples["id"].iloc[row]
    words = ["explain", study, "--run", "baseline", "--methods", "gradcam", "--ids", sample]
    xai(*words)
    xai(*words, "--target", name)
    [store] = (study / "runs" / "baseline" / "explanations").iterdir()
    maps = run.maps("gradcam", EXPLAINERS["gradcam"].params())
    assert maps is not None
    assert maps.count() == 1, store


def test_aggregate_sanity_and_compare_give_numbers(study: Path, capsys: Capture) -> None:
    result = xai_json(capsys, "aggregate", study, "--run", "baseline", "--method", "gradcam", "--cell", "red:green")
    assert set(result["groups"]) == {"correct_true", "correct_predicted", "confused"}
    result = xai_json(capsys, "sanity", study, "--run", "baseline", "--methods", "gradcam,edges", "--limit", "9")
    assert result["methods"]["edges"]["measures"]["spearman"]["random"]["mean"] == 1.0
    assert result["methods"]["edges"]["verdict"] == "fails", "an edge detector ignores the model"
    result = xai_json(capsys, "compare", study, "--baseline", "baseline", "--candidate", "other", "--cell", "0:1")
    assert result["accuracy"]["n"] == 18
    assert len(result["sentences"]) == 2
    assert sum(v for k, v in result["transitions"].items() if k != "n") == 18


def test_predict_keeps_what_is_there(study: Path, capsys: Capture) -> None:
    assert xai_json(capsys, "predict", study, "--run", "baseline")["new"] == 0
    (study / "runs" / "baseline" / "predictions.parquet").unlink()
    assert xai_json(capsys, "predict", study, "--run", "baseline", "--splits", "test")["new"] == 18


def test_a_child_run_takes_its_parents_configuration(study: Path, capsys: Capture) -> None:
    words = ["train", study, "--run", "child", "--parent", "baseline", "--augment", "top_biased_crop"]
    result = xai_json(capsys, *words, "--set", "top_biased_crop.probability=0.5")
    assert result["augmentations"] == ["flip", "top_biased_crop"]
    info = Study.open(study).run("child").info
    parent = Study.open(study).run("baseline").info
    assert info.parent == "baseline"
    assert info.preprocess == parent.preprocess
    assert {k for k in info.training if info.training[k] != parent.training[k]} <= {"augmentations", "best_epoch"}


def test_training_again_is_done_already_and_another_training_of_that_name_is_refused(
    study: Path, capsys: Capture
) -> None:
    words = ["train", study, "--run", "baseline", "--arch", "small_resnet", "--epochs", "1", "--batch-size", "8"]
    before = sorted((path, path.stat().st_mtime_ns) for path in study.rglob("*"))
    result = xai_json(capsys, *words)
    assert result["existed"]
    assert result["history"][-1]["split"] == "validation"
    assert 0 <= result["history"][-1]["accuracy"] <= 1
    xai(*words, "--size", "32")
    assert "baseline is there already, trained with these settings (small_resnet" in capsys.readouterr().out
    line = fails(capsys, *words, "--learning-rate", "0.001")
    assert "exists already, and is another: baseline (learning_rate: 0.006, not 0.001)" in line
    assert "(width: 32, not 64)" in fails(capsys, *words, "--size", "64")
    assert sorted((path, path.stat().st_mtime_ns) for path in study.rglob("*")) == before


def test_every_number_of_a_training_is_a_flag(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["train", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    for spec in specs(TrainParams):
        assert f"--{spec.name.replace('_', '-')} " in told, spec.name
    assert "float32|bfloat16" in told
    args = parser().parse_args(["train", "s", "--run", "r", "--epochs", "7", "--class-weights", "no"])
    assert given_parameters(args, TrainParams) == {"epochs": 7, "class_weights": False}
    args = parser().parse_args(["train", "s", "--run", "r", "--epochs", "many"])
    with pytest.raises(BadParameter, match="epochs"):
        given_parameters(args, TrainParams)


def test_predictions_from_a_table(study: Path, tmp_path: Path, capsys: Capture) -> None:
    names = Study.open(study).class_names
    ids = Study.open(study).samples["id"].iloc[:3]
    table = tmp_path / "p.csv"
    header = ",".join(["id", *names])
    table.write_text("\n".join([header, *(f"{i},0.2,0.7,0.1" for i in ids)]))
    assert xai_json(capsys, "import", study, "--run", "theirs", "--predictions", table)["predictions"] == 3
    for lines, says in [
        ([header, "nobody,0.2,0.7,0.1"], "unknown sample"),
        ([header, f"{ids.iloc[0]},2,0.7,0.1"], "no probabilities"),
        ([header, f"{ids.iloc[0]},0.2,0.2,0.1"], "does not add up"),
        ([header, *[f"{ids.iloc[0]},0.2,0.7,0.1"] * 2], "twice"),
        (["id,red", f"{ids.iloc[0]},1"], "lacks columns"),
        ([header], "no lines"),
    ]:
        table.write_text("\n".join(lines))
        assert says in fails(capsys, "import", study, "--run", "bad", "--predictions", table)
    assert Study.open(study).runs()[-1] == "theirs"
    words = ["explain", study, "--run", "theirs", "--methods", "gradcam", "--ids", ids.iloc[0]]
    assert "no model" in fails(capsys, *words)


OWN_CODE = """
from pathlib import Path
from torch import nn

def net(classes):
    Path("ran").touch()
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))
"""


def test_a_model_of_ones_own(study: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "their_net.py").write_text(OWN_CODE)
    monkeypatch.syspath_prepend(tmp_path)
    torch.manual_seed(0)
    module = __import__("their_net").net(3)
    torch.save(module.state_dict(), tmp_path / "w.pt")
    words: list[str | Path] = ["import", study, "--run", "own", "--arch", "their_net:net", "--weights", "w.pt"]
    line = fails(capsys, *words)
    for flag in ("--size", "--mean", "--std", "--classes"):
        assert flag in line
    words += ["--size", "32", "--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5"]
    line = fails(capsys, *words, "--cam-layer", "0", "--classes", "red,green,blue")
    assert "the model's classes lack 1 class of the study: dark blue" in line
    words += ["--classes", "dark blue,green,red"]
    assert "Layers with a map: 1 (4×30×30)" in fails(capsys, *words, "--cam-layer", "nope")
    xai(*words, "--cam-layer", "0")
    xai("predict", study, "--run", "own")
    xai("explain", study, "--run", "own", "--methods", "gradcam,ig", "--limit", "2", "--set", "ig.steps=4")
    # On another machine, or for another person, the study alone must not make us run its code.
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "nobody"))
    (tmp_path / "ran").unlink()
    (study / "runs" / "own" / "predictions.parquet").unlink()
    assert "Python code" in fails(capsys, "predict", study, "--run", "own")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["new", "{study}", "--dataset", "image-folder", "--data", "."], "already"),
        (["new", "x", "--dataset", "image-foldr", "--data", "."], "Did you mean image-folder"),
        (["new", "x", "--dataset", "image-folder", "--data", "/nowhere"], "nowhere"),
        (["new", "x", "--dataset", "fashion-mnist", "--data", ".", "--masks", "m"], "--masks is not for this dataset"),
        (["predict", "{study}", "--run", "basline"], "Did you mean baseline"),
        (["predict", "{study}", "--run", "../../etc"], "no run of this name"),
        (["predict", "nothing", "--run", "a"], "no study here"),
        (["predict", "{study}", "--run", "baseline", "--splits", "tst"], "not a split"),
        (["predict", "{study}", "--run", "baseline", "--device", "tpu"], "no such device"),
        (["train", "{study}", "--run", "baseline", "--arch", "small_cnn"], "exists already"),
        (["train", "{study}", "--run", "a b", "--arch", "small_cnn"], "not a name"),
        (["train", "{study}", "--run", "new"], "which architecture"),
        (["train", "{study}", "--run", "new", "--arch", "resnet19"], "resnet18"),
        (["train", "{study}", "--run", "new", "--arch", "small_cnn", "--epochs", "0"], "at least 1|from 1"),
        (["train", "{study}", "--run", "new", "--arch", "small_cnn", "--augment", "flop"], "flip"),
        (["train", "{study}", "--run", "new", "--arch", "small_cnn", "--set", "affine.x=1"], "not chosen"),
        (["explain", "{study}", "--run", "baseline", "--methods", "gradcm"], "gradcam"),
        (["explain", "{study}", "--run", "baseline", "--methods", "gradcam", "--cell", "red"], "TRUE:PREDICTED"),
        (["explain", "{study}", "--run", "baseline", "--methods", "gradcam", "--cell", "red:grean"], "green"),
        (["explain", "{study}", "--run", "baseline", "--methods", "gradcam", "--true", "red"], "half a cell"),
        (["explain", "{study}", "--run", "baseline", "--methods", "gradcam", "--target", "9"], "no class"),
        (["explain", "{study}", "--run", "baseline", "--methods", "ig", "--set", "ig.steps=0"], "from 2"),
        (["explain", "{study}", "--run", "baseline", "--methods", "ig", "--set", "lrp.x=0"], "not asked for"),
        (["explain", "{study}", "--run", "baseline", "--methods", "gradcam", "--ids", "nobody"], "no sample"),
        (["explain", "{study}", "--run", "baseline", "--methods", "gradcam", "--set", "gradcam.layer=x"], "layer"),
        (["aggregate", "{study}", "--run", "baseline", "--method", "gradcam"], "which confusion"),
        (["import", "{study}", "--run", "x"], "what is to be imported"),
        (["predict", "{study}", "--run", "baseline", "--splits", ""], "nothing is named"),
        (["explain", "{study}", "--run", "baseline", "--methods", " , "], "nothing is named"),
        (["explain", "{study}", "--run", "baseline", "--methods", "gradcam", "--ids", ""], "no sample is named"),
        (["explain", "{study}", "--run", "baseline", "--methods", "gradcam", "--limit", "-1"], "whole number from 1"),
        (["sanity", "{study}", "--run", "baseline", "--methods", "gradcam", "--seed", "-1"], "whole number from 0"),
        (["new", "x", "--dataset", "image-folder", "--data", ".", "--seed", "-1"], "whole number from 0"),
        (["train", "{study}", "--run", "new", "--arch", "small_cnn", "--mean", ""], "no number"),
        (["train", "{study}", "--run", "new", "--arch", "small_cnn", "--mean", "a"], "invalid"),
        (["explain", "{study}"], "required"),
        (["list", "nothing"], "invalid choice"),
        (["serve", "nothing"], "no study here"),
    ],
)
def test_a_mistake_gets_one_line(
    made: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, words: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    line = fails(capsys, *(word.format(study=made) for word in words))
    assert re.search(says, line), line


def test_a_port_in_use(made: Path, capsys: Capture) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        line = fails(capsys, "serve", made, "--port", str(taken.getsockname()[1]))
    assert "Choose another --port" in line


def test_a_malicious_weights_file_runs_nothing(study: Path, tmp_path: Path, capsys: Capture) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    torch.save({"state_dict": Payload()}, tmp_path / "evil.pth")
    words = ["train", study, "--run", "new", "--arch", "small_cnn", "--init", tmp_path / "evil.pth"]
    assert "evil.pth" in fails(capsys, *words)
    assert not (tmp_path / "ran").exists()
    assert Study.open(study).runs() == ["baseline", "other"]


def test_stopping_keeps_what_is_finished(study: Path) -> None:
    words = ["train", str(study), "--run", "long", "--arch", "small_cnn", "--epochs", "1000", "--batch-size", "4"]
    process = subprocess.Popen(
        [sys.executable, "-m", "xai_core", *words], cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    folder = study / "training" / "long"
    for _ in range(600):
        if (folder / "resume.safetensors").exists():
            break
        try:
            process.wait(0.1)
            break
        except subprocess.TimeoutExpired:
            continue
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors.decode()[-500:]
    assert b"stopped; what was finished is kept" in errors
    assert (folder / "resume.safetensors").exists()
    assert "long" not in Study.open(study).runs()


def test_json_has_no_nan(study: Path, capsys: Capture) -> None:
    capsys.readouterr()
    assert main(["list", "explainers", "--json"]) == 0
    members = json.loads(capsys.readouterr().out)["families"]["explainers"]
    assert {"gradcam", "gradcam++", "lrp", "ig", "shap"} <= {member["key"] for member in members}
