"""Relevance of small models, which the tests of LRP share."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from tests.oracles.models import pictures, wrap
from xai_core.explainers import ExplainerInput
from xai_core.explainers.engine.plan import explain
from xai_core.models.classifier import Classifier
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


def without_biases(classifier: Classifier) -> Classifier:
    with torch.no_grad():
        for name, parameter in classifier.module.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
    return wrap(classifier.module, classifier.cam_layer)
