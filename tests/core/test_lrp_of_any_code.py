"""Relevance propagation in models as people write them: attention of any code, padding, graphs from a run."""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.oracles.families import family
from tests.oracles.lrp import transformer
from tests.oracles.models import CLASSES, Plain, Tokens, model, pictures, wrap
from xai_core.errors import NotApplicable
from xai_core.explainers import ExplainerInput
from xai_core.explainers.engine import lrp_model as made_by
from xai_core.explainers.engine.lrp_model import LrpModel, lrp_model
from xai_core.explainers.engine.plan import explain
from xai_core.explainers.lrp import LrpParams
from xai_core.models.classifier import Classifier
from xai_core.types import Explanation, Target

TIMM = pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is not installed")
TARGETS = [Target(0), Target(3, 1)]


def run(classifier: Classifier, key: str = "lrp", composite: str = "epsilon-plus-flat") -> Explanation:
    x = pictures(len(TARGETS), shape=classifier.input_shape)
    params = LrpParams(composite) if key == "lrp" else None
    (found,) = explain(ExplainerInput(classifier, x, TARGETS, np.arange(len(TARGETS))), [(key, params)])
    return found


def same(one: Explanation, other: Explanation) -> None:
    for ours, theirs in zip(one.maps, other.maps, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3 * np.nanmax(np.abs(theirs)))
    for name, values in other.diagnostics.items():
        np.testing.assert_allclose(one.diagnostics[name], values, rtol=1e-3, atol=1e-6)  # a gap may be 0


class Written(nn.Module):
    """What `nn.MultiheadAttention` computes, written out; `way` is how."""

    def __init__(self, attention: nn.MultiheadAttention, way: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.heads, self.way = attention.num_heads, way
        self.qkv = nn.Linear(attention.embed_dim, 3 * attention.embed_dim)
        self.qkv.weight, self.qkv.bias, self.out = attention.in_proj_weight, attention.in_proj_bias, attention.out_proj

    def forward(self, x: Tensor, *_: Tensor, need_weights: bool = False) -> tuple[Tensor, None]:
        count, length, depth = x.shape
        parts = self.qkv(x).reshape(count, length, 3, self.heads, depth // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        return self.out(self.way(query, key, value).transpose(1, 2).reshape(count, length, depth)), None


def by_softmax(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return (query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5).softmax(dim=-1) @ value


def by_einsum(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    scores = torch.einsum("bhid,bhjd->bhij", query * query.shape[-1] ** -0.5, key)
    return torch.einsum("bhij,bhjd->bhid", F.dropout(F.softmax(scores, dim=-1).to(value.dtype), 0.1, False), value)


def by_decisions(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """As libraries check their input: a trace with stand-ins stops here."""
    if query.shape[2] > 10_000:
        raise ValueError("too long")
    return by_softmax(query, key, value)


WAYS = [by_softmax, by_einsum, by_decisions, F.scaled_dot_product_attention]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_attention_that_is_written_out_has_the_maps_of_the_same_net_with_torchs_own_module(
    way: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> None:
    known = model(Tokens)
    with torch.no_grad():  # positions and biases count, as after training
        known.module.positions.normal_(generator=torch.Generator().manual_seed(0))
        known.module.attention.in_proj_bias.normal_(generator=torch.Generator().manual_seed(1))
    written = copy.deepcopy(known.module)
    written.attention = Written(written.attention, way)
    same(run(wrap(written)), run(wrap(known.module)))


def test_written_attention_without_biases_is_gradient_times_input_at_the_tokens() -> None:
    """The slow second implementation, which knows no rules."""
    known = model(Tokens).module
    with torch.no_grad():
        for name, parameter in known.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
    x = pictures(1)
    expected = transformer(known, x, 0)[0, 1:].sum(1).view(4, 3).detach().numpy()
    written = copy.deepcopy(known)
    written.attention = Written(written.attention, by_softmax)
    given = ExplainerInput(wrap(written), x, TARGETS[:1], np.arange(1))
    (found,) = explain(given, [("lrp", None)])
    patches = found.maps[0].reshape(4, 4, 3, 4).sum((1, 3))
    np.testing.assert_allclose(patches, expected, atol=1e-3 * np.abs(expected).max())


def test_the_graph_of_a_run_gives_the_maps_of_the_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """On nets that can be had both ways."""
    for classifier in (family("vit_b_16"), family("resnet18"), model(Tokens)):
        traced = run(classifier)

        def by_a_run(classifier: Classifier, composite: str) -> LrpModel:
            graph = made_by.as_modules(classifier.module, classifier.input_shape)
            return made_by.replaced(made_by._ruled(classifier, composite, graph), single=True)

        with monkeypatch.context() as patch:
            patch.setattr(made_by, "lrp_model", by_a_run)
            same(run(wrap(classifier.module, shape=classifier.input_shape)), traced)


class Encoder(nn.Module):
    """torch's own encoder, averaged over tokens, and a normalisation behind."""

    def __init__(self, *, batch_first: bool = True, norm_first: bool = True) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, 0.1, "gelu", batch_first=batch_first, norm_first=norm_first)
        self.patches, self.encoder = nn.Conv2d(3, 8, 4, 4), nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.encoder(self.patches(x).flatten(2).transpose(1, 2)).mean(1)))


@pytest.mark.parametrize("norm_first", [True, False])
def test_torchs_encoder_conserves(norm_first: bool) -> None:
    torch.manual_seed(0)
    found = run(wrap(Encoder(norm_first=norm_first)))
    np.testing.assert_allclose(found.diagnostics["conservation"], 1, atol=0.01)


@TIMM
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("vit_tiny_patch16_224", {"embed_dim": 24, "num_heads": 2, "depth": 2, "reg_tokens": 3, "init_values": 0.5}),
        pytest.param(
            "vit_tiny_patch16_224",
            {"embed_dim": 24, "num_heads": 2, "depth": 2, "global_pool": "avg"},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "deit_tiny_distilled_patch16_224",
            {"embed_dim": 24, "num_heads": 2, "depth": 2},
            marks=pytest.mark.slow,
        ),
        (
            "swin_tiny_patch4_window7_224",
            {"embed_dim": 12, "depths": (1, 2), "num_heads": (1, 2), "window_size": 2},
        ),
    ],
)
def test_timms_transformers_conserve(name: str, options: dict[str, object]) -> None:
    import timm

    torch.manual_seed(0)
    net = timm.create_model(name, num_classes=CLASSES, img_size=64, **options).eval()
    for part in net.modules():  # of a fresh net the head is next to nothing
        if isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, std=part.in_features**-0.5)
    found = run(wrap(net, shape=(3, 64, 64)))
    np.testing.assert_allclose(found.diagnostics["conservation"], 1, atol=0.02)


class Decides(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if x.mean() > 0 else -x)


class Writes(Plain):
    def forward(self, x: Tensor) -> Tensor:
        x = x.clone()
        x[:, :, 0] = 0
        return super().forward(x)


class Gated(Plain):
    """With a softmax that is no attention."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        return self.head(x * x.mean((2, 3), keepdim=True).softmax(1))


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (Decides, "it decides by what is in the picture: bool"),
        (Writes, "it writes into a part of a tensor: setitem"),
        (Gated, "no rule for a part of this model: softmax in the model's code"),
    ],
)
def test_what_no_graph_holds_is_refused_by_its_name(kind: type[nn.Module], says: str) -> None:
    with pytest.raises(NotApplicable, match=says):
        run(wrap(kind()))


class Looks(Plain):
    """Does something else with the stand-ins of a trace than with tensors."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x[:, [2, 1, 0]] if isinstance(x, Tensor) else x)


def test_code_that_tells_a_trace_from_a_run_is_followed_as_it_runs() -> None:
    plain = model(Plain).module
    looks = Looks()
    looks.load_state_dict(plain.state_dict())
    classifier = wrap(looks)
    found = run(classifier)
    first = plain.features[0]
    first.weight = nn.Parameter(first.weight[:, [2, 1, 0]].detach())
    same(found, run(wrap(plain)))
    assert lrp_model(classifier, "epsilon-plus-flat").single


class Padded(nn.Module):
    """Two convolutions whose padding is their own, or stands before them."""

    def __init__(self, pads: Callable[[Tensor], Tensor] | nn.Module | None) -> None:
        super().__init__()
        own = 1 if pads is None else 0
        self.pads = pads or nn.Identity()
        self.first, self.norm = nn.Conv2d(3, 8, 3, 2, padding=own), nn.BatchNorm2d(8)
        self.second, self.head = nn.Conv2d(8, 8, 3, padding=own), nn.Linear(8, CLASSES, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.first(self.pads(x))))
        return self.head(torch.relu(self.second(self.pads(x))).mean((2, 3)))


ZEROS: dict[str, Callable[[Tensor], Tensor] | nn.Module] = {
    "F.pad": lambda x: F.pad(x, (1, 1, 1, 1)),
    "named": lambda x: F.pad(input=x, pad=[1, 1, 1, 1], mode="constant", value=0.0),
    "by size": lambda x: F.pad(x, (1, 2 - x.shape[0] // x.shape[0], 1, 1) if x.shape[2] > 1 else (0, 0)),
    "ZeroPad2d": nn.ZeroPad2d(1),
    "ConstantPad2d": nn.ConstantPad2d(1, 0.0),
}


FOLLOWED = [(name, key) for name in ZEROS for key in ("lrp", "deeplift") if (name, key) != ("by size", "deeplift")]
"""DeepLIFT's copy comes of a trace, which cannot decide by sizes."""


@pytest.mark.parametrize(("name", "key"), FOLLOWED)
def test_padding_with_zeros_has_the_maps_of_padding_in_the_convolution(name: str, key: str) -> None:
    torch.manual_seed(0)
    known, padded = Padded(None), Padded(ZEROS[name])
    padded.load_state_dict(known.state_dict())
    same(run(wrap(padded), key), run(wrap(known), key))


@pytest.mark.parametrize("composite", ["gamma", "epsilon"])
def test_so_it_is_with_every_composite(composite: str) -> None:
    torch.manual_seed(0)
    known, padded = Padded(None), Padded(nn.ZeroPad2d(1))
    padded.load_state_dict(known.state_dict())
    same(run(wrap(padded), composite=composite), run(wrap(known), composite=composite))


@pytest.mark.parametrize("pads", [nn.ReflectionPad2d(1), nn.ReplicationPad2d(1), nn.CircularPad2d(1)])
def test_copies_of_the_border_hand_back_to_what_they_copy(pads: nn.Module) -> None:
    torch.manual_seed(0)
    net = Padded(pads)
    np.testing.assert_allclose(run(wrap(net)).diagnostics["conservation"], 1, atol=0.01)


def test_padding_with_something_is_refused_as_such() -> None:
    with pytest.raises(NotApplicable, match=r"no rule for a part of this model: padding with 0\.5"):
        run(wrap(Padded(nn.ConstantPad2d(1, 0.5))))


class Pyramid(nn.Module):
    """A coarse grid, enlarged, beside the fine one."""

    def __init__(self, enlarge: Callable[[Tensor], Tensor] | nn.Module) -> None:
        super().__init__()
        self.first, self.second, self.enlarge = nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(8, 8, 3, 1, 1), enlarge
        self.third, self.head = nn.Conv2d(8, 8, 3, 1, 1), nn.Linear(8, CLASSES, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        fine = torch.relu(self.first(x))
        coarse = torch.relu(self.second(F.max_pool2d(fine, 2)))
        return self.head(torch.relu(self.third(fine + self.enlarge(coarse))).mean((2, 3)))


def repeated(x: Tensor) -> Tensor:
    return x.unsqueeze(-1).unsqueeze(-3).expand(-1, -1, -1, 2, -1, 2).reshape(x.shape[0], 8, 16, 12)


@pytest.mark.parametrize("key", ["lrp", "deeplift"])
@pytest.mark.parametrize("enlarge", [nn.Upsample(scale_factor=2), lambda x: F.interpolate(x, scale_factor=2)])
def test_places_that_are_repeated_have_the_maps_of_their_repetition(
    key: str, enlarge: Callable[[Tensor], Tensor] | nn.Module
) -> None:
    torch.manual_seed(0)
    known, resized = Pyramid(repeated), Pyramid(enlarge)
    resized.load_state_dict(known.state_dict())
    same(run(wrap(resized), key), run(wrap(known), key))


def test_a_smooth_enlargement_is_a_mean_and_one_with_negative_weights_is_refused() -> None:
    torch.manual_seed(0)
    smooth = Pyramid(
        lambda x: F.interpolate(x, x.shape[2] * 2 if x.shape[2] == x.shape[3] else (16, 12), mode="bilinear")
    )
    np.testing.assert_allclose(run(wrap(smooth)).diagnostics["conservation"], 1, atol=0.01)
    with pytest.raises(NotApplicable, match=r"\(Upsample\)"):
        run(wrap(Pyramid(nn.Upsample(scale_factor=2, mode="bicubic"))))
