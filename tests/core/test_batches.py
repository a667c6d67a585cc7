"""Large requests go through the model in parts that fit into memory, with the results of one batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.oracles.models import CLASSES, Plain, Residual, model, pictures, wrap
from xai_core.explainers import EXPLAINERS, ExplainerInput
from xai_core.explainers.engine import batches
from xai_core.explainers.engine.plan import explain
from xai_core.models.classifier import Classifier
from xai_core.types import Explanation, Target

COUNT = 30
TARGETS = [Target(index % CLASSES) for index in range(COUNT)]
METHODS = [("gradcam", None), ("layercam", None), ("saliency", None), ("random", None)]


def explained(classifier: Classifier, x: torch.Tensor) -> list[Explanation]:
    return explain(ExplainerInput(classifier, x, TARGETS, np.arange(COUNT)), METHODS)


def batch_sizes(classifier: Classifier) -> list[int]:
    """Of the calls of the model from now on."""
    sizes: list[int] = []
    classifier.module.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    return sizes


def assert_same(found: list[Explanation], expected: list[Explanation]) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        scale = np.abs(theirs.maps).max()
        np.testing.assert_allclose(ours.maps, theirs.maps, atol=1e-5 * scale)
        assert ours.refusals == theirs.refusals


def test_little_free_memory_divides_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    classifier, x = model(Residual), pictures(COUNT)
    expected = explained(classifier, x)
    sizes = batch_sizes(classifier)
    free = 9 * batches.footprint(classifier.module, x[:1]) / batches.SHARE
    monkeypatch.setattr(batches, "free_memory", lambda _: int(free))
    assert_same(explained(classifier, x), expected)
    assert max(sizes) == 9
    assert sum(sizes) == 2 * COUNT, "one pass for the two maps of the layer, one for saliency"


def test_a_few_samples_are_never_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "free_memory", lambda _: 1)
    assert batches.at_once(model(Plain), pictures(2), batches.FEW) == batches.FEW
    assert batches.at_once(model(Plain), pictures(2), batches.FEW + 1) == 1


class Greedy(Plain):
    """Has memory for three samples."""

    limit = 10**9

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if len(x) > type(self).limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().forward(x)


def test_a_batch_that_runs_out_of_memory_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    classifier, x = wrap(Greedy().eval(), "features"), pictures(COUNT)
    expected = explained(classifier, x)
    monkeypatch.setattr(Greedy, "limit", 3)
    assert_same(explained(classifier, x), expected)
    monkeypatch.setattr(Greedy, "limit", 0)
    monkeypatch.setattr(batches, "footprint", lambda *_: 1)
    with pytest.raises(torch.OutOfMemoryError):
        explained(classifier, x)


def test_a_footprint_is_what_autograd_keeps() -> None:
    """Of Plain at 16×12: the input, two ReLU outputs, what pooling and the head keep."""
    sample = pictures(1)
    floats = 3 * 192 + 8 * 192 + 8 * 48 + 12 * 48 + 48 + 16
    indices = 2 * (8 * 48)
    found = batches.footprint(model(Plain).module, sample)
    assert floats * 4 <= found <= (floats + indices + 200) * 4


def test_masks_go_with_their_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    def record(given: ExplainerInput, _params: object) -> Explanation:
        assert given.masks is not None
        return Explanation(given.masks[:, :2, :2].float().numpy())

    member = EXPLAINERS["random"]
    monkeypatch.setitem(EXPLAINERS._members, "random", replace(member, run=record))
    monkeypatch.setattr(batches, "free_memory", lambda _: 1)
    masks = torch.rand(COUNT, 16, 12) > 0.5
    (found,) = explain(
        ExplainerInput(model(Plain), pictures(COUNT), TARGETS, np.arange(COUNT), masks=masks), [("random", None)]
    )
    np.testing.assert_array_equal(found.maps, masks[:, :2, :2].float().numpy())


def test_free_memory_is_what_the_system_says() -> None:
    assert 2**20 < batches.free_memory(torch.device("cpu")) < 2**46
