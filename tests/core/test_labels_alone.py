"""Predictions from elsewhere that are labels, with or without the probability of the predicted class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.core.test_tables import IDS, study_of, written
from tests.tiny_study import xai_json
from xai_core.answers.cell import caption, members_table
from xai_core.answers.overview import run_answer
from xai_core.answers.sample import chances, explained, sample_of, series
from xai_core.answers.scope import Scope
from xai_core.errors import BadInput
from xai_core.pipeline.import_predictions import import_predictions
from xai_core.store.predictions import TABLE
from xai_core.store.run import Run
from xai_core.store.study import Study

CLASSES = ("a", "b")


def imported(folder: Path, text: str, classes: tuple[str, ...] = CLASSES, **how: Any) -> Run:
    """Of a study of four samples with the labels a, b, a, b."""
    study = study_of(folder, classes, IDS)
    return import_predictions(study, "theirs", written(folder / "p.csv", text), **how)


def scope_of(run: Run) -> Scope:
    return Scope(Study.open(run.study.path).run(run.name), "all")


LABELS = "id,predicted\na/1.png,a\na/2.png,a\nb/3.png,b\nb/4.png,b\n"
SURE = "id,predicted,confidence\na/1.png,a,0.6\na/2.png,a,0.7\nb/3.png,b,0.9\nb/4.png,b,0.8\n"


def test_labels_alone_make_a_run_without_made_up_numbers(tmp_path: Path) -> None:
    scope = scope_of(imported(tmp_path, LABELS))
    said = scope.predictions
    assert said.predicted.tolist() == [0, 0, 1, 1]
    assert np.isnan(said.probabilities).all()
    assert np.isnan(said.confidence).all()
    assert np.isnan(said.loss).all()
    assert said.scores == ()
    assert pq.read_table(scope.run.path / TABLE).column_names == ["id", "row", "predicted", "confidence"]
    table = members_table(scope, said.rows)
    assert table[["p_true", "p_predicted", "loss"]].isna().all().all()
    assert caption(scope, 1) == "a/2.png: true b, predicted a"


def test_what_needs_a_confidence_says_that_there_is_none(tmp_path: Path) -> None:
    scope = scope_of(imported(tmp_path, LABELS))
    found = run_answer(scope)
    assert (found.quality.n, found.quality.errors) == (4, 2)
    assert found.quality.low < 0.5 < found.quality.high
    assert np.isnan(found.quality.calibration_error)
    assert "without probabilities" in found.text()
    assert "ECE" not in found.calibration
    assert series(scope, None, "loss").order == "as in the data set"
    sample = sample_of(scope, 1)
    assert sample is not None
    assert chances(scope, sample) == []
    assert [one.note for one in explained(scope, sample, "predicted")] == ["predicted", "true", "predicted − true"]


def test_one_confidence_is_all_that_is_known(tmp_path: Path) -> None:
    scope = scope_of(imported(tmp_path, SURE))
    said = scope.predictions
    np.testing.assert_allclose(said.confidence, [0.6, 0.7, 0.9, 0.8], rtol=1e-6)
    assert np.isnan(said.at([1]).of(np.array([1]))).all(), "of the true class nothing is known"
    assert said.scores == ("confidence",)
    assert np.isfinite(run_answer(scope).quality.calibration_error)
    assert (series(scope, None, "loss").order, series(scope, None, "loss").rows.tolist()) == ("surest first", [2, 1])
    sample = sample_of(scope, 1)
    assert sample is not None
    assert [(one.name, round(one.share, 3)) for one in chances(scope, sample)] == [("a", 0.7)]


@pytest.mark.parametrize(
    ("text", "how", "predicted"),
    [
        ("file;Pred\n1.png;b\n4.png;a\n", {}, {0: 1, 3: 0}),
        ("id,y_pred\na/1.png,1\nb/4.png,0\n", {}, {0: 1, 3: 0}),
        ("id,label,prediction\na/1.png,a,b\n", {}, {0: 1}),
        ("id,what\na/1.png,b\n", {"label_column": "what"}, {0: 1}),
    ],
)
def test_columns_and_labels_as_people_write_them(
    tmp_path: Path, text: str, how: dict[str, str], predicted: dict[int, int]
) -> None:
    said = imported(tmp_path, text, **how).predictions
    assert said is not None
    assert dict(zip(said.rows.tolist(), said.predicted.tolist(), strict=True)) == predicted


def test_numbers_that_are_names_are_names(tmp_path: Path) -> None:
    said = imported(tmp_path, "id,predicted\na/1.png,1\n", ("1", "0")).predictions
    assert said is not None
    assert said.predicted.tolist() == [0]


@pytest.mark.parametrize(
    ("text", "how", "message"),
    [
        ("id,predicted\na/1.png,c\n", {}, "names no class of the study: line 2, a/1.png, c.*a, b"),
        ("id,predicted\na/1.png,a|b\n", {}, "names no class"),
        ("id,predicted\na/1.png,2\n", {}, "names no class"),
        ("id,predicted\na/1.png,a\na/1.png,b\n", {}, "comes twice"),
        ("id,predicted,confidence\na/1.png,a,70\n", {}, "no probability: line 2, a/1.png, confidence.*percentages"),
        ("id,predicted,confidence\na/1.png,a,\n", {}, "no probability"),
        ("id,predicted\na/1.png,a\n", {"label_column": "other"}, "no such column: other"),
        ("id,predicted\na/1.png,a\n", {"logits": True}, "lacks columns: a, b"),
    ],
)
def test_labels_that_do_not_fit(tmp_path: Path, text: str, how: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        imported(tmp_path, text, **how)


def test_a_copy_of_the_truth_is_doubted(tmp_path: Path) -> None:
    run = imported(tmp_path, "id,label\na/1.png,a\na/2.png,b\n")
    assert "what is true" in " ".join(run.info.provenance["notes"])


def test_commands_answer_of_labels_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = imported(tmp_path, LABELS)
    import_predictions(run.study, "sure", written(tmp_path / "c.csv", SURE))
    path = run.study.path
    for question in (
        ["overview"],
        ["confusion"],
        ["cell", "--cell", "b:a"],
        ["cell", "--cell", "b:a", "--sort", "loss"],
    ):
        found = xai_json(capsys, "show", path, *question, "--run", "theirs", "--split", "all")
        assert "without probabilities" in str(found) or question == ["confusion"]
    assert xai_json(capsys, "show", path, "sample", "--run", "theirs", "--split", "all")["probabilities"] == []
    both = xai_json(capsys, "compare", path, "--baseline", "theirs", "--candidate", "sure", "--split", "all")
    assert "4 " in str(both)


def test_a_damaged_table_of_labels_is_refused(tmp_path: Path) -> None:
    run = imported(tmp_path, SURE)
    table = pq.read_table(run.path / TABLE).replace_schema_metadata(None)
    wrong = table.set_column(3, table.schema.field(3), [np.full(4, 2, np.float32)])
    pq.write_table(wrong, run.path / TABLE)
    with pytest.raises(BadInput, match="outside 0"):
        _ = Study.open(run.study.path).run("theirs").predictions
