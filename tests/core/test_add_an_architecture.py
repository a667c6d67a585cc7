"""The example of docs/how-to/add-an-architecture.md works as printed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.how_to import example
from xai_core.models.architectures import ARCHITECTURES
from xai_core.models.build import fresh_module
from xai_core.models.preprocess import Preprocess


@pytest.mark.parametrize("channels", [1, 3])
def test_the_example_gives_a_model_with_the_layer_it_declares(tmp_path: Path, channels: int) -> None:
    preprocess = Preprocess(32, 32, channels, (0.5,) * channels, (0.5,) * channels)
    with example("add-an-architecture", ARCHITECTURES, tmp_path) as tiny:
        module = fresh_module(tiny.card.key, 5, preprocess, seed=0)
        assert module(torch.zeros(2, channels, 32, 32)).shape == (2, 5)
        assert module.get_submodule(tiny.head).out_features == 5
        seen = []
        module.get_submodule(tiny.cam_layer).register_forward_hook(lambda *call: seen.append(call[-1].shape))
        module(torch.zeros(2, channels, 32, 32))
        assert seen == [(2, 16, 32, 32)]
