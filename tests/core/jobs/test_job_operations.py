"""What is asked of a job: checked before anything begins, and named by what it does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.core.jobs.cases import begin
from tests.dashboard.fakes import add_run
from xai_core.errors import BadInput, BadParameter, NotApplicable, NotFound
from xai_core.jobs import process
from xai_core.jobs.manage import Jobs
from xai_core.jobs.operations import EXPLAIN, OPERATIONS, ExplainArguments, rows_of
from xai_core.jobs.values import record as record_of
from xai_core.settings import Settings
from xai_core.store.study import Study


def test_what_cannot_begin_is_told_before_it_does(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments, words in (
        ({"to": "three"}, "to has the wrong type"),
        ({}, "an argument is missing: to"),
        ({"to": 3, "colour": 1}, "no argument of this name: colour"),
        ({"to": 0}, "nothing to count"),
    ):
        with pytest.raises((BadParameter, NotFound, BadInput), match=words):
            jobs.start("count", arguments, Settings())
    with pytest.raises(NotFound, match=r"no operation of this name: cuont\. Did you mean count"):
        jobs.start("cuont", {}, Settings())
    assert not (jobs.study / "jobs").exists()

    def full(*_: Any) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(process, "launch", full)
    with pytest.raises(BadInput):
        begin(jobs)
    assert [job.state for job in jobs.all()] == ["failed"]


def test_values_fit_their_types() -> None:
    made = record_of(ExplainArguments, {"run": "a", "methods": [["ig", {"steps": 3}]], "rows": [1, 2], "limit": None})
    assert made.methods == (("ig", {"steps": 3}),)
    assert made.rows == (1, 2)
    for wrong in ({"methods": [["ig"]]}, {"methods": {"ig": {}}}, {"rows": ["1"]}, {"limit": True}, {"run": "a\0"}):
        with pytest.raises(BadParameter, match="has the wrong type"):
            record_of(ExplainArguments, {"run": "a", "methods": [], **wrong})


def test_operations_check_before_anything_is_loaded(jobs: Jobs) -> None:
    study = Study.open(jobs.study)
    net = add_run(study, "net", wrong_every=2)
    add_run(study, "alone", model=False)

    def check(operation: str, **arguments: Any) -> None:
        OPERATIONS[operation].check(study, record_of(OPERATIONS[operation].params, arguments))

    with pytest.raises(NotFound, match="no run"):
        check("predict", run="nett")
    with pytest.raises(NotApplicable, match="without a model"):
        check("predict", run="alone")
    with pytest.raises(NotFound, match="no split"):
        check("predict", run="net", splits=["tset"])
    with pytest.raises(NotFound, match="no explainer"):
        check("explain", run="net", methods=[["gradcan", {}]])
    with pytest.raises(NotFound, match="no parameter"):
        check("explain", run="net", methods=[["ig", {"stepps": 3}]])
    with pytest.raises(BadInput, match="no samples"):
        check("explain", run="net", methods=[["ig", {}]], split="train")
    with pytest.raises(NotFound, match="no target"):
        check("explain", run="net", methods=[["ig", {}]], target="9")
    with pytest.raises(NotFound, match="no training option"):
        check("train", run="new", config={"epoch": 3})
    with pytest.raises(BadInput, match="exists already"):
        check("train", run="net", config={})
    check("explain", run="net", methods=[["ig", {}]])
    cell = ExplainArguments("net", (), cell=(0, 1))
    assert rows_of(net, cell).tolist() == [0]
    two, four = (rows_of(net, replace(cell, cell=None, limit=limit)).tolist() for limit in (2, 4))
    assert (len(two), len(four)) == (2, 4)
    assert set(two) < set(four)
    with pytest.raises(NotFound, match="no class"):
        rows_of(net, replace(cell, cell=(0, 3)))
    assert rows_of(net, ExplainArguments("net", (), rows=(5,), limit=1)).tolist() == [5]


def test_jobs_on_other_samples_have_other_titles() -> None:
    def title(**samples: Any) -> str:
        return EXPLAIN.title(ExplainArguments("net", (("gradcam", {}),), **samples))

    assert title() == "Heatmaps of net: gradcam (test samples)"
    assert title(split="all", limit=1200) == "Heatmaps of net: gradcam (1,200 of all samples)"
    assert title(cell=(0, 1)) == "Heatmaps of net: gradcam (a cell of test samples)"
    assert title(rows=(4,)) == "Heatmaps of net: gradcam (1 sample)"
