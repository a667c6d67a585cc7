"""Every architecture at its published size, with every method that can be afforded there."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.oracles.families import as_after_training
from tests.oracles.models import CLASSES, pictures, wrap
from tests.oracles.table import TABLE
from xai_core.errors import NotApplicable
from xai_core.explainers import EXPLAINERS, ExplainerInput
from xai_core.explainers.engine.plan import explain
from xai_core.models.architectures import Architecture, architectures_for
from xai_core.models.build import fresh_module
from xai_core.models.classifier import Classifier
from xai_core.models.preprocess import Preprocess
from xai_core.task import CLASSIFICATION
from xai_core.types import Target

AFFORDED = 500
"""Billions of multiplications for one map: seconds, on one core."""
QUICK = 20
"""About as many forwards as the table's quick arguments take."""


def afforded(member: Architecture) -> list[str]:
    costs = {key: EXPLAINERS[key].card.cost if row.params is None else QUICK for key, row in TABLE.items()}
    return [key for key, cost in costs.items() if cost * member.card.cost <= AFFORDED]


def published(member: Architecture) -> Classifier:
    """Of its default size, with fresh weights that are scaled as after training."""
    size = member.size
    module = fresh_module(member.card.key, CLASSES, Preprocess(size, size, 3, (0.5,) * 3, (0.25,) * 3))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        as_after_training(module, module.get_submodule(member.head), (3, size, size), count=4)
    made = wrap(module, member.cam_layer, shape=(3, size, size), name=f"published {member.card.key}")
    return replace(made, restore_grid=member.restore_grid)


def problem(classifier: Classifier, key: str, name: str) -> str | None:
    """What is wrong with one method: no map, though the table says that it holds; or one, though it must not."""
    shape, pattern = classifier.input_shape, TABLE[key].refused.get(name)
    context = pictures(3, seed=9, shape=shape)
    x, methods = pictures(1, shape=shape), [(key, TABLE[key].params)]
    with torch.no_grad():
        predicted = Target(int(classifier.logits(x).argmax()))
    try:
        (found,) = explain(ExplainerInput(classifier, x, [predicted], np.arange(1), background=context), methods)
    except NotApplicable as refusal:
        return None if pattern and re.search(pattern, str(refusal)) else str(refusal)
    if pattern:
        return None if re.search(pattern, found.refusals[0] or "") else "not refused"
    fine = bool(found.refusals[0]) or np.isfinite(found.maps).all()
    return None if fine and found.maps.ndim == 3 and found.maps.dtype == np.float32 else "no finite map"


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("member", architectures_for(CLASSIFICATION), ids=lambda member: member.card.key)
def test_every_method_that_can_be_afforded_gives_a_map_or_says_why_not(member: Architecture) -> None:
    classifier, name = published(member), member.card.key
    found = {key: problem(classifier, key, name) for key in afforded(member)}
    assert not any(found.values()), {key: wrong for key, wrong in found.items() if wrong}
