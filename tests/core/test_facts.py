"""Facts of samples: kept beside the sample table, asked for by value, and choosing what an answer is about."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.dashboard.fakes import CLASSES, add_run, make_study
from tests.tiny_study import xai_json
from xai_core.answers.scope import Scope
from xai_core.cli.main import main, parser
from xai_core.cli.samples import about_samples, counted_samples, limited, scope_of
from xai_core.errors import BadInput, NotFound
from xai_core.jobs.operations import ExplainArguments, rows_of
from xai_core.jobs.values import record
from xai_core.store import facts as facts_store
from xai_core.store.facts import Condition, Facts, said
from xai_core.store.study import Study

Capture = pytest.CaptureFixture[str]


def study_with_facts(folder: Path) -> Study:
    """30 samples of three classes in turn; two cameras, a site that is not always known, an age."""
    study = make_study(folder / "pets")
    table = pa.table(
        {
            "camera": ["A" if i % 2 else "B, <b>" for i in range(30)],
            "site": [("Graz", "Zürich", None)[i // 10] for i in range(30)],
            "row": [float(i) / 2 for i in range(30)],
            "worn": [i % 3 == 0 for i in range(30)],
        }
    )
    facts_store.write(study.path, table, study.info.samples_digest, 30)
    add_run(study, "net")
    return Study.open(study.path)


def test_conditions_are_typed_and_checked(tmp_path: Path) -> None:
    facts = study_with_facts(tmp_path).facts
    assert facts.names == ("camera", "site", "row", "worn")
    assert [facts.kind(name) for name in facts.names] == ["text", "text", "number", "yes/no"]
    assert facts.condition(" camera = A ") == Condition("camera", "A")
    assert facts.condition("row=2.50") == Condition("row", 2.5)
    assert facts.condition("worn=TRUE") == Condition("worn", True)
    assert facts.condition("site=Zu\u0308rich").value == "Zürich"  # as a Mac writes it
    assert facts.condition("site=") == Condition("site", None)
    for one in ("camera=B, <b>", "row=2.5", "worn=yes", "site="):
        assert facts.condition(one).text == one
    assert [said(value) for value in (True, None, 54.0, 0.5)] == ["yes", "not known", "54", "0.5"]
    assert facts.values("site") == [("Graz", 10), ("Zürich", 10), (None, 10)]
    assert facts.hold([facts.condition("site="), facts.condition("worn=no")]).nonzero()[0].tolist() == [
        *(20, 22, 23, 25, 26, 28, 29)
    ]
    for wrong, problem in (("kamera=A", "Did you mean camera"), ("camera=C", "no camera of"), ("row=x", "no row of")):
        with pytest.raises(NotFound, match=problem):
            facts.condition(wrong)
    with pytest.raises(BadInput, match="not a condition"):
        facts.condition("camera")
    assert Facts(pa.table({"a=b": ["c=d"]})).condition("a=b=c=d") == Condition("a=b", "c=d")


def test_a_study_without_facts_opens_as_before(tmp_path: Path) -> None:
    study = make_study(tmp_path / "pets")
    assert not (study.path / "facts.parquet").exists()
    assert study.facts.names == ()
    assert study.facts.of(3) == {}
    with pytest.raises(BadInput, match="this study has no facts of its samples"):
        study.facts.condition("camera=A")


def test_facts_of_other_samples_and_damage_are_refused_when_they_are_read(tmp_path: Path) -> None:
    study = study_with_facts(tmp_path)
    table = pa.table({"camera": ["A"] * 30})
    facts_store.write(study.path, table, "0" * 64, 30)
    with pytest.raises(BadInput, match="it is about other samples"):
        _ = Study.open(study.path).facts
    with pytest.raises(BadInput, match="29 lines for 30 samples"):
        facts_store.write(study.path, table.slice(0, 29), study.info.samples_digest, 30)
    with pytest.raises(BadInput, match="no text, number, yes or no"):
        facts_store.write(study.path, pa.table({"a": [[1]] * 30}), study.info.samples_digest, 30)
    (study.path / "facts.parquet").write_bytes(b"PAR1 no")
    opened = Study.open(study.path)
    assert len(opened.labels) == 30
    with pytest.raises(BadInput, match=r"facts\.parquet"):
        _ = opened.facts


def test_a_scope_takes_only_samples_of_which_the_facts_hold(tmp_path: Path) -> None:
    study = study_with_facts(tmp_path)
    where = (study.facts.condition("camera=A"), study.facts.condition("site=Graz"))
    scope = Scope(study.run("net"), "test", where)
    assert scope.rows.tolist() == scope.members.rows.tolist() == [1, 3, 5, 7, 9]
    assert scope.samples == "test samples where camera = A and site = Graz"
    assert len(scope.whole.rows) == 30


def test_every_answer_speaks_of_these_samples_alone(tmp_path: Path, capsys: Capture) -> None:
    study = study_with_facts(tmp_path)
    add_run(study, "other", wrong_every=5)
    show = ("show", study.path)
    asked = xai_json(capsys, *show, "confusion", "--run", "net", "--where", "camera=A", "--where", "site=Graz")
    assert asked["sentence"] == "5 of 30 test samples where camera = A and site = Graz, 0 wrong (0.0 %)."
    assert np.sum(asked["counts"]) == asked["n"] == 5
    asked = xai_json(capsys, *show, "confusion", "--run", "net", "--where", "camera=B, <b>")
    assert (asked["n"], asked["of"], asked["wrong"]) == (15, 30, 8)
    cell = ("cell", "--run", "net", "--true", CLASSES[0], "--predicted", CLASSES[1], "--where", "site=")
    asked = xai_json(capsys, *show, *cell)
    assert [sample["row"] for sample in asked["samples"]] == [24]
    assert (
        asked["samples"][0] | {"camera": "B, <b>", "site": None, "fact row": 12.0, "worn": True} == asked["samples"][0]
    )
    assert "Only samples where site is not known." in asked["lines"]
    asked = xai_json(capsys, *show, "overview", "--run", "net", "--where", "worn=yes")
    assert asked["measured_on"] == "Measured on test samples where worn = yes."
    assert [run["n"] for run in asked["runs"]["table"]] == [10, 10]
    asked = xai_json(capsys, *show, "sample", "--run", "net", "--sample", "s024", "--where", "site=")
    assert asked["metadata"] == {"camera": "B, <b>", "site": None, "row": 12.0, "worn": True}
    assert "mistakes where site is not known" in asked["where"]
    assert any(line.split() == ["site", "not", "known"] for line in asked["lines"])
    two = ("compare", study.path, "--baseline", "net", "--candidate", "other", "--where", "camera=A")
    compared = xai_json(capsys, *two)
    assert compared["n"] == 15
    assert compared["counted"].startswith("15 test samples where camera = A that both runs predicted.")


def test_what_cannot_be_asked_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    study = study_with_facts(tmp_path)
    for words, told in (
        (["show", "confusion", "--where", "camera=C"], "no camera of this name: C. Known: A, B, <b>."),
        (["show", "confusion", "--where", "x"], "not a condition: x."),
        (
            ["show", "confusion", "--where", "row=1", "--where", "site=Zürich"],
            "no such samples: net, test samples",
        ),
        (
            ["explain", "--run", "net", "--methods", "edges", "--ids", "s001", "--where", "camera=A"],
            "by id and by a fact",
        ),
    ):
        assert main([words[0], str(study.path), *words[1:]]) == 1
        err = capsys.readouterr().err
        assert told in err
        assert err.count("\n") == 1


def test_a_job_takes_the_same_samples(tmp_path: Path) -> None:
    run = study_with_facts(tmp_path).run("net")
    arguments = {"run": "net", "methods": [["edges", {}]], "where": ["camera=A", "site=Graz"], "limit": 3}
    every = rows_of(run, record(ExplainArguments, arguments | {"limit": None})).tolist()
    three = rows_of(run, record(ExplainArguments, arguments)).tolist()
    assert len(three) == 3
    assert set(three) < set(every)
    assert three != every[:3], "drawn by the seed, not the first ones"
    words = ["explain", str(run.study.path), "--run", "net", "--where", "camera=A", "--where", "site=Graz"]
    args = parser().parse_args([*words, "--methods", "edges", "--limit", "3"])
    scope = scope_of(run, args)
    assert limited(scope, args).tolist() == three, "a job and a command take the same"
    told = about_samples(scope, limited(scope, args))
    assert counted_samples(told) == "3 samples where camera = A and site = Graz"
