"""Explanation quality: an empty table offers to be filled, a filled one says what its numbers carry."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.export import quality_csv
from dashboard.frame.context import Services
from dashboard.widgets import jobs as drawing
from tests.dashboard.pages import context, opened, words
from tests.tiny_study import xai_json
from xai_core.answers.quality_choice import SPEC
from xai_core.answers.quality_words import rank_words, shown
from xai_core.explainers import EXPLAINERS
from xai_core.jobs.manage import Jobs
from xai_core.metrics import METRICS, Metric
from xai_core.params import NoParams
from xai_core.types import Card, Scores

METHODS, CONTROLS = ("gradcam", "lrp", "ig"), ("random", "edges", "centre")


@pytest.fixture(autouse=True)
def metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two metrics and no others."""
    _ = METRICS.keys()
    monkeypatch.setattr(METRICS, "_members", {})
    for key, direction in (("gain", 1), ("loss", -1)):
        card = Card(key, key.title(), f"The {key}.", f"No <b>{key}</b>.", direction=direction, unit="share, 0…1")
        METRICS.add(Metric(card, NoParams, lambda given, _: Scores(np.zeros(len(given.maps), np.float32))))


def put(served: Services, metric: str, means: dict[str, float], *, count: int = 30, **more: Any) -> None:
    """Scores of the run `net`."""
    run = served.studies.run(served.studies["pets"], "net")
    rows = run.study.rows("test")[:count]
    keys = [target.key for target in run.targets(rows, SPEC)]
    for place, (method, mean) in enumerate(means.items()):
        store = run.scores((metric, NoParams()), (method, EXPLAINERS[method].params()), create=True)
        assert store is not None
        values = mean + 0.02 * np.random.default_rng(place).normal(size=len(rows))
        store.put(rows, keys, Scores(values.astype(np.float32), **more))


def page(**more: str) -> AppTest:
    return opened("quality", run="net", methods=",".join(METHODS), **more)


def test_an_empty_table_says_what_it_takes_and_begins_it(served: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Any] = []
    monkeypatch.setattr(drawing.Jobs, "start", lambda _self, *given: begun.append(given))
    app = page()
    said = words(app)
    assert "Nothing is scored yet" in said
    assert "3 methods and 3 controls, which know nothing of the model, by 2 metrics on 30 samples." in said
    assert "360 scores of this table are missing, and 180 heatmaps for them" in said
    assert "xai score" in said
    assert '<table class="quality">' not in said
    app.button(key="job.begin.score").click().run()
    ((operation, arguments, _),) = begun
    assert operation == "score"
    assert [key for key, _ in arguments["methods"]] == [*METHODS, *arguments_of_controls(served)]
    assert (arguments["limit"], arguments["cell"], arguments["target"]) == (100, None, "predicted")


def arguments_of_controls(served: Services) -> list[str]:
    from xai_core.answers.controls import control_keys

    return control_keys(served.studies.run(served.studies["pets"], "net"))


def test_the_table_shows_means_ranks_and_what_is_not_better_than_noise(served: Services) -> None:
    put(served, "gain", {"gradcam": 0.9, "lrp": 0.5, "ig": 0.5, "random": 0.2, "edges": 0.5, "centre": 0.1})
    said = words(page())
    assert 'role="region" aria-label="Table of explanation quality"' in said
    assert '<td class="best" title="mean 0.8' in said
    assert "better than every other method" in said
    assert "rank 2–3" in said
    assert "n = 30" in said
    assert '<small class="short">not better than Edges</small>' in said
    assert "Gain: not better than Edges (difference " in said
    assert said.count("higher is better") >= 1
    assert "lower is better" in said
    assert "to come" in said, "the other metric is not scored yet"
    assert "Controls: they know nothing of the model." in said
    assert said.index('<th scope="row">Integrated gradients') < said.index('<th scope="row">Centre')
    assert "No <b>gain" not in said
    assert "180 scores of this table are missing" in said


def test_best_is_bold_only_where_the_interval_says_so(served: Services) -> None:
    put(served, "gain", {"gradcam": 0.500, "lrp": 0.501, "ig": 0.502, "random": 0.1})
    said = words(page(metrics="gain"))
    assert 'class="best"' not in said
    assert said.count("rank 1–3") >= 3


def test_metrics_that_contradict_each_other_are_said(served: Services) -> None:
    for metric in ("gain", "loss"):
        put(served, metric, {"gradcam": 0.9, "lrp": 0.5, "ig": 0.2})
    said = words(page())
    assert "Gain prefers Grad" in said
    assert "Do the metrics agree?" in said


def test_curves_are_drawn_for_a_metric_that_has_them(served: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    card = Card("fade", "Fade", "Fades.", "All.", direction=-1, unit="share", curve="share removed")
    METRICS.add(Metric(card, NoParams, lambda given, _: Scores(np.zeros(len(given.maps), np.float32))))
    curves = np.random.default_rng(0).random((30, 5)).astype(np.float32)
    put(served, "fade", {"gradcam": 0.4, "random": 0.5}, curves=curves)
    app = page(metrics="fade")
    specs = [json.loads(chart.proto.spec or chart.proto.figure.spec) for chart in app.get("plotly_chart")]
    (drawn,) = [spec for spec in specs if "share removed" in json.dumps(spec["layout"]["xaxis"])]
    names = [trace.get("name") for trace in drawn["data"]]
    assert "Grad-CAM (n = 30)" in names
    assert "Random (control) (n = 30)" in names


def test_metrics_samples_and_methods_travel_in_the_link(served: Services) -> None:
    put(served, "gain", {"gradcam": 0.9}, count=30)
    app = page(metrics="gain", count="10", split="test")
    assert "10 of 30 test samples, drawn by the study's seed" in words(app)
    assert "Loss" not in words(app)
    next(box for box in app.multiselect if box.label == "Metrics").set_value(["loss"]).run()
    assert app.query_params["metrics"] in ("loss", ["loss"])


def test_the_chosen_cell_can_be_judged_instead(served: Services) -> None:
    app = page(true="0", predicted="1")
    next(control for control in app.button_group if control.label == "Samples").set_value("cell").run()
    assert "taken for" in words(app)


def test_a_run_without_a_model_says_so(served: Services) -> None:
    assert "no model" in words(opened("quality", run="alone"))


def test_the_file_has_a_line_for_each_cell_and_no_formula(served: Services) -> None:
    from dashboard.frame.cached import quality_of

    put(served, "gain", {"gradcam": 0.9, "random": 0.2})
    there = context(served, study="pets", run="net", split="test")
    named = [("gradcam", {}), ("random", {})]
    found = quality_of(there, there.members.rows, named, [("gain", {}), ("loss", {})])
    lines = quality_csv(found).decode().splitlines()
    assert lines[0].startswith("metric,method,control,same_map_as,direction,mean,low,high,n,not_scored,missing")
    assert len(lines) == 5
    assert lines[1].startswith("gain,gradcam,no,,1,0.897")


@pytest.mark.parametrize("operation", ["score", "check"])
def test_a_job_that_runs_is_followed_and_can_be_stopped(
    operation: str, served: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from xai_core.jobs import record

    what = record.What(operation, "Scores of net", {"run": "net"}, {}, record.now())
    standing = record.Standing("running", done=40, total=360, seconds_left=20.0)
    folder = served.studies["pets"].path / "jobs" / "score-abc123"
    job = record.StoredJob("score-abc123", folder, what, "running", standing)
    stopped: list[str] = []
    known = [job]
    monkeypatch.setattr(Jobs, "all", lambda _self: known)
    monkeypatch.setattr(Jobs, "log", lambda _self, _name: [])
    monkeypatch.setattr(Jobs, "stop", lambda _self, name: stopped.append(name))
    app = page()
    assert "40 of 360" in words(app)
    assert not [button for button in app.button if button.key == "job.begin.score"]
    app.button(key="quality.stop").click().run()
    assert stopped == ["score-abc123"]
    known[0] = replace(job, state="stopped")
    app.run()
    assert app.button(key="job.begin.score")


def test_the_page_and_the_command_say_the_same(served: Services, capsys: pytest.CaptureFixture[str]) -> None:
    """Every number of the table, as `xai score` has it from the same stored scores; nothing is computed for it."""
    known = {"gradcam": 0.9, "lrp": 0.5, "ig": 0.51} | dict.fromkeys(arguments_of_controls(served), 0.4)
    put(served, "gain", known)
    put(served, "loss", known, reasons=(None,) * 30)
    command = ["score", served.studies["pets"].path, "--run", "net", "--methods", ",".join(METHODS)]
    asked = xai_json(capsys, *command, "--metrics", "gain,loss", "--split", "test", "--limit", "20")
    app = page(count="20", split="test")
    said = html.unescape(words(app))
    drawn = said.split('<table class="quality">')[1].split("</table>")[0]
    rows = dict(re.findall(r'<th scope="row">([^<]+)</th>(.*?)</tr>', drawn, re.S))
    places = list(asked["cards"])
    assert (asked["samples"], asked["of"]) == (20, 30)
    assert "20 of 30 test samples, drawn by the study's seed" in said
    assert len(asked["scores"]) == 2 * len(known)
    for each in asked["scores"]:
        title = asked["titles"][each["method"]].removesuffix(" (control)")
        cell = rows[title].split("<td")[1 + places.index(each["metric"])]
        rank = "better than every other method" if each["best"] else f"rank {rank_words(each['rank'])}"
        bounds = f"{shown(each['low'])} to {shown(each['high'])}"
        for part in (f'<span class="value">{shown(each["mean"])}</span>', f"<small>{bounds}</small>", "n = 20"):
            assert part in cell, (title, each["metric"])
        assert (rank in cell) == (each["rank"] is not None), (title, each["metric"])
    sentences = [line for lines in asked["not_better"].values() for line in lines]
    assert sentences
    for sentence in (*sentences, *(pair["sentence"] for pair in asked["metrics_agree"])):
        assert sentence in said.replace("\\", "")
