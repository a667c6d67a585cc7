"""The page of whole classes."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from dashboard.frame.context import Services
from dashboard.heat.evidence import columns
from tests.dashboard.pages import context, finish_all, opened, words, worker
from xai_core.answers.aggregate import Aggregate, aggregate
from xai_core.answers.confusion import confusions, counts_of
from xai_core.answers.groups import Group, Groups, interleaved
from xai_core.explainers import EXPLAINERS
from xai_core.triage.aggregates import pooled
from xai_core.triage.groups import confusion_groups

PAGE = "class-heatmaps"


def test_it_opens_on_the_largest_confusion_and_asks_without_urgency(served: Services) -> None:
    app = opened(PAGE, run="net", methods="gradcam")
    (asked,) = worker(served).asked.values()
    assert not asked["urgent"]
    assert len(asked["rows"]) == 3 + 7 + 7
    assert app.selectbox(key="select.confusion").value == (0, 1)
    assert "17 of 17 maps not computed yet" in words(app)
    assert "No maps" not in words(app)


def test_when_all_is_there_it_says_what_the_numbers_say(served: Services) -> None:
    app = opened(PAGE, run="net", methods="gradcam")
    finish_all(served)
    app.run()
    text = words(app)
    assert "not computed yet" not in text
    assert "Few pictures" in text
    assert "n = 3 and 7" in text
    assert "95 % interval" in text
    assert len(worker(served).asked) == 1


def test_what_is_there_so_far_is_shown_with_its_n(served: Services) -> None:
    opened(PAGE, run="net", methods="gradcam")
    (name,) = worker(served).asked
    worker(served).asked[name]["rows"] = worker(served).asked[name]["rows"][:5]
    worker(served).finish(name)
    found = _answer(served).groups
    assert sum(len(group.maps) for group in found) == 5
    assert sum(group.coming for group in found) == 12


def test_a_method_that_refuses_all_says_why_and_draws_nothing(served: Services) -> None:
    app = opened(PAGE, run="net", methods="lrp")
    run = served.studies.run(served.studies["pets"], "net")
    asked = next(iter(worker(served).asked.values()))
    predictions = run.predictions
    assert predictions is not None
    maps = run.maps("lrp", EXPLAINERS["lrp"].params(), create=True)
    assert maps is not None
    count = len(asked["rows"])
    keys = [str(int(predictions.predicted[row])) for row in asked["rows"]]
    maps.put(asked["rows"], keys, np.full((count, 1, 1), np.nan, np.float32), {}, ["no rule for a gate."] * count)
    finish_all(served)
    app.run()
    assert f"{count} of {count} maps refused by the method. No rule for a gate." in words(app)
    assert not app.get("plotly_chart")


def test_large_maps_are_said_to_be_averaged(served: Services) -> None:
    app = opened(PAGE, run="net", methods="gradcam")
    finish_all(served)
    app.run()
    assert "is averaged" not in words(app)
    found = _answer(served)
    fine = [replace(group, native=(224, 112), maps=np.ones((2, 14, 28))) for group in found.groups]
    assert replace(found, groups=Groups(*fine)).counted[-1] == (
        "Each map of 224 × 112 pixels is averaged to a grid of 28 × 14: single pixels are too noisy to compare."
    )


def test_maps_are_shown_also_where_the_pictures_are_gone(served: Services) -> None:
    shutil.rmtree(served.studies["pets"].data)
    app = opened(PAGE, run="net", methods="gradcam")
    finish_all(served)
    app.run()
    assert "Without the mean pictures: the pictures of this study are not where they were" in words(app)
    assert "n = 3 and 7" in words(app)


def _answer(served: Services) -> Aggregate:
    here = context(served, run="net", methods=("gradcam",))
    return aggregate(here.scope, (0, 1), columns(here)[0])


def test_another_method_and_confusion_travel_in_the_link(served: Services) -> None:
    app = opened(PAGE, run="net", method="lrp", true="1", predicted="2")
    assert [job["methods"][0][0] for job in worker(served).asked.values()] == ["lrp"]
    app.selectbox(key="select.confusion").select((2, 0)).run()
    assert (app.query_params["true"], app.query_params["predicted"]) == ("2", "0")


def test_a_cell_of_the_diagonal_is_no_confusion(served: Services) -> None:
    app = opened(PAGE, run="net", true="1", predicted="1")
    assert "The chosen cell holds no confusion" in words(app)
    assert not worker(served).asked


def test_an_empty_cell_says_so(served: Services) -> None:
    assert "No cat was taken for T-shirt/top" in words(opened(PAGE, run="net", true="0", predicted="2"))


def test_where_nothing_is_confused_there_is_nothing_to_show(served: Services) -> None:
    run = context(served, run="net").run
    assert run is not None
    labels = run.study.labels
    run.write_predictions(np.arange(len(labels)), np.eye(3, dtype=np.float32)[labels])
    assert "Nothing is confused here" in words(opened(PAGE, run="net"))


@pytest.mark.parametrize(("run", "expected"), [("alone", "no model"), ("untested", "xai predict")])
def test_without_a_model_or_predictions_it_says_what_is_missing(served: Services, run: str, expected: str) -> None:
    app = opened(PAGE, run=run)
    assert expected in words(app) + "".join(info.value for info in app.info)


def test_groups_are_limited_drawn_by_the_seed_and_ascending() -> None:
    labels = predicted = np.zeros(100, np.int64)
    groups = [confusion_groups(np.arange(100), labels, predicted, (0, 1), limit=9, seed=seed) for seed in (1, 1, 2)]
    first, again, other = (group["correct_true"].tolist() for group in groups)
    assert first == again == sorted(first)
    assert len(first) == 9
    assert first != other
    assert not len(groups[0]["confused"])


def test_an_unfinished_job_has_some_of_every_group() -> None:
    rows = {"correct_true": np.array([1, 2]), "correct_predicted": np.array([3]), "confused": np.array([4, 5, 6])}
    assert interleaved(rows).tolist() == [4, 1, 3, 5, 2, 6]


def test_confusions_are_listed_largest_first(served: Services) -> None:
    here = context(served, run="net")
    assert confusions(counts_of(here.scope)) == [(0, 1, 3), (1, 2, 3), (2, 0, 2)]


def test_pooling_keeps_the_mean_and_uses_whole_pixels() -> None:
    maps = np.random.default_rng(0).normal(size=(3, 96, 96)).astype(np.float32)
    small = pooled(maps)
    assert small.shape == (3, 24, 24)
    np.testing.assert_allclose(small[:, 0, 0], maps[:, :4, :4].mean(axis=(1, 2)), rtol=1e-4, atol=1e-6)
    assert pooled(maps[:, :28, :14]).shape == (3, 28, 14)
    assert pooled(maps[:0]).shape == (0, 24, 24)
    assert np.isnan(pooled(np.full((1, 64, 64), np.nan, np.float32))).all()
    assert pooled(np.ones((1, 89, 89), np.float32)).shape == (1, 28, 28)


def test_a_group_without_maps_has_no_mean() -> None:
    nothing = Group("confused", "none", np.arange(2), 2, np.empty((0, 1, 1)), 2, 0, (1, 1))
    assert np.isnan(nothing.mean).all()
