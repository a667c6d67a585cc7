"""A planned training: its command makes the very configuration, its time is told, and a cell suggests what to try."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

import pytest

from tests.tiny_study import write_pictures, xai
from xai_core.answers import training
from xai_core.answers.training import Plan, configuration_of, curves_of, free_name, going_on, suggestion, usable_members
from xai_core.cli.commands import train as command
from xai_core.store.study import Study
from xai_core.training.config import TrainConfig


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("plans")
    path = folder / "study"
    xai("new", path, "--dataset", "image-folder", "--data", write_pictures(folder / "pictures", per_class=8))
    words = ["--arch", "small_cnn", "--epochs", "2", "--batch-size", "8", "--size", "28", "--augment", "color_jitter"]
    xai("train", path, "--run", "base", *words, "--set", "color_jitter.brightness=0.3", "--predict")
    return Study.open(path)


def made_by(line: str, study: Study) -> TrainConfig:
    """The configuration that a command means."""
    words = shlex.split(line)
    assert words[:2] == ["xai", "train"]
    parser = argparse.ArgumentParser()
    command._configure(parser)
    args = parser.parse_args(words[2:])
    return command.configuration(args, study.run(args.parent) if args.parent else None)


CHANGES = {
    "nothing": {},
    "numbers": {"epochs": 5, "learning_rate": 0.001, "class_weights": False, "seed": 3},
    "a parameter of the loss": {"loss_params": {"label_smoothing": 0.2}},
    "another loss": {"loss": "focal", "loss_params": {}},
    "a parameter of an augmentation": {"augmentations": {"flip": {}, "color_jitter": {"brightness": 0.1}}},
    "other augmentations": {"augmentations": {"mixup": {"alpha": 0.5}, "color_jitter": {"brightness": 0.3}}},
    "no augmentations": {"augmentations": {}},
    "a class with a space": {"augmentations": {"attention_crop": {"true": "dark blue", "run": "base"}}},
    "another architecture": {"architecture": "small_resnet"},
}


GOING_ON = [change for change in CHANGES if change != "another architecture"]
"""Whose weights fit."""


@pytest.mark.parametrize(("change", "from_parent"), [*((c, False) for c in CHANGES), *((c, True) for c in GOING_ON)])
def test_the_command_of_a_plan_means_the_plan(study: Study, change: str, from_parent: bool) -> None:
    parent = study.run("base")
    values = configuration_of(parent) | (going_on(parent) if from_parent else {}) | CHANGES[change]
    plan = Plan(study, "new", TrainConfig.from_dict(values), parent, from_parent)
    assert made_by(plan.line, study).resolved() == plan.config.resolved()


def test_a_plan_without_a_parent(study: Study) -> None:
    plan = Plan(study, "new", TrainConfig(architecture="small_cnn", epochs=1), seeds=6, check=True)
    assert made_by(plan.line, study).resolved() == plan.config.resolved()
    assert "--seeds 6 --check --background" in plan.line
    assert plan.seconds is None
    assert "not known" in plan.estimate


def test_a_plan_takes_as_long_as_its_parent_took(study: Study) -> None:
    parent = study.run("base")
    assert parent.info.seconds
    config = TrainConfig.from_dict(configuration_of(parent) | {"epochs": 6})
    plan = Plan(study, "new", config, parent, seeds=2)
    assert plan.seconds == pytest.approx(parent.info.seconds * 3 * 2)
    assert "by how long base took" in plan.estimate


def test_a_cell_suggests_from_mistakes_that_are_not_the_tests(study: Study) -> None:
    run = study.run("base")
    assert run.predictions is not None
    assert not suggestion(run, None).sentence
    assert not suggestion(run, (1, 1)).sentence
    found = {cell: suggestion(run, cell) for cell in ((0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1))}
    for cell, one in found.items():
        assert one.sentence
        if one.augmentations:
            values = one.augmentations["attention_crop"]
            assert values["split"] in ("validation", "train")
            assert values["true"] == study.class_names[cell[0]]
    assert any("random twin" in one.sentence or "no such mistake" in one.sentence for one in found.values())


def test_a_study_with_masks_is_told_of_swapped_backgrounds(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    run = study.run("base")
    cells = [(true, said) for true in range(3) for said in range(3) if suggestion(run, (true, said)).augmentations]
    assert cells
    assert not any("background_swap" in suggestion(run, cell).sentence for cell in cells)
    monkeypatch.setattr(training, "masked", lambda _: True)
    assert all("background_swap" in suggestion(run, cell).sentence for cell in cells)


def test_names_are_free_and_masks_decide_what_is_offered(study: Study) -> None:
    assert free_name(study, "new") == "new"
    assert free_name(study, "base") == "base-2"
    losses, augmentations = usable_members(study)
    assert "cross_entropy" in losses
    assert "so" not in losses
    assert "background_swap" not in augmentations


def test_curves_of_a_run_and_of_nothing(study: Study, tmp_path: Path) -> None:
    assert len(curves_of(study, "base"))
    assert curves_of(study, "nobody").empty
    folder = study.path / "training" / "broken"
    folder.mkdir(parents=True)
    (folder / "resume.safetensors").write_bytes(b"nonsense")
    assert curves_of(study, "broken").empty
