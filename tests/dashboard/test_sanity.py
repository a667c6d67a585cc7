"""The page of the sanity check."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import pytest

from dashboard.frame.context import Services
from dashboard.heat.evidence import columns
from dashboard.widgets import sanity
from tests.dashboard.pages import context, finish_all, opened, words, worker
from xai_core.answers.sanity import check_arguments
from xai_core.explainers import EXPLAINERS
from xai_core.jobs.operations import SANITY
from xai_core.jobs.values import record
from xai_core.sanity.verdict import MEASURES
from xai_core.store.cascade import likenesses
from xai_core.store.likenesses import State
from xai_core.store.run import Run


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


def test_maps_of_one_random_model_show_what_ignores_it_and_no_more(served: Services) -> None:
    app = opened("sanity", run="net", methods="gradcam")
    assert words(app).count("Not checked for this model.") == 3
    finish_all(served)
    app.run()
    text = words(app)
    assert text.count("The same map whatever the weights: it shows nothing of what the model learned.") == 1
    assert "Too few random models to say: 1, and it takes 2." in text
    assert "This is no ranking." in text
    assert len(worker(served).asked) == 2


def test_a_check_is_offered_as_a_job_with_its_command(served: Services) -> None:
    app = opened("sanity", run="net", methods="gradcam")
    assert any(button.label == "Check them in the background" for button in app.button)
    text = words(app)
    assert "--run net --methods gradcam --split test --background" in text
    assert "how long it takes is not known" in text
    arguments = check_arguments(served.studies["pets"].run("net"), columns(context(served, run="net")), "test")
    asked = record(SANITY.params, arguments)
    SANITY.check(served.studies["pets"], asked)
    assert [key for key, _ in asked.methods][-2:] == ["edges", "random"]


def cascade_of(run: Run, method: str, similarities: dict[tuple[int, int], float]) -> None:
    """What a finished cascade of three stages would have stored of twelve pictures."""
    params, rng = EXPLAINERS[method].params(), np.random.default_rng(0)
    store = likenesses(run, method, params, create=True, made_with={"stages": ["stem", "block", "head"]})
    assert store is not None
    rows = run.study.rows("test")[:12]
    targets = [target.key for target in run.targets(rows, "predicted")]

    def put(state: State, mean: float, noise: float) -> None:
        values = mean + noise * rng.standard_normal((len(rows), len(MEASURES)))
        store.put(rows, [state.key(target) for target in targets], values.astype(np.float32), [None] * len(rows))

    put(State("other", "1"), 0.1, 0.05)
    for seed in (0, 1, 2):
        put(State("repeat", seed=seed), 1.0, 0.0)
        for (first, last), mean in similarities.items():
            put(State("random", f"{first}-{last}", seed), mean, 0.02)


def test_a_cascade_is_drawn_with_its_verdict(served: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, go.Figure] = {}
    monkeypatch.setattr(sanity, "plot", lambda figure, *, key, **_: drawn.update({key: figure}))
    run = served.studies.run(served.studies["pets"], "net")
    cascade_of(run, "gradcam", {(2, 2): 0.9, (1, 2): 0.5, (0, 2): 0.1, (0, 0): 0.6, (0, 1): 0.3})
    cascade_of(run, "edges", {(0, 2): 1.0})
    text = words(opened("sanity", run="net", methods="gradcam"))
    assert "from head on to the output; maps of random models are nearer to those of other pictures" in text
    assert "Depends on what was learned" in text
    assert set(drawn) == {"cascade.output-down", "cascade.input-up"}
    line = next(trace for trace in drawn["cascade.output-down"].data if "Grad-CAM" in str(trace.name))
    assert np.allclose(line.y, [0.9, 0.5, 0.1], atol=0.03)
    ticks = drawn["cascade.output-down"].layout.xaxis.ticktext
    assert list(ticks) == ["head", "block", "stem"]
    names = " ".join(str(trace.name) for trace in drawn["cascade.output-down"].data)
    for name in ("the same model asked again", "maps of other pictures", "Edges"):
        assert name in names


def test_another_seed_asks_for_another_model(served: Services) -> None:
    opened("sanity", run="net", methods="gradcam", seed="2")
    assert next(iter(worker(served).asked.values()))["weights"] == "randomised:2"


def test_the_chosen_cell_can_be_checked_instead(served: Services) -> None:
    app = opened("sanity", run="net", methods="gradcam", true="0", predicted="1")
    next(control for control in app.button_group if control.label == "Pictures").set_value("cell").run()
    assert worker(served).asked["job2"]["rows"] == [0, 12, 24]


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
    assert "Too few samples to say: 0, and it takes 8. (12 refused: conservation is off: not compared.)" in words(app)


@pytest.mark.parametrize(("run", "expected"), [("alone", "no model"), ("untested", "xai predict")])
def test_without_a_model_or_predictions_it_says_what_is_missing(served: Services, run: str, expected: str) -> None:
    app = opened("sanity", run=run)
    assert expected in words(app) + "".join(info.value for info in app.info)
    assert not worker(served).asked
