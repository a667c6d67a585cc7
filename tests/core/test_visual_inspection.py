"""Paper 4's recipe: a tiny drawn study end to end, stopped and gone on with, and the real data that it is for."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.core.annotation_scenes import said_of, squares, with_proposals
from tests.core.segmentation_trees import mask_folder, write_coco
from tests.tiny_study import fails, write_pictures, xai_json
from xai_core.answers.arms import arm_of
from xai_core.answers.scope import Scope
from xai_core.answers.segments import segments
from xai_core.answers.segments_arms import one_of_each, originals, segments_arms, together
from xai_core.jobs.operations import Work
from xai_core.params import build
from xai_core.pipeline.make import make_study
from xai_core.recipes import RECIPES, Asked
from xai_core.recipes.making.segments import asked, category_of, widths_of
from xai_core.recipes.visual_inspection import BASELINE, PAIRS, RULE, TWIN
from xai_core.store.study import Study

Capture = pytest.CaptureFixture[str]
REAL = ROOT.parent / "shared" / "data"
QUICK = ["--architecture", "small_unet", "--size", "32", "--epochs", "1", "--seeds", "2", "--samples", "3"]
QUICK += ["--methods", "gradcam", "--metrics", "energy-pointing-game,increase"]
BLOCK, CABLE = [2, 2, 8, 2, 8, 10, 2, 10], [0, 14, 24, 14, 24, 16, 0, 16]


def write_scenes(folder: Path, pictures: int = 20) -> Path:
    """A block and a cable of two pixels on each picture."""
    folder.mkdir()
    shapes = [{"segmentation": [BLOCK], "category_id": 0}, {"segmentation": [CABLE], "category_id": 1}]
    found = [{"id": 2 * n + at, "image_id": n} | shape for n in range(pictures) for at, shape in enumerate(shapes)]
    write_coco(folder / "instances_default.json", found, pictures=pictures, names=("block", "cable"), folder="images")
    return folder


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str | Path]:
    folder = tmp_path_factory.mktemp("inspection")
    data = write_scenes(folder / "data")
    return ["recipe", "visual-inspection", "--data", data, "--into", folder / "study", *QUICK]


def test_from_the_data_to_both_tables(words: list[str | Path], tmp_path: Path, capsys: Capture) -> None:
    found = xai_json(capsys, *words, "--markdown", tmp_path / "page.md")
    names = ["new", f"train {BASELINE}", f"score {BASELINE}", f"train {RULE}", f"train {TWIN}"]
    assert [step["step"] for step in found["steps"]] == names
    assert not any(step["was_done"] for step in found["steps"])
    report = {part["title"]: part for part in found["report"]}
    good = report["How good is the segmenter?"]
    assert [row[0] for row in good["rows"]] == ["background", "block", "cable"]
    assert good["said"][-1] == "What is looked at below is cable."
    table = report["Table I: methods"]
    assert table["columns"][-1] == "seconds per map"
    assert {"Grad-CAM", "Edges (control)", "Object (control)", "Random (control)"} <= {row[0] for row in table["rows"]}
    assert table["values"]["target"] == "cable@predicted"
    assert "cable@predicted (where it is predicted)" in table["said"][0]
    second = report["Table II: annotation made wider"]
    assert [row[0] for row in second["rows"]] == ["background", "block", "cable", "mean of the classes"]
    assert len(second["values"]) == len(PAIRS) * 4
    assert all("no change can be claimed" in cell for row in second["rows"] for cell in row[4:])
    assert any("2 seeds are fewer than the 6" in line for line in second["said"])
    assert report["The paper's table II"]["rows"][0] == ["cable", "55.06", "58.11", "+3.05"]
    assert "## Table I: methods" in (tmp_path / "page.md").read_text(encoding="utf-8")
    again = xai_json(capsys, *words)
    assert all(step["was_done"] for step in again["steps"])
    assert again["report"] == found["report"]
    _what_was_learned_from(Study.open(Path(words[5])))
    other = xai_json(capsys, *words, "--region", "true", "--dry-run")["plan"]
    assert [step["step"] for step in other if not step["done"]] == [f"score {BASELINE}"]
    assert "Choose another --into" in fails(capsys, *words, "--category", "Block")
    assert "split otherwise" in fails(capsys, *words, "--test", "0.4")
    assert "no class of objects" in fails(capsys, *words, "--category", "tower")


def _what_was_learned_from(study: Study) -> None:
    """The arms differ in where annotation grows, and all are measured on what the data say."""
    growth = [
        study.run(f"{arm}-seed1").info.training["augmentations"].get("annotation_enlargement")
        for arm in (BASELINE, RULE, TWIN)
    ]
    assert growth[0] is None
    assert [(each["categories"], each["where"]) for each in growth[1:]] == [("cable", "edges"), ("cable", "random")]
    answer = segments(study.run(f"{RULE}-seed0"), "test")
    truth = sum(study.label_map(row) == 2 for row in answer.rows.tolist()).sum()
    assert answer.counts[2].sum() == truth > 0
    arms = segments_arms(study, [arm_of(study, arm) for arm in (BASELINE, RULE, TWIN)], PAIRS, "test")
    change = arms.outcomes[BASELINE, RULE][2].change
    assert change.before == pytest.approx([_iou(study, f"{BASELINE}-seed{seed}") for seed in (0, 1)])
    assert change.after == pytest.approx([_iou(study, f"{RULE}-seed{seed}") for seed in (0, 1)])
    assert change.low <= change.difference <= change.high


def _iou(study: Study, run: str) -> float:
    counts = segments(study.run(run), "test").counts
    return float(counts[2, 2] / (counts[2].sum() + counts[:, 2].sum() - counts[2, 2]))


@pytest.mark.slow
def test_a_killed_inspection_goes_on(words: list[str | Path], tmp_path: Path, capsys: Capture) -> None:
    into = tmp_path / "study"
    mine = [into if word == words[5] else word for word in words] + ["--epochs", "3"]
    command = [sys.executable, "-m", "xai_core", *map(str, mine)]
    child = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    waited = time.monotonic()
    while not (into / "runs" / f"{BASELINE}-seed0" / "run.json").exists() and time.monotonic() - waited < 240:
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    first = into / "runs" / f"{BASELINE}-seed0" / "run.json"
    before = first.read_bytes()
    plan = xai_json(capsys, *mine, "--dry-run")["plan"]
    assert [step["done"] for step in plan] == [True, False, False, False, False]
    settings = {name.removeprefix("--"): value for name, value in zip(QUICK[::2], QUICK[1::2], strict=True)}
    recipe = RECIPES["visual-inspection"]
    asked = Asked(Path(words[3]), into, build(recipe.params, settings | {"epochs": "3"}), "cpu")
    training = recipe.steps(asked)[1]
    training.run(Work())
    assert training.done()
    assert first.read_bytes() == before, "what was finished is not done again"


def test_mistakes_are_one_line_before_anything_is_done(
    words: list[str | Path], tmp_path: Path, capsys: Capture
) -> None:
    new = [tmp_path / "none" if word == words[5] else word for word in words]
    flat = [write_pictures(tmp_path / "flat") if word == words[3] else word for word in new]
    for given, says in (
        ([*new, "--methods", "gradcamm"], "Did you mean gradcam"),
        ([*new, "--architecture", "small_cnn"], "small_cnn"),
        ([*new, "--loss", "so"], "this loss is not for segmentation"),
        ([*new, "--init", tmp_path / "x"], "no such file of weights"),
        ([*new, "--masks", tmp_path / "x"], "no such folder of label maps"),
        ([*new, "--mean", "a"], "mean is no list of numbers"),
        ([*new, "--std", "0.5,0.5"], "std is of 1 or 3 channels"),
        ([*new, "--mean", "nan"], "0…1 scale"),
        (flat, "these data do not say of pixels what they are"),
    ):
        assert says in fails(capsys, *given), given
    assert not (tmp_path / "none").exists()


def test_the_thinnest_class_and_one_of_each_original(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", write_scenes(tmp_path / "data"))
    widths = widths_of(study)
    assert widths[2] == pytest.approx(2 / 20, abs=0.02)
    assert widths[2] < widths[1]
    assert (category_of(study, ""), category_of(study, "BLOCK")) == (2, 1)
    rows = study.rows(None)
    assert len(np.unique(originals(study, rows))) == len(one_of_each(study, rows)) == 20


def test_methods_are_compared_on_pictures_that_have_the_region(tmp_path: Path) -> None:
    run = with_proposals(squares(tmp_path))
    scope = Scope(run, "train")
    for region, maps in (("true", run.study.label_map), ("predicted", lambda row: said_of(run.study.label_map(row)))):
        shown = {row for row in scope.predicted.tolist() if (maps(row) == 2).any()}
        assert 0 < len(shown) < len(scope.predicted)
        target, found = asked(scope, 2, region, 100)
        assert target == f"2@{region}"
        assert set(found.rows.tolist()) == shown
        assert "those with a pixel of the region" in found.sentence


def test_copies_of_one_picture_count_as_one(tmp_path: Path) -> None:
    """Named as Roboflow names them; splits that the data have are left aside where they are to be drawn."""
    for split, many in (("train", 9), ("test", 2)):
        (tmp_path / "data" / split).mkdir(parents=True)
        write_coco(tmp_path / "data" / split / "_annotations.coco.json", pictures=many)
    names = ("a", "a", "a", "b", "b", "c", "d", "e", "f")
    _rename(tmp_path / "data" / "train", [f"{name}_jpg.rf.{at:032x}.png" for at, name in enumerate(names)])
    study = make_study(tmp_path / "given", tmp_path / "data", dataset="coco")
    assert len(study.rows("test")) == 2
    drawn = make_study(tmp_path / "drawn", tmp_path / "data", dataset="coco", values={"anew": True, "test": 0.4})
    assert len(drawn.rows("test")) > 2
    assert any("left aside" in note for note in drawn.info.notes)
    assert not any("left aside" in note for note in study.info.notes)
    rows = study.rows(None)
    sources = {name: originals(study, rows)[at] for at, name in enumerate(study.samples["path"].iloc[rows])}
    assert len(set(sources.values())) == 6 + 2
    assert len(one_of_each(study, rows)) == 8
    for one in drawn.samples.groupby(originals(drawn, drawn.rows(None))):
        assert one[1]["split"].nunique() == 1, "copies lie on one side"
    matrices = np.arange(12).reshape(3, 2, 2)
    np.testing.assert_array_equal(together(matrices, np.array([1, 0, 1])), [matrices[1], matrices[0] + matrices[2]])


def _rename(folder: Path, names: list[str]) -> None:
    file = folder / "_annotations.coco.json"
    text = file.read_text()
    for number, name in enumerate(names):
        (folder / f"{number}.png").rename(folder / name)
        text = text.replace(f'"{number}.png"', f'"{name}"')
    file.write_text(text)


@pytest.mark.parametrize("name", ["ttpla-sample", "wagon-wire-coco"])
def test_real_data(name: str, tmp_path: Path, capsys: Capture) -> None:
    data = REAL / name
    if not data.is_dir():
        pytest.skip(f"needs the stored data {name}")
    words: list[Any] = ["recipe", "visual-inspection", "--data", data, "--into", tmp_path / "study", *QUICK]
    plan = xai_json(capsys, *words, "--dry-run")["plan"]
    assert len(plan) == 5
    if name == "ttpla-sample":
        report = {part["title"]: part for part in xai_json(capsys, *words, "--region", "true")["report"]}
        assert report["Table I: methods"]["values"]["target"] == "cable@true"


def test_real_defects(tmp_path: Path, capsys: Capture) -> None:
    """Two kinds of defects of magnetic tiles, each of its own masks beside the pictures."""
    source, data = REAL / "magnetic-tile", tmp_path / "tiles"
    if not source.is_dir():
        pytest.skip("needs the stored data magnetic-tile")
    for part in ("images", "masks"):
        for kind in ("MT_Break", "MT_Crack"):
            (data / part / kind).mkdir(parents=True)
            for path in sorted((source / part / kind).iterdir())[:12]:
                shutil.copy(path, data / part / kind)
    words: list[Any] = ["recipe", "visual-inspection", "--data", data / "images", "--masks", data / "masks"]
    found = xai_json(capsys, *words, "--into", tmp_path / "study", *QUICK, "--region", "true")
    assert Study.open(tmp_path / "study").info.dataset == "mask-folder"
    report = {part["title"]: part for part in found["report"]}
    assert report["Table II: annotation made wider"]["rows"]


def test_label_pngs(tmp_path: Path, capsys: Capture) -> None:
    mask_folder(tmp_path / "data")
    words: list[str | Path] = ["recipe", "visual-inspection", "--data", tmp_path / "data"]
    words += ["--into", tmp_path / "study", *QUICK]
    found = xai_json(capsys, *words, "--masks", tmp_path / "data" / "masks")
    assert Study.open(tmp_path / "study").info.dataset == "mask-folder"
    assert len(found["steps"]) == 5
