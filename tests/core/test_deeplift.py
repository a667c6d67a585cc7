"""DeepLIFT and guided backpropagation: worked out by hand, against Captum, and what is refused."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.oracles.models import CLASSES, SHAPE, Plain, Residual, model, pictures, wrap
from tests.oracles.pixel import CLASSES_OF_ROWS, run
from xai_core.errors import NotApplicable
from xai_core.explainers.base import CamParams
from xai_core.explainers.deeplift import DeepLiftParams
from xai_core.explainers.engine.baseline import baseline
from xai_core.explainers.integrated_gradients import BASELINES
from xai_core.models.classifier import Classifier


def two_layers() -> Classifier:
    """Two pixels, two hidden rectified units, `CLASSES` logits of which the first is 3 h1 - h2 + 0.5."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, CLASSES))
    with torch.no_grad():
        module[1].weight.copy_(torch.tensor([[2.0, -1.0], [1.0, 1.0]]))
        module[1].bias.copy_(torch.tensor([1.0, -3.0]))
        module[3].weight.zero_()
        module[3].bias.fill_(0.5)
        module[3].weight[0] = torch.tensor([3.0, -1.0])
    return wrap(module, shape=(1, 1, 2))


def test_deeplift_of_two_layers_worked_out_by_hand() -> None:
    """x = (1, 4), baseline the mean, (0, 0).

    Hidden inputs: -1 and 2; at the baseline 1 and -3. Rectified: 0 and 2; at the baseline 1 and 0.
    Rescale multipliers: (0 - 1) / (-1 - 1) = 1/2 and (2 - 0) / (2 + 3) = 2/5.
    Pixel multipliers: 3/2 * (2, -1) - 2/5 * (1, 1) = (2.6, -1.9); shares: 2.6 and -7.6; their sum -5.
    f(x) - f(b) = (0.5 - 2) - (0.5 + 3) = -5.
    """
    classifier, x = two_layers(), torch.tensor([[[[1.0, 4.0]]]])
    found = run(classifier, "deeplift", DeepLiftParams(baseline="mean"), x)
    np.testing.assert_allclose(found.maps, [[[2.6, -7.6]]], atol=1e-6)
    np.testing.assert_allclose(found.diagnostics["completeness_gap"], 0, atol=1e-6)


@pytest.mark.parametrize("kind", [Plain, Residual])
@pytest.mark.parametrize("start", BASELINES)
def test_deeplift_is_complete(kind: type[nn.Module], start: str) -> None:
    classifier, x = model(kind), pictures(4)
    found = run(classifier, "deeplift", DeepLiftParams(baseline=start))
    with torch.no_grad():
        change = classifier.logits(x) - classifier.logits(baseline(classifier, x, start))
    expected = change[range(4), CLASSES_OF_ROWS]
    np.testing.assert_allclose(found.maps.sum((1, 2)), expected, rtol=1e-3, atol=1e-4)


def test_captums_deeplift_is_not_complete_where_a_rectifier_feeds_a_pooling() -> None:
    """Why the copy is rewritten: once this fails, that part of the rewrite can go."""
    from captum.attr import DeepLift

    classifier, x = model(Plain), pictures(4).requires_grad_()
    start = baseline(classifier, x.detach(), "black")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = DeepLift(classifier.module).attribute(x, start, target=CLASSES_OF_ROWS).detach()
    change = (classifier.logits(x) - classifier.logits(start))[range(4), CLASSES_OF_ROWS].detach()
    assert ((found.flatten(1).sum(1) - change).abs() > 0.1 * change.abs()).any()


@pytest.mark.parametrize("between", [nn.Tanh, nn.Sigmoid, nn.ELU, nn.LeakyReLU, nn.Softplus])
def test_deeplift_equals_captum_where_nothing_needs_mending(between: type[nn.Module]) -> None:
    from captum.attr import DeepLift

    with torch.random.fork_rng():
        torch.manual_seed(0)
        conv, head = nn.Conv2d(3, 6, 3, stride=2), nn.Linear(6, CLASSES)
    classifier, x = wrap(nn.Sequential(conv, between(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)), pictures(4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = DeepLift(classifier.module).attribute(x.clone().requires_grad_(), target=CLASSES_OF_ROWS).detach()
    found = run(classifier, "deeplift", DeepLiftParams(baseline="mean"))
    np.testing.assert_allclose(found.maps, expected.sum(1), atol=1e-5)
    np.testing.assert_allclose(found.diagnostics["completeness_gap"], 0, atol=1e-3)


class Pooled(nn.Module):
    """One max-pooling of any kind, after a rectifier."""

    def __init__(self, **pooling: object) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.MaxPool2d(**pooling))
        self.head = nn.LazyLinear(CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).flatten(1))


POOLINGS = [
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 2, "ceil_mode": True},
    {"kernel_size": (3, 2), "stride": (1, 2), "padding": (1, 0)},
    {"kernel_size": 2, "padding": 1},
    {"kernel_size": 4, "stride": 3, "padding": 2, "ceil_mode": True},
]


@pytest.mark.parametrize("pooling", POOLINGS)
def test_deeplift_is_complete_with_overlapping_windows(pooling: dict[str, object]) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = Pooled(**pooling).eval()
        module(pictures(1))
    found = run(wrap(module), "deeplift")
    assert found.refusals == (None,) * 4
    np.testing.assert_allclose(found.diagnostics["completeness_gap"], 0, atol=1e-4)


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize("pooling", [{"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1}])
def test_a_mirrored_picture_has_the_mirrored_deeplift_map(pooling: dict[str, int], axis: int) -> None:
    """At a plain baseline all places of a window are equal: none of them may count more."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        conv = nn.Conv2d(3, 6, 3, padding=1)
        # Pixels of either end meet the same windows.
        parts = [conv, nn.ReLU(), nn.MaxPool2d(**pooling), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        module = nn.Sequential(*parts, nn.Linear(6, CLASSES))
    with torch.no_grad():
        conv.weight.copy_((conv.weight + conv.weight.flip(axis)) / 2)
    classifier, x = (
        wrap(module, shape=(3, 17, 17) if "padding" in pooling else (3, 16, 16)),
        pictures(4, shape=(3, 17, 17)),
    )
    x = x[:, :, : classifier.input_shape[1], : classifier.input_shape[2]] - 1
    found, mirrored = run(classifier, "deeplift", x=x), run(classifier, "deeplift", x=x.flip(axis))
    assert found.refusals == (None,) * 4
    expected = np.flip(found.maps, axis - 1)
    np.testing.assert_allclose(mirrored.maps, expected, atol=1e-5 * np.abs(found.maps).max())


@pytest.mark.parametrize(
    ("part", "named"),
    [
        (nn.SiLU(), r"1 \(SiLU\)"),
        (nn.GELU(), "GELU"),
        (nn.ReLU6(), "ReLU6"),
        (nn.Hardswish(), "Hardswish"),
        (nn.GroupNorm(1, 3), "GroupNorm"),
        (nn.Softmax(1), "Softmax"),
        (nn.MaxPool2d(3, 1, dilation=2), "dilated"),
    ],
)
def test_deeplift_refuses_what_has_no_rule(part: nn.Module, named: str) -> None:
    module = nn.Sequential(nn.Conv2d(3, 3, 3), part, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, CLASSES))
    with pytest.raises(NotApplicable, match=f"DeepLIFT has no rule for .*{named}"):
        run(wrap(module), "deeplift")


class Gated(nn.Module):
    """A gate that multiplies, as in squeeze-and-excitation."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.gate, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv(x))
        return self.head((x * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))).mean((2, 3)))


@pytest.mark.parametrize(("key", "reason"), [("deeplift", "no rule"), ("guided_gradcam", "rectifiers")])
def test_gates_are_refused(key: str, reason: str) -> None:
    with pytest.raises(NotApplicable, match=f"{reason}.*(mul in|Sigmoid)"):
        run(wrap(Gated(), "conv"), key)


def test_a_deeplift_map_that_is_not_complete_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from xai_core.explainers.engine import ruled_copies
    from xai_core.explainers.engine.rewrite import as_modules

    monkeypatch.setattr(ruled_copies, "for_deeplift", lambda classifier: as_modules(classifier.module))
    classifier = model(Plain)
    found = run(wrap(classifier.module, name="not mended"), "deeplift")
    assert any("completeness gap" in str(reason) for reason in found.refusals)


@pytest.mark.parametrize("start", [DeepLiftParams(), None])
def test_a_picture_that_is_its_baseline_has_an_empty_map(start: DeepLiftParams | None) -> None:
    classifier = model(Plain)
    found = run(classifier, "deeplift", start, baseline(classifier, pictures(1), "black"))
    assert found.refusals == (None,)
    assert not found.maps.any()
    assert np.isnan(found.diagnostics["completeness_gap"]).all()


def test_guided_gradcam_equals_captum() -> None:
    from captum.attr import GuidedGradCam

    classifier, x = model(Plain), pictures(4)
    captum = GuidedGradCam(classifier.module, classifier.layer())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = captum.attribute(x.clone().requires_grad_(), CLASSES_OF_ROWS, interpolate_mode="bilinear").detach()
    np.testing.assert_allclose(run(classifier, "guided_gradcam").maps, expected.sum(1), atol=1e-6)


def test_guided_backpropagation_sees_rectifiers_that_are_functions_or_used_twice() -> None:
    """`Residual` has both: written out with every rectifier's backward replaced."""

    class Guided(torch.autograd.Function):
        @staticmethod
        def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x.clamp(min=0)

        @staticmethod
        def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            return gradient.clamp(min=0) * (x > 0)

    def block(part: nn.Module, x: Tensor) -> Tensor:
        inner = part.bn2(part.conv2(Guided.apply(part.bn1(part.conv1(x)))))
        return Guided.apply(inner + part.short(x))

    classifier, x = model(Residual), pictures(4).requires_grad_()
    module = classifier.module
    deep = block(module.block1, Guided.apply(module.norm(module.stem(x))))
    features = block(module.block2, nn.functional.max_pool2d(deep, 2))
    chosen = module.head(features.mean((2, 3)))[range(4), CLASSES_OF_ROWS]
    guided = torch.autograd.grad(chosen.sum(), x)[0]
    where = torch.from_numpy(run(classifier, "gradcam").maps).relu()[:, None]
    where = nn.functional.interpolate(where, SHAPE[1:], mode="bilinear")
    np.testing.assert_allclose(run(classifier, "guided_gradcam").maps, (guided * where).sum(1), atol=1e-5)


def test_guided_gradcam_takes_a_layer_and_refuses_other_activations() -> None:
    classifier = model(Residual)
    ours, other = (run(classifier, "guided_gradcam", CamParams(layer)).maps for layer in ("block2", "block1"))
    assert ours.shape == other.shape == (4, *SHAPE[1:])
    assert not np.allclose(ours, other)
    module = nn.Sequential(nn.Conv2d(3, 3, 3), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, CLASSES))
    with pytest.raises(NotApplicable, match=r"rectifiers \(ReLU\) only: 1 \(SiLU\)"):
        run(wrap(module, "0"), "guided_gradcam")
