from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dashboard.frame.cached import runs_of
from dashboard.frame.context import Services, Studies, resolve
from dashboard.frame.state import Selection
from tests.dashboard.fakes import CLASSES, add_run, make_study
from tests.dashboard.pages import opened, words
from tests.run_info import rewrite
from xai_core.answers.data_card import class_counts, crossing, data_card, examples, shown_classes
from xai_core.datasets.base import SAMPLE_COLUMNS, Scan
from xai_core.store import files, twins
from xai_core.store.run import RunInfo
from xai_core.store.study import Study


def test_the_card_counts_classes_and_splits(served: Services) -> None:
    study = served.studies["pets"]
    counts = class_counts(study)
    assert counts["test"].tolist() == [10, 10, 10]
    assert counts["n"].sum() == len(study.samples)
    shown = {fact.name: fact for fact in data_card(study).facts}
    assert shown["Samples"].value == "30"
    assert shown["Picture size"].value == "24 × 16 px"
    assert shown["Largest to smallest class"].value == "1.0 to 1"
    assert not any(fact.warn for fact in shown.values())


def test_what_spoils_a_measurement_is_marked(tmp_path: Path) -> None:
    study = leaking_study(tmp_path / "leak")
    shown = {fact.name: fact for fact in data_card(study).facts}
    assert {name for name, fact in shown.items() if fact.warn} == {
        "Shared by splits",
        "Unreadable files",
        "Largest to smallest class",
    }
    assert crossing(study)["samples"].tolist() == ["a0, b0"]


def test_look_alikes_are_shown_and_lead_to_their_samples(served: Services) -> None:
    study = served.studies["pets"]
    assert "<figure>" not in words(opened("overview", run="net")), "nobody looked for them"
    twins.write(study.path, np.array([[3, 9, 4], [0, 7, 2]]), study.info.samples_digest)
    page = words(opened("overview", run="net"))
    assert page.count("<figure>") == 2
    places = [page.index(f'sample={row}"') for row in (0, 7, 3, 9)]
    assert places == sorted(places), "the nearest come first"
    assert "&lt;b&gt;dog" in page
    assert "sample=0" not in words(opened("overview", run="untested")), "there is nothing to say of them"


@pytest.mark.parametrize("page", ["overview", "confusion", "sample"])
def test_labels_alone_are_said_to_be_so(served: Services, page: str) -> None:
    study = served.studies["pets"]
    rows = study.rows("test")
    study.add_run("labels", RunInfo()).write_labels(rows, np.roll(study.labels[rows], 1))
    seen = words(opened(page, run="labels", split="test", true="0", predicted="2"))
    assert "without probabilities" in seen
    assert "nan" not in seen.replace("banana", "").casefold().split()


def leaking_study(path: Path) -> Study:
    """One picture in two splits, one file that cannot be read, a class without samples."""
    rows = [(f"{part}{i}", split, 0, "x.png", -1, 8, 8 + i, False, f"{i:064x}") for part, split, i in PLACES]
    scan = Scan(pd.DataFrame(rows, columns=list(SAMPLE_COLUMNS)), ("full", "none"), (("bad.png", "broken"),), ("Hi.",))
    return Study.create(path, dataset="image-folder", params={}, data=path.parent, seed=0, scan=scan)


PLACES = [("a", "train", 0), ("a", "train", 1), ("b", "test", 0)]


def test_examples_are_spread_over_the_class(served: Services) -> None:
    study = served.studies["pets"]
    found = examples(study, study.rows("test"), 1, 4)
    assert len(found) == 4
    assert (study.labels[found] == 1).all()
    assert found[0] == 1
    assert found[-1] == 28
    assert not len(examples(study, study.rows("train"), 1, 4))


def test_many_classes_show_the_largest_and_the_smallest() -> None:
    counts = pd.DataFrame({"n": np.arange(100)})
    shown = shown_classes(counts)
    assert shown[0] == 99
    assert shown[-1] == 0
    assert len(set(shown.tolist())) == 30


def test_runs_say_what_they_are(served: Services) -> None:
    context, _ = resolve(Selection(), served)
    table = runs_of(context).table.set_index("name")
    assert table["state"].to_dict() == {"net": "measured", "untested": "unpredicted", "alone": "measured"}
    assert table.loc["alone", "model"] == "predictions alone"
    assert table.loc["net", "errors"] == 8
    assert table.loc["net", "accuracy"] == pytest.approx(22 / 30)
    other, _ = resolve(Selection(split="train"), served)
    assert set(runs_of(other).table["state"]) == {"elsewhere", "unpredicted"}


def test_a_damaged_run_hides_no_other(served: Services) -> None:
    study = served.studies["pets"]
    (study.path / "runs" / "alone" / "run.json").write_text("{", encoding="utf-8")
    runs = runs_of(resolve(Selection(run="net"), served)[0])
    assert len(runs.problems) == 1
    assert set(runs.table["name"]) == {"net", "untested"}


def test_the_page_shows_runs_pairs_and_what_is_missing(served: Services) -> None:
    app = opened("overview")
    shown = words(app)
    assert "xai predict" in shown
    assert "--run untested" in shown
    assert "&lt;b&gt;dog&lt;/b&gt;" in shown
    assert "<b>dog</b>" not in shown
    pairs = [button for button in app.button if "→" in button.label]
    assert len(pairs) == 3
    assert len(app.dataframe[0].value) == 3


def test_a_pair_opens_its_cell(served: Services) -> None:
    app = opened("overview")
    pair = next(button for button in app.button if button.label.startswith("cat"))
    pair.click().run()
    assert not app.exception
    assert (app.query_params["true"], app.query_params["predicted"]) == ("0", "1")


def test_without_predictions_the_page_says_the_next_step(served: Services) -> None:
    shown = words(opened("overview", run="untested"))
    assert "This run has no predictions yet" in shown


def test_without_runs_the_page_says_the_next_step(tmp_path: Path, served: Services) -> None:
    study = make_study(tmp_path / "fresh")
    served.studies = Studies([study.path])
    shown = words(opened("overview"))
    assert "No run yet" in shown
    assert "xai train" in shown


def test_runs_without_mistakes_have_no_worst_pairs(tmp_path: Path, served: Services) -> None:
    study = make_study(tmp_path / "easy")
    add_run(study, "perfect", wrong_every=10**6)
    run = study.run("perfect")
    chances = np.eye(len(CLASSES), dtype=np.float32)[study.labels]
    run.write_predictions(np.arange(len(study.labels)), chances)
    rewrite(run, training={"augmentations": {"top_biased_crop": {}}}, parent="gone", seconds=3.5)
    served.studies = Studies([study.path])
    app = opened("overview")
    assert "No confusions" in words(app)
    assert app.dataframe[0].value["augmentations"].tolist() == ["top biased crop"]


def test_training_curves_are_drawn_where_there_are_some(served: Services) -> None:
    run = served.studies["pets"].run("net")
    lines = {"epoch": [1, 2] * 2, "measure": ["loss"] * 2 + ["accuracy"] * 2, "value": [1.0, 0.5, 0.5, 0.6]}
    run.write_history(pd.DataFrame(lines).assign(split="validation"))
    before = len(opened("overview", run="alone").get("plotly_chart"))
    assert len(opened("overview", run="net").get("plotly_chart")) == before + 1


def test_a_sample_without_prediction_is_counted_out_loud(served: Services) -> None:
    run = served.studies["pets"].run("net")
    predictions, gone = run.predictions, int(served.studies["pets"].rows("test")[0])
    assert predictions is not None
    kept = predictions.rows != gone
    run.write_predictions(predictions.rows[kept], predictions.probabilities[kept])
    for page in ("overview", "confusion"):
        assert "1 more sample of this split has no prediction and count nowhere" in words(
            opened(page, run="net", split="test")
        )
    shown = words(opened("sample", run="net", split="test", sample=str(gone)))
    assert "No prediction for this sample" in shown


@pytest.mark.parametrize("changes", [{"training": {"augmentations": 5}}, {"preprocess": [1]}, {"seconds": -3}])
def test_a_run_of_the_wrong_kind_inside_is_told_as_damaged(served: Services, changes: dict) -> None:
    path = served.studies["pets"].path / "runs" / "net" / "run.json"
    path.write_text(json.dumps(files.read_json(path) | changes))
    shown = words(opened("overview", run="alone"))
    assert "run.json" in shown
    assert "damaged" in shown


def test_pictures_that_moved_are_told_with_the_remedy(served: Services) -> None:
    data = served.studies["pets"].data
    assert "not where they were" not in words(opened("overview"))
    data.rename(data.with_name("elsewhere"))
    assert "xai move pets --data FOLDER" in words(opened("overview"))
