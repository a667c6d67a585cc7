"""Classical baselines: what they learn, that they are runs like any other, and that nothing of them is stored."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.how_to import example
from tests.tiny_study import fails, xai, xai_json
from xai_core.errors import BadInput, BadParameter, Cancelled, NotApplicable
from xai_core.params import NoParams, build
from xai_core.pipeline.baseline import BaselineWanted, baseline_run
from xai_core.store.study import Study
from xai_core.training.baselines import BASELINES
from xai_core.training.baselines.base import all_classes, in_proportion
from xai_core.types import CancelToken

Capture = pytest.CaptureFixture[str]
SIDE, GREYS = 8, (40, 128, 215)
FEW = {"knn": {"neighbours": 3}, "mlp": {"max_iter": 300, "rate": 0.01}, "forest": {"trees": 20}}


def clouds(seed: int, n: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of samples around a centre for each class."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    return (2 * np.eye(classes, 5)[y] + rng.normal(0, 0.4, (n, 5))).astype(np.float32), y


@pytest.fixture
def grey(tmp_path: Path) -> Study:
    return three_greys(tmp_path)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """For what leaves nothing behind."""
    return three_greys(tmp_path_factory.mktemp("untouched"))


def three_greys(tmp_path: Path) -> Study:
    """Three greys of 8 × 8 pixels: a dozen to learn from, six more."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("validation", 1), ("test", 1)):
        for grey in GREYS:
            folder = tmp_path / "pictures" / split / f"grey{grey}"
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = np.clip(rng.normal(grey, 8, (SIDE, SIDE)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    xai("new", tmp_path / "grey", "--data", tmp_path / "pictures")
    return Study.open(tmp_path / "grey")


@pytest.mark.parametrize("key", BASELINES.keys())
def test_each_tells_clouds_apart_by_probabilities_the_same_for_the_same_seed(key: str) -> None:
    x, y = clouds(0, 150)
    new, truth = clouds(1, 60)
    member = BASELINES[key]
    params = build(member.params, FEW.get(key, {}))
    one, other = (all_classes(member.fit(x, y, params, 3), new, 4) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert one.shape == (60, 4)
    assert (one[:, 3] == 0).all(), "of a class that it never saw"
    np.testing.assert_allclose(one.sum(axis=1), 1, rtol=1e-5)
    assert (one.argmax(axis=1) == truth).mean() > 0.95
    assert np.mean(-np.log(np.maximum(one[np.arange(60), truth], 1e-9))) < 0.5, "and it is sure of what is clear"


def test_the_machines_classes_are_its_own_whatever_the_temperature() -> None:
    from sklearn.svm import SVC

    x, y = clouds(0, 90)
    x += np.random.default_rng(2).normal(0, 0.8, x.shape).astype(np.float32)
    found = all_classes(BASELINES["svm"].fit(x, y, build(BASELINES["svm"].params, {"C": 0.3}), 0), x, 3)
    np.testing.assert_array_equal(found.argmax(axis=1), SVC(C=0.3).fit(x, y).predict(x))
    with pytest.raises(BadInput, match="too few training samples of a class"):
        BASELINES["svm"].fit(x[:7], y[:7], build(BASELINES["svm"].params, {}), 0)
    with pytest.raises(BadParameter, match="more neighbours"):
        BASELINES["knn"].fit(x[:4], y[:4], build(BASELINES["knn"].params, {}), 0)


def test_fewer_samples_keep_the_classes_shares_and_every_class() -> None:
    labels = np.array([0] * 900 + [1] * 90 + [2])
    some = in_proportion(labels, 100, 0)
    assert np.bincount(labels[some]).tolist() == [90, 9, 1]
    assert len(np.unique(some)) == 100
    assert (in_proportion(labels, 100, 1) != some).any()
    assert in_proportion(labels, 0, 0).tolist() == list(range(991))


def test_a_baseline_is_a_run_with_predictions_of_every_split_and_nothing_else(grey: Study, capsys: Capture) -> None:
    words = ["train", grey.path, "--run", "lr", "--arch", "sklearn:logistic", "--set", "logistic.C=0.1"]
    made = xai_json(capsys, *words)
    assert made["baseline"]["params"] == {"samples": 0, "C": 0.1, "max_iter": 200}
    assert made["baseline"]["numbers"] == SIDE * SIDE
    assert {split: one["n"] for split, one in made["splits"].items()} == {"train": 12, "validation": 3, "test": 3}
    run = grey.run("lr")
    assert run.predictions is not None
    assert len(run.predictions.rows) == 18
    assert (run.predictions.predicted == grey.labels).all()
    assert run.info.seconds == made["baseline"]["fit_seconds"] > 0
    assert not run.has_model
    files = sorted(path for path in run.path.rglob("*") if path.is_file())
    assert [path.name for path in files] == ["predictions.parquet", "run.json"]
    assert not any(word in path.read_bytes() for path in files for word in (b"sklearn.linear_model", b"numpy.core"))
    before = [path.stat().st_mtime_ns for path in files]
    assert xai_json(capsys, *words)["existed"], "the same again does nothing"
    assert [path.stat().st_mtime_ns for path in files] == before
    assert "seed: 0, not 1" in fails(capsys, *words, "--seed", "1")
    table = xai_json(capsys, "show", grey.path, "overview")["runs"]["table"]
    assert [(one["name"], one["model"], one["accuracy"]) for one in table] == [("lr", "sklearn:logistic", 1.0)]
    assert table[0]["seconds"] == run.info.seconds
    assert table[0]["predict_seconds"] == made["baseline"]["predict_seconds"]
    with pytest.raises(NotApplicable, match="a run without a model"):
        run.maps("random", NoParams(), create=True)


def test_what_is_not_converged_or_left_out_is_a_note(grey: Study, capsys: Capture) -> None:
    words = ["--arch", "sklearn:mlp", "--set", "mlp.max_iter=1", "--set", "mlp.samples=9"]
    xai("train", grey.path, "--run", "short", *words)
    assert "hasn't converged" in capsys.readouterr().out
    notes = grey.run("short").info.provenance["notes"]
    assert notes[0].startswith("It learned from 9 of 12 training samples")
    assert "Maximum iterations (1) reached" in notes[1]


def test_features_of_a_run_take_the_place_of_pixels(grey: Study, capsys: Capture) -> None:
    xai("train", grey.path, "--run", "net", "--arch", "small_cnn", "--epochs", "1", "--batch-size", "4")
    made = xai_json(
        capsys, "train", grey.path, "--run", "top", "--arch", "sklearn:knn", "--features-of", "net", "--seed", "2",
        "--set", "knn.neighbours=1",
    )  # fmt: skip
    assert made["parent"] == "net"
    assert made["baseline"]["numbers"] == 128
    assert made["splits"]["train"]["accuracy"] == 1.0
    assert "no run" in fails(capsys, "train", grey.path, "--run", "x", "--arch", "sklearn:knn", "--features-of", "nett")
    assert "without a model" in fails(
        capsys, "train", grey.path, "--run", "x", "--arch", "sklearn:knn", "--features-of", "top"
    )


def test_several_seeds_are_an_arm(grey: Study, capsys: Capture) -> None:
    words = [
        "train",
        grey.path,
        "--run",
        "trees",
        "--arch",
        "sklearn:forest",
        "--set",
        "forest.trees=3",
        "--seeds",
        "3",
    ]
    made = xai_json(capsys, *words)
    assert [one["run"] for one in made["runs"]] == [f"trees-seed{seed}" for seed in range(3)]
    assert [grey.run(one["run"]).info.arm for one in made["runs"]] == ["trees"] * 3
    xai(*words)
    assert "trees: 3 runs" in capsys.readouterr().out
    found = xai_json(capsys, "compare", grey.path, "--baseline", "trees-seed0", "--candidate", "trees")
    assert found["arms"][0]["runs"] == [one["run"] for one in made["runs"]]
    assert "a run has this name" in fails(capsys, *[word if word != "trees" else "trees-seed0" for word in words])
    drawn = ["train", grey.path, "--run", "few", "--arch", "sklearn:logistic", "--set", "logistic.samples=6"]
    assert len(xai_json(capsys, *drawn, "--seeds", "2")["runs"]) == 2, "each seed draws other samples"


def test_which_baselines_draw_is_true(grey: Study) -> None:
    """What says that it draws nothing predicts the same classes under another seed."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 4)).astype(np.float32), np.arange(60) % 2
    for key in sorted(BASELINES.keys()):
        member = BASELINES[key]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            one, other = (member.fit(x, y, build(member.params, {}), seed).predict_proba(x) for seed in (0, 1))
        assert np.array_equal(one, other) != member.draws, key


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--arch", "sklearn:florest"], "forest"),
        (["--arch", "sklearn:"], "no baseline"),
        (["--arch", "sklearn:knn", "--loss", "focal"], "--loss"),
        (["--arch", "sklearn:knn", "--augment", "none"], "--augment"),
        (["--arch", "sklearn:knn", "--parent", "other"], "--parent"),
        (["--arch", "sklearn:knn", "--init", "net.pth"], "--init"),
        (["--arch", "sklearn:knn", "--head-epochs", "2"], "--head-epochs"),
        (["--arch", "sklearn:logistic", "--seeds", "6"], "every seed predicts the same: sklearn:logistic on all 12"),
        (["--arch", "sklearn:forest", "--seeds", "51"], "how many seeds?"),
        (["--arch", "sklearn:knn", "--size", "512"], "not a size for a baseline"),
        (["--arch", "sklearn:knn", "--set", "svm.C=1"], "svm"),
        (["--arch", "sklearn:knn", "--set", "knn.neighbours=0"], "out of range"),
        (["--arch", "sklearn:knn", "--set", "knn.neighbours=13"], "more neighbours"),
        (["--arch", "small_cnn", "--features-of", "other"], "--features-of is for baselines"),
    ],
)
def test_what_does_not_fit_is_one_line_and_leaves_nothing(
    untouched: Study, capsys: Capture, words: list[str], told: str
) -> None:
    assert told in fails(capsys, "train", untouched.path, "--run", "x", *words)
    assert untouched.runs() == []


def test_a_fit_can_be_stopped_though_scikit_learn_cannot(untouched: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    token, over = CancelToken(), threading.Event()

    def fitting(*_: object) -> None:
        token.cancel()
        over.wait(30)

    monkeypatch.setitem(BASELINES._members, "forest", replace(BASELINES["forest"], fit=fitting))
    began = time.monotonic()
    with pytest.raises(Cancelled):
        baseline_run(untouched, BaselineWanted("slow", "forest"), cancel=token)
    assert time.monotonic() - began < 10
    over.set()
    assert untouched.runs() == []


def test_pictures_that_cannot_be_read_cost_no_others_but_are_not_learned_from(grey: Study, capsys: Capture) -> None:
    broken = sorted((grey.path.parent / "pictures" / "test").rglob("*.png"))[0]
    broken.write_bytes(b"no picture")
    made = xai_json(capsys, "train", grey.path, "--run", "lr", "--arch", "sklearn:logistic")
    assert made["splits"]["test"]["n"] == 2
    assert "1 sample, such as" in made["notes"][0]
    sorted((grey.path.parent / "pictures" / "train").rglob("*.png"))[0].write_bytes(b"no picture")
    assert "0.png" in fails(capsys, "train", grey.path, "--run", "other", "--arch", "sklearn:logistic")
    assert grey.runs() == ["lr"]


def test_the_baseline_of_the_page(tmp_path: Path) -> None:
    x, y = clouds(0, 60)
    with example("add-a-baseline", BASELINES, tmp_path) as member:
        found = all_classes(member.fit(x, y, build(member.params, {"shrinkage": "0.2"}), 0), x, 3)
        assert (found.argmax(axis=1) == y).mean() > 0.95


def test_listing_loads_no_library() -> None:
    code = "import sys; from xai_core.registry import family; assert list(family('baselines'))\n"
    code += "assert not {'torch', 'sklearn'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
