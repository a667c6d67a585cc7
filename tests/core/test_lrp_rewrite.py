"""The copy of a model that relevance runs through: the same function, kept once, and parts without a rule by name."""

from __future__ import annotations

import operator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.core.lrp_cases import logits, run
from tests.oracles.models import CLASSES, Plain, Residual, Tokens, model, pictures, wrap
from xai_core.errors import NotApplicable
from xai_core.explainers.engine import rewrite
from xai_core.explainers.engine.lrp_model import lrp_model


def test_the_rewritten_copy_is_kept_by_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    from xai_core.explainers.engine import lrp_model as made_by

    made = []
    monkeypatch.setattr(made_by, "lrp_model", lambda *given: made.append(given[0]) or lrp_model(*given))
    rewrite._kept.clear()
    first, second = model(Residual, 1), model(Residual, 2)
    maps = [run(classifier).maps for classifier in (first, second, first)]
    assert made == [first, second]
    np.testing.assert_array_equal(maps[0], maps[2])
    assert not np.allclose(maps[0], maps[1])
    for seed in range(3, 3 + rewrite.CACHED):
        run(model(Residual, seed))
    assert len(rewrite._kept) == rewrite.CACHED


def test_the_kept_copy_holds_no_activations() -> None:
    classifier = model(Tokens)
    run(classifier)
    (copied,) = (made for (_, name, _), (_, made) in rewrite._kept.items() if name == classifier.fingerprint)
    assert not any(source.value is not None for source in copied.sources)


class Calls(nn.Module):
    """Everything a rewrite meets, by function and by method, with one convolution and one ReLU used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.again = nn.Conv2d(3, 24, 3, padding=1), nn.Conv2d(24, 24, 3, padding=1)
        self.norm, self.relu = nn.BatchNorm2d(24), nn.ReLU(inplace=True)
        self.idle, self.drop = nn.Identity(), nn.Dropout2d(0.5)
        self.head = nn.Linear(24, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.stem(x)))
        y = self.relu(self.again(x))
        z = self.relu(self.again(self.drop(self.idle(y))))
        x = operator.iadd(torch.add(x, y).add(z), y)
        x = nn.functional.relu(x.relu())
        x = nn.functional.avg_pool2d(x, 2, stride=2)
        x = nn.functional.dropout(x, 0.5, self.training)
        x = nn.functional.adaptive_avg_pool2d(x, (2, 2))
        return self.head(torch.mean(x, dim=[-2, -1], keepdim=True).flatten(1))


@pytest.mark.parametrize("kind", [Plain, Residual, Calls])
def test_the_rewritten_model_computes_the_same(kind: type[nn.Module]) -> None:
    classifier = model(kind) if kind is not Calls else wrap(Calls())
    copied = rewrite.as_modules(classifier.module)
    rewrite.fold_batch_norm(copied)
    np.testing.assert_allclose(copied(pictures(4)).detach(), logits(classifier), atol=1e-5)
    used = [node.target for node in copied.graph.nodes if node.op == "call_module"]
    assert len(used) == len(set(used))
    assert not any(isinstance(part, nn.BatchNorm2d) for part in copied.modules())
    assert not any(getattr(part, "inplace", False) for part in copied.modules())


def test_a_model_full_of_calls_conserves() -> None:
    found = run(wrap(Calls()))
    conservation = found.diagnostics["conservation"]
    np.testing.assert_allclose(conservation[~np.isnan(conservation)], 1, atol=0.02)


class Branches(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if x.sum() > 0 else super().forward(-x)


class Gate(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x) * self.features(x))


class Shift(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x) - 1)


class MeanOfAll(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x) + self.features(x).mean(1, keepdim=True))


@pytest.mark.parametrize(
    ("module", "named"),
    [
        (nn.Sequential(nn.Conv2d(3, CLASSES, 1), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), r"1 \(GELU\)"),
        (nn.Sequential(nn.Conv2d(3, CLASSES, 1), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), r"1 \(SiLU\)"),
        (Branches(), "cannot follow the model's code"),
        (Gate(), "mul in the model's code"),
        (Shift(), "sub in the model's code"),
    ],
)
def test_what_has_no_rule_is_refused_by_name(module: nn.Module, named: str) -> None:
    with pytest.raises(NotApplicable, match=named):
        run(wrap(module))


def test_a_copy_that_computes_something_else_is_refused() -> None:
    with pytest.raises(NotApplicable, match="its copy computes something else"):
        rewrite.same_logits(model(Plain, 1).module, model(Plain, 2))
