"""Models in unusual hands: every method gives the maps of the plain twin, or one clear error."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune
from torch.utils.checkpoint import checkpoint

from tests.core.explainer_cases import RUN_MODEL, run, state
from tests.oracles.models import CLASSES, wrap
from tests.oracles.table import OF_CLASSIFIERS, TABLE
from xai_core.errors import NotApplicable, XaiError
from xai_core.explainers import EXPLAINERS
from xai_core.explainers.base import CamParams
from xai_core.explainers.engine.guard import told
from xai_core.models.answer import Answer
from xai_core.models.classifier import Classifier
from xai_core.models.wrappers import Answering, placed
from xai_core.types import Explanation

SHAPE = (3, 16, 12)
LAYER = "3"


def plain() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        net = nn.Sequential(
            *(nn.Conv2d(3, 6, 3, 2), nn.ReLU(), nn.Conv2d(6, 8, 3, padding=1), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, CLASSES)),
        )
    return net.eval().requires_grad_(False)


class Optional(nn.Sequential):
    """`forward(x, other=None)`."""

    def forward(self, x: Tensor, other: Tensor | None = None, *, scale: float = 1.0) -> Tensor:
        if other is not None:
            x = x + other
        if scale != 1.0:
            x = x * scale
        return super().forward(x)


class Checkpointed(nn.Sequential):
    """What cannot be asked for a gradient with regard to its input."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.Sequential(*self)[4:](checkpoint(nn.Sequential(*self)[:4], x, use_reentrant=True))


class OfOne(nn.Sequential):
    """A batch of one baked in."""

    def forward(self, x: Tensor) -> Tensor:
        return self[6](nn.Sequential(*self)[:5](x).view(1, 8))


class OwnError(nn.Sequential):
    """Raises what only its author knows."""

    def forward(self, x: Tensor) -> Tensor:
        raise KeyError("the sky\nis falling")


class Exits(nn.Sequential):
    """Ends the program on the way back."""

    def forward(self, x: Tensor) -> Tensor:
        return Exit.apply(super().forward(x))


class Exit(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        raise SystemExit(4)


class Asserts(nn.Sequential):
    """What it asserts is its own, not ours."""

    def forward(self, x: Tensor) -> Tensor:
        assert len(x) == 1, "one at a time"
        return super().forward(x)


def like(kind: type[nn.Sequential]) -> nn.Module:
    return kind(*plain()).eval()


def pruned(net: nn.Sequential) -> nn.Sequential:
    for part in (net[0], net[2], net[6]):
        prune.l1_unstructured(part, "weight", 0.3)
    return net


def pruned_for_good() -> nn.Sequential:
    net = pruned(plain())
    for part in (net[0], net[2], net[6]):
        prune.remove(part, "weight")
    return net


def traced(net: nn.Module) -> nn.Module:
    return torch.jit.trace(net, torch.zeros(2, *SHAPE))


def pooling() -> nn.Module:
    return nn.Sequential(nn.AvgPool2d(3), nn.ReLU(), nn.Flatten(), nn.AdaptiveAvgPool1d(CLASSES))


def compiled() -> nn.Module:
    """It has run before, without the hooks that come."""
    net = torch.compile(plain(), backend="eager")
    net(torch.zeros(4, *SHAPE))
    return net


def inner_parallel() -> nn.Module:
    net = plain()
    return nn.Sequential(nn.DataParallel(net[:4]), *net[4:])


PICKED = (7, 2, 0, 11, 4)
"""Which of twelve outputs the classes are."""


def of_more_outputs() -> nn.Module:
    net, wide = plain(), nn.Linear(8, 12).requires_grad_(False)
    head = net[6]
    assert isinstance(head, nn.Linear)
    wide.weight[list(PICKED)], wide.bias[list(PICKED)] = head.weight, head.bias
    return Answering(nn.Sequential(*net[:6], wide), Answer(12, PICKED)).eval()


class Table(nn.Sequential):
    """What it returns has names."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        for part in list(self)[:6]:
            x = part(x)
        return {"features": x, "logits": self[6](x)}


class Pair(Table):
    """The same without."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        return tuple(super().forward(x).values())


def out_of(module: nn.Module, place: int | str) -> nn.Module:
    return Answering(module, Answer(CLASSES, logits=place))


Make = Callable[[], nn.Module]
MODELS: dict[str, tuple[Make, Make | None, str]] = {
    "an argument that may be left out": (lambda: like(Optional), plain, LAYER),
    "pruned": (lambda: pruned(plain()), pruned_for_good, LAYER),
    "no parameters": (pooling, None, "0"),
    "scripted": (lambda: torch.jit.script(plain()), plain, LAYER),
    "frozen script": (lambda: torch.jit.freeze(torch.jit.script(plain())), plain, LAYER),
    "traced": (lambda: traced(plain()), plain, LAYER),
    "a scripted part": (lambda: nn.Sequential(torch.jit.script(plain()[:4]), *plain()[4:]), None, "0"),
    "exported": (lambda: torch.export.export(plain(), (torch.zeros(2, *SHAPE),)).module(), None, "2"),
    "quantised": (
        lambda: torch.ao.quantization.quantize_dynamic(plain(), {nn.Linear}, dtype=torch.qint8),
        None,
        LAYER,
    ),
    "in parallel": (lambda: nn.DataParallel(plain()), plain, LAYER),
    "in parallel, its own name": (lambda: nn.DataParallel(plain()), plain, f"module.{LAYER}"),
    "a part in parallel": (inner_parallel, plain, "0.module.3"),
    "compiled": (compiled, plain, LAYER),
    "of more outputs": (of_more_outputs, plain, LAYER),
    "logits in a table": (lambda: out_of(like(Table), "logits"), plain, LAYER),
    "logits in a pair, in parallel": (
        lambda: out_of(nn.DataParallel(like(Pair)), 1),
        plain,
        LAYER,
    ),
    "checkpointed": (lambda: like(Checkpointed), None, LAYER),
    "a batch of one baked in": (lambda: like(OfOne), None, LAYER),
    "exits": (lambda: like(Exits), None, LAYER),
    "asserts": (lambda: like(Asserts), None, LAYER),
    "raises": (lambda: like(OwnError), None, LAYER),
}
HELD = {
    "an argument that may be left out": set(OF_CLASSIFIERS),
    "pruned": set(OF_CLASSIFIERS),
    "in parallel": set(OF_CLASSIFIERS),
    "in parallel, its own name": set(OF_CLASSIFIERS),
    "a part in parallel": set(OF_CLASSIFIERS),
    "of more outputs": set(OF_CLASSIFIERS),
    "logits in a table": set(OF_CLASSIFIERS),
    "logits in a pair, in parallel": set(OF_CLASSIFIERS),
    "compiled": set(OF_CLASSIFIERS),
    "scripted": {"saliency", "ig", "shap", "occlusion", "input_x_gradient", "edges", "random", "smoothgrad"},
    "frozen script": {"saliency", "ig", "shap", "occlusion", "input_x_gradient", "edges", "random", "smoothgrad"},
    "traced": {"saliency", "ig", "shap", "occlusion", "input_x_gradient", "edges", "random", "smoothgrad"},
    "no parameters": {"saliency", "ig", "shap", "occlusion", "gradcam", "scorecam", "edges", "random"},
    "quantised": {"scorecam", "ablationcam", "occlusion", "eigencam"},
    "checkpointed": {"occlusion"},
}
"""Methods that must give maps; the others may give one clear error instead."""


@cache
def expected(name: str, key: str) -> Explanation:
    twin = MODELS[name][1]
    assert twin is not None
    return run(wrap(twin(), LAYER, shape=SHAPE), key)


def awkward(name: str) -> Classifier:
    make, _, layer = MODELS[name]
    module = make()
    return replace(wrap(nn.Identity(), layer, shape=SHAPE), module=placed(module, "cpu"))


def outcome(name: str, key: str) -> Explanation | XaiError:
    try:
        return run(awkward(name), key)
    except XaiError as error:
        return error


@pytest.mark.filterwarnings("ignore")  # torch would like these models to be made in other ways
@pytest.mark.parametrize("key", TABLE)
@pytest.mark.parametrize("name", MODELS)
def test_maps_of_the_plain_twin_or_one_clear_error(name: str, key: str) -> None:
    found, held = outcome(name, key), key in HELD.get(name, ())
    if isinstance(found, XaiError):
        assert not held, found
        assert "\n" not in str(found)
        return
    assert found.refusals.count(None) or not held, found.refusals
    if MODELS[name][1] is not None:
        other = expected(name, key)
        assert [reason is None for reason in found.refusals] == [reason is None for reason in other.refusals]
        np.testing.assert_allclose(found.maps, other.maps, atol=1e-4 * np.nanmax(np.abs(other.maps)))


@pytest.mark.filterwarnings("ignore")  # torch would like these models to be made in other ways
@pytest.mark.parametrize(
    ("name", "key", "says"),
    [
        ("traced", "gradcam", "layers of a TorchScript or exported model cannot be looked into: .*need no layer"),
        ("scripted", "scorecam", "layers of a TorchScript"),
        ("exported", "shap_layer", "layers of a TorchScript or exported"),
        ("traced", "lrp", "needs layers, and this model's run outside of Python"),
        (
            "quantised",
            "gradcam",
            "no gradient passes .*: 6 is a quantised Linear. Use Score-CAM, Ablation-CAM or occlu",
        ),
        ("quantised", "ig", "no gradient passes through this model"),
        ("quantised", "shap_layer", "no gradient passes through this model"),
        ("quantised", "deeplift", r"no rule for quantised layers: 6 \(Linear\). Use Score-CAM"),
        ("checkpointed", "saliency", "own code failed on the way back, for the gradient: RuntimeError: .*reentrant"),
        ("a batch of one baked in", "occlusion", r"own code failed: RuntimeError: shape '\[1, 8\]' is invalid"),
        ("raises", "gradcam", "own code failed: KeyError: .*the sky.*is falling.*. It must take any number"),
        ("asserts", "gradcam", "own code failed: AssertionError: one at a time"),
        ("exits", "saliency", "own code failed on the way back, for the gradient: SystemExit: 4"),
        ("raises", "random", ""),
    ],
)
def test_errors_tell_the_true_reason(name: str, key: str, says: str) -> None:
    if not says:
        run(awkward(name), key)
        return
    with pytest.raises(NotApplicable, match=says):
        run(awkward(name), key)


def test_what_we_do_wrong_ourselves_and_a_lack_of_memory_come_out_as_they_are() -> None:
    class Full(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        run(wrap(like(Full), LAYER, shape=SHAPE), "saliency")
    with pytest.raises(ZeroDivisionError), told(wrap(plain(), LAYER, shape=SHAPE)):
        raise ZeroDivisionError


@pytest.mark.filterwarnings("ignore")  # torch would like these models to be made in other ways
def test_a_script_is_left_in_its_mode() -> None:
    module = torch.jit.script(plain().train())
    run(replace(wrap(plain(), shape=SHAPE), module=module), "saliency")
    assert module.training


@pytest.mark.parametrize("key", [key for key in RUN_MODEL if "cam_layer" in EXPLAINERS[key].card.needs])
def test_layers_are_found_with_and_without_the_names_of_wrappers(key: str) -> None:
    classifier = wrap(nn.DataParallel(plain()), f"module.{LAYER}", shape=SHAPE)
    before = state(copy.deepcopy(classifier))
    maps = [run(classifier, key, params=with_layer(key, name)).maps for name in ("3", "module.3")]
    np.testing.assert_array_equal(*maps)
    assert state(classifier)["hooks"] == before["hooks"]


def with_layer(key: str, name: str) -> object:
    return replace(TABLE[key].params or EXPLAINERS[key].params(), layer=name)


def test_the_plain_name_is_found_too() -> None:
    assert isinstance(wrap(plain(), "module.3", shape=SHAPE).layer(), nn.ReLU)
    assert CamParams().layer == ""
