"""Recipes: steps that know what is stored, reports from the store and the pages that hold them; that of paper 3."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from tests.conftest import ROOT
from tests.how_to import example
from tests.tiny_study import fails, write_pictures, xai, xai_json
from xai_core.answers.leaks import leaks
from xai_core.answers.scope import Scope
from xai_core.cli.main import CANCELLED, main
from xai_core.errors import BadInput
from xai_core.jobs.operations import Work
from xai_core.models.build import fresh_module
from xai_core.models.preprocess import Preprocess
from xai_core.models.weights import fingerprint, save_weights
from xai_core.recipes import RECIPES, Asked
from xai_core.recipes import xai_framework as framework
from xai_core.recipes.making.layers import convolution
from xai_core.recipes.making.report import Part, Report, marked, write_page
from xai_core.store.run import RunInfo
from xai_core.store.study import Study
from xai_core.triage.intervals import wilson
from xai_core.types import Cancelled

Capture = pytest.CaptureFixture[str]
KEY = "xai-framework"
QUICK = ["--architecture", "small_cnn", "--size", "32", "--epochs", "2", "--cases", "3", "--samples", "6"]
QUICK += ["--methods", "gradcam,saliency", "--metrics", "sparseness", "--check", "2"]
PAGE = ROOT / "docs" / "case-studies" / f"{KEY}.md"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of three colours; two of the test are in the training split as well."""
    folder = write_pictures(tmp_path_factory.mktemp("recipe") / "scans")
    for name in ("red", "green"):
        shutil.copyfile(folder / "train" / name / "000.png", folder / "test" / name / "000.png")
    return folder


@pytest.fixture(scope="module")
def words(data: Path) -> list[str | Path]:
    return ["recipe", KEY, "--data", data, "--into", data.parent / "study", *QUICK]


@pytest.fixture(scope="module")
def told(words: list[str | Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the command says of the first time, with its page in `page.md`."""
    page = tmp_path_factory.mktemp("page") / "page.md"
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        xai(*words, "--json", "--markdown", page)
    return json.loads(out.getvalue()) | {"markdown": page.read_text(encoding="utf-8")}


def test_what_there_is_takes_no_study(capsys: Capture) -> None:
    (one, *_) = xai_json(capsys, "recipe", "--list")["recipes"]
    assert {"key", "title", "paper", "data", "takes"} <= set(one)
    xai("recipe")
    assert f"{KEY}: " in capsys.readouterr().out
    assert "--imagenet" in _help(capsys, "recipe", KEY)


def _help(capsys: Capture, *words: str) -> str:
    assert main([*words, "--help"]) == 0
    return capsys.readouterr().out


def test_the_plan_of_what_is_not_there_writes_nothing(words: list[str | Path], capsys: Capture, tmp_path: Path) -> None:
    elsewhere = [tmp_path / "none" if word == words[5] else word for word in words]
    plan = xai_json(capsys, *elsewhere, "--dry-run")["plan"]
    assert [step["done"] for step in plan] == [False] * len(plan)
    assert [step["step"] for step in plan][:3] == ["new", "train small_cnn", "predict small_cnn"]
    assert not (tmp_path / "none").exists()


def test_the_same_command_again_does_nothing(
    told: dict[str, Any], words: list[str | Path], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not any(step["was_done"] for step in told["steps"])
    assert len({step["step"] for step in told["steps"]}) == len(told["steps"])

    def never(*_: Any) -> Any:
        raise AssertionError("nothing is left to do")

    for step in ("train.train_run", "predict.predict", "explain.explain_steps", "score.score_steps"):
        monkeypatch.setattr(f"xai_core.pipeline.{step}", never)
    again = xai_json(capsys, *words)
    assert all(step["was_done"] and step["seconds"] == 0 for step in again["steps"])
    assert again["report"] == told["report"]
    assert all(step["done"] for step in xai_json(capsys, *words, "--dry-run")["plan"])
    xai(*words)
    shown = capsys.readouterr().out
    assert "train small_cnn: was there already" in shown
    assert "\nData\n  class  " in shown
    assert "78.9 %" in shown
    assert "Next: xai serve" in shown


def test_the_study_is_one_like_any_other(told: dict[str, Any], capsys: Capture) -> None:
    overview = xai_json(capsys, "show", told["study"], "overview")
    assert overview["runs"]["table"][0]["name"] == "small_cnn"


def test_the_leak_is_found_and_the_accuracy_given_without_it(told: dict[str, Any]) -> None:
    (part,) = [part for part in told["report"] if part["title"] == "Pictures in two splits"]
    assert part["values"]["groups"] == 2
    assert [(each["name"], each["n"]) for each in part["values"]["accuracy"]][:2] == [
        ("all", 18),
        ("without identical", 16),
    ]
    assert part["rows"][1][4] == "16"
    assert "2 of 18 test samples are the same picture" in " ".join(part["said"])


def test_shares_with_and_without_the_leak_by_hand(data: Path, tmp_path: Path, capsys: Capture) -> None:
    xai("new", tmp_path / "study", "--data", data)
    study = Study.open(tmp_path / "study")
    test = study.rows("test")
    twins = np.array([row for rows in study.duplicates()["rows"] for row in rows])
    right = study.labels[test].copy()
    leaked = np.isin(test, twins)
    wrong = np.flatnonzero(~leaked)[:4]
    right[wrong] = (right[wrong] + 1) % 3
    with study.new_run("told", RunInfo()) as run:
        run.write_predictions(test, np.eye(3, dtype=np.float32)[right])
    found = leaks(Scope(study.run("told"), "test"))
    by_name = {share.name: share for share in found.shares}
    assert by_name["all"].accuracy == 14 / 18
    assert by_name["without identical"].accuracy == 12 / 16
    assert (by_name["without identical"].low, by_name["without identical"].high) == tuple(map(float, wilson(12, 16)))
    assert by_name["only identical"].accuracy == 1
    assert "Accuracy is 77.8 % of 18 with them and 75.0 % (50.5 to 89.8 %) of 16 without." in found.text()
    assert "by class: dark blue 6 of 6, green 5 of 6, red 5 of 6." in found.text()
    assert found.as_json()["identical"] == 2
    clean = leaks(Scope(study.run("told"), "validation"))
    assert clean.sentences == ("None of the validation samples is in another split.",)
    assert np.isnan(clean.shares[0].accuracy)


@pytest.mark.parametrize("at", ["explain small_cnn"])
def test_what_was_stopped_goes_on(
    data: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """Before and within a step: those before it stay, and are not done again."""
    words = ["recipe", KEY, "--data", data, "--into", tmp_path / "study", *QUICK, "--epochs", "1"]
    from xai_core.recipes.making import steps

    original = steps._step

    def stopping(name: str, *rest: Any) -> Any:
        step = original(name, *rest)

        def run(work: Work) -> dict[str, Any]:
            step.run(work)
            raise Cancelled

        return replace(step, run=run) if name == at else step

    with monkeypatch.context() as patch:
        patch.setattr(steps, "_step", stopping)
        assert main([str(word) for word in words]) == CANCELLED
    capsys.readouterr()
    after = {step["step"]: step["was_done"] for step in xai_json(capsys, *words)["steps"]}
    names = list(after)
    place = names.index(at)
    assert all(after[name] for name in names[: place + 1])
    assert not after[names[place + 1]]


@pytest.mark.slow
def test_a_killed_recipe_goes_on(data: Path, tmp_path: Path, capsys: Capture) -> None:
    words = ["recipe", KEY, "--data", data, "--into", tmp_path / "study", *QUICK, "--epochs", "40"]
    command = [sys.executable, "-m", "xai_core", *map(str, words)]
    child = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    waited = time.monotonic()
    while not list((tmp_path / "study").glob("training/small_cnn/*")) and time.monotonic() - waited < 120:
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    done = {step["step"]: step["was_done"] for step in xai_json(capsys, *words)["steps"]}
    assert done["new"]
    assert not done["train small_cnn"]
    assert Study.open(tmp_path / "study").runs() == ["small_cnn"]


def test_mistakes_are_one_line_before_anything_is_done(
    data: Path, told: dict[str, Any], words: list[str | Path], tmp_path: Path, capsys: Capture
) -> None:
    new = ["recipe", KEY, "--data", data, "--into", tmp_path / "none"]
    weights = tmp_path / "w.pth"
    weights.touch()
    for flags, says in (
        (["--methods", "gradcamm"], "Did you mean gradcam"),
        (["--metrics", "x"], "no metric of this name"),
        (["--architecture", "vgg61"], "Did you mean vgg16"),
        (["--init", tmp_path / "x"], "no such file of weights"),
        (["--imagenet", data], "Give --weights FILE"),
        (["--imagenet", data, "--weights", weights], "no ImageNet pictures of two classes"),
        (["--imagenet", tmp_path / "x", "--weights", weights], "no such folder of ImageNet pictures"),
        (["--epochs", "0"], "epochs is out of range"),
    ):
        assert says in fails(capsys, *new, *flags)
    assert not (tmp_path / "none").exists()
    assert "invalid choice" in fails(capsys, "recipe", "nothing")
    assert "Choose another --into" in fails(capsys, *words, "--epochs", "3")
    other = [tmp_path if word == data else word for word in words]
    assert "another study is here" in fails(capsys, *other)
    assert told["study"]


def test_the_seventh_convolution_or_what_nothing_bypasses(data: Path, tmp_path: Path) -> None:
    xai("new", tmp_path / "study", "--data", data)
    study = Study.open(tmp_path / "study")
    for architecture, size, expected in (
        ("small_cnn", 32, ("features.8", "features.8")),
        ("small_resnet", 32, ("block3.body.0", "block3")),
        ("squeezenet1_1", 64, ("features.4.expand3x3", "features.4")),
    ):
        square = Preprocess(size, size, 3, (0.5,) * 3, (0.5,) * 3)
        module = fresh_module(architecture, 3, square)
        about = RunInfo(architecture, square.as_dict(), "", fingerprint(module, architecture, square))
        with study.new_run(architecture, about) as run:
            save_weights(module, run.weights)
        assert convolution(study.run(architecture), framework.SEVENTH) == expected


def test_the_light_net_unless_something_says_otherwise(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chosen(device: str = "cpu", **values: Any) -> str:
        return framework._architecture(Asked(data, tmp_path / "x", framework.FrameworkParams(**values), device))

    assert chosen() == "small_resnet"
    assert chosen(init="vgg.pth") == "vgg16"
    assert chosen(init="x", architecture="resnet18") == "resnet18"
    monkeypatch.setattr("xai_core.models.build.pick_device", lambda _: torch.device("cuda"))
    assert chosen("auto") == "vgg16"
    config = framework._training(Asked(data, tmp_path / "x", framework.FrameworkParams(), "auto"))
    assert (config.run, config.size) == ("vgg16", 224)


def test_the_half_with_imagenet(
    told: dict[str, Any], words: list[str | Path], tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two pictures named by class, and a network that knows a thousand."""
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for name in ("n02504458_African_elephant", "n01440764_tench"):
        Image.fromarray(rng.integers(0, 255, (64, 64, 3)).astype(np.uint8)).save(tmp_path / "images" / f"{name}.png")
    torch.manual_seed(0)
    torch.save(torchvision.models.squeezenet1_1().state_dict(), tmp_path / "w.pth")
    monkeypatch.setattr(framework, "_three", lambda _: [("gradcam", {}), ("edges", {})])
    flags = ["--imagenet", tmp_path, "--weights", tmp_path / "w.pth", "--pictures", "1"]
    found = xai_json(capsys, *words, *flags)
    assert [step["was_done"] for step in found["steps"]][-4:] == [False] * 4
    assert _titles(found["report"])[-3:] == [line[3:] for line in _headings(_committed()) if "ImageNet" in line]
    (elephants,) = [part for part in found["report"] if part["title"] == "ImageNet: elephants"]
    assert len(elephants["rows"]) == 1
    study = Study.open(Path(f"{told['study']}-imagenet"))
    assert study.class_names == ("African elephant", "tench")
    assert all(step["was_done"] for step in xai_json(capsys, *words, *flags)["steps"])


def _titles(report: list[dict[str, Any]]) -> list[str]:
    return [part["title"] for part in report]


def _headings(page: str) -> list[str]:
    return re.findall(r"^## .*$", page, re.MULTILINE)


def _committed() -> str:
    return marked(PAGE.read_text(encoding="utf-8"), KEY, PAGE)


def _tables(page: str) -> dict[str, str]:
    """The head of the table under each heading."""
    parts = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    heads = {part.partition("\n")[0]: re.findall(r"^\| .*$", part, re.MULTILINE) for part in parts}
    return {title: lines[0] for title, lines in heads.items() if lines}


def test_the_committed_page_has_the_form_that_the_recipe_writes(told: dict[str, Any]) -> None:
    made, page = marked(told["markdown"], KEY, Path("page.md")), _committed()
    assert _headings(made) == [line for line in _headings(page) if "ImageNet" not in line]
    here, there = _tables(made), _tables(page)
    free = {"Comparison of methods", "The model"}  # a column for each metric, or the run's name
    for title in set(here) - free:
        assert here[title] == there[title], title
    assert told["markdown"].startswith(f"# {RECIPES[KEY].card.title}\n")


def test_a_page_keeps_what_people_wrote(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    part = Part("A | part", ("name", "n"), (("a|b <img>", "1"),), ("Said.",))
    write_page(page, "x", "Title", Report([part]).markdown())
    assert "| a\\|b &lt;img> | 1 |" in page.read_text()
    page.write_text(page.read_text().replace("# Title", "# Title\n\nBy hand.") + "\nLearned.\n")
    write_page(page, "x", "Title", Report([replace(part, title="B")]).markdown())
    text = page.read_text()
    assert "By hand." in text
    assert text.endswith("\nLearned.\n")
    assert "## B" in text
    assert "A | part" not in text
    assert marked(text, "x", page).startswith("## B")
    page.write_text("no marks")
    with pytest.raises(BadInput, match="no place for the tables"):
        write_page(page, "x", "Title", "made")
    assert page.read_text() == "no marks"
    with pytest.raises(BadInput, match="cannot be"):
        write_page(tmp_path, "x", "Title", "made")


def test_the_recipe_of_the_how_to(data: Path, tmp_path: Path, capsys: Capture) -> None:
    with example("add-a-recipe", RECIPES, tmp_path) as member:
        words = ["recipe", member.card.key, "--data", data, "--into", tmp_path / "study", "--epochs", "1"]
        found = xai_json(capsys, *words, "--markdown", tmp_path / "page.md")
        assert [step["step"] for step in found["steps"]] == ["new", "train small", "predict small", "explain"]
        assert _titles(found["report"]) == ["Accuracy", "Pictures in two splits"]
        assert "91.0 %" in (tmp_path / "page.md").read_text()
        assert all(step["was_done"] for step in xai_json(capsys, *words)["steps"])
        more = xai_json(capsys, *words, "--samples", "15")
        assert [step["was_done"] for step in more["steps"]] == [True, True, True, False]
    assert "first-numbers" not in RECIPES
