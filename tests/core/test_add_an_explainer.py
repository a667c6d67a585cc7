"""Both examples of docs/how-to/add-an-explainer.md work as printed, and keep the contract of every explainer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch import nn

from tests.core.explainer_cases import SEEDS, TARGETS, state
from tests.how_to import example
from tests.oracles.models import Residual, Tokens, model, pictures
from xai_core.explainers import EXPLAINERS, ExplainerInput
from xai_core.explainers.engine.plan import explain
from xai_core.models.classifier import Classifier
from xai_core.params import build
from xai_core.types import Explanation


def asked(classifier: Classifier, rows: slice = slice(None)) -> ExplainerInput:
    return ExplainerInput(classifier, pictures(4)[rows], TARGETS[rows], SEEDS[rows])


@pytest.mark.parametrize("kind", [Residual, Tokens])
@pytest.mark.parametrize("number", [0, 1])
def test_an_example_keeps_the_contract(tmp_path: Path, number: int, kind: type[nn.Module]) -> None:
    classifier = model(kind)
    before = state(classifier)
    with example("add-an-explainer", EXPLAINERS, tmp_path, number=number) as member:

        def maps(rows: slice = slice(None)) -> Explanation:
            (found,) = explain(asked(classifier, rows), [(member.card.key, None)])
            return found

        whole = maps()
        assert (whole.maps.dtype, whole.maps.ndim, whole.refusals) == (np.float32, 3, (None,) * 4)
        np.testing.assert_array_equal(whole.maps, maps().maps)
        np.testing.assert_allclose(maps(slice(2, 3)).maps[0], whole.maps[2], atol=1e-4 * np.abs(whole.maps).max())
        assert np.abs(whole.maps[0] - whole.maps[1]).max() > 0
    assert state(classifier) == before
    assert member.card.key not in EXPLAINERS.keys()  # noqa: SIM118 (a registry is no mapping)


def test_the_second_is_the_size_of_the_gradient(tmp_path: Path) -> None:
    classifier = model(Residual)
    with example("add-an-explainer", EXPLAINERS, tmp_path, number=1) as member:
        params = [build(member.params, values) for values in ({}, {"channels": "max"})]
        sums, largest = (explain(asked(classifier), [(member.card.key, each)])[0] for each in params)
    largest_of_all = build(EXPLAINERS["saliency"].params, {"channels": "max"})
    (exact,) = explain(asked(classifier), [("saliency", largest_of_all)])
    np.testing.assert_allclose(largest.maps, exact.maps, rtol=1e-5, atol=1e-7)
    assert (sums.maps >= largest.maps).all()
