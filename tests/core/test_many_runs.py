"""Several models against one: each difference allows for how many were looked at."""

from __future__ import annotations

import pytest

from tests.dashboard.fakes import add_run, make_study
from tests.run_info import rewrite
from tests.tiny_study import xai, xai_json
from xai_core.answers.compare import comparison
from xai_core.answers.many_runs import many_runs, single_runs
from xai_core.store.readable import readable_runs
from xai_core.store.study import Study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    made = make_study(tmp_path_factory.mktemp("many") / "pets", samples=90)
    for name, wrong in (("base", 3), ("good", 60), ("same", 3), ("worse", 2)):
        add_run(made, name, wrong_every=wrong)
    for seed in range(2):
        rewrite(add_run(made, f"arm-seed{seed}"), arm="arm", training={"architecture": "fake", "seed": seed})
    return Study.open(made.path)


def test_each_is_compared_as_two_runs_are_and_more_strictly(study: Study) -> None:
    base = study.run("base")
    runs = [study.run(name) for name in ("worse", "same", "good")]
    found = many_runs(base, runs, "test")
    assert [each.run.name for each in found.against] == ["good", "same", "worse"]
    for each in found.against:
        alone = comparison(base, each.run, "test").accuracy.change
        assert (each.accuracy.before, each.accuracy.after) == (alone.before, alone.after)
        assert each.accuracy.low <= alone.low
        assert each.accuracy.p == pytest.approx(min(1.0, 3 * alone.p))
        assert "98.3 % interval" in each.verdict.sentence, "as wide as three comparisons make it"
        assert "after Bonferroni for 3" in each.verdict.sentence
    assert found.against[0].verdict.kind == "better"
    assert found.against[1].verdict.kind == "undecided"
    assert found.shares()["Accuracy"]["base"] == pytest.approx((60 / 90,))
    assert set(found.shares()) == {"Accuracy", found.name}


def test_arms_of_seeds_stand_elsewhere(study: Study) -> None:
    found = single_runs(readable_runs(study), study.run("base"))
    assert {run.name for run in found} == {"good", "same", "worse"}


def test_the_command_says_it_of_runs_by_themselves(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", study.path, "--baseline", "base", "--candidate", "good", "--candidate", "worse"]
    asked = xai_json(capsys, *words)["models"]
    found = many_runs(study.run("base"), [study.run("good"), study.run("worse")], "test").as_json()
    assert asked["runs"] == found["runs"]
    xai(*words)
    shown = capsys.readouterr().out
    assert asked["note"] in shown
    assert all(entry in shown for each in asked["runs"] for entry in each["line"])
    assert "models" not in xai_json(capsys, *words, "--candidate", "arm")
