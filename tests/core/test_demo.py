"""The demo study: its steps on a small scale, and the bundled one against the generator."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT
from xai_core.answers.badge import metrics_of
from xai_core.answers.methods import DEFAULT_METHODS
from xai_core.answers.quality_choice import SPEC, samples, usual_metrics
from xai_core.answers.scope import Scope
from xai_core.answers.scored import scored
from xai_core.archives import Packed
from xai_core.demo.bundle import BUNDLE, CHECKS, UNPACKED, add_checks, working_copy
from xai_core.demo.drawing import MASKS, PICTURES, GarmentParams, encode, mask_path, picture_path, render
from xai_core.demo.recipe import BASELINE, CANDIDATE, Recipe, check_same, facts, rebuild, wrong_rows
from xai_core.errors import BadInput
from xai_core.explainers import EXPLAINERS, ExplainerInput
from xai_core.explainers.engine.plan import explain
from xai_core.metrics import METRICS
from xai_core.params import build
from xai_core.pictures import read_picture
from xai_core.pipeline.load import Bench, inputs
from xai_core.store.identity import sample_seed
from xai_core.store.maps import STORED, MapStore
from xai_core.store.study import Study
from xai_core.training.config import TrainConfig
from xai_core.types import CancelToken, Target, silent

LIMIT_BYTES, MOST_FILES = 25_000_000, 80


@contextlib.contextmanager
def quietly(_: str) -> Iterator[tuple[Any, CancelToken]]:
    yield silent, CancelToken()


@pytest.mark.slow
def test_the_demo_is_made_from_nothing(tmp_path: Path) -> None:
    recipe = Recipe(
        pictures={"train_per_class": 6, "validation_per_class": 3, "test_per_class": 3},
        training=TrainConfig(architecture="small_cnn", epochs=1, batch_size=8),
        pixel_methods=("lrp",),
        scored=0,  # which takes minutes
    )
    study = rebuild(tmp_path / "garments", recipe, quietly)
    assert study.runs() == [BASELINE, CANDIDATE]
    assert study.run(CANDIDATE).info.parent == BASELINE
    assert set(study.run(CANDIDATE).info.training["augmentations"]) == {"flip", "top_biased_crop"}
    assert study.info.data == "data", "a study that is moved takes its pictures along"
    for name in study.runs():
        run = study.run(name)
        rows = wrong_rows(run)
        params = EXPLAINERS["gradcam"].params()
        maps = run.maps("gradcam", params)
        predictions = run.predictions
        assert maps is not None
        assert predictions is not None
        targets = [str(p) for p in predictions.at(rows).predicted]
        assert (maps.state(rows, targets) == 1).all()
    assert check_same(study, study)["bundled"] == facts(study)


def test_other_pictures_are_told(tmp_path: Path) -> None:
    bundled = Study.open(BUNDLE)

    class Other:
        info = type("Info", (), {"samples_digest": "other"})

    with pytest.raises(BadInput, match="pictures differ"):
        check_same(Other(), bundled)  # type: ignore[arg-type]


def _digest(pixels: np.ndarray[Any, Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


@pytest.mark.parametrize("step", [29, pytest.param(1, marks=pytest.mark.full)])
@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_bundled_pictures_are_what_the_generator_draws(split: Any, step: int, tmp_path: Path) -> None:
    study = Study.open(BUNDLE)
    params = build(GarmentParams, study.info.dataset_params)
    for class_index in range(len(study.class_names)):
        for number in range(0, params.count(split), step):
            drawn, mask = render(study.info.seed, split, class_index, number, params)
            name = picture_path(split, class_index, number)
            again = tmp_path / "again.jpg"
            again.write_bytes(encode(drawn))
            row = int(np.flatnonzero(study.samples["path"].to_numpy() == name)[0])
            bundled = study.picture(row)
            assert _digest(np.asarray(bundled)) == _digest(np.asarray(read_picture(again))), name
            stored = study.mask(row)
            assert stored is not None, mask_path(name)
            np.testing.assert_array_equal(stored, mask)


def test_the_bundle_is_small() -> None:
    sizes = [path.stat().st_size for path in (ROOT / "assets").rglob("*") if path.is_file()]
    assert sum(sizes) <= LIMIT_BYTES, f"{sum(sizes) / 1e6:.1f} MB"
    assert len(sizes) <= MOST_FILES


def test_the_bundled_archives_hold_what_the_table_says() -> None:
    """Byte for byte: so the table, and what was predicted and explained before they were packed, stays valid."""
    study = Study.open(BUNDLE)
    packed = Packed(study.data, PICTURES)
    for path, sha256 in zip(study.samples["path"], study.samples["sha256"], strict=True):
        assert hashlib.sha256(packed.read(path)).hexdigest() == sha256, path
    assert study.info.samples_digest == "89663b5675be69e7da561f0ecb1c594287fc71818dc5497c7cdc5b9e453ac418"


def test_a_copy_of_the_time_when_each_picture_was_a_file_opens(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(BUNDLE, tmp_path / "garments"))
    for archive in (PICTURES, MASKS):
        with zipfile.ZipFile(copy / "data" / archive) as packed:
            packed.extractall(copy / "data")
        (copy / "data" / archive).unlink()
    before, today = Study.open(copy), Study.open(BUNDLE)
    for row in range(0, len(today.labels), 311):
        assert before.picture(row).tobytes() == today.picture(row).tobytes()
        np.testing.assert_array_equal(before.mask(row), today.mask(row))


def test_the_bundled_runs_say_what_they_are() -> None:
    study = Study.open(BUNDLE)
    assert study.runs() == [BASELINE, CANDIDATE]
    before = study.run(BASELINE).info.training
    after = study.run(CANDIDATE).info.training
    changed = {key for key in before if before[key] != after[key]}
    assert changed <= {"augmentations", "best_epoch"}, "one thing was changed"
    assert set(after["augmentations"]) - set(before["augmentations"]) == {"top_biased_crop"}


@pytest.mark.parametrize("key", ["gradcam", "gradcam++", "lrp", "ig", "shap"])
def test_the_bundled_maps_are_what_the_methods_give_today(key: str, tmp_path: Path) -> None:
    """Their identity says so: results at the defaults may not change under the same version."""
    study = Study.open(Path(shutil.copytree(BUNDLE, tmp_path / "garments")))
    run, bench, params = study.run(BASELINE), Bench("cpu"), EXPLAINERS[key].params()
    kept, predictions = run.maps(key, params), run.predictions
    assert kept is not None
    assert predictions is not None
    keys = [str(predicted) for predicted in predictions.predicted]
    places = np.flatnonzero(kept.state(predictions.rows, keys) == STORED)[:2]
    rows, targets = predictions.rows[places], [Target.parse(keys[place]) for place in places]
    stored = kept.get(rows, [target.key for target in targets])
    classifier = bench.classifier(run)
    context = None
    if "background" in EXPLAINERS[key].card.needs:
        chosen = study.background(EXPLAINERS[key].background_count(params))
        context = bench.background(study, classifier, chosen.tolist())
    seeds = np.array([sample_seed(study.info.seed, str(study.samples["id"].iat[row])) for row in rows])
    (found,) = explain(
        ExplainerInput(classifier, inputs(study, classifier, rows.tolist()), targets, seeds, background=context),
        [(key, None)],
    )
    assert len(places) == 2
    for today, then in zip(found.maps, stored.maps, strict=True):
        np.testing.assert_allclose(today, then, atol=2e-3 * np.abs(then).max())
    for name, values in stored.diagnostics.items():
        np.testing.assert_allclose(found.diagnostics[name], values, rtol=1e-2, atol=1e-3)


def test_a_copy_of_before_gets_the_maps_of_methods_that_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    copy = working_copy()
    stores = sorted(path.relative_to(copy) for path in copy.glob("runs/*/explanations/*"))
    Study.open(copy).annotations.add_tag(3, "mine")
    shutil.rmtree(copy / stores[0])
    with sqlite3.connect(copy / stores[1] / "index.sqlite") as index:
        index.execute("DELETE FROM rows WHERE row % 2")
    assert working_copy() == copy
    assert MapStore(copy / stores[1]).named() == MapStore(BUNDLE / stores[1]).named()
    assert sorted(path.relative_to(copy) for path in copy.glob("runs/*/explanations/*")) == stores
    assert Study.open(copy).annotations.known_tags() == ["mine"]


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Study:
    copy = Path(shutil.copytree(BUNDLE, tmp_path_factory.mktemp("checked") / BUNDLE.name))
    add_checks(BUNDLE / CHECKS, copy)
    return Study.open(copy)


def test_how_metrics_agree_with_the_truth_is_what_their_cards_say(checked: Study) -> None:
    from scipy.stats import kendalltau

    keys = [*DEFAULT_METHODS, "centre", "edges", "random"]
    measured: dict[str, list[float]] = {}
    for name in checked.runs():
        run = checked.run(name)
        rows, metrics = samples(Scope(run, "test")).rows, usual_metrics(run)
        found = scored(run, rows, SPEC, [(key, {}) for key in keys], [(key, {}) for key in metrics])
        assert not any(one.missing for one in found)
        means = {(one.metric.key, one.method.key): np.nanmean(one.values) * one.metric.direction for one in found}
        truth = [means["part-ranking", key] for key in keys]
        for metric in metrics:
            measured.setdefault(metric, []).append(kendalltau([means[metric, key] for key in keys], truth)[0])
    for metric, values in measured.items():
        if METRICS[metric].card.aspect != "truth":
            assert METRICS[metric].card.agreement == pytest.approx(np.mean(values), abs=0.006), metric


def test_a_badge_rests_on_metrics_that_do_not_contradict_the_truth(checked: Study) -> None:
    found = {key for key, _ in metrics_of(checked.run(BASELINE))}
    assert found == {"part-ranking", "top-part", "road", "deletion", "insertion", "infidelity"}


def test_checks_are_added_to_a_copy_once_and_leave_what_is_there(checked: Study, tmp_path: Path) -> None:
    store = next(iter(sorted(checked.path.glob("runs/*/scores/*/*"))))
    mine = tmp_path / store.relative_to(checked.path)
    mine.mkdir(parents=True)
    add_checks(BUNDLE / CHECKS, tmp_path)
    assert not any(mine.iterdir()), "a store that somebody has stays"
    assert len(list(tmp_path.glob("runs/*/cascade/*/pictures"))) == 14
    assert [path.name for path in tmp_path.iterdir() if path.name != "runs"] == [UNPACKED]
    shutil.rmtree(tmp_path / "runs")
    add_checks(BUNDLE / CHECKS, tmp_path)
    assert not (tmp_path / "runs").exists(), "what was removed since does not come back"
