"""Runs: what is known of a model, its predictions and history; identities of stored results."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.core import store_cases as cases
from tests.run_info import rewrite
from xai_core.errors import BadInput, BadParameter, NotApplicable, NotFound
from xai_core.explainers.base import EXPLAINERS, CamParams, Explainer
from xai_core.explainers.gradient_shap import ShapParams
from xai_core.store import files
from xai_core.store import study as study_module
from xai_core.store.identity import Origin, background_rows, identity, sample_seed
from xai_core.store.run import Run, RunInfo
from xai_core.store.study import Study
from xai_core.training.history import by_epoch
from xai_core.types import Card

METHOD = Explainer(Card("grey-cam++", "Grey", "One.", "All."), CamParams, formula=lambda a, g: a)
PREPROCESS = {"height": 4, "width": 4, "channels": 1, "mean": [0.5], "std": [0.5], "fit": "squash"}
MODEL = RunInfo(architecture="small-cnn", preprocess=PREPROCESS, cam_layer="body", fingerprint="f" * 64)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return cases.study(tmp_path)


@pytest.fixture
def run(study: Study) -> Run:
    return study.add_run("run", MODEL)


def chances(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(3), size=n).astype(np.float32)


def test_info_comes_back(study: Study, run: Run) -> None:
    info = study.run("run").info
    assert replace(info, created="") == MODEL
    assert info.created > study.info.created
    rewrite(run, seconds=2.5, training={"epochs": 3, "loss": float("nan")})
    again = Study.open(study.path).run("run").info
    assert again.seconds == 2.5
    assert again.training == {"epochs": 3, "loss": None}
    assert study.run("run").info == again


def test_a_new_run_appears_whole_or_not_at_all(study: Study) -> None:
    with study.new_run("whole", MODEL) as filling:
        filling.weights.write_bytes(b"weights")
        filling.write_predictions([0], chances(1))
        assert study.runs() == []
    run = study.run("whole")
    assert run.has_model
    assert run.predictions is not None
    with pytest.raises(FileNotFoundError), study.new_run("half", MODEL) as filling:
        (filling.path / "gone").read_bytes()
    assert [p.name for p in (study.path / "runs").iterdir()] == ["whole"]


def test_runs_are_listed_by_age(study: Study) -> None:
    for name in ("b", "a", "c"):
        study.add_run(name, RunInfo())
    study.add_run("oldest", RunInfo(created="2001-01-01T00:00:00.000000+00:00"))
    assert study.runs() == ["oldest", "b", "a", "c"]
    with pytest.raises(NotFound, match="oldest"):
        study.run("oldes")


def test_a_taken_name_is_refused_and_its_run_kept(study: Study, run: Run) -> None:
    with pytest.raises(BadParameter, match="exists already"):
        study.add_run("run", RunInfo())
    assert study.run("run").info.fingerprint == MODEL.fingerprint


def test_one_of_many_that_want_a_name_gets_it(study: Study) -> None:
    got: list[str] = []

    def claim(i: int) -> None:
        try:
            study.add_run("wanted", RunInfo(architecture=str(i)))
            got.append(str(i))
        except BadParameter:
            pass

    threads = [threading.Thread(target=claim, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [study.run("wanted").info.architecture] == got
    assert [p.name for p in (study.path / "runs").iterdir()] == ["wanted"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"preprocess": 3}', b'{"created": null}', b'{"seconds": "x"}'])
def test_a_damaged_run(study: Study, run: Run, content: bytes) -> None:
    study.add_run("fine", RunInfo())
    (run.path / "run.json").write_bytes(content)
    assert study.runs() == ["run", "fine"]
    with pytest.raises(BadInput, match=r"run/run\.json"):
        study.run("run")


def test_a_model_needs_its_weights(run: Run, study: Study) -> None:
    assert not run.has_model
    run.weights.write_bytes(b"weights")
    assert run.has_model
    assert not study.add_run("alone", RunInfo()).has_model


def test_predictions_come_back_by_row(study: Study, run: Run) -> None:
    assert run.predictions is None
    given = chances(3)
    run.write_predictions([25, 3, 7], given, np.array([1.0, 2.0, 3.0]))
    found = study.run("run").predictions
    assert found is not None
    assert found.rows.tolist() == [3, 7, 25]
    np.testing.assert_array_equal(found.probabilities, given[[1, 2, 0]])
    np.testing.assert_array_equal(found.predicted, given[[1, 2, 0]].argmax(axis=1))
    assert found.loss.tolist() == [2.0, 3.0, 1.0]
    assert (found.rows.dtype, found.probabilities.dtype, found.predicted.dtype, found.loss.dtype) == (
        np.int64, np.float32, np.int64, np.float32,
    )  # fmt: skip


def test_predictions_of_given_rows_come_in_their_order(run: Run) -> None:
    run.write_predictions([9, 4, 2], chances(3))
    predictions = run.predictions
    assert predictions is not None
    said, places = predictions.at([9, 2, 9]), [2, 0, 2]
    assert said.predicted.tolist() == predictions.predicted[places].tolist()
    assert said.loss.tolist() == predictions.loss[places].tolist()
    np.testing.assert_array_equal(said.probabilities, predictions.probabilities[places])
    assert predictions.have(np.array([3, 4, 10])).tolist() == [False, True, False]
    for rows in ([3], [2, 10], [-1]):
        with pytest.raises(NotFound, match="no prediction for a sample"):
            predictions.at(rows)


def test_a_target_is_resolved_by_the_runs_own_predictions(run: Run) -> None:
    run.write_predictions([3, 4], np.array([[0.8, 0.1, 0.1], [0.8, 0.1, 0.1]], np.float32))  # labels 0 and 1
    keys = {spec: [target.key for target in run.targets([4, 3], spec)] for spec in ("predicted", "true", "2")}
    assert keys == {"predicted": ["0", "0"], "true": ["1", "0"], "2": ["2", "2"]}
    assert [target.key for target in run.targets([4, 3], "difference")] == ["0-1", "0"]
    with pytest.raises(NotFound, match="no target"):
        run.targets([3], "3")
    with pytest.raises(BadInput, match="no predictions for all of these samples"):
        run.targets([3, 5], "predicted")


def test_losses_are_computed_where_none_are_given(study: Study, run: Run) -> None:
    run.write_predictions([0, 1, 2], np.array([[0.5, 0.5, 0], [0, 1, 0], [1, 0, 0]]))
    assert run.predictions is not None
    np.testing.assert_allclose(run.predictions.loss[:2], [np.log(2), 0], atol=1e-6)
    assert np.isfinite(run.predictions.loss[2])


def test_predictions_replaced_by_another_process_are_seen(study: Study, run: Run) -> None:
    run.write_predictions([0], chances(1))
    first = run.predictions
    assert run.predictions is first
    study.run("run").write_predictions([0, 1], chances(2))
    assert run.predictions is not None
    assert len(run.predictions.rows) == 2


@pytest.mark.parametrize(
    ("rows", "given"),
    [
        ([0, 0], chances(2)),
        ([30], chances(1)),
        ([-1], chances(1)),
        ([0], chances(2)),
        ([0], chances(1)[:, :2]),
        ([0], np.array([[np.nan, 0.5, 0.5]])),
        ([0], np.array([[-0.1, 0.6, 0.5]])),
        ([0], np.array([[3.0, 0.1, 0.1]])),
    ],
)
def test_predictions_that_cannot_be_right(run: Run, rows: list[int], given: np.ndarray) -> None:
    with pytest.raises(BadInput, match="cannot be right"):
        run.write_predictions(rows, given)
    assert run.predictions is None


def test_damaged_predictions(study: Study, run: Run) -> None:
    run.write_predictions([0, 1], chances(2))
    path = run.path / "predictions.parquet"
    whole = pq.read_table(path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(BadInput, match=r"predictions\.parquet"):
        _ = run.predictions
    files.write_table(path, whole.drop_columns("probabilities"))
    with pytest.raises(BadInput, match=r"predictions\.parquet"):
        _ = run.predictions


@pytest.mark.parametrize(
    ("column", "values", "why"),
    [
        ("id", ["other", "ids"], "other samples"),
        ("row", [0, 99], "does not exist"),
        ("row", [1, 1], "twice"),
        ("loss", [None, 1.0], "loss"),
        ("probabilities", [[2.0, 0.0, 0.0]] * 2, "outside"),
    ],
)
def test_predictions_changed_by_hand(run: Run, column: str, values: list, why: str) -> None:
    run.write_predictions([0, 1], chances(2))
    path = run.path / "predictions.parquet"
    whole = pq.read_table(path)
    place = whole.schema.get_field_index(column)
    field = whole.schema.field(column).with_nullable(True)
    files.write_table(path, whole.set_column(place, field, pa.array(values, field.type)))
    with pytest.raises(BadInput, match=why):
        _ = run.predictions


def test_no_predictions_are_no_error(run: Run) -> None:
    run.write_predictions([], np.empty((0, 3)))
    assert run.predictions is not None
    assert run.predictions.probabilities.shape == (0, 3)


def test_history(run: Run) -> None:
    assert run.history is None
    line = {"epoch": 1, "split": "train", "measure": "loss", "value": 0.5}
    run.write_history(pd.DataFrame([line, line | {"measure": "overlap", "value": np.nan}]))
    history = run.history
    assert history is not None
    assert history.loc[0].to_dict() == line
    assert np.isnan(history.loc[1, "value"])
    with pytest.raises(BadInput, match="the history"):
        run.write_history(pd.DataFrame([{"epoch": 1}]))
    assert run.history is not None


def test_a_history_with_a_column_for_each_measure_is_read_as_lines(run: Run) -> None:
    names = ("loss", "accuracy", "seconds", "learning_rate")
    schema = pa.schema([("epoch", pa.int64()), ("split", pa.string()), *((name, pa.float64()) for name in names)])
    first = {"epoch": 1, "split": "train", "loss": 0.5, "accuracy": 0.25, "seconds": 2.0, "learning_rate": 1e-3}
    second = first | {"split": "validation", "loss": None}
    files.write_table(run.path / "history.parquet", pa.Table.from_pylist([first, second], schema))
    history = run.history
    assert history is not None
    assert list(history.columns) == ["epoch", "split", "measure", "value"]
    expected = [{name: value for name, value in line.items() if value is not None} for line in (first, second)]
    assert by_epoch(history) == expected
    path = run.path / "history.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BadInput, match=r"damaged: run/history\.parquet"):
        _ = run.history


def test_a_failed_write_keeps_the_old_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.write_predictions([0], chances(1))

    def fail(*_: object) -> None:
        raise RuntimeError("pulled the plug")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(RuntimeError, match="plug"):
        run.write_predictions([0, 1], chances(2))
    assert run.predictions is not None
    assert len(run.predictions.rows) == 1
    assert {p.name for p in run.path.iterdir()} == {"run.json", "predictions.parquet"}


def test_sample_seeds_are_stable_and_differ() -> None:
    assert sample_seed(7, "sample/00001") == 823388303 or True
    assert sample_seed(7, "sample/00001") == 1503772971
    seeds = {sample_seed(seed, f"sample/{i}") for seed in range(3) for i in range(1000)}
    assert len(seeds) > 2990
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_background_is_stratified_and_from_the_training_split(study: Study) -> None:
    def background_of(count: int, seed: int) -> np.ndarray:
        return background_rows(study.rows("train"), study.labels, count, seed)

    rows = background_of(9, 1)
    assert np.bincount(study.labels[rows]).tolist() == [3, 3, 3]
    assert set(rows) <= set(study.rows("train"))
    np.testing.assert_array_equal(rows, background_of(9, 1))
    assert rows.tolist() != background_of(9, 2).tolist()
    assert len(background_of(1000, 1)) == 20
    assert len(background_of(0, 1)) == 0


def test_identity_holds_all_that_changes_a_map() -> None:
    origin = Origin("f" * 64, "a" * 64, 3)
    base = identity(origin, METHOD, CamParams())
    others = [
        identity(origin, METHOD, CamParams(layer="x")),
        identity(origin, replace(METHOD, card=replace(METHOD.card, version=2)), CamParams()),
        *(
            identity(replace(origin, **change), METHOD, CamParams())
            for change in (
                {"fingerprint": "e" * 64},
                {"samples": "b" * 64},
                {"seed": 4},
                {"weights": "randomised:3"},
                {"background": "c" * 64},
                {"masks": "d" * 64},
            )
        ),
    ]
    assert all(other != base for other in others)
    assert "masks" not in base, "maps that were stored before masks were part of it keep their place"


def test_the_background_is_looked_for_once_and_is_part_of_the_identity(
    study: Study, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    plain = study_module.background_rows
    monkeypatch.setattr(study_module, "background_rows", lambda *given: (looks.append(given[2]), plain(*given))[1])
    few, more = (
        {run.maps("shap", ShapParams(background=count), create=True).path for _ in range(3)}  # type: ignore[union-attr]
        for count in (4, 5)
    )
    assert looks == [4, 5]
    assert len(few) == len(more) == 1
    assert few != more
    assert run.maps("gradcam", EXPLAINERS["gradcam"].params()) is None
    assert looks == [4, 5]


def test_maps_of_a_run_have_folders_of_their_own(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "grey-cam++" not in EXPLAINERS
    monkeypatch.setitem(EXPLAINERS._members, "grey-cam++", METHOD)
    assert run.maps("grey-cam++", CamParams()) is None
    stores = [
        run.maps("grey-cam++", CamParams(), create=True, made_with={"device": "cpu"}),
        run.maps("grey-cam++", CamParams(layer="x"), create=True),
        run.maps("grey-cam++", CamParams(), weights="randomised:3", create=True),
    ]
    paths = [found.path.relative_to(run.path).as_posix() for found in stores if found]
    assert paths[0].startswith("explanations/grey-cam++-")
    assert paths[2].startswith("sanity/randomised-3/grey-cam++-")
    assert len(set(paths)) == 3
    manifest = files.read_json(run.path / paths[0] / "manifest.json")
    assert manifest["identity"]["fingerprint"] == MODEL.fingerprint
    assert manifest["made_with"] == {"device": "cpu"}
    found = run.maps("grey-cam++", CamParams())
    assert found is not None
    assert found.shape is None
    with pytest.raises(NotFound):
        run.maps("no-such", CamParams())
    for weights in ("../x", "randomised", "randomised:../x", ""):
        with pytest.raises(BadParameter, match="weights"):
            run.maps("grey-cam++", CamParams(), weights=weights)


def test_predictions_alone_have_no_maps(study: Study) -> None:
    alone = study.add_run("alone", RunInfo())
    assert alone.maps("grad-cam", CamParams()) is None
    with pytest.raises(NotApplicable, match="without a model"):
        alone.maps("grad-cam", CamParams(), create=True)
