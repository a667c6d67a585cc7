"""No explainer leaves a trace in the model, in its input or in the global random state, whatever happens."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tests.core.explainer_cases import RUN_MODEL, run, state, touched
from tests.oracles.models import Plain, Residual, model, pictures
from tests.oracles.table import HELD, MODELS
from xai_core.errors import NotApplicable
from xai_core.explainers.engine.guard import untouched
from xai_core.models.classifier import Classifier

TRIED = ("plain", "residual", "tokens", "efficientnet_b0", "densenet121")


@pytest.mark.parametrize(("key", "name"), [pair for pair in HELD if pair[1] in TRIED])
def test_leaves_no_trace(key: str, name: str) -> None:
    classifier = touched(MODELS[name]())
    before, x = state(classifier), pictures(4, shape=classifier.input_shape)
    copy = x.clone()
    run(classifier, key, x=x)
    assert state(classifier) == before
    assert torch.equal(x, copy)
    assert not x.requires_grad


def problem(classifier: Classifier, key: str) -> str:
    """What is told of it: of all pictures, or of those that it happened to."""
    try:
        return " ".join(map(str, run(classifier, key).refusals))
    except (RuntimeError, NotApplicable) as error:
        return str(error)


@pytest.mark.parametrize("key", RUN_MODEL)
def test_leaves_no_trace_after_an_exception(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the head of the model, or of the copy that some methods make: the first time that it runs, and the last."""
    classifier, left, linear = touched(model(Residual)), [10**9], nn.functional.linear

    def fails(*args: Any) -> torch.Tensor:
        left[0] -= 1
        if left[0] < 0:
            raise RuntimeError("the head fails")
        return linear(*args)

    monkeypatch.setattr(nn.functional, "linear", fails)
    clean = run(classifier, key)
    before, at_start = state(classifier), left[0]
    run(classifier, key)
    for calls in {0, at_start - left[0] - 1}:
        left[0] = calls
        assert "the head fails" in problem(classifier, key)
        assert state(classifier) == before
    left[0] = 10**9
    assert run(classifier, key).maps.tobytes() == clean.maps.tobytes()


def test_untouched_removes_hooks_that_were_added_and_returns_those_removed() -> None:
    classifier = model(Plain)
    kept = classifier.module.register_forward_hook(lambda *_: None)
    before = state(classifier)
    with untouched(classifier):
        kept.remove()
        classifier.module.features[1].register_full_backward_hook(lambda *_: None)
        classifier.module.train().requires_grad_(True)
    assert state(classifier) == before
