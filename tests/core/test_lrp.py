"""Relevance propagation: conservation, the rewrite, refusals, and zennit as the second opinion."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.core.lrp_cases import TARGETS, logits, run, without_linear_biases
from tests.oracles.models import CLASSES, SHAPE, Plain, Residual, model, pictures, wrap
from xai_core.errors import NotApplicable
from xai_core.explainers import ExplainerInput
from xai_core.explainers import lrp as family
from xai_core.explainers.engine.lrp_model import COMPOSITES
from xai_core.explainers.engine.plan import explain
from xai_core.explainers.lrp import LrpParams
from xai_core.models.classifier import Classifier
from xai_core.params import identifying
from xai_core.types import Explanation, Target


@pytest.mark.parametrize("kind", [Plain, Residual])
def test_relevance_is_conserved(kind: type[nn.Module]) -> None:
    classifier = without_linear_biases(model(kind))
    found = run(classifier)
    np.testing.assert_allclose(found.diagnostics["conservation"], 1, atol=0.02)
    expected = logits(classifier)[range(4), [target.positive for target in TARGETS]].numpy()
    np.testing.assert_allclose(found.maps.sum((1, 2)) / expected, found.diagnostics["conservation"], rtol=1e-4)


def test_pixels_share_the_whole_logit_also_what_the_heads_bias_adds() -> None:
    classifier = model(Residual)
    with torch.no_grad():
        classifier.module.head.bias[0] = logits(classifier)[0, 0] / 2
    found = run(wrap(classifier.module), TARGETS[:1])
    np.testing.assert_allclose(found.maps.sum(), float(logits(classifier, 1)[0, 0]), rtol=0.02)


def test_a_logit_whose_sign_is_its_bias_is_refused() -> None:
    classifier = model(Residual)
    with torch.no_grad():
        classifier.module.head.bias[0] -= 2 * logits(classifier)[0, 0]
    found = run(wrap(classifier.module), TARGETS[:2])
    assert "conservation is undefined" in str(found.refusals[0])
    assert found.refusals[1] is None


def test_the_second_call_gives_the_same_map() -> None:
    classifier = model(Residual)
    np.testing.assert_array_equal(run(classifier).maps, run(classifier).maps)


def test_a_difference_reports_the_worse_conservation() -> None:
    classifier = model(Plain)
    singles = run_repeated(classifier, [Target(1), Target(2)]).diagnostics["conservation"]
    (both,) = run_repeated(classifier, [Target(1, 2)]).diagnostics["conservation"]
    np.testing.assert_allclose(both, singles[np.argmax(np.abs(singles - 1))], rtol=1e-5)


@pytest.mark.parametrize("undefined", [0, 1])
def test_a_difference_is_refused_where_one_of_its_two_is(undefined: int, monkeypatch: pytest.MonkeyPatch) -> None:
    conservation = np.ones(2, np.float32)
    conservation[undefined] = np.nan
    found = (np.ones((2, 32, 32), np.float32), {"conservation": conservation})
    monkeypatch.setattr(family, "_relevance", lambda *_: found)
    assert run_repeated(model(Plain), [Target(1, 2)]).refusals[0] is not None


def run_repeated(classifier: Classifier, targets: list[Target]) -> Explanation:
    x = pictures(1).repeat(len(targets), 1, 1, 1)
    (found,) = explain(ExplainerInput(classifier, x, targets, np.arange(len(targets))), [("lrp", None)])
    return found


def test_a_map_that_does_not_conserve_is_refused() -> None:
    """Units that only their bias switches on have no positive contributions to share by: z⁺ loses all they hold."""
    classifier = model(Plain)
    with torch.no_grad():
        classifier.module.features[3].weight.abs_().neg_()
        classifier.module.features[3].bias.fill_(9.0)
    found = run(wrap(classifier.module))
    assert any(str(reason).startswith("conservation 0.00") for reason in found.refusals)
    off = ~(np.abs(found.diagnostics["conservation"] - 1) <= family.TOLERANCE)
    assert off.tolist() == [reason is not None for reason in found.refusals]
    assert np.isnan(found.maps[off]).all()


@pytest.mark.parametrize(
    ("conservation", "reason"),
    [
        (1.0, None),
        (1.099, None),
        (0.901, None),
        (1.37, "conservation 1.37, more than 10 % off: the map would be wrong"),
        (-3.0, "conservation -3.00, more than 10 % off: the map would be wrong"),
        (np.nan, "conservation is undefined: this logit is 0, or the model's bias alone decides its sign"),
        (np.inf, "conservation inf, more than 10 % off: the map would be wrong"),
    ],
)
def test_the_refusal_names_the_ratio(conservation: float, reason: str | None) -> None:
    assert family._refusal(conservation) == reason


class Bottlenecks(nn.Module):
    """Linear bottlenecks and a connection around them, as MobileNetV2 has: convolutions get negative inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, CLASSES)
        self.wide = nn.Sequential(nn.Conv2d(8, 32, 1), nn.BatchNorm2d(32), nn.ReLU6())
        self.deep = nn.Sequential(nn.Conv2d(32, 32, 3, padding=1, groups=32), nn.BatchNorm2d(32), nn.ReLU6())
        self.narrow = nn.Sequential(nn.Conv2d(32, 8, 1), nn.BatchNorm2d(8))
        self.last = nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU6())

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(self.last(x + self.narrow(self.deep(self.wide(x)))).mean((2, 3)))


def test_linear_bottlenecks_conserve() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = Bottlenecks()
        module(torch.randn(8, *SHAPE))
    conservation = run(wrap(module)).diagnostics["conservation"]
    np.testing.assert_allclose(conservation[~np.isnan(conservation)], 1, atol=0.02)
    assert (~np.isnan(conservation)).sum() >= 2


@pytest.mark.parametrize("composite", ["gamma", "epsilon"])
def test_rules_for_rectified_nets_are_refused_where_inputs_are_negative(composite: str) -> None:
    methods = [("lrp", LrpParams(composite))]
    with pytest.raises(NotApplicable, match=f"negative inputs of a convolution, under the rules of {composite}"):
        explain(ExplainerInput(wrap(Bottlenecks()), pictures(1), TARGETS[:1], np.arange(1)), methods)


@pytest.mark.parametrize("composite", COMPOSITES)
@pytest.mark.parametrize("kind", [Plain, Residual])
def test_every_composite_conserves_with_biases_too(kind: type[nn.Module], composite: str) -> None:
    classifier = model(kind)
    (found,) = explain(ExplainerInput(classifier, pictures(4), TARGETS, np.arange(4)), [("lrp", LrpParams(composite))])
    conservation = found.diagnostics["conservation"]
    np.testing.assert_allclose(conservation[~np.isnan(conservation)], 1, atol=0.02)
    assert (~np.isnan(conservation)).sum() >= 3


class Open(nn.Module):
    """Adds before BatchNorm and rectifier (He et al. 2016, Identity Mappings): nothing rectifies the sums."""

    def __init__(self, channels: int = 12) -> None:
        super().__init__()
        self.norm, self.inner = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.one, self.two = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.two(torch.relu(self.inner(self.one(torch.relu(self.norm(x))))))


def opened() -> nn.Module:
    blocks = Open(), Open(), Open(), nn.BatchNorm2d(12), nn.ReLU()
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, CLASSES, bias=False)
    return nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), *blocks, *head)


@pytest.mark.parametrize("composite", COMPOSITES)
@pytest.mark.parametrize("kind", [opened, Residual])
def test_no_unit_divides_by_next_to_nothing(kind: Callable[[], nn.Module], composite: str) -> None:
    """Where one does, the map holds many times the logit with either sign: noise that adds up to 1 all the same."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        module = kind().train()
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                nn.init.uniform_(part.weight, 0.5, 1.5)
                nn.init.normal_(part.bias, 0, 0.3)
            elif isinstance(part, nn.Linear) and part.bias is not None:
                nn.init.zeros_(part.bias)
        for _ in range(20):
            module(torch.randn(16, *SHAPE))
    classifier = wrap(module)
    targets = [Target(int(best)) for best in logits(classifier, 32).argmax(1)]
    (found,) = explain(
        ExplainerInput(classifier, pictures(32), targets, np.arange(32)), [("lrp", LrpParams(composite))]
    )
    np.testing.assert_allclose(found.diagnostics["conservation"], 1, atol=0.02)
    held = np.abs(found.maps).sum((1, 2)) / logits(classifier, 32).max(1).values.abs().numpy()
    assert held.max() < 30


def test_a_model_of_half_precision_is_explained_in_full() -> None:
    """Conservation within 2 % cannot be had in eight bits of fraction."""
    classifier = model(Residual)
    classifier.module.bfloat16()
    found = run(wrap(classifier.module))
    np.testing.assert_allclose(found.diagnostics["conservation"], 1, atol=0.02)
    assert all(parameter.dtype is torch.bfloat16 for parameter in classifier.module.parameters())


def test_a_parameter_that_came_later_leaves_stored_maps_valid() -> None:
    assert identifying(LrpParams()) == {}
    assert identifying(LrpParams("gamma")) == {"composite": "gamma"}


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "vgg11", "vgg11_bn", "densenet121", "mobilenet_v2"])
def test_torchvision_models_conserve(name: str) -> None:
    import torchvision

    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = getattr(torchvision.models, name)(num_classes=CLASSES).train()
        if not name.startswith("vgg"):
            with torch.no_grad():
                module(torch.randn(8, 3, 64, 64))
    found = run(wrap(module, shape=(3, 64, 64)), TARGETS[:2])
    conservation = found.diagnostics["conservation"]
    np.testing.assert_allclose(conservation[~np.isnan(conservation)], 1, atol=0.02)


def test_shape_of_the_maps() -> None:
    assert run(model(Residual)).maps.shape == (4, *SHAPE[1:])
