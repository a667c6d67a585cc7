"""Accuracy by parts of the samples: what may be said of each when many are looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.core.dataset_trees import TREES
from tests.core.test_facts import study_with_facts
from tests.dashboard.fakes import add_run
from tests.tiny_study import xai, xai_json
from xai_core.answers import scenarios
from xai_core.answers.compare import comparison
from xai_core.answers.scenarios import SHOWN, text
from xai_core.store.study import Study
from xai_core.triage.compare import cell_change, paired_change, verdict
from xai_core.triage.scenarios import part_changes

DRESSES = 47
"""In the test half of paper 1's photos."""


def dresses(new: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """15 dresses are taken for skirts before and 9 after; so many of the 9 were right before."""
    labels, before, after = (np.zeros(DRESSES, np.int64) for _ in range(3))
    before[:15] = 1
    after[6 + new : 15 + new] = 1
    return labels, before, after


@pytest.mark.parametrize(("new", "kind", "p"), [(0, "better", 2**-5), (1, "undecided", 0.0703), (9, "undecided", 0.3)])
def test_what_can_be_said_of_15_mistakes_that_became_9(new: int, kind: str, p: float) -> None:
    """Only where not one dress went wrong that was right can these two models be told apart."""
    change = cell_change(*dresses(new), (0, 1))
    said = verdict(change, "Dress taken for Skirt", lower_is_better=True)
    assert (change.before, change.after, said.kind) == (15, 9, kind)
    assert change.p == pytest.approx(p, abs=0.01)
    assert ("improved" in said.sentence) == (kind == "better")


def test_nothing_of_it_is_left_where_the_cell_is_one_of_five() -> None:
    labels, before, after = dresses(0)
    everybody = np.ones(DRESSES, bool)
    [alone] = part_changes(before == labels, after == labels, [everybody])
    assert alone.sure
    five = part_changes(before == labels, after == labels, [everybody] * 5)
    assert not any(part.sure for part in five)
    assert five[0].change.p == pytest.approx(5 * 2**-5)
    assert five[0].change.low < alone.change.low
    assert five[0].before == alone.before, "each run's own interval is about that run alone"


def test_parts_of_a_few_samples_say_nothing_and_make_no_other_stricter() -> None:
    labels, before, after = dresses(0)
    few = np.arange(DRESSES) < 9
    whole, small = part_changes(before == labels, after == labels, [np.ones(DRESSES, bool), few])
    assert (whole.sure, small.sure, small.counted) == (True, False, False)


def test_by_chance_alone_a_change_is_claimed_in_at_most_a_twentieth() -> None:
    rng, claimed = np.random.default_rng(0), 0
    for _ in range(60):
        before, after = rng.random((2, 400)) < 0.7
        parts = [rng.permutation(400) < 60 for _ in range(12)]
        claimed += any(part.sure for part in part_changes(before, after, parts))
    assert claimed <= 3


def test_parts_are_classes_tags_facts_and_groups(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = study_with_facts(tmp_path)
    add_run(study, "poor", wrong_every=1)
    add_run(study, "good", wrong_every=10**6)
    for row in range(12):
        study.annotations.add_tag(row, "<i>odd")
    found = comparison(study.run("poor"), study.run("good"), "test").scenarios
    names = {(part.kind, part.name) for part in found.parts}
    assert {kind for kind, _ in names} == {"class", "tag:<i>odd", "fact:camera", "fact:site", "fact:row", "fact:worn"}
    assert {("class", "cat"), ("tag:<i>odd", "tagged <i>odd"), ("fact:camera", "camera = A")} <= names
    assert sum(part.found.change.n for part in found.parts if part.kind == "fact:site") == 20, "not known: in no part"
    assert found.parts[0].found.sure, "what may be claimed comes first"
    assert "improved: " in found.sentence
    assert "got worse" not in found.sentence
    xai("groups", study.path, "--by", "camera")
    asked = xai_json(capsys, "compare", study.path, "--baseline", "poor", "--candidate", "good")["scenarios"]
    assert {part["by"] for part in asked["parts"]} >= {"camera", "fact:site"}
    assert "fact:camera" not in {part["by"] for part in asked["parts"]}, "each way once"
    assert asked["tried"] == found.tried
    assert len(text(asked).splitlines()) == 2 + 1 + min(SHOWN, len(asked["parts"]))


def test_sizes_of_objects_that_are_left_out_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    TREES["oxford-pet"](tmp_path / "pets")
    xai("new", tmp_path / "study", "--data", tmp_path / "pets")
    study = Study.open(tmp_path / "study")
    for name, wrong in (("poor", 2), ("good", 10**6)):
        add_run(study, name, wrong_every=wrong)

    def told() -> dict[str, Any]:
        words = ("compare", study.path, "--baseline", "poor", "--candidate", "good")
        found: dict[str, Any] = xai_json(capsys, *words)["scenarios"]
        assert found["note"].endswith(found["left_out"])
        return found

    assert told()["left_out"] == ""
    monkeypatch.setattr(scenarios, "MOST_MASKS", 7)
    assert told()["left_out"] == (
        "Parts by the size of the object are left out: 8 of these samples have masks, and 7 are read here at most; "
        "xai groups --by mask-size makes them the study's groups."
    )
    monkeypatch.undo()
    (row, *_) = study.rows("test").tolist()
    (study.data / "annotations" / "trimaps" / f"{Path(study.samples['path'][row]).stem}.png").write_bytes(b"no mask")
    line = told()["left_out"]
    assert line.startswith("Parts by the size of the object are left out: ")
    assert "trimaps/" in line
    assert line.count("\n") == 0


def test_parts_of_the_same_samples_have_the_plain_test_beside_them() -> None:
    right = np.random.default_rng(1).random((2, 100)) < 0.6
    [part] = part_changes(*right, [np.ones(100, bool)])
    assert part.change == paired_change(*right)
