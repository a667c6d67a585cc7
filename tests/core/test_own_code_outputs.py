"""What a model of the user's own returns: logits, or what only looks like them."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.core.own_code_cases import GREY, NET, RGB, load, project
from xai_core.errors import BadInput, BadParameter
from xai_core.models.build import imported


def answering(expression: str) -> str:
    return NET + textwrap.dedent(f"""
        class Odd(Net):
            def forward(self, x):
                z = super().forward(x)
                return {expression}
        def odd(k): return Odd(k)
    """)


@pytest.mark.parametrize(
    "expression",
    [
        "z.softmax(1)",
        "(20 * z).softmax(1)",
        "z if self.training else z.softmax(1)",
        "(z.softmax(1) + (2 * z).softmax(1)) / 2",
        "100 * z.softmax(1)",
        "10 * (20 * z).softmax(1)",
        "z.softmax(1).detach()",
        "z.log_softmax(1).exp()",
        "z.sigmoid()",
        "z.sigmoid().unsqueeze(2).mean(2)",
        "torch.cat([z, z], 1).softmax(1)[:, :2]",
        "(50 * z).sigmoid().detach()",
    ],
)
def test_probabilities_are_told_from_logits(tmp_path: Path, expression: str) -> None:
    with pytest.raises(BadInput, match=r"returns probabilities, not logits: model:odd. Let it return logits"):
        load(project(tmp_path, model=answering(expression)), "model:odd")


@pytest.mark.parametrize(
    "expression",
    [
        "z",
        "z.log_softmax(1)",
        "0.01 * z + 0.5",
        "z.relu()",
        "0 * z",
        "z.sigmoid() * z",
        "0.1 * z.tanh() + 0.3",
        "z.tanh()",
    ],
)
def test_logits_are_taken_however_small(tmp_path: Path, expression: str) -> None:
    load(project(tmp_path, model=answering(expression)), "model:odd")


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("z.argmax(1, keepdim=True).expand(-1, 2)", "the output is int64: model:odd. Return the logits"),
        ("torch.complex(z, z)", "the output is complex64"),
        ("z / 0 * 0", "NaN or infinite numbers"),
        ("z.view(1, 2)", "model:odd takes one picture at a time.*keep the first axis"),
        ("z[:1]", "model:odd takes one picture at a time.*keep the first axis"),
        ("z - z.mean(0)", "depends on its batch, or on chance"),
        ("z.flip(0) + 1000", "depends on its batch, or on chance"),
        ("z - z.mean(0) / 2 + 100", "depends on its batch, or on chance"),
        ("z.to('cuda:77')", "use its input's device|does not take this input"),
        ("(_ for _ in ()).throw(SystemExit(1))", r"does not take this input: it called sys.exit\(1\)"),
    ],
)
def test_other_outputs_are_refused_for_what_they_are(tmp_path: Path, expression: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        load(project(tmp_path, model=answering(expression)), "model:odd")


def test_code_that_views_a_grey_picture_works(tmp_path: Path) -> None:
    code = NET + textwrap.dedent("""
        class Viewing(Net):
            def forward(self, x):
                return self.head(self.conv(x).view(len(x), 4, -1).mean(2))
        def viewing(k): return Viewing(k, channels=1)
    """)
    made = load(project(tmp_path, model=code), "model:viewing", preprocess=GREY)
    last = torch.zeros(2, 1, 16, 16).to(memory_format=torch.channels_last)
    assert made.logits(last).shape == (2, 2)


@pytest.mark.filterwarnings("ignore")
def test_torchscript_is_asked_but_its_layers_are_not(tmp_path: Path) -> None:
    code = NET + "\ndef traced(k): return torch.jit.trace(Net(k), torch.zeros(1, 3, 16, 16))\n"
    given = {"trusted": True, "folder": project(tmp_path, model=code)}
    with pytest.raises(BadParameter, match=r"no layer inside TorchScript can be watched: conv. Give --cam-layer none"):
        imported("model:traced", None, ("a", "b"), RGB, cam_layer="conv", **given)  # type: ignore[arg-type]
    assert isinstance(imported("model:traced", None, ("a", "b"), RGB, **given).module, nn.Module)  # type: ignore[arg-type]
