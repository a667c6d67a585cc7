"""Scores that need the model: it is loaded, explains again, and stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.core.scores.cases import INPUT, SPARSENESS, predicted, request, stored, written
from xai_core.errors import NotFound
from xai_core.explainers import EXPLAINERS
from xai_core.metrics import METRICS, Metric, MetricInput
from xai_core.params import NoParams
from xai_core.pipeline.load import Bench
from xai_core.pipeline.score import score_steps
from xai_core.store.maps import STORED
from xai_core.store.run import Run, RunInfo
from xai_core.types import Card, Scores


@pytest.fixture
def real(tmp_path: Path) -> Run:
    """A run with a small model, untrained."""
    from xai_core.models.build import fresh_module
    from xai_core.models.weights import fingerprint, save_weights

    study, module = written(tmp_path), fresh_module("small_cnn", 2, INPUT)
    about = {"architecture": "small_cnn", "preprocess": INPUT.as_dict(), "cam_layer": "features"}
    with study.new_run("run", RunInfo(fingerprint=fingerprint(module, "small_cnn", INPUT), **about)) as made:
        save_weights(module, made.weights)
        predicted(made)
    return study.run("run")


def test_maps_that_are_missing_are_made_first_also_where_a_layer_is_not_there(real: Run) -> None:
    wanted = replace(request(real, SPARSENESS), methods=[("gradcam", {"layer": "nope"}), ("edges", {})])
    with pytest.raises(NotFound, match="nope"):
        list(score_steps(Bench("cpu"), wanted))
    assert (stored(real, SPARSENESS, "edges").state == STORED).all()
    maps = real.maps("edges", EXPLAINERS["edges"].params())
    assert maps is not None
    assert maps.count() == 16


def stability(given: MetricInput, _params: NoParams) -> Scores:
    """How far maps of the same method move on inputs with a little noise; 0 where they do not."""
    import torch

    model = given.model
    assert not model.classifier.module.training
    noise = torch.from_numpy(
        np.stack([np.random.default_rng(s).standard_normal(model.x[0].shape) for s in given.seeds])
    )
    places = np.arange(len(given.maps))
    again = model.explain(model.classifier, model.x + noise.to(model.x) * 0.01, places).maps
    still = model.explain(model.classifier, model.x, places).maps
    np.testing.assert_allclose(still, given.maps, atol=2e-3 * np.abs(given.maps).max())  # as stored: float16
    logits = (model.classifier.logits(model.x) * model.weights).flatten(1).sum(1)
    values = np.linalg.norm((again - still).reshape(len(places), -1), axis=1)
    return Scores(values.astype(np.float32), beside={"logit": logits.detach().cpu().numpy()})


@pytest.fixture
def stable(monkeypatch: pytest.MonkeyPatch) -> Callable[[frozenset[str]], None]:
    """A metric that runs the model, for one test."""

    def register(needs: frozenset[str]) -> None:
        card = Card("stability", "Stability", "Moves little.", "Everything.", needs=needs, direction=-1, unit="length")
        _ = METRICS.keys()
        monkeypatch.setitem(METRICS._members, "stability", Metric(card, NoParams, stability))

    return register


@pytest.mark.parametrize("method", ["gradcam", "random", pytest.param("shap", marks=pytest.mark.slow)])
def test_a_metric_that_runs_the_model_gets_it_and_can_explain_again(
    real: Run, stable: Callable[[frozenset[str]], None], method: str
) -> None:
    stable(frozenset({"model", "mask"}))
    bench = Bench("cpu")
    before = {name: value.clone() for name, value in bench.classifier(real).module.state_dict().items()}
    list(score_steps(bench, request(real, "stability", methods=(method,))))
    found = stored(real, "stability", method)
    assert (found.state == STORED).sum() == 8
    assert np.isfinite(found.beside["logit"]).sum() == 8
    assert (found.values[found.state == STORED] == 0).all() == (method == "random")
    classifier = bench.classifier(real)
    assert all(parameter.requires_grad for parameter in classifier.module.parameters())
    assert all((value == before[name]).all() for name, value in classifier.module.state_dict().items())
