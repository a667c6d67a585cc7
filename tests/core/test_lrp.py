"""Relevance propagation: conservation, the rewrite, refusals, and zennit as the second opinion."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.oracles.lrp import transformer
from tests.oracles.models import CLASSES, SHAPE, Plain, Residual, Tokens, model, pictures, wrap
from xai_core.errors import NotApplicable
from xai_core.explainers import ExplainerInput
from xai_core.explainers import lrp as family
from xai_core.explainers.engine import lrp_rules as rules
from xai_core.explainers.engine import rewrite
from xai_core.explainers.engine.lrp_model import COMPOSITES, Composite, lrp_model
from xai_core.explainers.engine.plan import explain
from xai_core.explainers.lrp import LrpParams
from xai_core.models.classifier import Classifier
from xai_core.params import identifying
from xai_core.types import Explanation, Target

TARGETS = [Target(0), Target(3), Target(1), Target(4)]


def run(classifier: Classifier, targets: list[Target] = TARGETS) -> Explanation:
    x = pictures(len(targets), shape=classifier.input_shape)
    (found,) = explain(ExplainerInput(classifier, x, targets, np.arange(len(targets))), [("lrp", None)])
    return found


def logits(classifier: Classifier, count: int = 4) -> Tensor:
    with torch.no_grad():
        return classifier.logits(pictures(count))


def without_linear_biases(classifier: Classifier) -> Classifier:
    for part in classifier.module.modules():
        if isinstance(part, nn.Linear):
            nn.init.zeros_(part.bias)
    return wrap(classifier.module, classifier.cam_layer)


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


@pytest.mark.parametrize("kind", [Plain, Residual])
def test_maps_agree_with_zennit(kind: type[nn.Module]) -> None:
    """EpsilonPlusFlat with biases zeroed; its canonizer folds BatchNorm. Additions need modules there too."""
    from zennit.attribution import Gradient
    from zennit.canonizers import SequentialMergeBatchNorm
    from zennit.composites import EpsilonPlusFlat

    classifier = without_linear_biases(model(kind))
    found = run(classifier)
    composite = EpsilonPlusFlat(canonizers=[SequentialMergeBatchNorm()], zero_params="bias")
    with Gradient(as_zennit(classifier.module), composite) as attribute:
        wanted = torch.eye(CLASSES)[[target.positive for target in TARGETS]]
        _, relevance = attribute(pictures(4), lambda out: out.detach() * wanted)
    for ours, theirs in zip(found.maps, relevance.sum(1), strict=True):
        assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] >= 0.999


class Joined(nn.Module):
    """A residual block for zennit: its sum and its pooling are modules, its BatchNorms follow their convolutions."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        from zennit.layer import Sum

        self.main = nn.Sequential(block.conv1, block.bn1, nn.ReLU(), block.conv2, block.bn2)
        self.short, self.join, self.relu = block.short, Sum(), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.join(torch.stack([self.main(x), self.short(x)], -1)))


def as_zennit(module: nn.Module) -> nn.Module:
    copied = copy.deepcopy(module)
    if isinstance(copied, Plain):
        return copied
    return nn.Sequential(
        *(copied.stem, copied.norm, nn.ReLU(), Joined(copied.block1), nn.MaxPool2d(2), Joined(copied.block2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), copied.head),
    ).eval()


def test_the_second_call_gives_the_same_map() -> None:
    classifier = model(Residual)
    np.testing.assert_array_equal(run(classifier).maps, run(classifier).maps)


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


def without_biases(classifier: Classifier) -> Classifier:
    with torch.no_grad():
        for name, parameter in classifier.module.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
    return wrap(classifier.module, classifier.cam_layer)


def test_a_transformer_conserves_counting_its_class_token() -> None:
    found = run(model(Tokens))
    np.testing.assert_allclose(found.diagnostics["conservation"], 1, atol=0.01)
    expected = logits(model(Tokens))[range(4), [target.positive for target in TARGETS]].numpy()
    share = found.diagnostics["constant_share"]
    np.testing.assert_allclose(found.maps.sum((1, 2)) / expected + share, 1, atol=0.01)
    assert (np.abs(share) > 0.01).any()


def test_a_transformer_equals_the_slow_oracle() -> None:
    """Its patches hold what gradient × input gives their tokens when attention and deviations are constants."""
    classifier = without_biases(model(Tokens))
    x = pictures(4)
    found = run(classifier).maps.reshape(4, 4, 4, 3, 4).sum((2, 4)).reshape(4, 12)
    for row, target in enumerate(TARGETS):
        expected = transformer(classifier.module, x[row : row + 1], target.positive)[0, 1:].sum(-1)
        np.testing.assert_allclose(found[row], expected, atol=1e-5)
        assert np.ptp(run(classifier).maps[row][:4, :4]) < 1e-6


class Odd(Tokens):
    """Attention whose queries are not its keys."""

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        return self.head(self.attention(self.norm(tokens), tokens, tokens, need_weights=False)[0].mean(1))


class WithWeights(Tokens):
    """Reads the attention weights as well."""

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        out, weights = self.attention(tokens, tokens, tokens)
        return self.head(weights @ out)[:, 0]


@pytest.mark.parametrize("module", [Odd(), WithWeights()])
def test_other_forms_of_attention_are_refused(module: nn.Module) -> None:
    with pytest.raises(NotApplicable, match="this form of attention"):
        run(wrap(module))


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


@pytest.mark.parametrize("kind", [Plain, Residual])
def test_maps_agree_with_captum(kind: type[nn.Module]) -> None:
    """Captum's own rules on the rewritten copy; its z⁺ in place of the flat rule, which it lacks, on both sides."""
    from captum.attr import LRP
    from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule, EpsilonRule

    classifier, x = without_linear_biases(model(kind)), pictures(4).abs()
    copied = rewrite.as_modules(classifier.module)
    rewrite.fold_batch_norm(copied)
    for part in copied.modules():
        if isinstance(part, nn.Conv2d):
            part.rule = Alpha1_Beta0_Rule(set_bias_to_zero=True)
        elif isinstance(part, (nn.Linear, rewrite.Addition)):
            part.rule = EpsilonRule(1e-9)
    wanted = torch.tensor([target.positive for target in TARGETS])
    expected = LRP(copied).attribute(x.clone().requires_grad_(), target=wanted).detach()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(COMPOSITES, "epsilon-plus-flat", Composite(rules.plus, rules.plus, rules.plus))
        (found,) = explain(ExplainerInput(classifier, x, TARGETS, np.arange(4)), [("lrp", None)])
    for ours, theirs in zip(found.maps, expected.sum(1).numpy(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3 * np.abs(theirs).max())


def test_epsilon_without_biases_is_gradient_times_input() -> None:
    """Ancona et al. 2018, proposition 1: in a net of rectifiers."""
    classifier = without_biases(model(Plain))
    methods = [("lrp", LrpParams("epsilon")), ("input_x_gradient", None)]
    found, expected = explain(ExplainerInput(classifier, pictures(4), TARGETS, np.arange(4)), methods)
    np.testing.assert_allclose(found.maps, expected.maps, atol=5e-3 * np.abs(expected.maps).max())


def test_a_model_of_half_precision_is_explained_in_full() -> None:
    """Conservation within 2 % cannot be had in eight bits of fraction."""
    classifier = model(Residual)
    classifier.module.bfloat16()
    found = run(wrap(classifier.module))
    np.testing.assert_allclose(found.diagnostics["conservation"], 1, atol=0.02)
    assert all(parameter.dtype is torch.bfloat16 for parameter in classifier.module.parameters())


def test_a_copy_that_computes_something_else_is_refused() -> None:
    with pytest.raises(NotApplicable, match="its copy computes something else"):
        rewrite.same_logits(model(Plain, 1).module, model(Plain, 2))


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
