from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dashboard.frame.comparison import baseline_of, seen_by
from dashboard.frame.context import Context, Services, Studies, resolve
from dashboard.frame.state import Selection
from dashboard.heat.evidence import columns
from tests.dashboard.fakes import add_run, make_study
from tests.dashboard.pages import opened, words, worker
from tests.run_info import rewrite
from xai_core.answers.compare import comparison
from xai_core.answers.movement import moved
from xai_core.triage.compare import CAVEATS, TRANSITIONS
from xai_core.worker.requests import Explain


@pytest.fixture
def fixed(served: Services) -> Services:
    """With a fourth run, `better`, whose parent is `net`: wrong on every 10th sample, where `net` is on every 4th."""
    study = served.studies["pets"]
    run = add_run(study, "better", wrong_every=10, fingerprint="e" * 64)
    rewrite(run, parent="net")
    return served


def view(services: Services, **fields: object) -> Context:
    return resolve(Selection(**fields), services)[0]  # type: ignore[arg-type]


def test_the_parent_is_the_baseline_unless_another_is_chosen(fixed: Services) -> None:
    def chosen(**fields: object) -> str | None:
        run = baseline_of(view(fixed, **fields))
        return run.name if run else None

    assert chosen(run="better") == "net"
    assert chosen(run="better", other="alone") == "alone"
    assert chosen(run="better", other="better") == "net"
    assert chosen(run="net") is None


def test_only_samples_that_both_predicted_are_compared(fixed: Services) -> None:
    study = fixed.studies["pets"]
    half = study.run("alone").predictions
    assert half is not None
    study.run("alone").write_predictions(half.rows[::2], half.probabilities[::2])
    context = view(fixed, run="better", other="alone")
    assert context.other is not None
    found = comparison(context.other, context.scope.run, "test")
    assert found.rows.tolist() == list(range(0, 30, 2))
    assert found.left_out == 15
    assert set(found.numbers()) == set(TRANSITIONS)


def test_groups_of_samples(fixed: Services) -> None:
    context = view(fixed, run="better")
    baseline = baseline_of(context)
    assert baseline is not None
    found = comparison(baseline, context.scope.run, "test")
    assert found.largest() == (0, 1)
    # Wrong before: every 4th, after: every 10th; class 0 is every 3rd, so 0, 12, 24 before and 0 after.
    assert found.rows[found.among("cell", (0, 1))].tolist() == [0, 12, 24]
    assert found.among("class", (0, 1)).sum() == 10
    assert found.among("all", (0, 1)).all()
    assert found.flows((0, 1))["count"].tolist() == [2, 1]


def test_the_page_says_what_the_numbers_carry_and_no_more(fixed: Services) -> None:
    app = opened("compare", run="better")
    shown = words(app)
    assert "30 test samples" in shown
    assert "No change can be claimed" in shown
    assert " improved" not in shown  # 22 and 27 of 30 right: p = 0.18
    assert "Chosen for you" in shown
    for caveat in CAVEATS:
        assert caveat in shown.replace("&#x27;", "'")
    assert "cat taken for &lt;b&gt;dog&lt;/b&gt;" in shown
    assert "<b>dog</b>" not in shown
    assert app.selectbox(key="select.other").value == "net"


def test_a_sure_change_is_called_by_its_name(served: Services) -> None:
    add_run(served.studies["pets"], "perfect", wrong_every=10**6)
    add_run(served.studies["pets"], "poor", wrong_every=1)
    assert "Accuracy improved" in words(opened("compare", run="perfect", other="poor"))
    assert "Accuracy got worse" in words(opened("compare", run="poor", other="perfect"))


def test_maps_of_both_runs_are_asked_for_the_same_class(fixed: Services) -> None:
    app = opened("compare", run="better", method="gradcam", true="0", predicted="1")
    asked = [(job["run"], job["target"], list(job["rows"])) for job in worker(fixed).asked.values()]
    assert asked == [("net", "1", [12, 24, 0]), ("better", "1", [12, 24, 0])]
    for job in list(worker(fixed).asked):
        worker(fixed).finish(job)
    app.run()
    assert not app.exception
    shown = words(app)
    assert "How alike are the heatmaps before and after?" in shown
    assert "3 of 3 samples" in shown
    assert len(worker(fixed).asked) == 2


def test_the_same_map_has_not_moved(fixed: Services) -> None:
    context = view(fixed, run="better", method="gradcam")
    rows = np.array([0, 12, 24])
    sides = []
    for name in ("net", "better"):
        side = seen_by(context, fixed.studies["pets"].run(name))
        column = columns(side, ["gradcam"])[0]
        assert np.isnan(moved((side.scope.run, column), (side.scope.run, column), rows, "1")).all()
        values = {"layer": ""}
        worker(fixed).ask(
            Explain(study=context.study.path, run=name, rows=rows.tolist(), target="1", methods=[("gradcam", values)])
        )
        worker(fixed).finish(f"job{len(sides)}")
        sides.append((side.scope.run, columns(side, ["gradcam"])[0]))
    assert moved(sides[0], sides[1], rows, "1") == pytest.approx(np.ones(3))
    rewrite(
        fixed.studies["pets"].run("better"),
        preprocess={"height": 16, "width": 16, "channels": 3, "mean": [0.5] * 3, "std": [0.5] * 3, "fit": "squash"},
    )
    assert np.isnan(moved(sides[0], sides[1], rows, "1")).all()  # the crop saw another part of the picture


def test_runs_without_a_model_show_pictures(fixed: Services) -> None:
    shown = words(opened("compare", run="better", other="alone"))
    assert "No heatmaps of alone" in shown
    asked = worker(fixed).asked
    assert {job["run"] for job in asked.values()} == {"better"}


def test_a_group_and_a_fate_travel_in_the_link(fixed: Services) -> None:
    app = opened("compare", run="better", among="class", transition="fixed")
    assert app.query_params["among"] == "class"
    assert app.query_params["transition"] == "fixed"
    assert not opened("compare", run="better", transition="broken").exception


def test_choosing_a_baseline_and_swapping(fixed: Services) -> None:
    app = opened("compare", run="better")
    app.selectbox(key="select.other").select("alone").run()
    assert app.query_params["other"] == "alone"
    next(button for button in app.button if button.label == "Swap").click().run()
    assert (app.query_params["run"], app.query_params["other"]) == ("alone", "better")


def test_empty_states_say_the_next_step(fixed: Services) -> None:
    assert "Compared with which run?" in words(opened("compare", run="net"))
    shown = words(opened("compare", run="net", other="untested"))
    assert "untested has no predictions yet" in shown
    assert "xai predict" in shown
    assert "This run has no predictions yet" in words(opened("compare", run="untested"))
    assert "No common samples" in words(opened("compare", run="better", split="train"))


def test_one_run_cannot_be_compared(fixed: Services) -> None:
    study = fixed.studies["pets"]
    for name in ("alone", "untested", "better"):
        (study.path / "runs" / name / "run.json").unlink()
    shown = words(opened("compare"))
    assert "There is one run" in shown
    assert "--parent net" in shown


def test_too_many_classes_for_a_matrix_are_listed(tmp_path: Path, served: Services) -> None:
    study = make_study(tmp_path / "many", samples=140, classes=[f"class {i}" for i in range(70)])
    add_run(study, "poor", wrong_every=2)
    add_run(study, "good", wrong_every=35)
    served.studies = Studies([study.path])
    app = opened("compare", run="good", other="poor")
    assert "cells that changed most" in words(app)
    assert "The 15 largest and the 15 smallest of 70 classes" in words(opened("overview"))


def test_ways_of_training_stand_beside_each_other_over_their_seeds(fixed: Services) -> None:
    study = fixed.studies["pets"]
    for arm, wrong in (("plain", 3), ("crop", 12)):
        for seed in range(6):
            run = add_run(study, f"{arm}-seed{seed}", wrong_every=wrong + seed % 2)
            rewrite(run, arm=arm, training={"architecture": "fake", "seed": seed})
    app = opened("compare", run="crop-seed0", other="plain-seed0")
    shown = words(app)
    assert "Ways of training, over their seeds" in shown
    assert "Accuracy improved" in shown
    assert "p = 0.0022" in shown
    assert ": improved" in shown
    assert "at least 6 seeds" in shown


def test_without_arms_nothing_is_said_of_ways_of_training(fixed: Services) -> None:
    assert "Ways of training" not in words(opened("compare", run="better"))


def test_more_than_two_models_stand_beside_each_other(fixed: Services) -> None:
    assert "Other models" not in words(opened("compare", run="better", split="train"))
    shown = words(opened("compare", run="better"))
    assert "Other models against net" in shown
    assert "Models, not ways of training: each against net on the samples that both predicted" in shown
