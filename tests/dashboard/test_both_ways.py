"""One answer to each question: the page of the bundled study and `xai show` say the same, to the letter."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.frame.context import Services, Studies, use_services
from dashboard.widgets.confusion_matrix import pack
from tests.core.test_facts import study_with_facts
from tests.dashboard.fakes import FakeWorker
from tests.dashboard.pages import opened, words
from tests.tiny_study import xai_json
from xai_core.answers.cell import cell_facts
from xai_core.answers.confusion import cells
from xai_core.answers.scope import Members, Rows
from xai_core.files import ASSETS
from xai_core.store.study import Study
from xai_core.words import percent, percent_range

DEMO = ASSETS / "demo" / "garments"
METHODS = "gradcam,lrp,shap,eigencam"
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def demo() -> Iterator[None]:
    use_services(Services(Studies([DEMO]), FakeWorker()))
    yield
    use_services(None)


def text(app: AppTest) -> str:
    """Running text and figures as somebody reads them: without the marks that keep names from being interpreted."""
    figures = [chart.proto.spec or chart.proto.figure.spec for chart in app.get("plotly_chart")]
    read = [json.dumps(json.loads(figure), ensure_ascii=False) for figure in figures]
    shown = html.unescape("\n".join([words(app), *read, *(button.label for button in app.button)]))
    return shown.replace("\u2060", "").replace("\\", "").replace("**", "")


def component(app: AppTest, name: str) -> dict[str, Any]:
    """The data of a component of ours."""
    found = [part.proto for part in app.get("bidi_component") if part.proto.component_name == f"second_look_{name}"]
    data: dict[str, Any] = json.loads(found[0].json)
    return data


def test_overview(capsys: Capture) -> None:
    asked = xai_json(capsys, "show", DEMO, "overview", "--run", "baseline", "--split", "validation")
    app = opened("overview", run="baseline", split="validation")
    shown = text(app)
    assert {fact["name"]: fact["value"] for fact in asked["facts"]}["Samples"] == "2,500"
    sentences = [asked["measured_on"], *asked["notes"], *asked["runs"]["sentences"], asked["run"]["calibration"]]
    facts = [entry for fact in asked["facts"] for entry in (fact["name"], fact["value"])]
    counts = [f">{row[split]:,}<" for row in asked["classes"] for split in ("train", "validation", "test")]
    pairs = [
        (f"{pair['count']:,} of {pair['n']:,}", percent_range(pair["low"], pair["high"]))
        for pair in asked["run"]["worst_pairs"]
    ]
    assert len(pairs) == 10
    for said in (*sentences, *facts, *counts, *(part for pair in pairs for part in pair)):
        assert said in shown, said
    lines = "\n".join(asked["lines"])
    for said in (*sentences, *facts, *(part for pair in pairs for part in pair)):
        assert said in lines, said
    table = app.dataframe[0].value
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "calibration_error"):
        np.testing.assert_allclose(table[name], [100 * run[name] for run in asked["runs"]["table"]])
    assert table["errors"].tolist() == [run["errors"] for run in asked["runs"]["table"]]
    assert [f"{bounds} %" for bounds in table["interval"]] == [run["interval"] for run in asked["runs"]["table"]]


def test_confusion(capsys: Capture) -> None:
    asked = xai_json(capsys, "show", DEMO, "confusion", "--run", "baseline", "--split", "test")
    app = opened("confusion", run="baseline", split="test")
    assert asked["sentence"] in text(app)
    assert asked["sentence"] in asked["lines"][0]
    matrix = component(app, "confusion_matrix")
    assert matrix["cells"] == pack(np.array(asked["counts"]))
    assert matrix["labels"] == asked["classes"]


def test_the_matrix_rounds_shares_as_sentences_do() -> None:
    """1 of 16 is 6.3 % in every sentence, as a browser's tables have it."""
    counts = np.array([[15, 1], [0, 3]])
    assert cells(counts).tolist() == [[0, 15, 938, 1000], [1, 1, 63, 250], [3, 3, 1000, 750]]
    assert f"{percent(1 / 16)} of the 16" in cell_facts(_members(counts), ("a", "b"), (0, 1)).sentence


def _members(counts: Rows) -> Members:
    """Samples that have this confusion matrix."""
    places = np.repeat(np.arange(counts.size), counts.ravel())
    return Members(np.arange(len(places)), places // len(counts), places % len(counts))


def test_cell(capsys: Capture) -> None:
    words_ = ("--run", "baseline", "--split", "test", "--sort", "margin", "--methods", METHODS)
    asked = xai_json(capsys, "show", DEMO, "cell", "--cell", "Dress:Skirt", *words_)
    app = opened("confusion", run="baseline", split="test", true="0", predicted="4", sort="margin", methods=METHODS)
    shown, cards = text(app), component(app, "gallery")["items"]
    for said in (asked["title"], asked["facts"], *asked["sentences"]):
        assert said in shown, said
        assert said in "\n".join(asked["lines"]), said
    assert [card["row"] for card in cards] == asked["page_rows"]
    assert [card["id"] for card in cards] == [sample["id"] for sample in asked["samples"]]
    for card, sample in zip(cards, asked["samples"], strict=True):
        shares = [line["share"] for line in card["classes"]]
        assert shares == pytest.approx([sample["p_true"], sample["p_predicted"]])
    for column, facts in enumerate(asked["maps"].values()):
        states = ["stored" if "heat" in card["tiles"][column] else "missing" for card in cards]
        assert states == [one["state"] for one in facts]
        assert [card["tiles"][column].get("flag") for card in cards] == [one["caution"] for one in facts]


def test_settings_that_are_not_at_their_defaults(capsys: Capture) -> None:
    words_ = ("--run", "baseline", "--split", "test", "--methods", "gradcam,shap", "--set", "shap.samples=8")
    asked = xai_json(capsys, "show", DEMO, "cell", "--cell", "Dress:Skirt", *words_)
    app = opened(
        "confusion", run="baseline", true="0", predicted="4", methods="gradcam,shap", settings="shap.samples=8"
    )
    assert asked["settings"] == "SHAP (expected gradients): samples 8"
    assert f"Not at defaults: {asked['settings']}." in asked["lines"]
    assert asked["settings"] in text(app)


def test_sample(capsys: Capture) -> None:
    words_ = ("--run", "baseline", "--cell", "Dress:Skirt", "--split", "test", "--methods", METHODS)
    asked = xai_json(capsys, "show", DEMO, "sample", *words_)
    app = opened("sample", run="baseline", split="test", true="0", predicted="4", methods=METHODS)
    shown, rows = text(app), component(app, "heat_grid")["rows"]
    for said in (asked["title"], asked["facts"], asked["where"], *asked["sentences"]):
        assert said in shown, said
    for line in asked["commands"]:
        assert line in shown, line
    for method in asked["provenance"]["methods"]:
        assert method["title"] in shown
        assert method["parameters"] in shown
    for name, value in asked["provenance"]["common"].items():
        assert name in shown, name
        assert value in shown, value
    for chance in asked["probabilities"]:
        assert f"{100 * chance['share']:.1f} %" in shown
    assert ["".join(part["text"] for part in row["title"]) for row in rows] == [
        one["title"] for one in asked["evidence"]
    ]
    assert [row["note"] for row in rows] == [one["note"] for one in asked["evidence"]]
    for row, one in zip(rows, asked["evidence"], strict=True):
        drawn = [cell["notes"] for cell in row["cells"]]
        assert [[note["text"] for note in notes] for notes in drawn] == [said["notes"] for said in one["maps"].values()]


def test_what_is_left_open_is_as_on_a_page_just_opened(capsys: Capture) -> None:
    asked = xai_json(capsys, "show", DEMO, "sample")
    assert asked["where"] in text(opened("sample"))
    assert xai_json(capsys, "show", DEMO, "confusion")["sentence"] in text(opened("confusion"))


@pytest.fixture
def with_facts(tmp_path: Path) -> Study:
    """The fake study's samples with facts that would do harm if they were not shown letter by letter."""
    study = study_with_facts(tmp_path)
    use_services(Services(Studies([study.path]), FakeWorker()))
    return study


WHERE = ("--where", "camera=B, <b>", "--where", "site=Graz")
IN_LINK = '"camera=B, <b>",site=Graz'


def test_samples_of_which_a_fact_holds(capsys: Capture, with_facts: Study) -> None:
    asked = xai_json(capsys, "show", with_facts.path, "confusion", *WHERE)
    app = opened("confusion", where=IN_LINK)
    assert asked["sentence"] == "5 of 30 test samples where camera = B, <b> and site = Graz, 3 wrong (60.0 %)."
    assert asked["sentence"] in text(app)
    assert component(app, "confusion_matrix")["cells"] == pack(np.array(asked["counts"]))
    assert app.query_params["where"] == IN_LINK
    cell = xai_json(capsys, "show", with_facts.path, "cell", "--cell", "0:1", *WHERE)
    app = opened("confusion", where=IN_LINK, true="0", predicted="1")
    assert cell["facts"] in text(app)
    assert [card["row"] for card in component(app, "gallery")["items"]] == cell["page_rows"] == [0]
    runs = xai_json(capsys, "show", with_facts.path, "overview", *WHERE)
    app = opened("overview", where=IN_LINK)
    assert runs["measured_on"] in text(app)
    assert app.dataframe[0].value["n"].tolist() == [run["n"] for run in runs["runs"]["table"]] == [5]


def test_facts_of_a_sample(capsys: Capture, with_facts: Study) -> None:
    asked = xai_json(capsys, "show", with_facts.path, "sample", *WHERE)
    app = opened("sample", where=IN_LINK)
    assert asked["where"] in text(app)
    drawn = next(element.value for element in app.get("html") if "<table" in str(element.value))
    assert "B, &lt;b&gt;" in drawn
    assert list(asked["metadata"].values()) == ["B, <b>", "Graz", 0.0, True]
    for shown in ("camera", "Graz", "row", "worn", "yes"):
        assert shown in drawn
        assert shown in "\n".join(asked["lines"])


def test_a_fact_is_chosen_and_given_up(with_facts: Study) -> None:
    app = opened("confusion")
    app.selectbox(key="facts.value.camera").select(0).run()
    assert "15 of 30 test samples where camera = A" in text(app)
    assert app.query_params["where"] == "camera=A"
    app.button(key="facts.drop.camera=A").click().run()
    assert "30 test samples, " in text(app)
    assert "where" not in app.query_params
    app = opened("confusion", where="camera=C")
    assert "no camera of this name: C" in text(app)
    assert "30 test samples, " in text(app)
