"""What was stored and is not what it was any more is told: edited tables, rotten bytes, files that are no files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.core import store_cases as cases
from xai_core.errors import BadInput, XaiError
from xai_core.store import files
from xai_core.store.maps import MISSING
from xai_core.store.run import RunInfo
from xai_core.store.study import Study

SURE = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]], dtype=np.float32)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    made = cases.study(tmp_path)
    made.add_run("run", RunInfo()).write_predictions([0, 1, 2], SURE)
    return made


def test_labels_that_were_rewritten_are_told(study: Study) -> None:
    path = study.path / "samples.parquet"
    table = pq.read_table(path)
    table = table.set_column(2, table.schema.field("label"), pa.array([(i + 1) % 3 for i in range(30)]))
    pq.write_table(table.replace_schema_metadata(None), path)
    with pytest.raises(BadInput, match="another table"):
        Study.open(study.path)
    files.write_table(path, table)
    with pytest.raises(BadInput, match="another table"):
        Study.open(study.path)


def test_the_same_samples_written_by_another_program_open(study: Study) -> None:
    path = study.path / "samples.parquet"
    pq.write_table(pq.read_table(path).replace_schema_metadata(None), path, compression="snappy")
    assert Study.open(study.path).labels.tolist() == study.labels.tolist()


def test_the_samples_of_another_study_are_told(study: Study, tmp_path: Path) -> None:
    other = cases.study(tmp_path / "other", n=31)
    (study.path / "samples.parquet").write_bytes((other.path / "samples.parquet").read_bytes())
    with pytest.raises(BadInput, match="another table"):
        Study.open(study.path)


@pytest.mark.parametrize(
    ("column", "values", "why"),
    [
        ("predicted", [77, 1, 2], "most probable"),
        ("predicted", [-1, 1, 2], "most probable"),
        ("predicted", [1, 1, 2], "most probable"),
        ("loss", [float("nan"), 0, 0], "a loss"),
        ("probabilities", [[0.7, 0.2, 0.3], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]], "add up"),
    ],
)
def test_predictions_that_contradict_themselves_are_told(study: Study, column: str, values: list, why: str) -> None:
    """In a table without a checksum, as another program writes it."""
    run = study.run("run")
    path = run.path / "predictions.parquet"
    whole = pq.read_table(path)
    place = whole.schema.get_field_index(column)
    field = whole.schema.field(column)
    pq.write_table(whole.set_column(place, field, pa.array(values, field.type)).replace_schema_metadata(None), path)
    with pytest.raises(BadInput, match=why):
        _ = run.predictions


def test_predictions_of_another_run_are_told(study: Study) -> None:
    """Which look the same: same samples, same classes, sound."""
    paths = []
    for letter in "ab":
        run = study.add_run(letter, RunInfo(architecture="small_cnn", fingerprint=letter * 64))
        run.write_predictions([0, 1], cases.chances([0, 1]))
        paths.append(run.path / "predictions.parquet")
    paths[1].write_bytes(paths[0].read_bytes())
    assert study.run("a").predictions is not None
    with pytest.raises(BadInput, match="another run's"):
        _ = study.run("b").predictions


def test_any_of_equal_probabilities_may_be_the_predicted_class(study: Study) -> None:
    run = study.run("run")
    run.write_predictions([0], np.array([[0.5, 0.5, 0]]))
    whole = pq.read_table(run.path / "predictions.parquet").replace_schema_metadata(None)
    pq.write_table(
        whole.set_column(2, whole.schema.field("predicted"), pa.array([1])), run.path / "predictions.parquet"
    )
    assert run.predictions is not None
    assert run.predictions.predicted.tolist() == [1]


def test_a_file_without_a_checksum_is_taken_as_it_is(study: Study) -> None:
    for path in (study.path / "study.json", study.path / "runs" / "run" / "run.json"):
        values = json.loads(path.read_text())
        del values["checksum"]
        path.write_text(json.dumps(values))
    for path in (study.path / "samples.parquet", study.path / "runs" / "run" / "predictions.parquet"):
        pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)
    predictions = Study.open(study.path).run("run").predictions
    assert predictions is not None
    assert predictions.rows.tolist() == [0, 1, 2]


def test_an_edited_json_says_how_to_keep_the_edit(study: Study) -> None:
    path = study.path / "study.json"
    text = path.read_text().replace('"seed": 7', '"seed": 8')
    path.write_text(text)
    with pytest.raises(BadInput, match="take out its line 'checksum'"):
        Study.open(study.path)
    path.write_text("\n".join(line for line in text.splitlines() if '"checksum"' not in line))
    assert Study.open(study.path).info.seed == 8


def test_json_may_be_laid_out_anew(study: Study) -> None:
    path = study.path / "study.json"
    path.write_text(json.dumps(json.loads(path.read_text()), sort_keys=True))
    assert Study.open(study.path).info == study.info


@pytest.mark.parametrize(
    "changes",
    [
        {"training": {"augmentations": 5}},
        {"training": {"augmentations": {"flip": 5}}},
        {"training": {"loss_params": [1]}},
        {"preprocess": {}},
        {"preprocess": {"height": 10**9, "width": 8, "channels": 1, "mean": [0.5], "std": [0.5]}},
        {"preprocess": {"height": 8.5, "width": 8, "channels": 1, "mean": [0.5], "std": [0.5]}},
        {"preprocess": {"height": 8, "width": 8, "channels": 1, "mean": ["a"], "std": [0.5]}},
        {"preprocess": {"height": -8, "width": 8, "channels": 1, "mean": [0.5], "std": [0.5]}},
        {"preprocess": {"height": 8, "width": 8, "channels": 1, "mean": [0.5], "std": [10**30]}},
        {"seconds": -1},
        {"created": "yesterday"},
        {"created": "0001-01-01T00:00:00+23:59"},
    ],
)
def test_a_run_whose_insides_are_of_the_wrong_kind(study: Study, changes: dict) -> None:
    path = study.path / "runs" / "run" / "run.json"
    path.write_text(json.dumps(files.read_json(path) | changes))
    with pytest.raises(BadInput, match=r"run\.json"):
        study.run("run")


@pytest.mark.parametrize(
    "text", ["NaN", "-Infinity", "1e999", "[" * 5000 + "]" * 5000, '{"a":' * 200 + "1" + "}" * 200]
)
def test_json_that_no_reader_expects(study: Study, text: str) -> None:
    path = study.path / "runs" / "run" / "run.json"
    path.write_text(f'{{"provenance": {{"x": {text}}}}}')
    with pytest.raises(BadInput, match=r"run\.json"):
        study.run("run")


def test_a_table_that_claims_more_lines_than_there_can_be(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_MOST_ROWS", 29)
    with pytest.raises(BadInput, match="30 lines"):
        Study.open(study.path)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "loop"])
@pytest.mark.parametrize("name", ["study.json", "samples.parquet", "runs/run/run.json", "runs/run/predictions.parquet"])
def test_what_is_no_ordinary_file_is_told_at_once(study: Study, kind: str, name: str) -> None:
    path = study.path / name
    path.unlink()
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case _:
            path.symlink_to(path)
    with pytest.raises(XaiError) as caught:
        _ = Study.open(study.path).run("run").predictions
    assert "no study here" not in str(caught.value)


def stored_study(folder: Path) -> Study:
    """One with everything that a study may hold."""
    study = cases.study(folder)
    run = study.add_run("run", RunInfo(training={"augmentations": {"flip": {}}}, seconds=2.5))
    run.write_predictions(range(20), cases.chances(range(20)))
    run.add_predictions(range(20, 30), cases.chances(range(20, 30)))
    line = {"epoch": 1, "split": "train", "measure": "loss", "value": 0.5}
    run.write_history(pd.DataFrame([line, line | {"split": "validation", "value": np.nan}]))
    study.annotations.add_tag(3, "blurred")
    study.annotations.set_note(4, "look again")
    maps = cases.store(run.path)
    maps.put(range(8), ["0"] * 8, cases.maps_of(range(8)), {"gap": np.ones(8)}, [None] * 6 + ["no"] * 2)
    return study


def read(path: Path) -> tuple[str, dict[int, str]]:
    """All that is in a study, as whoever reads it gets it, and its maps by row; missing ones are left out."""
    study = Study.open(path)
    run = study.run(*study.runs())
    assert run.history is not None
    assert run.predictions is not None
    found = [study.info, study.samples.to_dict("list"), run.info, run.history.to_dict("list")]
    found += [getattr(run.predictions, name).tolist() for name in ("rows", "probabilities", "predicted", "loss")]
    found += [study.annotations.of(range(30)), study.annotations.known_tags()]
    maps = cases.store(run.path, create=False)
    stored = maps.get(range(8), ["0"] * 8)
    assert maps.state(range(8), ["0"] * 8).tolist() == stored.state.tolist()
    gaps = stored.diagnostics.get("gap", np.full(8, np.nan))
    values = zip(stored.state, stored.maps.tolist(), stored.refusals, gaps, strict=True)
    return repr(found), {row: repr(each) for row, each in enumerate(values) if each[0] != MISSING}


def damaged_at_random(whole: bytes, rng: np.random.Generator) -> bytes:
    """A file with one bit changed mostly; sometimes cut, emptied, or with a block overwritten or moved."""
    data, place = bytearray(whole), int(rng.integers(len(whole)))
    match rng.integers(12):
        case 0:
            return bytes(data[:place])
        case 1:
            data[place : place + 16] = bytes(len(data[place : place + 16]))
        case 2:
            data = data[place:] + data[:place]
        case 3:
            data[place : place + 1] = rng.bytes(8)
        case _:
            data[place] ^= 1 << int(rng.integers(8))
    return bytes(data)


def test_damage_of_any_kind_is_told_or_changes_nothing(tmp_path: Path) -> None:
    study = stored_study(tmp_path)
    right, maps = read(study.path)
    assert len(maps) == 8
    paths = sorted(path for path in study.path.rglob("*") if path.is_file())
    assert len(paths) == 10
    rng = np.random.default_rng(0)
    told = 0
    for path in paths:
        whole = path.read_bytes()
        for _ in range(20):
            path.write_bytes(damaged_at_random(whole, rng))
            try:
                found, others = read(study.path)
            except XaiError:
                told += 1
                continue
            assert found == right, path
            assert others.items() <= maps.items(), path
            told += len(others) < len(maps)
        path.write_bytes(whole)
    assert told > 110
    assert read(study.path) == (right, maps)
