"""`xai annotate`: proposals of a run, decisions about them, one act each, and what cannot be is told in one line."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.core.annotation_scenes import METHOD, plant, squares, with_proposals
from tests.test_docs import commands_in
from tests.tiny_study import xai
from xai_core.answers.annotations import decided, proposed
from xai_core.cli.main import main
from xai_core.errors import BadInput, BadParameter, NotFound, XaiError
from xai_core.label_maps import IGNORE
from xai_core.pipeline.asked import Given
from xai_core.pipeline.load import Bench, load_classifier
from xai_core.pipeline.predict import predict
from xai_core.pipeline.propose import propose_steps
from xai_core.pipeline.train import train_run
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.store.versions import Version, version, versions
from xai_core.training.config import TrainConfig


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return with_proposals(squares(tmp_path))


def told(capsys: pytest.CaptureFixture[str], *words: Any) -> dict[str, Any]:
    capsys.readouterr()
    xai("annotate", *words, "--json")
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def listed(capsys: pytest.CaptureFixture[str], run: Run, *words: Any) -> dict[str, Any]:
    return told(capsys, run.study.path, "--run", run.name, "--list", *words)


def test_decisions_are_one_act_and_can_be_taken_back(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    found = listed(capsys, run)
    proposals = found["proposals"]
    assert found["looked_at"] == found["of"] == len(proposals) == len(run.study.rows("train"))
    assert {one["kind"] for one in proposals} == {"missing"}
    scores = [one["score"] for one in proposals]
    assert scores == sorted(scores, reverse=True)
    first, second, third = (one["id"] for one in proposals[:3])
    words = ("--accept", first, "--reject", second, "--relabel", f"{third}=green", "--by", "Ada")
    found = told(capsys, run.study.path, "--run", run.name, *words)
    assert [one["what"] for one in found["decided"]] == ["accept", "reject", "relabel"]
    assert sum(bool(one["decision"]) for one in found["proposals"]) == 3
    reviewed, row = version(run.study, "reviewed"), [one["row"] for one in proposals[:3]]
    corner = (slice(0, 4), slice(18, 23))
    assert (reviewed.label_map(row[0])[corner] == 1).all()
    np.testing.assert_array_equal(reviewed.label_map(row[1]), run.study.label_map(row[1]))
    assert (reviewed.label_map(row[2])[corner] == 2).all()
    xai("annotate", run.study.path, "--undo", "--by", "Bo")
    assert "taken back" in capsys.readouterr().out
    assert not any(one["decision"] for one in listed(capsys, run)["proposals"])
    assert [change.by for change in reviewed.changes] == ["Ada"] * 3 + ["Bo"] * 3


def test_of_several_decisions_on_a_proposal_the_last_counts_as_if_it_were_the_only_one(run: Run) -> None:
    """A script that runs twice, and two persons before one card, lose nothing."""
    (first, *_) = proposed(run, METHOD, "reviewed").questions
    row, name = first.proposal.row, first.proposal.id

    def after(*decisions: dict[str, Any]) -> np.ndarray:
        version_name = f"v{len(versions(run.study))}"
        for said in decisions:
            decided(proposed(run, METHOD, version_name), {"id": name} | said, "Ada")
        return version(run.study, version_name).label_map(row)

    accept, red, ignored = {"what": "accept"}, {"what": "relabel", "label": 2}, {"what": "relabel", "label": 3}
    once = after(accept)
    assert (once != run.study.label_map(row)).any()
    np.testing.assert_array_equal(after(accept, accept), once)
    np.testing.assert_array_equal(after(red, ignored, accept), once)
    np.testing.assert_array_equal(after(accept, {"what": "reject"}, accept), once)
    np.testing.assert_array_equal(after(accept, red), after(red))


def test_all_of_a_kind_and_a_version_of_its_own(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    (first, *_) = [one["id"] for one in listed(capsys, run)["proposals"]]
    words = ("--version", "wide", "--accept-all", "missing", "--relabel", f"{first}=ignore", "--by", "Ada")
    found = told(capsys, run.study.path, "--run", run.name, *words)
    assert all(one["decision"] for one in found["proposals"])
    assert versions(run.study) == ["wide"]
    row = found["proposals"][0]["row"]
    assert (version(run.study, "wide").label_map(row)[0:4, 18:23] == IGNORE).all()
    assert "--annotations wide" in found["next"]
    xai("annotate", run.study.path, "--run", run.name, "--list", "--version", "wide")
    assert "relabelled by Ada" in capsys.readouterr().out


def test_coco_out_and_in(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "out.json"
    told(capsys, run.study.path, "--run", run.name, "--accept-all", "missing", "--by", "Ada")
    wrote = told(capsys, run.study.path, "--out", file)
    assert wrote["pictures"] == len(run.study.rows("train")) + len(run.study.rows("validation"))
    read = told(capsys, run.study.path, "--version", "back", "--in", file, "--by", "Bo")
    assert read["changed"] == len(run.study.rows("train"))
    row = int(run.study.rows("train")[0])
    for name in ("reviewed", "back"):
        assert (version(run.study, name).label_map(row)[0:4, 18:23] == 1).all()


def test_a_file_that_changes_nothing_makes_no_version_and_names_no_next_line(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "out.json"
    told(capsys, run.study.path, "--out", file, "--version", "original")
    read = told(capsys, run.study.path, "--version", "same", "--in", file, "--by", "Bo")
    assert read["changed"] == 0
    assert "next" not in read
    assert versions(run.study) == []


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([], "whose predictions"),
        (["--run", "nobody"], "no run of this name"),
        (["--run", "unet", "--list", "--method", "nosuch"], "nosuch"),
        (["--run", "unet", "--accept", "m123456789"], "no proposal of this name"),
        (["--run", "unet", "--accept-all", "all"], "enlarge, perplexed, missing"),
        (["--run", "unet", "--relabel", "x"], "ID=CLASS"),
        (["--run", "unet", "--accept-all", "missing", "--by", " "], "who decides"),
        (["--run", "unet", "--accept-all", "missing", "--version", "original"], "original annotation is not changed"),
        (["--run", "unet", "--accept-all", "missing", "--version", "../x"], "not a name"),
        (["--run", "unet", "--accept-all", "missing", "--undo"], "one thing at a time"),
        (["--undo"], "no version of the annotation"),
        (["--out", "{tmp}/nowhere/out.json", "--version", "original"], "no such folder"),
        (["--in", "{tmp}/gone.json"], "cannot be read"),
    ],
)
def test_what_cannot_be_is_told_in_one_line_and_changes_nothing(
    run: Run, tmp_path: Path, words: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["annotate", str(run.study.path), *(word.replace("{tmp}", str(tmp_path)) for word in words)]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("xai:")]
    assert error in line
    assert versions(run.study) == []


def test_a_proposal_is_decided_once_in_an_act_and_classes_are_known(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    (first, *_) = [one["id"] for one in listed(capsys, run)["proposals"]]
    for words in (["--accept", first, "--reject", first], ["--relabel", f"{first}=blue"]):
        assert main(["annotate", str(run.study.path), "--run", "unet", *words]) == 1
    errors = capsys.readouterr().err
    assert "decided twice" in errors
    assert "red, green, ignore" in errors


def test_what_a_page_sends_is_checked(run: Run) -> None:
    answer = proposed(run, METHOD, "reviewed")
    (first, *_) = answer.questions
    name, row = first.proposal.id, first.proposal.row
    square = [2, 2, 6, 2, 6, 5, 2, 5]
    assert decided(answer, {"id": name, "what": "edit", "polygon": square}, "Ada") == "Edited: missing of red."
    assert (Version(run.study, "reviewed").label_map(row)[2:5, 2:6] == 1).all()
    assert Version(run.study, "reviewed").changes[-1].pixels == 12
    refused: list[tuple[dict[str, Any], type[XaiError]]] = [
        ({"id": "nobody", "what": "accept"}, NotFound),
        ({"id": name, "what": "drop"}, BadInput),
        ({"id": name, "what": "relabel", "label": 99}, BadInput),
        ({"id": name, "what": "relabel", "label": True}, BadInput),
        ({"id": name, "what": "edit", "polygon": [1, 2]}, BadInput),
        ({"id": name, "what": "edit", "polygon": [float("nan")] * 6}, BadInput),
        ({"id": name, "what": "edit", "polygon": ["x"] * 6}, BadInput),
        ({"id": name, "what": "edit", "polygon": [900, 900, 910, 900, 910, 910]}, BadInput),
        ({"id": name, "what": "edit", "polygon": square * 4000}, BadInput),
    ]
    for said, error in refused:
        with pytest.raises(error):
            decided(answer, said, "Ada")
    with pytest.raises(BadParameter):
        decided(answer, {"id": name, "what": "accept"}, "")
    assert len(Version(run.study, "reviewed").changes) == 1


def test_a_damaged_proposal_counts_as_not_looked_at(run: Run) -> None:
    import sqlite3

    (index,) = run.path.glob("proposals/*/index.sqlite")
    with sqlite3.connect(index) as file:
        file.execute("UPDATE rows SET content = x'00' WHERE row = (SELECT min(row) FROM rows)")
    file.close()
    answer = proposed(run, METHOD, "reviewed")
    assert answer.looked_at == answer.of - 1


def trained(study: Study, name: str = "real") -> Run:
    config = TrainConfig(architecture="small_unet", epochs=1, augmentations={})
    made = train_run(study, name, config, Given(size=32, device="cpu"))
    predict(made, load_classifier(made, device="cpu"), ["train"])
    return made


def test_a_real_run_is_looked_through_picture_by_picture_and_goes_on(tmp_path: Path) -> None:
    study = squares(tmp_path)
    real, bench = trained(study), Bench("cpu")
    for done, total in propose_steps(bench, real, METHOD, {}):
        if done > total // 2:
            break
    half = proposed(real, METHOD, "reviewed").looked_at
    assert 0 < half < len(study.rows("train"))
    steps = list(propose_steps(bench, real, METHOD, {}))
    assert steps[-1][0] == steps[-1][1] == 2 * (len(study.rows("train")) - half)
    answer = proposed(real, METHOD, "reviewed")
    assert answer.looked_at == answer.of
    assert list(propose_steps(bench, real, METHOD, {})) == []
    for one in answer.questions:
        assert one.proposal.region(20, 24).sum() == one.proposal.area
    with pytest.raises(BadInput, match="no training picture is predicted"):
        list(propose_steps(bench, study.add_run("silent", real.info), METHOD, {}))


@pytest.mark.slow
def test_the_commands_of_the_page_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As printed, but for the ids and the class of what is relabelled; serving is not tested here."""
    monkeypatch.chdir(tmp_path)
    study = squares(tmp_path)
    study.path.rename("wires")
    study = Study.open(tmp_path / "wires")
    plant(trained(study, "unet"))
    grow = "--augment annotation_enlargement"
    page = (ROOT / "docs" / "annotations.md").read_text(encoding="utf-8")
    ids = iter([one["id"] for one in listed(capsys, study.run("unet"))["proposals"]])
    for line in [each for each in commands_in(page) if " serve " not in each]:
        words = re.sub(r"\b[epm][0-9]{10}\b", lambda _: next(ids), line).replace("=wire ", "=red ")
        words = words.replace(grow, f"{grow} --set annotation_enlargement.categories=red")  # no square is thin
        if "edited.json" in words:
            (tmp_path / "reviewed.json").rename("edited.json")
        assert main(shlex.split(words)[1:]) == 0, words
    assert {"reviewed", "wider-seed2", "elsewhere-seed0"} <= set(study.runs())
    assert len(version(study, "reviewed").changes) == 6
