"""Relevance propagation by other hands: zennit, captum, gradient × input."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.core.lrp_cases import TARGETS, run, without_biases, without_linear_biases
from tests.oracles.models import CLASSES, Plain, Residual, model, pictures
from xai_core.explainers import ExplainerInput
from xai_core.explainers.engine import lrp_rules as rules
from xai_core.explainers.engine import rewrite
from xai_core.explainers.engine.lrp_model import COMPOSITES, Composite
from xai_core.explainers.engine.plan import explain
from xai_core.explainers.lrp import LrpParams


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
