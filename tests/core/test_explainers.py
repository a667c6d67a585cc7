"""The contract that every explainer keeps, on models that make it hard."""

from __future__ import annotations

import random
import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.oracles.models import CLASSES, SHAPE, Plain, Residual, Tokens, model, pictures, wrap
from tests.oracles.table import HELD, MODELS, REFUSED, TABLE
from xai_core.errors import BadInput, NotApplicable, NotFound, XaiError
from xai_core.explainers import EXPLAINERS, Context
from xai_core.explainers.base import CamParams
from xai_core.explainers.guard import untouched
from xai_core.explainers.plan import explain, groups
from xai_core.models.classifier import Classifier
from xai_core.types import Explanation, Target

TARGETS = [Target(0), Target(3), Target(1, 2), Target(4)]
SEEDS = np.array([11, 12, 13, 2**40], np.int64)
CONTEXT = Context(background=pictures(6, seed=9))
RUN_MODEL = [key for key in TABLE if EXPLAINERS[key].card.cost]


def test_every_method_is_in_the_table() -> None:
    assert set(TABLE) == set(EXPLAINERS.keys())


def run(
    classifier: Classifier, key: str, rows: slice = slice(None), params: Any = None, x: torch.Tensor | None = None
) -> Explanation:
    inputs = pictures(4) if x is None else x
    methods = [(key, params or TABLE[key].params)]
    (found,) = explain(classifier, inputs[rows], TARGETS[rows], methods, CONTEXT, SEEDS[rows])
    return found


@pytest.mark.parametrize(("key", "name"), HELD)
def test_maps_are_float32_finite_or_refused(key: str, name: str) -> None:
    found = run(MODELS[name](), key)
    assert found.maps.dtype == np.float32
    assert found.maps.ndim == 3
    assert len(found.maps) == len(found.refusals) == 4
    for row, reason in zip(found.maps, found.refusals, strict=True):
        assert np.isnan(row).all() if reason else np.isfinite(row).all()
    assert found.refusals.count(None) >= 3
    for values in found.diagnostics.values():
        assert values.shape == (4,)
        assert values.dtype == np.float32
    if "cam_layer" not in EXPLAINERS[key].card.needs:
        assert found.maps.shape[1:] == SHAPE[1:]


@pytest.mark.parametrize(("key", "name"), REFUSED)
def test_what_does_not_hold_is_refused_with_a_reason(key: str, name: str) -> None:
    try:
        reasons = run(MODELS[name](), key).refusals
    except NotApplicable as refusal:
        reasons = (str(refusal),)
    assert all(re.search(TABLE[key].refused[name], reason or "") for reason in reasons), reasons


@pytest.mark.parametrize(("key", "name"), HELD)
def test_same_call_same_map(key: str, name: str) -> None:
    classifier = MODELS[name]()
    first, second = run(classifier, key), run(classifier, key)
    np.testing.assert_array_equal(first.maps, second.maps)
    for number, values in first.diagnostics.items():
        np.testing.assert_array_equal(values, second.diagnostics[number])


@pytest.mark.parametrize(("key", "name"), HELD)
def test_a_batch_equals_its_samples_alone(key: str, name: str) -> None:
    classifier = MODELS[name]()
    whole = run(classifier, key)
    for row in range(4):
        alone = run(classifier, key, slice(row, row + 1))
        np.testing.assert_allclose(alone.maps[0], whole.maps[row], atol=1e-4)
        assert alone.refusals == whole.refusals[row : row + 1]


@pytest.mark.parametrize("key", [key for key, row in TABLE.items() if row.seeded])
def test_a_seed_belongs_to_its_row(key: str) -> None:
    classifier, x = model(Plain), pictures(1).repeat(3, 1, 1, 1)
    targets, seeds = [Target(0)] * 3, np.array([5, 6, 5])
    (found,) = explain(classifier, x, targets, [(key, TABLE[key].params)], CONTEXT, seeds)
    np.testing.assert_array_equal(found.maps[0], found.maps[2])
    assert not np.allclose(found.maps[0], found.maps[1])


@pytest.mark.parametrize("key", [key for key in RUN_MODEL if TABLE[key].linear])
def test_a_difference_is_the_difference_of_the_logits(key: str) -> None:
    classifier, x, seeds = model(Residual), pictures(3)[2:].repeat(3, 1, 1, 1), SEEDS[[2, 2, 2]]
    targets = [Target(1, 2), Target(1), Target(2)]
    (found,) = explain(classifier, x, targets, [(key, TABLE[key].params)], CONTEXT, seeds)
    np.testing.assert_allclose(found.maps[0], found.maps[1] - found.maps[2], atol=1e-5)


def state(classifier: Classifier) -> dict[str, Any]:
    """Everything a method might leave behind."""
    module = classifier.module
    return {
        "modes": [part.training for part in module.modules()],
        "in place": [getattr(part, "inplace", None) for part in module.modules()],
        "hooks": [
            list(table) for part in module.modules() for name, table in vars(part).items() if name.endswith("_hooks")
        ],
        "attributes": [sorted(vars(part)) for part in module.modules()],
        "flags": [parameter.requires_grad for parameter in module.parameters()],
        "grads": [id(parameter.grad) for parameter in module.parameters()],
        "weights": [value.sum().item() for value in module.state_dict().values()],
        "random": (torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()),
    }


def touched(classifier: Classifier) -> Classifier:
    """The same in an unusual state: partly training, flags mixed, gradients held, a hook of its owner."""
    parameters = list(classifier.module.parameters())
    parameters[0].requires_grad_(False)
    parameters[-1].grad = torch.ones_like(parameters[-1])
    next(classifier.module.children()).train()
    classifier.module.register_forward_hook(lambda *_: None)
    return classifier


@pytest.mark.parametrize(("key", "name"), HELD)
def test_leaves_no_trace(key: str, name: str) -> None:
    classifier = touched(MODELS[name]())
    before, x = state(classifier), pictures(4)
    copy = x.clone()
    run(classifier, key, x=x)
    assert state(classifier) == before
    assert torch.equal(x, copy)
    assert not x.requires_grad


class Fails(Residual):
    """Fails in its head once armed, after hooks are set and blocks have run."""

    left = 10**9

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = super().forward(x)
        type(self).left -= 1
        if type(self).left < 0:
            raise RuntimeError("out of memory")
        return out


@pytest.mark.parametrize("key", [key for key in RUN_MODEL if key != "lrp"])
def test_leaves_no_trace_after_an_exception(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the method's first call of the model, and at its last."""
    classifier = wrap(Fails(), "block2")
    classifier.module.train()
    run(classifier, key)  # makes the copy that some methods keep
    before, at_start = state(classifier), Fails.left
    run(classifier, key)
    for calls in {0, at_start - Fails.left - 1}:
        monkeypatch.setattr(Fails, "left", calls)
        with pytest.raises(RuntimeError, match="out of memory"):
            run(classifier, key)
        assert state(classifier) == before


def test_lrp_leaves_no_trace_after_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    from captum.attr import LRP

    def fail(*_: Any) -> None:
        raise RuntimeError("out of memory")

    classifier = touched(model(Residual))
    before = state(classifier)
    clean = run(classifier, "lrp")
    with monkeypatch.context() as patch:
        patch.setattr(LRP, "_register_forward_hooks", fail)
        with pytest.raises(RuntimeError, match="out of memory"):
            run(classifier, "lrp")
    assert state(classifier) == before
    np.testing.assert_array_equal(run(classifier, "lrp").maps, clean.maps)


def test_untouched_removes_hooks_that_were_added_and_returns_those_removed() -> None:
    classifier = model(Plain)
    kept = classifier.module.register_forward_hook(lambda *_: None)
    before = state(classifier)
    with untouched(classifier):
        kept.remove()
        classifier.module.features[1].register_full_backward_hook(lambda *_: None)
        classifier.module.train().requires_grad_(True)
    assert state(classifier) == before


def test_cams_of_one_layer_share_one_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    classifier, calls = model(Residual), []
    classifier.module.register_forward_hook(lambda *_: calls.append(1))
    methods = [("gradcam", None), ("gradcam++", CamParams(layer="block2")), ("gradcam", CamParams(layer="block1"))]
    assert groups(classifier, methods) == [[0, 1], [2]]
    found = explain(classifier, pictures(4), TARGETS, methods, CONTEXT, SEEDS)
    assert len(calls) == 2
    assert [f.maps.shape[1:] for f in found] == [(8, 6), (8, 6), (16, 12)]


def test_results_come_in_the_order_of_the_methods() -> None:
    classifier = model(Residual)
    methods = [("ig", TABLE["ig"].params), ("edges", None), ("gradcam", None)]
    found = explain(classifier, pictures(4), TARGETS, methods, CONTEXT, SEEDS)
    for (key, _), result in zip(methods, found, strict=True):
        np.testing.assert_array_equal(result.maps, run(classifier, key).maps)


class Tuple(Plain):
    def forward(self, x: torch.Tensor) -> Any:
        return super().forward(x), None


class Dict(Plain):
    def forward(self, x: torch.Tensor) -> Any:
        return {"out": super().forward(x)}


@pytest.mark.parametrize("key", RUN_MODEL)
@pytest.mark.parametrize("kind", [Tuple, Dict])
def test_refuses_a_model_without_logits(key: str, kind: type[nn.Module]) -> None:
    with pytest.raises(NotApplicable, match=r"tensor of logits.*(tuple|dict)"):
        run(wrap(kind(), "features"), key)


@pytest.mark.parametrize("key", RUN_MODEL)
def test_refuses_too_many_outputs(key: str) -> None:
    with pytest.raises(NotApplicable, match="wrong shape for 5 classes"):
        run(wrap(Plain(classes=7), "features"), key)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"x": pictures(1)[:, :2]}, "wrong shape"),
        ({"x": pictures(1)[0]}, "wrong shape"),
        ({"x": pictures(1)[:0]}, "wrong shape"),
        ({"x": pictures(1) * torch.inf}, "NaN or infinity: row 0"),
        ({"x": pictures(1) * torch.nan}, "NaN or infinity: row 0"),
        ({"targets": [Target(CLASSES)]}, "no class of this index: 5. Choose from 0 to 4"),
        ({"targets": [Target(-1)]}, "no class of this index"),
        ({"targets": [Target(1, 9)]}, "no class of this index: 9"),
        ({"targets": [Target(1, 1)]}, "difference of a class and itself"),
        ({"targets": []}, "unequal lengths"),
        ({"seeds": np.arange(2)}, "unequal lengths"),
        ({"methods": [("shap", None)], "context": Context()}, "needs background"),
        ({"methods": [("shap", None)], "context": Context(pictures(2)[:, :1])}, "background has the wrong shape"),
        ({"methods": [("shap", None)], "context": Context(pictures(2) * torch.nan)}, "background holds NaN"),
    ],
)
def test_refuses_bad_input(change: dict[str, Any], match: str) -> None:
    request = {"x": pictures(1), "targets": [Target(0)], "methods": [("gradcam", None)], "seeds": np.arange(1)}
    with pytest.raises(BadInput, match=match):
        explain(model(Plain), **{"context": CONTEXT, **request, **change})


@pytest.mark.parametrize(
    ("layer", "error", "match"),
    [
        ("featurs", NotFound, "Did you mean features"),
        ("head.3", NotApplicable, r"not a grid of channels: head.3 gives \(4, 16\)"),
        ("spare", NotApplicable, "does not use this layer"),
        ("ignored", NotApplicable, "no gradient of the target reaches"),
    ],
)
def test_refuses_a_layer(layer: str, error: type[XaiError], match: str) -> None:
    class Spare(Plain):
        def __init__(self) -> None:
            super().__init__()
            self.spare, self.ignored = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.ignored(x)
            return super().forward(x)

    with pytest.raises(error, match=match):
        run(wrap(Spare(), "features"), "gradcam", params=CamParams(layer=layer))


def test_tokens_that_no_gradient_reaches_are_refused() -> None:
    """The last norm of a transformer: only the class token is read there, and it is not on the grid."""
    with pytest.raises(NotApplicable, match="no gradient of the target reaches"):
        run(model(Tokens), "gradcam", params=CamParams(layer="norm"))


def test_one_dead_row_is_refused_alone() -> None:
    """A black picture that switches off the whole hidden layer of the head."""
    classifier, x = model(Plain), pictures(4)
    x[1] = 0
    with torch.no_grad():
        for part in (classifier.module.features[0], classifier.module.features[3]):
            part.bias.zero_()
        classifier.module.head[3].bias.fill_(-0.01)
    found = run(classifier, "gradcam", x=x)
    assert [reason is not None for reason in found.refusals] == [False, True, False, False]
    assert np.isnan(found.maps[1]).all()


@pytest.mark.parametrize("key", ["gradcam", "ig", "shap"])
def test_a_model_that_gives_nan_is_refused_row_by_row(key: str) -> None:
    class Overflow(Plain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            bright = x.flatten(1).mean(1, keepdim=True) > 5
            return super().forward(x) * torch.where(bright, torch.nan, 1.0)

    x = pictures(4)
    x[2] += 20
    found = run(wrap(Overflow(), "features"), key, x=x)
    assert [reason is not None for reason in found.refusals] == [False, False, True, False]
    assert "not finite" in str(found.refusals[2])


def test_listing_imports_no_heavy_library() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from xai_core.explainers import EXPLAINERS; from xai_core.metrics import SIMILARITIES;"
        "EXPLAINERS.keys(); SIMILARITIES.keys();"
        "print([m for m in ('torch', 'captum', 'shap', 'sklearn', 'torchvision', 'skimage') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
