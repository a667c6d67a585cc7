"""Recipes of other papers and data: explanation quality, fashion, the pipeline of Fashion-MNIST, segment overlap."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.core.dataset_trees import TREES
from tests.tiny_study import fails, write_pictures, xai_json
from xai_core.answers.scope import Rows, Scope
from xai_core.answers.scored import scored
from xai_core.recipes.making import guided
from xai_core.store.run import Run
from xai_core.store.study import Study

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of three colours; two of the test are in the training split as well."""
    folder = write_pictures(tmp_path_factory.mktemp("recipe") / "scans")
    for name in ("red", "green"):
        shutil.copyfile(folder / "train" / name / "000.png", folder / "test" / name / "000.png")
    return folder


def test_explanation_quality_on_any_pictures(data: Path, tmp_path: Path, capsys: Capture) -> None:
    words = ["recipe", "explanation-quality", "--data", data, "--into", tmp_path / "study", "--size", "32"]
    words += ["--architecture", "small_cnn", "--epochs", "1", "--samples", "6", "--methods", "gradcam"]
    words += ["--metrics", "sparseness,increase", "--pictures", "4"]
    found = xai_json(capsys, *words)
    names = [step["step"] for step in found["steps"]]
    assert names == ["new", "train small_cnn", "predict small_cnn", "score small_cnn", "check small_cnn"]
    (table,) = [part for part in found["report"] if part["title"] == "Comparison of methods"]
    assert {row[0] for row in table["rows"]} >= {"Grad-CAM", "Edges (control)", "Random (control)"}
    (accuracy,) = [part for part in found["report"] if part["title"] == "Accuracy"]
    balanced = accuracy["values"]["balanced"]
    shares = [one["right"] / one["n"] for one in balanced["classes"]]
    assert balanced["accuracy"] == pytest.approx(sum(shares) / len(shares))
    assert balanced["low"] < balanced["accuracy"] < balanced["high"]
    assert "as the mean of the classes' shares: " in accuracy["said"][-1]
    assert "6 of 18 test samples" in table["said"][0]
    (verdicts,) = [part for part in found["report"] if part["title"] == "Do maps depend on what was learned?"]
    assert [row[0] for row in verdicts["rows"]] == ["Grad-CAM", "Edges (control)", "Random (control)"]
    assert {row[-1] for row in verdicts["rows"]} == {"4 × 3"}
    assert verdicts["values"]["methods"]["edges"]["verdict"] != "passes"
    assert all(step["was_done"] for step in xai_json(capsys, *words)["steps"])
    more = {step["step"]: step["was_done"] for step in xai_json(capsys, *words, "--pictures", "5")["steps"]}
    assert [name for name, done in more.items() if not done] == ["check small_cnn"]
    lean = xai_json(capsys, *words, "--checked", "saliency")
    (verdicts,) = [part for part in lean["report"] if part["title"] == "Do maps depend on what was learned?"]
    assert [row[0] for row in verdicts["rows"]] == ["Saliency (gradient)", "Edges (control)", "Random (control)"]
    assert "no explainer" in fails(capsys, *words, "--checked", "nosuch")
    line = fails(capsys, *words, "--masks", tmp_path / "none")
    assert "no such folder of masks" in line
    assert "split otherwise" in fails(capsys, *words, "--test", "0.4")
    assert "split anew" in fails(capsys, *words, "--test", "0.4", "--masks", data)


def test_explanation_quality_on_a_test_drawn_anew(data: Path, tmp_path: Path, capsys: Capture) -> None:
    words = ["recipe", "explanation-quality", "--data", data, "--into", tmp_path / "study", "--size", "32"]
    words += ["--architecture", "small_cnn", "--epochs", "1", "--samples", "100", "--test", "0.4"]
    words += ["--methods", "gradcam", "--metrics", "sparseness", "--pictures", "2"]
    report = {part["title"]: part for part in xai_json(capsys, *words)["report"]}
    study = Study.open(tmp_path / "study")
    assert len(study.rows("test")) == 26
    assert "all 26 test samples" in report["Comparison of methods"]["said"][0].lower()
    assert all(step["was_done"] for step in xai_json(capsys, *words)["steps"])


def test_arms_and_figures_of_the_fashion_case_study(data: Path, tmp_path: Path, capsys: Capture) -> None:
    words: list[str | Path] = ["recipe", "fashion-case-study", "--data", data, "--into", tmp_path / "study"]
    words += ["--architecture", "small_cnn", "--size", "32", "--epochs", "1", "--seeds", "2", "--test", "0.4"]
    words += ["--true", "red", "--predicted", "dark blue", "--pictures", "2"]
    assert "a confusion is of two classes" in fails(capsys, *words, "--predicted", "red")
    found = xai_json(capsys, *words)
    arms = ("baseline", "top-biased-crop", "attention-crop", "attention-crop-random")
    assert [step["step"] for step in found["steps"]][:5] == ["new", *(f"train {arm}" for arm in arms)]
    report = {part["title"]: part for part in found["report"]}
    claim = report["The paper's claim: 15 → 9"]["values"]
    assert [(one["lost"], one["gained"]) for one in claim] == [(6, 0), (15, 9)]
    assert [one["p"] for one in claim] == [pytest.approx(2 / 2**6), pytest.approx(0.3075, abs=1e-3)]
    assert [row[0] for row in report["Did a crop help?"]["rows"]] == list(arms)
    assert "fewer than the 6" in " ".join(report["Did a crop help?"]["said"])
    by_seed = report["red taken for dark blue, by seed"]["values"]
    assert {len(counts) for name in ("mistakes", "recognised") for counts in by_seed[name].values()} == {2}
    assert len(report["The paper's figures as pages"]["rows"]) == 6
    study = Study.open(tmp_path / "study")
    assert len(study.rows("test")) == 26
    assert study.run("attention-crop-seed1").info.training["augmentations"]["attention_crop"]["run"] == "baseline-seed0"
    assert all(step["was_done"] for step in xai_json(capsys, *words)["steps"])
    for otherwise in ("0.3", "0"):
        assert "split otherwise" in fails(capsys, *words, "--test", otherwise)


def test_baselines_and_networks_in_one_table(data: Path, tmp_path: Path, capsys: Capture) -> None:
    words: list[str | Path] = ["recipe", "fashion-mnist-pipeline", "--data", data, "--into", tmp_path / "study"]
    words += ["--baselines", "logistic,knn", "--networks", "small_cnn", "--epochs", "1", "--samples", "30"]
    words += ["--true", "red", "--predicted", "dark blue"]
    assert "no baseline" in fails(capsys, *words, "--baselines", "nosuch")
    assert "nothing to compare" in fails(capsys, *words, "--networks", "")
    found = xai_json(capsys, *words)
    names = ["new", "fit logistic", "fit knn", "train small_cnn", "explain small_cnn"]
    assert [step["step"] for step in found["steps"]] == names
    report = {part["title"]: part for part in found["report"]}
    table = {row[0]: row for row in report["All models"]["rows"]}
    assert [table[name][1] for name in ("logistic", "knn")] == ["about 83 %", "not stated"]
    assert table["knn"][5] == "30"
    study = Study.open(tmp_path / "study")
    assert table["small_cnn"][5] == str(len(study.rows("train")))
    numbers = {one["run"]: one["accuracy"] for one in report["All models"]["values"]}
    said = Scope(study.run("knn"), "test").members
    assert numbers["knn"] == pytest.approx(1 - len(said.mistakes) / len(said.rows))
    assert len(report["How the networks learned"]["rows"]) == 1
    (confused,) = [one for one in report["Two classes that every model confuses"]["values"] if one["run"] == "knn"]
    red, blue = study.class_names.index("red"), study.class_names.index("dark blue")
    assert confused["counts"] == [len(said.cell(red, blue)), len(said.cell(blue, red))]
    assert all(step["was_done"] for step in xai_json(capsys, *words)["steps"])
    assert "another" in fails(capsys, *words, "--samples", "20")


def _maps_that_another_arm_lacks(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """An arm without any map leaves nothing to be said of itself, and changes nothing for the others."""

    def energy(runs: Sequence[Run], rows: Rows) -> NDArray[np.float64]:
        lacking = {"small_cnn-ce": 1, "small_cnn-so": 2, "small_cnn-so-blur": len(rows)}[runs[0].name.rsplit("-", 1)[0]]
        return np.where(np.arange(len(rows)) < lacking, np.nan, np.linspace(0.2, 0.4, len(runs))[:, None])

    monkeypatch.setattr(guided, "_energy", energy)
    part = guided.arms_part(study, "small_cnn-ce", ["small_cnn-so", "small_cnn-so-blur"], "")
    count = len(study.rows("test"))
    assert [row[-1] for row in part.rows] == [str(count - 1), str(count - 2), "0"]
    assert part.rows[1][4] == part.rows[1][5] == part.rows[0][4] != ""
    assert part.rows[2][4:6] == ("", "")


def test_losses_that_see_masks_as_arms(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = write_pictures(tmp_path / "pictures", per_class=8)
    masks = tmp_path / "masks"
    for path in pictures.rglob("*.png"):
        kept = masks / path.relative_to(pictures)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shown = np.zeros(np.asarray(Image.open(path)).shape[:2], np.uint8)
        shown[4:12, 4:12] = 255
        Image.fromarray(shown).save(kept)
    words: list[str | Path] = ["recipe", "segment-overlap", "--data", pictures, "--masks", masks]
    words += ["--into", tmp_path / "study", "--architectures", "small_cnn", "--size", "28", "--epochs", "1"]
    words += ["--seeds", "2", "--views", "1"]
    line = fails(capsys, *words, "--init", f"{pictures},{masks}")
    assert "differ in number" in line
    assert "no such folder of masks" in fails(capsys, *words, "--masks", tmp_path / "none")
    found = xai_json(capsys, *words, "--ablations", "false")
    report = {part["title"]: part for part in found["report"]}
    table = report["Against cross-entropy: small_cnn"]
    ends = ("ce", "so", "so-blur", "ce-so", "ce-so-blur")
    assert [row[0] for row in table["rows"]] == [f"small_cnn-{end}" for end in ends]
    study = Study.open(tmp_path / "study")
    trained = study.run("small_cnn-so-seed1").info.training["loss_params"]
    assert (trained["beta"], trained["views"], trained["blur"]) == (0.0, 1, 0)
    metric = ("energy-pointing-game", {})
    runs = [study.run(f"small_cnn-{end}-seed{seed}") for end in ends for seed in (0, 1)]
    values = [scored(run, study.rows("test"), "true", [("gradcam", {})], [metric])[0].values for run in runs]
    there = np.isfinite(values[:4]).all(0)
    (energy,) = [one["outcomes"][1] for one in table["values"] if one["arm"] == "small_cnn-so"]
    assert energy["n"] == there.sum() > 0
    assert energy["after"] == pytest.approx([each[there].mean() for each in values[2:4]])
    assert "fewer than the 6" in " ".join(table["said"])
    assert all(step["was_done"] for step in xai_json(capsys, *words, "--ablations", "false")["steps"])
    _maps_that_another_arm_lacks(study, monkeypatch)
    more = [step["step"] for step in xai_json(capsys, *words, "--dry-run")["plan"] if not step["done"]]
    assert {name.split("-")[1] for name in more if name.startswith("train")} == {"beta", "views"}


@pytest.mark.parametrize("key", ["cub-200", "oxford-pet", "pascal-voc"])
def test_masks_of_known_data_sets_are_found(key: str, tmp_path: Path, capsys: Capture) -> None:
    """Nobody says which data they are, or where the masks lie."""
    TREES[key](tmp_path / "data")
    words: list[str | Path] = ["--data", tmp_path / "data", "--size", "28", "--epochs", "1"]
    words_of_overlap = ["--architectures", "small_cnn", "--seeds", "2", "--views", "1", "--ablations", "false"]
    found = xai_json(capsys, "recipe", "segment-overlap", *words, "--into", tmp_path / "so", *words_of_overlap)
    (table,) = [part for part in found["report"] if part["title"] == "Against cross-entropy: small_cnn"]
    assert {one["outcomes"][1]["n"] for one in table["values"]} == {8}
    quick = ["--architecture", "small_cnn", "--samples", "3", "--pictures", "2", "--methods", "gradcam"]
    quick += ["--metrics", "energy-pointing-game"]
    words = ["recipe", "explanation-quality", *words, "--into", tmp_path / "quality", *quick]
    report = {part["title"]: part for part in xai_json(capsys, *words)["report"]}
    assert "Object (control)" in [row[0] for row in report["Comparison of methods"]["rows"]]
    (said,) = report["Not better than maps that know nothing of the model"]["said"]
    assert "nothing is said: too few samples differ" in said, "three samples are no evidence of being better"
    assert all(step["was_done"] for step in xai_json(capsys, *words)["steps"])
