"""Work within the pauses of other work: both come out as alone, to the bit, and the model as it was."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
import torch

from tests.core.explainer_cases import RUN_MODEL, run, state, touched
from tests.oracles.models import Plain, model
from xai_core.errors import Cancelled
from xai_core.explainers.engine import batches, channels, masks
from xai_core.explainers.engine.guard import set_aside
from xai_core.explainers.engine.pauses import pause, pausing, working_time
from xai_core.models.classifier import Classifier
from xai_core.types import Explanation

SLOW = ("shap", "shap_layer", "ig", "occlusion", "scorecam", "ablationcam", "smoothgrad")


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a large model: few passes at once."""
    monkeypatch.setattr(batches, "RECORDED_AT_ONCE", 1)
    monkeypatch.setattr(batches, "FEW", 2)
    monkeypatch.setattr(masks, "PICTURES_AT_ONCE", 5)
    monkeypatch.setattr(channels, "NUMBERS_AT_ONCE", 2000)


def interrupted(classifier: Classifier, key: str, between: Callable[[], None]) -> tuple[Explanation, int]:
    """The maps of a method, with other work in each of its pauses; and how many pauses there were."""
    pauses = 0

    def others() -> None:
        nonlocal pauses
        pauses += 1
        with set_aside(), pausing(lambda: None):
            between()

    with pausing(others):
        return run(classifier, key), pauses


def equal(one: Explanation, other: Explanation) -> None:
    np.testing.assert_array_equal(one.maps, other.maps)
    assert one.refusals == other.refusals
    assert one.diagnostics.keys() == other.diagnostics.keys()
    for name, values in one.diagnostics.items():
        np.testing.assert_array_equal(values, other.diagnostics[name])


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("key", RUN_MODEL)
def test_maps_are_the_same_whatever_is_done_in_the_pauses(key: str) -> None:
    classifier = touched(model(Plain))
    alone, others = run(classifier, key), {other: run(classifier, other) for other in ("gradcam++", "lrp")}
    before = state(classifier)

    def between() -> None:
        assert state(classifier) == before
        for other, expected in others.items():
            equal(run(classifier, other), expected)
        torch.manual_seed(5)
        np.random.seed(5)
        random.seed(5)
        classifier.module.train()

    found, pauses = interrupted(classifier, key, between)
    equal(found, alone)
    assert state(classifier) == before
    if key in SLOW:
        assert pauses >= 4, "a slow method has pauses within a picture"


@pytest.mark.usefixtures("small_batches")
def test_a_pause_within_a_pause_leaves_both_as_they_were() -> None:
    classifier = model(Plain)
    alone = {key: run(classifier, key) for key in ("shap", "smoothgrad", "saliency")}
    before = state(classifier)

    def deeper() -> None:
        equal(run(classifier, "saliency"), alone["saliency"])

    def between() -> None:
        equal(interrupted(classifier, "smoothgrad", deeper)[0], alone["smoothgrad"])

    equal(interrupted(classifier, "shap", between)[0], alone["shap"])
    assert state(classifier) == before


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("key", SLOW)
def test_what_is_cancelled_in_a_pause_ends_there_and_leaves_nothing(key: str) -> None:
    classifier = touched(model(Plain))
    before = state(classifier)

    def cancel() -> None:
        raise Cancelled

    with pausing(cancel), pytest.raises(Cancelled):
        run(classifier, key)
    assert state(classifier) == before


def test_the_clock_of_work_stands_still_in_its_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("xai_core.explainers.engine.pauses.monotonic", lambda: now[0])

    def passes(seconds: float) -> None:
        now[0] += seconds

    pause()
    assert working_time() == 0
    with pausing(lambda: passes(10)):
        began = working_time()
        passes(2)
        pause()
        with pausing(lambda: passes(100)):
            pause()
        assert working_time() - began == 102
    assert working_time() == 112
