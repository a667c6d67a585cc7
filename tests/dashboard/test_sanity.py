"""The page of the sanity check."""

from __future__ import annotations

import numpy as np
import pytest

from dashboard.frame.context import Services
from tests.dashboard.pages import finish_all, opened, words, worker
from xai_core.answers.sanity import Reading, verdict
from xai_core.explainers import EXPLAINERS


def test_both_models_are_asked_for_with_the_control_among_the_methods(served: Services) -> None:
    opened("sanity", run="net", methods="gradcam")
    randomised, trained = worker(served).asked.values()
    assert (randomised["weights"], trained["weights"]) == ("randomised:0", "trained")
    for job in (randomised, trained):
        assert [key for key, _ in job["methods"]] == ["gradcam", "edges"]
        assert job["target"] == "predicted"
        assert not job["urgent"]
        assert len(job["rows"]) == 12
    assert randomised["rows"] == trained["rows"]


def test_the_control_fails_and_a_method_that_moves_does_not(served: Services) -> None:
    app = opened("sanity", run="net", methods="gradcam")
    assert words(app).count("Not all heatmaps are computed yet.") == 2
    finish_all(served)
    app.run()
    text = words(app)
    assert "Not all heatmaps are computed yet." not in text
    assert text.count("The same map for any weights: it shows nothing of what the model learned.") == 1
    assert "1.00 &gt; " in text
    assert text.count("12 of 12") == 2
    assert "the cascade, layer by layer, is not part of this check" in text
    assert len(worker(served).asked) == 2


def test_another_seed_asks_for_another_model(served: Services) -> None:
    opened("sanity", run="net", methods="gradcam", seed="2")
    assert next(iter(worker(served).asked.values()))["weights"] == "randomised:2"


def test_the_chosen_cell_can_be_checked_instead(served: Services) -> None:
    app = opened("sanity", run="net", methods="gradcam", true="0", predicted="1")
    next(control for control in app.button_group if control.label == "Pictures").set_value("cell").run()
    assert worker(served).asked["job2"]["rows"] == [0, 12, 24]
    assert "3 pictures of the chosen cell" in words(app)


def test_a_refused_method_is_told_and_not_scored(served: Services) -> None:
    app = opened("sanity", run="net", methods="lrp")
    rows = next(iter(worker(served).asked.values()))["rows"]
    store = served.studies.run(served.studies["pets"], "net")
    predictions = store.predictions
    assert predictions is not None
    maps = store.maps("lrp", EXPLAINERS["lrp"].params(), weights="randomised:0", create=True)
    assert maps is not None
    keys = [str(int(predictions.predicted[row])) for row in rows]
    maps.put(rows, keys, np.full((len(rows), 1, 1), np.nan, np.float32), {}, ["conservation is off"] * len(rows))
    finish_all(served)
    app.run()
    assert "Too few maps to say. (12 refused for the randomised model.)" in words(app)


@pytest.mark.parametrize(("run", "expected"), [("alone", "no model"), ("untested", "xai predict")])
def test_without_a_model_or_predictions_it_says_what_is_missing(served: Services, run: str, expected: str) -> None:
    app = opened("sanity", run=run)
    assert expected in words(app) + "".join(info.value for info in app.info)
    assert not worker(served).asked


def readings(*marks: str, value: float = 0.5, null: float = 0.1) -> dict[str, Reading]:
    names = ("ssim", "spearman", "spearman-absolute")
    return {
        name: Reading(value, null, value - null, value - null, value - null, mark, 12)
        for name, mark in zip(names, marks, strict=True)
    }


def test_sentences_claim_no_more_than_the_numbers() -> None:
    assert verdict({}) == "Too few maps to say."
    assert verdict(readings("", "", "")) == "Too few maps to say."
    assert "same map for any weights" in verdict(readings(">", ">", ">", value=1.0))
    assert "on every measure" in verdict(readings(">", ">", ">"))
    assert "on SSIM, but not on Spearman (signed) and Spearman (absolute)" in verdict(readings(">", "≈", "<"))
    assert "they change with the weights" in verdict(readings("≈", "≈", "<", value=0.1))
    assert "this says little" in verdict(readings("≈", "≈", "≈", value=0.8, null=0.8))
