"""Arms of several seeds: the statistics, what may be said of them, and the way from `xai train --seeds` there."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.tiny_study import fails, write_pictures, xai, xai_json
from xai_core.answers.arms import all_arms, arm_of, beside
from xai_core.store.readable import readable_runs
from xai_core.store.study import Study
from xai_core.triage.arms import ENOUGH_SEEDS, arm_change, arm_verdict


def right(shares: list[float], n: int = 200) -> np.ndarray:
    """`(S, n)` outcomes with these shares: the first samples are the easy ones."""
    return np.array([np.arange(n) < round(share * n) for share in shares])


def drawn(rng: np.random.Generator, n: int, *, effect: float, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Two arms on samples of different difficulty, each model with luck of its own."""
    ease = rng.normal(1.5, 2, n)

    def arm(shift: float) -> np.ndarray:
        luck = rng.normal(0, spread, (6, 1))
        return ease + shift + luck + rng.normal(0, 0.5, (6, n)) > 0

    return arm(0.0), arm(effect)


def test_a_clear_change_of_enough_seeds_is_claimed() -> None:
    change = arm_change(right([0.5, 0.51, 0.52, 0.5, 0.51, 0.52]), right([0.7, 0.71, 0.72, 0.7, 0.71, 0.72]))
    assert change.difference == pytest.approx(0.2)
    assert change.low > 0.1
    assert change.p == pytest.approx(2 / 924)
    verdict = arm_verdict(change, "Accuracy")
    assert verdict.kind == "better"
    assert "51.0 % (seeds 50.0 % to 52.0 %) before" in verdict.sentence
    assert arm_verdict(change, "Dress taken for Skirt", lower_is_better=True).kind == "worse"


def test_the_same_change_of_fewer_seeds_is_not() -> None:
    change = arm_change(right([0.5, 0.51, 0.52, 0.5, 0.51]), right([0.7, 0.71, 0.72, 0.7, 0.71]))
    verdict = arm_verdict(change, "Accuracy")
    assert change.low > 0
    assert verdict.kind == "undecided"
    assert f"5 seeds are fewer than the {ENOUGH_SEEDS}" in verdict.sentence


def test_one_seed_says_nothing_of_a_way_of_training() -> None:
    verdict = arm_verdict(arm_change(right([0.5]), right([0.9])), "Accuracy")
    assert verdict.kind == "undecided"
    assert "one seed says nothing" in verdict.sentence


def test_what_the_first_paper_saw_cannot_be_claimed() -> None:
    """Paper 1: 15 dresses taken for skirts became 9, of one model each: whether of 50 or of 150 dresses."""
    for n in (50, 150):
        before, after = (np.arange(n)[None] < count for count in (15, 9))
        verdict = arm_verdict(arm_change(before, after), "Dress taken for Skirt", lower_is_better=True)
        assert verdict.kind == "undecided"


def test_an_interval_ends_where_differences_of_shares_do() -> None:
    change = arm_change(right([0.0, 0.9]), right([0.2, 1.0]))
    assert (change.low, change.high) == (-1, 1)


def test_lucky_seeds_do_not_make_a_claim() -> None:
    shares = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    verdict = arm_verdict(arm_change(right(shares), right([each + 0.05 for each in shares])), "Accuracy")
    assert verdict.kind == "undecided"
    assert "the interval includes zero" in verdict.sentence


def test_the_error_is_of_seeds_and_of_samples() -> None:
    """With no luck at all between seeds it is that of the samples, by hand; luck makes it wider."""
    first, second = right([0.5] * 6), right([0.6] * 6)
    by_sample = (second[0].astype(float) - first[0]).std(ddof=1) / np.sqrt(200)
    from scipy.stats import t

    change = arm_change(first, second)
    assert change.high - change.difference == pytest.approx(t.ppf(0.975, 199) * by_sample)
    with_luck = arm_change(right([0.4, 0.6] * 3), right([0.5, 0.7] * 3))
    assert with_luck.high - with_luck.low > 2 * (change.high - change.low)


def test_of_two_equal_arms_one_in_twenty_is_called_better_at_most() -> None:
    """Where luck between seeds decides, it is one in twenty: 200 draws then give up to 8 %."""
    rng = np.random.default_rng(1)
    for spread, most in ((0.0, 0.05), (0.2, 0.05), (0.6, 0.08)):
        claims = [arm_change(*drawn(rng, 100, effect=0.0, spread=spread)).sure for _ in range(200)]
        assert np.mean(claims) <= most


def test_an_effect_is_found() -> None:
    rng = np.random.default_rng(2)
    claims = [arm_change(*drawn(rng, 300, effect=0.4, spread=0.1)).sure for _ in range(50)]
    assert np.mean(claims) > 0.8


def test_several_candidates_make_each_stricter() -> None:
    first, second = right([0.5, 0.52, 0.54, 0.5, 0.52, 0.54]), right([0.6, 0.62, 0.64, 0.6, 0.62, 0.64])
    one, many = arm_change(first, second), arm_change(first, second, tried=4)
    assert many.level == pytest.approx(0.9875)
    assert many.high - many.low > one.high - one.low


def test_nothing_to_compare() -> None:
    change = arm_change(np.empty((2, 0), bool), np.empty((2, 0), bool))
    assert arm_verdict(change, "Accuracy").kind == "empty"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two arms of two seeds, and a run by itself."""
    folder = tmp_path_factory.mktemp("arms")
    pictures = write_pictures(folder / "pictures", per_class=8)
    path = folder / "study"
    xai("new", path, "--dataset", "image-folder", "--data", pictures)
    plain = ["--arch", "small_cnn", "--epochs", "1", "--batch-size", "8", "--size", "28"]
    for arm, more in (("plain", []), ("crop", ["--augment", "top_biased_crop"])):
        xai("train", path, "--run", arm, *plain, *more, "--seeds", "2")
    xai("train", path, "--run", "alone", *plain)
    xai("predict", path, "--run", "alone")
    return path


def test_an_arm_is_its_runs_of_several_seeds(study: Path) -> None:
    arms = {arm.name: [run.name for run in arm.runs] for arm in all_arms(readable_runs(Study.open(study)))}
    assert arms == {"plain": ["plain-seed0", "plain-seed1"], "crop": ["crop-seed0", "crop-seed1"], "alone": ["alone"]}
    assert arm_of(Study.open(study), "plain-seed1,alone").runs[1].name == "alone"
    seeds = [run.info.training["seed"] for run in arm_of(Study.open(study), "crop").runs]
    assert seeds == [0, 1]


def test_arms_are_compared_by_name(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", study, "--baseline", "plain", "--candidate", "crop", "--candidate", "alone"]
    found = xai_json(capsys, *words)
    assert [arm["candidate"] for arm in found["arms"]] == ["crop", "alone"]
    accuracy = found["arms"][0]["outcomes"][0]
    assert len(accuracy["before"]) == len(accuracy["after"]) == 2
    assert "fewer than the 6" in found["arms"][0]["sentences"][0]
    assert "one seed says nothing" in found["arms"][1]["sentences"][0]
    capsys.readouterr()
    xai(*words)
    assert "plain → crop (2 runs and 2 runs)" in capsys.readouterr().out


@pytest.mark.parametrize("file", ["run.json", "predictions.parquet"])
def test_a_damaged_seed_is_counted_and_told(
    study: Path, tmp_path: Path, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    copied = shutil.copytree(study, tmp_path / "study")
    (copied / "runs" / "crop-seed1" / file).write_text("{")
    words = ["compare", copied, "--baseline", "plain", "--candidate", "crop"]
    found = xai_json(capsys, *words)
    assert found["counted"].endswith("crop: 1 of 2 seeds; seed 1 is damaged.")
    assert (found["arms"][0]["runs"], found["arms"][0]["damaged"]) == (["crop-seed0"], ["crop-seed1"])
    assert found["baseline_damaged"] == []
    (problem,) = found["problems"]
    assert f"crop-seed1/{file}" in problem
    (arm,) = [arm for arm in all_arms(readable_runs(Study.open(copied))) if arm.name == "crop"]
    why = arm.damaged["crop-seed1"]
    assert replace(arm, damaged={"crop-seed10": why, "crop-seed2": why}).missing == (
        "crop: 1 of 3 seeds; seeds 2 and 10 are damaged."
    )
    xai(*words)
    said = capsys.readouterr().out
    assert "crop: 1 of 2 seeds; seed 1 is damaged." in said
    assert problem in said
    opened = Study.open(copied)
    page = beside(readable_runs(opened), opened.run("plain-seed0"), "test")
    assert page is not None
    assert page.counted.endswith("crop: 1 of 2 seeds; seed 1 is damaged.")


@pytest.mark.parametrize("more", [[], ["--seeds", "2"]], ids=["a run", "an arm"])
def test_what_is_asked_next_can_be_run(study: Path, more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    plain = ["--arch", "small_cnn", "--epochs", "1", "--batch-size", "8", "--size", "28"]
    made = xai_json(capsys, "train", study, "--run", "plain" if more else "alone", *plain, "--predict", *more)
    xai(*shlex.split(made["next"])[1:])


def test_the_same_training_again_does_nothing(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = ["--arch", "small_cnn", "--epochs", "1", "--batch-size", "8", "--size", "28"]
    before = Study.open(study).run("plain-seed0").info.created
    xai("train", study, "--run", "plain", *plain, "--seeds", "2")
    assert Study.open(study).run("plain-seed0").info.created == before
    assert "a run has this name: alone" in fails(capsys, "train", study, "--run", "alone", *plain, "--seeds", "2")
    words = ["compare", study, "--baseline", "plain", "--candidate", "nobody"]
    assert "no run or arm of this name: nobody" in fails(capsys, *words)
    assert "two runs" in fails(capsys, *words[:-1], "crop", "--method", "gradcam")
