"""The page Train: what it proposes, what it starts, and what it shows while somebody trains."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from dashboard.frame.context import Services, Studies, services, use_services
from tests.dashboard.fakes import FakeWorker
from tests.dashboard.pages import opened, words
from tests.tiny_study import write_pictures, xai
from xai_core.answers.repairing import ERRORS, RepairPlan, groups_told, methods_in_order, ways_to_group
from xai_core.jobs import manage, record
from xai_core.jobs.record import Standing, StoredJob, What
from xai_core.jobs.values import record as record_of
from xai_core.pipeline.repair import RepairWanted, check_repair
from xai_core.store.study import Study
from xai_core.training.repairs import REPAIRS


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("train")
    xai(
        "new", folder / "study", "--dataset", "image-folder", "--data", write_pictures(folder / "pictures", per_class=8)
    )
    words = ["--arch", "small_cnn", "--epochs", "1", "--batch-size", "8", "--size", "28", "--predict"]
    xai("train", folder / "study", "--run", "base", *words)
    return folder / "study"


@pytest.fixture
def started(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """What the page starts, which nobody does."""
    asked: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(manage.Jobs, "start", lambda _, operation, arguments, __: asked.append((operation, arguments)))
    monkeypatch.setattr(manage.Jobs, "log", lambda *_: [])
    use_services(Services(Studies([path]), FakeWorker()))
    yield asked
    use_services(None)


def choice(app: AppTest, label: str) -> Any:
    return next(box for box in app.selectbox if box.label == label)


def begin(app: AppTest) -> AppTest:
    next(button for button in app.button if button.key == "job.begin.train").click()
    app.run()
    assert not app.exception
    return app


def test_it_varies_the_run_that_is_looked_at(started: list[tuple[str, dict[str, Any]]]) -> None:
    app = opened("train", run="base")
    shown = words(app)
    assert "by how long base took" in shown
    assert "--parent base" in shown
    begin(app)
    ((operation, arguments),) = started
    assert operation == "train"
    assert arguments["run"] == "base-fix"
    assert arguments["parent"] == "base"
    assert arguments["predict"]
    assert arguments["config"]["architecture"] == "small_cnn"
    assert arguments["config"]["augmentations"] == {"flip": {"probability": 0.5, "vertical": False}}


def test_loss_augmentations_and_seeds_are_chosen(started: list[tuple[str, dict[str, Any]]]) -> None:
    app = opened("train", run="base")
    choice(app, "Loss").set_value("focal")
    app.multiselect[0].set_value(["flip", "mixup"])
    next(box for box in app.number_input if box.label == "Seeds").set_value(6)
    app.run()
    assert "--loss focal" in words(app)
    assert "--seeds 6" in words(app)
    begin(app)
    ((_, arguments),) = started
    assert arguments["seeds"] == 6
    assert arguments["config"]["loss"] == "focal"
    assert set(arguments["config"]["augmentations"]) == {"flip", "mixup"}


def test_a_run_that_cannot_be_varied_is_told(started: list[Any], path: Path) -> None:
    xai("train", path, "--run", "lr", "--arch", "sklearn:knn")
    shown = words(opened("train", run="lr"))
    assert "lr is no network that was trained here" in shown
    assert "lr is no network" not in words(opened("train", run="base"))


def test_a_damaged_run_takes_no_form_away(started: list[Any], path: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(path, tmp_path / "study"))
    broken = copy / "runs" / "broken"
    broken.mkdir()
    (broken / "run.json").write_text("{")
    use_services(Services(Studies([copy]), FakeWorker()))
    app = opened("train", run="base")
    assert not app.exception
    assert "base" in choice(app, "Parent: what it varies").options
    assert choice(app, "Method")
    assert started == []


def test_losses_that_need_masks_are_not_offered_without_any(started: list[Any]) -> None:
    app = opened("train", run="base")
    assert "so" not in choice(app, "Loss").options
    assert started == []


def test_a_cell_is_taken_along(started: list[Any], path: Path) -> None:
    study = Study.open(path)
    run = study.run("base")
    assert run.predictions is not None
    rows = study.rows("train")
    said, labels = run.predictions.at(rows).predicted, study.labels[rows]
    wrong = [(int(a), int(b)) for a, b in zip(labels, said, strict=True) if a != b]
    true, predicted = wrong[0] if wrong else (0, 1)
    app = opened("train", run="base", true=str(true), predicted=str(predicted))
    assert f"{study.class_names[true]} taken for {study.class_names[predicted]}" in words(app)
    assert ("attention_crop" in app.multiselect[0].value) == bool(wrong)


def job_of(path: Path, run: str, state: Any, **more: Any) -> StoredJob:
    """A training as it is found in the study's jobs."""
    config = Study.open(path).run("base").info.training
    arguments = {"run": run, "config": {n: v for n, v in config.items() if n != "best_epoch"}, "parent": "base"}
    what = What("train", f"Training of {run}", arguments | more, {}, record.now())
    return StoredJob(f"train-{run}", path / "jobs" / f"train-{run}", what, state, Standing(state, done=2, total=9))


def test_what_waits_for_its_turn_says_so_after_what_is_trained(
    started: list[Any], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [job_of(path, "later", "waiting"), job_of(path, "first", "running")]
    monkeypatch.setattr(manage.Jobs, "all", lambda _: jobs)
    shown = words(opened("train", run="base"))
    assert 0 <= shown.index("Being trained: first") < shown.index("Waits for its turn: later")


def test_a_job_with_arguments_that_are_none_leaves_the_page_alive(
    started: list[Any], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manage.Jobs, "all", lambda _: [job_of(path, "next", "running", seeds="many")])
    app = opened("train", run="base")
    assert not app.exception
    assert "eeds has the wrong type" in words(app)


def test_a_training_that_goes_on_is_shown_with_its_stop(
    started: list[Any], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(path, "next", "running")
    stopped: list[str] = []
    monkeypatch.setattr(manage.Jobs, "all", lambda _: [job])
    monkeypatch.setattr(manage.Jobs, "stop", lambda _, name: stopped.append(name))
    app = opened("train", run="base")
    shown = words(app)
    assert "Being trained: next" in shown
    assert "2 of 9" in shown
    assert "Curves come with the first epoch" in shown
    next(button for button in app.button if button.key == "training.stop.train-next").click()
    app.run()
    assert stopped == ["train-next"]


def test_augmentations_are_previewed_on_request(started: list[Any]) -> None:
    app = opened("train", run="base")
    worker = services().worker
    assert isinstance(worker, FakeWorker)
    assert worker.asked == {}
    next(button for button in app.button if button.key == "train.preview").click()
    app.run()
    ((name, request),) = worker.asked.items()
    assert request["arguments"]["config"]["augmentations"] == {"flip": {"probability": 0.5, "vertical": False}}
    assert "Preview of augmentations" in words(app)
    worker.fail(name, "no such run. Choose another.")
    app.run()
    next(button for button in app.button if button.label == "Try again").click().run()
    assert "train.preview" in [button.key for button in app.button]
    next(button for button in app.button if button.key == "train.preview").click().run()
    name, request = list(worker.asked.items())[-1]
    Image.new("RGB", (16, 8)).save(request["into"])
    worker.known[name] = replace(worker.known[name], state="done")
    app.run()
    assert "training pictures as they are in the first row" in words(app)
    worker.fail(name, "no <b>mask</b>")
    app.run()
    assert "no &lt;b&gt;mask" in words(app)


def test_a_repair_of_the_last_layer_is_begun(started: list[tuple[str, dict[str, Any]]]) -> None:
    app = opened("train", run="base")
    choice(app, "Method").set_value("dfr")
    app.run()
    assert "This study has no groups yet: choose below what they are to be made of" in words(app)
    assert "--method dfr --into base-dfr --groups errors --background" in words(app)
    next(button for button in app.button if button.key == "job.begin.repair").click()
    app.run()
    assert not app.exception
    ((operation, arguments),) = started
    assert operation == "repair"
    assert arguments.pop("params") == {"refits": 20, "c": 0.0}
    wanted = {"run": "base", "into": "base-dfr", "method": "dfr", "groups": "errors", "split": "validation", "seed": 0}
    assert arguments == wanted


def test_what_a_repair_is_made_by_is_chosen(started: list[tuple[str, dict[str, Any]]]) -> None:
    app = opened("train", run="base")
    method = choice(app, "Method")
    assert method.value == "retrain", "the control first"
    assert method.options == [REPAIRS[key].card.title for key in ("retrain", "jtt", "dfr", "groupdro")]
    choice(app, "Learned from").set_value("train")
    next(box for box in app.number_input if box.key.startswith("repair.retrain.steps")).set_value(5)
    next(box for box in app.number_input if box.key.startswith("repair.seed")).set_value(3)
    app.run()
    assert "--into base-retrain --split train --seed 3 --set retrain.steps=5 --background" in words(app)
    next(button for button in app.button if button.key == "job.begin.repair").click().run()
    ((_, arguments),) = started
    assert (arguments["split"], arguments["seed"], arguments["params"]["steps"]) == ("train", 3, 5)


def test_a_repair_that_goes_on_is_shown(started: list[Any], path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = RepairPlan(Study.open(path).run("base"), "jtt")
    what = What("repair", "Repair of base", plan.arguments, {}, record.now())
    job = StoredJob("repair-1", path / "jobs" / "repair-1", what, "running", Standing("running", done=1, total=9))
    monkeypatch.setattr(manage.Jobs, "all", lambda _: [job])
    shown = words(opened("train", run="base"))
    assert "Last layer being repaired: base-jtt" in shown
    assert "Curves come" not in shown


def test_what_the_page_begins_is_a_repair(path: Path) -> None:
    """The same arguments, done here."""
    study = Study.open(path)
    for method in REPAIRS.keys():  # noqa: SIM118 (a registry)
        plan = RepairPlan(study.run("base"), method, groups=ERRORS if REPAIRS[method].grouped else "")
        check_repair(study, record_of(RepairWanted, plan.arguments))


def test_groups_of_the_study_are_told(path: Path, tmp_path: Path) -> None:
    copied = tmp_path / "study"
    shutil.copytree(path, copied)
    study = Study.open(copied)
    for row in study.rows("validation").tolist()[:3]:
        study.annotations.add_tag(row, "odd")
    xai("groups", copied, "--by", "tag:odd")
    study = Study.open(copied)
    assert next(iter(ways_to_group(study).items())) == ("", "the study's groups, by tag:odd")
    assert "(3)" in groups_told(study, "dfr", "validation")
    assert groups_told(study, "jtt", "validation") == ""
    assert methods_in_order(study) == ["retrain", "dfr", "groupdro", "jtt"]
