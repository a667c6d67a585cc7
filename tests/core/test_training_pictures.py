"""Pictures for training: masks as they are, in memory or in files of rows, which are shared, checked and made again."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.core.test_guided_training import OVERLAP
from xai_core.cli.main import main
from xai_core.datasets import DATASETS
from xai_core.errors import BadInput, Cancelled, StorageFull
from xai_core.models.preprocess import Preprocess
from xai_core.models.weights import read_weights
from xai_core.params import as_dict, build
from xai_core.pipeline import pictures
from xai_core.pipeline.asked import Given
from xai_core.pipeline.make import make_study
from xai_core.pipeline.pictures import cache_bytes, checked_masks, training_data
from xai_core.pipeline.train import chosen_preprocess, train_run
from xai_core.store.study import Study
from xai_core.training.config import TrainConfig
from xai_core.training.data import TrainingData
from xai_core.training.losses import LOSSES
from xai_core.training.rows import FileRows, in_order, write_rows
from xai_core.types import CancelToken

SMALL = Preprocess(28, 28, 1, (0.3,), (0.3,))
TRAINING, VALIDATION = 14, 8
"""Samples; two more became the test split."""

CONFIG = TrainConfig(architecture="small_cnn", epochs=1, batch_size=8)
ON_CPU = Given(size=28, mean=(0.3,), std=(0.3,), device="cpu")


def draw_picture(path: Path, number: int) -> None:
    rng = np.random.default_rng(number)
    pixels = rng.integers(0, 60, (40, 40)).astype(np.uint8)
    pixels[8:24, 4 + number % 9 : 20 + number % 9] = 200
    Image.fromarray(pixels).save(path)


def draw_mask(path: Path, number: int) -> None:
    mask = np.zeros((40, 40), np.uint8)
    mask[8:24, 4 + number % 9 : 20 + number % 9] = 255
    Image.fromarray(mask).save(path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 pictures of two classes; every fourth has no mask."""
    folder = tmp_path_factory.mktemp("masked")
    for number in range(24):
        where = folder / "data" / ("train", "train", "validation")[number % 3] / "ab"[number % 2]
        where.mkdir(parents=True, exist_ok=True)
        draw_picture(where / f"{number:02d}.png", number)
        if number % 4:
            draw_mask(where / f"{number:02d}_mask.png", number)
    return folder / "data"


@pytest.fixture
def study(made: Path, tmp_path: Path) -> Study:
    data = shutil.copytree(made, tmp_path / "data")
    member = DATASETS["image-folder"]
    params = build(member.params, {})
    scan = member.make(data, params).scan(0)
    return Study.create(
        tmp_path / "study", dataset="image-folder", params=as_dict(params), data=data, seed=0, scan=scan
    )


@pytest.fixture
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST_IN_MEMORY", 1000)


def loaded(study: Study, masks: bool = True) -> TrainingData:
    return training_data(Study.open(study.path), SMALL, masks=masks)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows whose pictures are read from now on."""
    asked: list[int] = []
    plain = Study.picture
    monkeypatch.setattr(Study, "picture", lambda self, row: (asked.append(row), plain(self, row))[1])
    return asked


def test_masks_lie_on_the_pixels_and_what_has_none_is_known(study: Study) -> None:
    training = loaded(study).training
    assert training.has_mask.tolist() == study.samples["has_mask"].to_numpy()[study.rows("train")].tolist()
    assert 0 < training.has_mask.sum() < len(training)
    for pixels, mask, has_mask in zip(training.pixels[..., 0], training.masks, training.has_mask, strict=True):
        if has_mask:
            assert ((pixels > 130) == (mask > 0)).mean() > 0.97
            assert mask.any()
        else:
            assert not mask.any()
    assert loaded(study, masks=False).training.masks is None


def test_a_loss_that_needs_masks_gets_them_and_is_refused_without(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LOSSES._members, "overlap", OVERLAP)
    run = train_run(study, "guided", replace(CONFIG, loss="overlap"), ON_CPU)
    assert "overlap" in set(run.history["measure"])
    monkeypatch.setattr(Study, "mask", lambda self, row: None)
    with pytest.raises(BadInput, match="no picture of the training split has a mask"):
        train_run(study, "other", replace(CONFIG, loss="overlap"), ON_CPU)


def test_pictures_that_do_not_fit_into_memory_train_to_the_same_weights(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LOSSES._members, "overlap", OVERLAP)
    config = replace(CONFIG, loss="overlap", epochs=2)
    here = train_run(study, "memory", config, ON_CPU)
    assert not (study.path / "cache").exists()
    monkeypatch.setattr(pictures, "MOST_IN_MEMORY", 1000)
    there = train_run(study, "disk", config, ON_CPU)
    assert cache_bytes(study) > (TRAINING * 2 + VALIDATION) * 28 * 28
    assert here.info.fingerprint == there.info.fingerprint
    assert all((a == read_weights(there.weights)[n]).all() for n, a in read_weights(here.weights).items())


KILLED = """
import json, os, signal, sys
from xai_core.pipeline.asked import Given
from xai_core.pipeline.make import make_study
from xai_core.training.config import TrainConfig
from xai_core.pipeline.train import chosen_preprocess, train_run
from xai_core.store.study import Study
def die(done, total, what):
    if (done, what) == (5, "batches"):  # in the third epoch
        os.kill(os.getpid(), signal.SIGKILL)
given = Given(size=28, mean=(0.3,), std=(0.3,), device="cpu")
train_run(Study.open(sys.argv[1]), "killed", TrainConfig.from_dict(json.loads(sys.argv[2])), given, progress=die)
"""
GUIDED = replace(CONFIG, loss="so", loss_params={"views": 2}, epochs=3, augmentations={"flip": {}})


@pytest.mark.slow
def test_a_guided_training_that_was_killed_ends_with_the_history_of_an_unbroken_one(study: Study) -> None:
    command = [sys.executable, "-c", KILLED, str(study.path), json.dumps(GUIDED.as_dict())]
    assert subprocess.run(command, cwd=ROOT, timeout=240, check=False).returncode == -9
    study = Study.open(study.path)
    assert (study.path / "training" / "killed" / "resume.safetensors").exists()
    whole, resumed = (train_run(study, name, GUIDED, ON_CPU) for name in ("whole", "killed"))
    one, other = (run.history[run.history["measure"] != "seconds"] for run in (whole, resumed))
    pd.testing.assert_frame_equal(one, other)
    assert {"cross_entropy", "overlap", "loss"} <= set(one.loc[one["split"] == "train", "measure"])
    assert whole.info.fingerprint == resumed.info.fingerprint


def test_training_goes_on_from_the_parents_weights(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    train_run(study, "base", replace(CONFIG, learning_rate=5e-3, augmentations={}), ON_CPU)
    begin = ["train", str(study.path), "--run", "fix", "--loss", "so", "--set", "so.views=1", "--device", "cpu"]
    assert main([*begin, "--from-parent"]) == 1
    assert "Give --parent RUN" in capsys.readouterr().err
    assert main([*begin, "--parent", "base", "--from-parent"]) == 0
    training = Study.open(study.path).run("fix").info.training
    assert (training["learning_rate"], training["head_epochs"], training["batch_size"]) == (3e-4, 0, 8)
    assert (training["loss"], training["augmentations"]) == ("so", {})
    base, fix = (read_weights(Study.open(study.path).run(name).weights) for name in ("base", "fix"))
    change = max(float((fix[name].float() - base[name].float()).abs().max()) for name in base if "head" in name)
    assert 0 < change < 0.01, "two steps of 3e-4, not other weights"


def test_a_weight_that_was_found_is_kept_and_told(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    config = replace(CONFIG, loss="rrr", epochs=1, augmentations={})
    run = train_run(study, "found", config, ON_CPU)
    assert train_run(study, "found", config, ON_CPU).info == run.info, "it was trained just so"
    weight = run.info.provenance["loss_found"]["weight"]
    assert run.info.training["loss_params"] == {"weight": 0.0}
    assert f"Found on the first batches: rrr.weight {weight:.3g}" in " ".join(run.info.provenance["notes"])
    named = train_run(study, "named", replace(config, loss_params={"weight": weight}), ON_CPU)
    assert named.info.fingerprint == run.info.fingerprint
    assert "loss_found" not in named.info.provenance


def redraw(study: Study, mask: Callable[[np.ndarray], np.ndarray]) -> None:
    for path in study.data.rglob("*_mask.png"):
        Image.fromarray(mask(np.asarray(Image.open(path)))).save(path)


def noted(study: Study) -> str:
    return " ".join(checked_masks(loaded(study).training))


@pytest.mark.parametrize("limit", [None, 1000])
def test_what_masks_are_like_is_said(study: Study, monkeypatch: pytest.MonkeyPatch, limit: int | None) -> None:
    if limit:
        monkeypatch.setattr(pictures, "MOST_IN_MEMORY", limit)
    (few,) = checked_masks(loaded(study).training)
    assert re.fullmatch(r"\d of 14 training pictures have no mask and 0 an empty one: .* leaves these out\.", few)
    redraw(study, lambda mask: 255 - mask)
    assert "of the edges, as a background does: are black and white the wrong way round?" in noted(study)
    redraw(study, lambda mask: 0 * mask)
    with pytest.raises(BadInput, match="every mask of the training split is empty"):
        noted(study)


def test_a_mask_of_another_size_gets_one_line_and_one_that_is_gone_is_none(study: Study) -> None:
    path = sorted((study.data / "train").rglob("*_mask.png"))[0]
    (before,) = checked_masks(loaded(study).training)
    path.unlink()
    (after,) = checked_masks(loaded(study).training)
    assert int(after.split()[0]) == int(before.split()[0]) + 1
    Image.new("L", (40, 20), 255).save(path)
    with pytest.raises(BadInput, match="the mask has another aspect ratio than its picture") as caught:
        train_run(study, "x", GUIDED, ON_CPU)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("no_memory")
def test_the_cache_is_shared_and_made_again_where_files_changed(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = counted(monkeypatch)
    first = loaded(study)
    assert isinstance(first.training.pixels, FileRows)
    assert len(asked) == TRAINING + VALIDATION
    assert loaded(study).training.digest() == first.training.digest()
    assert len(asked) == TRAINING + VALIDATION
    training = study.samples.iloc[study.rows("train")]
    path = study.data / training["path"].iloc[0]
    draw_picture(path, 5)
    os.utime(path, ns=(1, 1))
    edited = loaded(study)
    assert len(asked) == 2 * TRAINING + VALIDATION
    assert edited.training.digest() != first.training.digest()
    assert edited.validation.digest() == first.validation.digest()
    assert first.training.pixels[np.arange(TRAINING)].shape == (TRAINING, 28, 28, 1), (
        "who has the former rows open keeps them"
    )
    name = training[training["has_mask"]]["path"].iloc[0]
    mask = study.data / name.replace(".png", "_mask.png")
    draw_mask(mask, 3 + int(Path(name).stem))
    os.utime(mask, ns=(1, 1))
    assert loaded(study).training.digest() != edited.training.digest()
    shutil.rmtree(study.path / "cache")
    assert loaded(study).training.digest() != edited.training.digest()


@pytest.mark.usefixtures("no_memory")
def test_a_cache_that_is_not_as_it_was_written_is_told_or_made_again(study: Study) -> None:
    first = loaded(study, masks=False)
    (folder,) = (study.path / "cache").glob("pictures-train-*")
    rows = folder / "rows.bin"
    data = bytearray(rows.read_bytes())
    data[5] ^= 1
    rows.write_bytes(data)
    with pytest.raises(BadInput, match=r"row 0 is not as it was written.*Delete the folder pictures-train-"):
        _ = first.training.pixels[np.array([3, 0])]
    assert first.training.pixels[np.array([3, 1])].shape == (2, 28, 28, 1)
    rows.write_bytes(data[:-1])
    assert loaded(study, masks=False).training.digest() == first.training.digest()
    (folder / "checksums.bin").write_bytes(b"")
    assert loaded(study, masks=False).training.digest() == first.training.digest()


@pytest.mark.usefixtures("no_memory")
def test_a_filling_that_was_stopped_or_full_leaves_nothing_half(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    token = CancelToken()
    with pytest.raises(Cancelled):
        training_data(study, SMALL, progress=lambda done, *_: token.cancel() if done > 3 else None, cancel=token)
    assert not list((study.path / "cache").rglob("rows.bin"))
    with monkeypatch.context() as patch:
        patch.setattr(pictures.shutil, "disk_usage", lambda _: Usage)
        with pytest.raises(StorageFull, match=r"do not fit on the study's disk.*0\.0 GiB are free"):
            training_data(study, SMALL)
    assert len(training_data(study, SMALL).training) == TRAINING


class Usage:
    free = 100


FILL = """
import sys, time
from pathlib import Path
from xai_core.pipeline import pictures
from xai_core.store.study import Study
from tests.core.test_training_pictures import SMALL
pictures.MOST_IN_MEMORY = 1000
plain = Study.picture
def slow(self, row):
    print("reading", flush=True)
    time.sleep(0.5)
    return plain(self, row)
Study.picture = slow
pictures.training_data(Study.open(Path(sys.argv[1])), SMALL)
"""


@pytest.mark.slow
@pytest.mark.usefixtures("no_memory")
def test_a_killed_filling_is_done_again(study: Study) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FILL, str(study.path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("reading")  # two threads may speak at once
        time.sleep(0.7)
        process.kill()
    assert list((study.path / "cache").rglob("rows.bin"))
    assert not list((study.path / "cache").rglob("manifest.json"))
    assert len(loaded(study).training) == TRAINING


def test_rows_come_in_order_and_a_bounded_number_ahead(tmp_path: Path) -> None:
    begun: list[int] = []
    rows = in_order(lambda row: (begun.append(row), np.full((2, 3), row % 256, np.uint8))[1], range(2000), "rows")
    first = next(rows)
    assert not first.any()
    assert len(begun) <= 512
    sums = write_rows(tmp_path / "rows.bin", rows)
    assert len(sums) == 1999
    found = FileRows(tmp_path / "rows.bin", (1999, 2, 3), sums)
    assert found[np.array([1998, 0, 5])][:, 0, 0].tolist() == [1999 % 256, 1, 6]
    with pytest.raises(BadInput, match="bytes for 1,998 rows"):
        FileRows(tmp_path / "rows.bin", (1998, 2, 3), sums[:1998])


def test_grey_pictures_are_rgb_to_a_network_that_takes_nothing_else(tmp_path: Path) -> None:
    for at, place in enumerate(f"{split}/{name}" for split in ("train", "test") for name in ("one", "two")):
        folder = tmp_path / "grey" / place
        folder.mkdir(parents=True)
        for number in range(4):
            Image.fromarray(np.full((32, 32), 50 * number + at, np.uint8)).save(folder / f"{number}.png")
    study = make_study(tmp_path / "study", tmp_path / "grey")
    channels = {
        key: chosen_preprocess(study, TrainConfig(architecture=key), Given()).channels
        for key in ("small_cnn", "small_vit", "squeezenet1_1", "vgg16")
    }
    assert channels == {"small_cnn": 1, "small_vit": 1, "squeezenet1_1": 3, "vgg16": 3}
