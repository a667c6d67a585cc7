"""Many classes: what is asked is answered as by all probabilities, from a file that holds a few of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.core import store_cases as cases
from xai_core.datasets.base import Scan
from xai_core.errors import BadInput
from xai_core.store import chances as forms
from xai_core.store import files
from xai_core.store.chances import KEPT, Dense, Largest, largest
from xai_core.store.run import Run, RunInfo
from xai_core.store.study import Study
from xai_core.task import loss_of

CLASSES, SAMPLES = 150, 400


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    rng = np.random.default_rng(0)
    found = rng.dirichlet(np.full(CLASSES, 0.05), SAMPLES).astype(np.float32)
    found[0] = np.float32(1 / CLASSES)  # all are equal
    return found


@pytest.fixture
def run(tmp_path: Path) -> Run:
    scan = cases.scan(SAMPLES)
    samples: pd.DataFrame = scan.samples.assign(label=np.arange(SAMPLES) * 7 % CLASSES)
    names = tuple(f"class {i}" for i in range(CLASSES))
    study = Study.create(
        tmp_path / "study", dataset="grey", params={}, data=tmp_path, seed=0, scan=Scan(samples, names)
    )
    return study.add_run("run", RunInfo())


def test_both_forms_answer_alike(values: np.ndarray) -> None:
    labels = np.arange(SAMPLES) * 7 % CLASSES
    dense, few = Dense(values), largest(Dense(values), labels)
    for places in (slice(None), np.array([5, 0, 5, 399])):
        np.testing.assert_array_equal(few.of(places, labels[places]), dense.of(places, labels[places]))
        best = values.argmax(axis=1)[places]
        np.testing.assert_array_equal(few.of(places, few.classes[places][:, 0]), dense.of(places, best))
        np.testing.assert_array_equal(few.two_largest(places), dense.two_largest(places))
        kept, whole = few.dense(places), dense.dense(places)
        known = np.isfinite(kept)
        np.testing.assert_array_equal(kept[known], whole[known])
        assert (known.sum(axis=1) >= KEPT).all()
        assert (np.where(known, 0, whole).max(axis=1) <= np.nanmin(few.values[places], axis=1)).all()
    np.testing.assert_allclose(few.values.sum(axis=1) + few.rest, 1, atol=1e-5)
    np.testing.assert_array_equal(few.taken(np.array([3, 1])).values, few.values[[3, 1]])
    assert few.problem() == dense.problem() == ""


def test_the_classes_that_were_not_kept_are_unknown(values: np.ndarray) -> None:
    few = largest(Dense(values), np.zeros(SAMPLES, np.int64))
    lost = int(np.flatnonzero(np.isnan(few.dense(np.array([7]))[0]))[0])
    assert np.isnan(few.of(np.array([7]), np.array([lost]))).all()


def test_a_run_with_many_classes(run: Run, values: np.ndarray) -> None:
    run.write_predictions(np.arange(SAMPLES), values)
    found = Study.open(run.study.path).run("run").predictions
    assert found is not None
    assert isinstance(found.chances, Largest)
    labels = run.study.labels
    said = found.at(np.array([3, 1, 2]))
    np.testing.assert_array_equal(found.predicted, values.argmax(axis=1))
    np.testing.assert_array_equal(found.loss, loss_of(values[np.arange(SAMPLES), labels]))
    np.testing.assert_array_equal(said.of(labels[[3, 1, 2]]), values[[3, 1, 2], labels[[3, 1, 2]]])
    np.testing.assert_array_equal(said.confidence, values[[3, 1, 2]].max(axis=1))
    two = np.sort(values[[3, 1, 2]], axis=1)
    np.testing.assert_array_equal(said.margin, two[:, -1] - two[:, -2])
    assert "probabilities" not in pq.read_schema(run.path / "predictions.parquet").names


def test_parts_and_a_table_of_before_are_one(run: Run, values: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "MOST_CLASSES", 1000)
    run.write_predictions(np.arange(0, SAMPLES, 2), values[::2])
    assert "probabilities" in pq.read_schema(run.path / "predictions.parquet").names
    monkeypatch.undo()
    run.add_predictions(np.arange(1, SAMPLES, 2), values[1::2])
    before = run.predictions
    run.settle_predictions()
    after = Study.open(run.study.path).run("run").predictions
    assert before is not None
    assert after is not None
    assert len(after.rows) == SAMPLES
    for name in ("rows", "predicted", "loss", "confidence"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
    assert [p.name for p in run.path.glob("*.parquet")] == ["predictions.parquet"]


@pytest.mark.parametrize(
    ("column", "change", "told"),
    [
        ("classes", lambda v: v + 1000, "class that does not exist"),
        ("largest", lambda v: v[:, ::-1], "not in order"),
        ("largest", lambda v: v * 2, "outside 0"),
        ("rest", lambda v: v + 0.5, "add up"),
        ("of_label", lambda v: v + 0.3, "two probabilities of one class"),
    ],
)
def test_damage_is_told(run: Run, values: np.ndarray, column: str, change, told: str) -> None:  # type: ignore[no-untyped-def]
    import pyarrow as pa

    run.write_predictions(np.arange(SAMPLES), values)
    path = run.path / "predictions.parquet"
    table = pq.read_table(path)
    place, old = table.schema.get_field_index(column), np.array(table[column].to_pylist())
    new = pa.array(change(old).tolist(), table.schema.field(column).type)
    files.write_table(path, table.set_column(place, table.schema.field(column), new))
    with pytest.raises(BadInput, match=told):
        _ = Study.open(run.study.path).run("run").predictions
