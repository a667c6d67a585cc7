"""The contract of every architecture, over the registry; and how classifiers are built from them."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from xai_core.errors import BadInput, BadParameter, NotFound, UnsafeFile, XaiError
from xai_core.models.architectures import ARCHITECTURES, Architecture, architectures_for
from xai_core.models.build import classifier, fresh_module, imported, make_preprocess, pick_device
from xai_core.models.grids import layout_of
from xai_core.models.preprocess import Preprocess
from xai_core.models.weights import load_into, save_weights
from xai_core.task import CLASSIFICATION

HEAVY = {"vgg16", "vgg16_bn", "vit_b_16", "convnext_tiny"}
MEMBERS = [
    pytest.param(a, id=a.card.key, marks=[pytest.mark.slow] * (a.card.key in HEAVY))
    for a in architectures_for(CLASSIFICATION)
]
SMALL = ("small_cnn", "small_resnet")


def prep(size: int, channels: int = 3) -> Preprocess:
    return Preprocess(size, size, channels, (0.5,) * channels, (0.5,) * channels)


def small_size(member: Architecture) -> int:
    return max(32, member.sizes[0])


def output_of(module: nn.Module, layer: str, x: Tensor) -> tuple[Tensor, Tensor]:
    seen: list[Tensor] = []
    handle = dict(module.named_modules())[layer].register_forward_hook(lambda _, __, out: seen.append(out))
    with torch.no_grad():
        logits = module.eval()(x)
    handle.remove()
    return logits, seen[0]


@pytest.mark.parametrize("member", MEMBERS)
def test_contract(member: Architecture) -> None:
    size = small_size(member)
    module = fresh_module(member.card.key, 5, prep(size))
    logits, out = output_of(module, member.cam_layer, torch.rand(2, 3, size, size))
    maps = member.restore_grid(out) if member.restore_grid else out
    assert logits.shape == (2, 5)
    assert maps.ndim == 4
    assert maps.shape[0] == 2
    assert member.sizes[0] <= member.size <= member.sizes[1]
    assert dict(module.named_modules())[member.head].weight.shape[0] == 5
    other = fresh_module(member.card.key, 3, prep(size))
    assert load_into(other, module.state_dict(), member.heads) == [
        f"Layer {member.head} starts fresh: the file has 5 classes, the data 3."
    ]
    assert member.card.summary.endswith(".")
    assert member.card.cost > 0
    grey = pytest.raises(BadParameter, match="RGB") if not member.grey else contextlib.nullcontext()
    with grey:
        fresh_module(member.card.key, 5, prep(size, 1))


@pytest.mark.parametrize("key", SMALL)
@pytest.mark.parametrize(("size", "channels"), [(28, 1), (33, 3), (64, 1), (96, 3), (128, 3)])
def test_small_nets_take_their_whole_range(key: str, size: int, channels: int) -> None:
    made = classifier(key, ("a", "b"), prep(size, channels), None)
    assert made.logits(torch.rand(1, channels, size, size)).shape == (1, 2)


def test_small_resnet_has_about_three_hundred_thousand_parameters() -> None:
    count = sum(p.numel() for p in fresh_module("small_resnet", 10, prep(28, 1)).parameters())
    assert 250_000 < count < 350_000


def test_a_seed_gives_the_same_weights_and_leaves_global_randomness_alone() -> None:
    before = torch.random.get_rng_state()
    one, same, other = (fresh_module("small_cnn", 3, prep(28), seed=s).state_dict() for s in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(one["head.weight"], same["head.weight"])
    assert not torch.equal(one["head.weight"], other["head.weight"])


def test_vit_grid_keeps_the_place_of_each_patch() -> None:
    restore = ARCHITECTURES["vit_b_16"].restore_grid
    assert restore is not None
    tokens = torch.arange(10.0).reshape(1, 10, 1)
    assert restore(tokens).tolist() == [[[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]]
    assert restore(torch.zeros(1, 768, 2, 2)).shape == (1, 768, 2, 2)


@pytest.mark.parametrize(
    ("key", "preprocess", "says"),
    [
        ("small_cnn", prep(20), "28 to 128"),
        ("small_cnn", Preprocess(32, 20, 3, (0, 0, 0), (1, 1, 1)), "32×20"),
        ("vit_b_16", Preprocess(32, 48, 3, (0, 0, 0), (1, 1, 1)), "takes squares of 32 to 512 pixels: 32×48"),
        ("resnet18", prep(64, 1), "RGB input only"),
        ("vit_b_16", prep(40), "such as 32 or 48"),
        ("small_vit", prep(33), "such as 32"),
    ],
)
def test_what_an_architecture_cannot_take_is_told(key: str, preprocess: Preprocess, says: str) -> None:
    with pytest.raises(BadParameter, match=says):
        fresh_module(key, 3, preprocess)


@pytest.mark.parametrize("key", ["small_cnn", "small_resnet", "squeezenet1_1"])
def test_convolutional_nets_take_sizes_that_are_no_square(key: str) -> None:
    made = classifier(key, ("a", "b"), Preprocess(56, 96, 3, (0, 0, 0), (1, 1, 1)), None)
    assert made.logits(torch.zeros(2, *made.input_shape)).shape == (2, 2)
    assert layout_of(made, "").problem == ""


def test_listing_loads_no_torch() -> None:
    code = (
        "import sys; from xai_core.models.architectures import ARCHITECTURES; ARCHITECTURES.keys();"
        "print([m for m in ('torch', 'torchvision') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_torchvision_that_does_not_load_is_one_line_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "torchvision.py"
    broken.write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    with pytest.raises(XaiError, match=r"nms does not exist.*requirements\.txt"):
        fresh_module("resnet18", 3, prep(32))


def test_a_classifier_is_in_eval_mode_and_its_fingerprint_follows_weights_and_preprocessing() -> None:
    state = fresh_module("small_cnn", 2, prep(28), seed=3).state_dict()
    made = classifier("small_cnn", ("a", "b"), prep(28), state)
    again = classifier("small_cnn", ("a", "b"), prep(28), state)
    resized = classifier("small_cnn", ("a", "b"), prep(32), state)
    other = classifier("small_cnn", ("a", "b"), prep(28), None)
    assert not made.module.training
    assert all(p.requires_grad for p in made.module.parameters())
    assert made.layer() is made.module.get_submodule("features")
    assert made.fingerprint == again.fingerprint
    assert len({made.fingerprint, resized.fingerprint, other.fingerprint}) == 3


def test_preprocessing_is_asked_for_by_name() -> None:
    with pytest.raises(BadParameter, match="needs --mean and --std"):
        make_preprocess(224, None, None)
    with pytest.raises(BadParameter, match="do not fit"):
        make_preprocess(224, (0.5, 0.5), (0.5, 0.5))
    assert make_preprocess(96, (0.5,) * 3, (0.25,) * 3).channels == 3


def test_devices() -> None:
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("auto").type in ("cpu", "cuda")
    for wrong in ("tpu", "cuda:", "cuda:99", "cpu:x"):
        with pytest.raises(BadParameter, match="no such device"):
            pick_device(wrong)


@pytest.fixture
def own_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module in the working folder, as a user would have it; its name."""
    name = f"mynet_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(
        textwrap.dedent(
            """
            from torch import nn
            def make(classes):
                return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))
            def fixed():
                return make(2)
            def broken():
                raise KeyError("no such thing")
            def nothing():
                return 7
            """
        )
    )
    monkeypatch.chdir(tmp_path)
    yield name
    sys.modules.pop(name, None)


def test_own_models_are_imported_with_their_weights(own_code: str, tmp_path: Path) -> None:
    first = imported(f"{own_code}:fixed", None, ("a", "b"), prep(16), trusted=True)
    save_weights(first.module, tmp_path / "w.safetensors")
    again = imported(f"{own_code}:make", tmp_path / "w.safetensors", ("a", "b"), prep(16), cam_layer="0", trusted=True)
    assert torch.equal(first.logits(torch.ones(1, 3, 16, 16)), again.logits(torch.ones(1, 3, 16, 16)))
    assert again.layer() is again.module[0]
    assert str(tmp_path) not in sys.path


@pytest.mark.parametrize(
    ("function", "options", "error", "says"),
    [
        ("make", {"trusted": False}, UnsafeFile, "user's own"),
        ("mak", {}, NotFound, "Did you mean make"),
        ("broken", {}, BadInput, "KeyError"),
        ("nothing", {}, BadInput, "returned no model: int"),
        ("fixed", {"class_names": ("a", "b", "c")}, BadInput, r"\(1, 2\) instead of \(1, 3\)"),
        ("make", {"preprocess": prep(16, 1)}, BadInput, "does not take this input"),
        ("make", {"cam_layer": "conv"}, NotFound, "layer"),
        ("make", {"cam_layer": "3"}, BadParameter, "no map"),
    ],
)
def test_what_is_wrong_with_an_own_model_is_told(
    own_code: str, function: str, options: dict, error: type[XaiError], says: str
) -> None:
    given = {"class_names": ("a", "b"), "preprocess": prep(16), "trusted": True, **options}
    with pytest.raises(error, match=says):
        imported(f"{own_code}:{function}", None, **given)


def test_an_unknown_module_and_missing_weights_are_told() -> None:
    with pytest.raises(NotFound, match="no Python module"):
        imported("surely_not_there:make", None, ("a",), prep(16), trusted=True)
    with pytest.raises(BadParameter, match="needs --weights"):
        imported("resnet18", None, ("a",), prep(32))


def test_densenet_is_torchvisions_with_the_activations_that_are_pooled_at_its_layer() -> None:
    import torchvision

    theirs = torchvision.models.densenet121(num_classes=5).eval()
    ours = fresh_module("densenet121", 5, prep(32))
    assert load_into(ours, theirs.state_dict()) == []
    x = torch.rand(2, 3, 32, 32)
    logits, out = output_of(ours, "relu", x)
    assert torch.allclose(logits, theirs(x), atol=1e-6)
    assert torch.equal(out, theirs.features(x).relu())
