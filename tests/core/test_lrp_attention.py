"""Relevance through attention: conserved with its class token, and equal to a slow oracle."""

from __future__ import annotations

import numpy as np
import pytest
from torch import Tensor, nn

from tests.core.lrp_cases import TARGETS, logits, run, without_biases
from tests.oracles.lrp import transformer
from tests.oracles.models import Tokens, model, pictures, wrap
from xai_core.errors import NotApplicable


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
