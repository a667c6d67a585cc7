"""Groups of samples, class × attribute: what they are made of, and what is measured on them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.core.test_repair import write_table
from tests.tiny_study import fails, xai, xai_json
from xai_core.answers.compare import comparison
from xai_core.answers.overview import run_answer
from xai_core.answers.scope import Scope
from xai_core.errors import XaiError
from xai_core.pipeline.grouping import grouping
from xai_core.store.run import RunInfo
from xai_core.store.study import Study
from xai_core.store.subgroups import TABLE, UNKNOWN
from xai_core.triage.intervals import wilson
from xai_core.triage.subgroups import LEAST, bounds, worst_change, worst_group

Capture = pytest.CaptureFixture[str]


def constructed(right: dict[tuple[int, int], tuple[int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, predictions and attributes of groups with so many right ones of so many."""
    rows = [(label, label if k < hits else 1 - label, a) for (label, a), (hits, n) in right.items() for k in range(n)]
    labels, predicted, attributes = np.array(rows, np.int64).T
    return labels, predicted, attributes


TABLE_OF_GROUPS = {(0, 0): (90, 100), (0, 1): (12, 20), (1, 0): (95, 100), (1, 1): (1, 9)}


def test_the_worst_group_of_a_constructed_table() -> None:
    found = worst_group(*constructed(TABLE_OF_GROUPS))
    assert found.worst is not None
    assert found.worst.key == (0, 1)
    assert (found.worst.right, found.worst.n, found.accuracy) == (12, 20, 0.6)
    assert found.mean == pytest.approx(198 / 229)
    assert found.gap == pytest.approx(198 / 229 - 0.6)
    assert (found.worst.low, found.worst.high) == tuple(map(float, wilson(12, 20)))
    assert [group.key for group in found.groups] == [(0, 1), (0, 0), (1, 0), (1, 1)], "too few come last"
    assert not found.groups[-1].counted
    low, high = bounds([12, 90, 95], [20, 100, 100], 4)
    assert (found.low, found.high) == (low.min(), high.min())
    assert found.low < found.worst.low < found.worst.high < found.high, "chosen after looking: wider"


def test_bounds_of_a_family_hold_together() -> None:
    """The smallest true accuracy lies inside in 95 of 100 worlds, though its group is chosen after looking."""
    rng, truth, inside = np.random.default_rng(0), np.array([0.7, 0.72, 0.74, 0.76, 0.9, 0.95]), 0
    for _ in range(300):
        labels, attributes = np.zeros(6 * 40, np.int64), np.repeat(np.arange(6), 40)
        predicted = 1 - (rng.random(240) < truth[attributes]).astype(np.int64)
        found = worst_group(labels, predicted, attributes)
        inside += found.low <= 0.7 <= found.high
    assert inside / 300 >= 0.95


def test_nothing_is_said_of_groups_that_are_too_small_or_not_known() -> None:
    few = worst_group(*constructed({(0, 0): (3, LEAST - 1)}))
    assert few.worst is None
    assert np.isnan(few.accuracy)
    labels, predicted, attributes = constructed({(0, 0): (10, 12), (1, 0): (12, 12)})
    attributes[labels == 1] = UNKNOWN
    found = worst_group(labels, predicted, attributes)
    assert (found.unknown, found.mean) == (12, 10 / 12)
    nobody = np.empty(0, np.int64)
    assert worst_group(nobody, nobody, nobody).worst is None


def test_a_change_of_the_worst_group_is_claimed_only_where_it_is_sure() -> None:
    labels, before, attributes = constructed({(0, 0): (95, 100), (0, 1): (20, 100), (1, 0): (95, 100)})
    _, after, _ = constructed({(0, 0): (90, 100), (0, 1): (85, 100), (1, 0): (94, 100)})
    found = worst_change(labels, before, after, attributes)
    assert found.verdict.kind == "better"
    assert found.difference == pytest.approx(0.65)
    assert "choosing the worst of 3 groups" in found.verdict.sentence
    assert [each.change.n for each in found.groups] == [100, 100, 100]
    assert found.groups[0].change.gained == 65
    assert worst_change(labels, after, before, attributes).verdict.kind == "worse"
    assert worst_change(labels, before, before, attributes).verdict.kind == "undecided"
    assert worst_change(labels[:5], before[:5], after[:5], attributes[:5]).verdict.kind == "empty"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("groups")
    table = write_table(folder / "pictures", per_group=12)
    lines = table.read_text().splitlines()
    ages = [f"{line},{'' if n % 24 == 0 else n % 60}" for n, line in enumerate(lines[1:])]
    table.write_text("\n".join([f"{lines[0]},age", *ages]))
    xai("new", folder / "cameras", "--data", table, "--dataset", "table")
    study = Study.open(folder / "cameras")
    camera = np.array(study.facts.columns(study.rows())["camera"])
    for name, share in (("biased", 0.25), ("fair", 0.9)):
        right = np.where(camera == "B", np.random.default_rng(1).random(len(camera)) < share, True)
        said = np.where(right, study.labels, 1 - study.labels)
        study.add_run(name, RunInfo()).write_predictions(study.rows(), 0.1 + 0.8 * np.eye(2, dtype=np.float32)[said])
    return study.path


@pytest.fixture
def study(made: Path, tmp_path: Path) -> Study:
    return Study.open(Path(shutil.copytree(made, tmp_path / "cameras")))


def test_groups_of_facts_tags_and_errors(study: Study) -> None:
    cameras = grouping(study, "camera")
    assert cameras.names == ("camera = A", "camera = B")
    assert np.bincount(cameras.codes).tolist() == [72, 72]
    ages = grouping(study, "age")
    assert ages.names == ("age up to 16", "age 16 to 35.33", "age over 35.33")
    known = np.array([value if value is not None else np.nan for value in study.facts.columns(study.rows())["age"]])
    np.testing.assert_array_equal(ages.codes == 0, known <= 16)
    np.testing.assert_array_equal(ages.codes == UNKNOWN, np.isnan(known))
    study.annotations.add_tag(5, "blurred")
    assert np.flatnonzero(grouping(study, "tag:blurred").codes == 0).tolist() == [5]
    wrong = grouping(study, "errors:biased")
    assert (wrong.codes == 1).sum() == (study.run("biased").predictions.predicted != study.labels).sum()


@pytest.mark.parametrize(
    ("spec", "says"),
    [("camra", "Did you mean camera"), ("tag:x", "no tag"), ("mask-size", "no masks"), ("clusters:fair", "features")],
)
def test_what_is_no_grouping_is_told(study: Study, spec: str, says: str) -> None:
    with pytest.raises(XaiError, match=says):
        grouping(study, spec)


def test_a_study_remembers_its_groups_and_measures_runs_on_them(study: Study, capsys: Capture) -> None:
    before = xai_json(capsys, "show", study.path, "overview", "--run", "biased")
    assert before["run"]["groups"] is None
    told = xai_json(capsys, "groups", study.path, "--by", "camera")
    assert told["groups"][0] == {"group": "dark, camera = A", "train": 12, "validation": 12, "test": 12}
    shown = xai_json(capsys, "show", study.path, "overview", "--run", "biased")
    groups, line = shown["run"]["groups"], next(one for one in shown["runs"]["table"] if one["name"] == "biased")
    assert groups["by"] == "camera"
    assert groups["worst"].endswith("camera = B")
    assert line["worst_group"] == groups["worst_group"] < 0.5
    assert line["worst"] == groups["worst"]
    found = run_answer(Scope(study.run("biased"), "test")).groups
    assert found is not None
    assert "too few" not in found.text()
    compared = xai_json(capsys, "compare", study.path, "--baseline", "biased", "--candidate", "fair")
    assert compared["groups"]["before"]["worst_group"] < compared["groups"]["after"]["worst_group"]
    assert compared["sentences"][-1] == compared["groups"]["sentence"]
    whole = comparison(study.run("biased"), study.run("fair"), "all").groups
    assert whole is not None
    assert whole.found.verdict.kind == "better"
    for words in (["compare", "--baseline", "biased", "--candidate", "fair"], ["show", "overview"]):
        capsys.readouterr()
        xai(words[0], study.path, *words[1:])
        assert "camera = B" in capsys.readouterr().out
    assert xai_json(capsys, "groups", study.path, "--by", "none")["by"] == ""
    assert xai_json(capsys, "show", study.path, "overview", "--run", "biased")["run"]["groups"] is None


def test_tags_are_read_anew(study: Study) -> None:
    study.annotations.add_tag(0, "odd")
    study.group_by(grouping(study, "tag:odd"))
    study.annotations.add_tag(3, "odd")
    assert study.grouping is not None
    assert np.flatnonzero(study.grouping.codes == 0).tolist() == [0, 3]


def test_damage_is_told_and_errors_are_no_measure(study: Study, capsys: Capture) -> None:
    assert "errors are no groups to measure by" in fails(capsys, "groups", study.path, "--by", "errors:fair")
    xai("groups", study.path, "--by", "camera")
    whole = (study.path / TABLE).read_bytes()
    (study.path / TABLE).write_bytes(whole[:-20] + bytes(20))
    assert "groups.parquet" in fails(capsys, "groups", study.path)
    xai("groups", study.path, "--by", "age")
    assert study.grouping is not None
    assert study.grouping.by == "age"
