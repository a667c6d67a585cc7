"""The contract of every segmenter, over the registry; what weights it starts from; and what small_unet can learn."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from xai_core.errors import BadInput, BadParameter, NotFound
from xai_core.models.architectures import ARCHITECTURES, Architecture, architectures_for, check_task
from xai_core.models.build import classifier, fresh_module
from xai_core.models.layers import grid_at
from xai_core.models.preprocess import Preprocess
from xai_core.models.start import start_from
from xai_core.models.weights import load_into, plain_state, read_weights
from xai_core.task import CLASSIFICATION, SEGMENTATION, TASKS

HEAVY = {"deeplabv3_resnet50", "deeplabv3_resnet101", "fcn_resnet50", "deeplabv3_mobilenet_v3_large"}
MEMBERS = [
    pytest.param(a, id=a.card.key, marks=[pytest.mark.slow] * (a.card.key in HEAVY))
    for a in architectures_for(SEGMENTATION)
]
OURS = ("small_unet", "unet_mobilenet_v2", "deeplabv3_mobilenet_v2")
OF_TORCHVISION = [one for one in MEMBERS if one.id not in OURS]
NAMES = ("background", "cable", "tower")


def prep(height: int, width: int, channels: int = 3) -> Preprocess:
    return Preprocess(height, width, channels, (0.5,) * channels, (0.5,) * channels)


def pictures(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("member", MEMBERS)
def test_contract(member: Architecture) -> None:
    made = classifier(member.card.key, NAMES, prep(40, 56), None)
    with torch.no_grad():
        logits = made.logits(pictures(2, 3, 40, 56))
    TASKS[SEGMENTATION].check_output(tuple(logits.shape), 2, 3)
    assert logits.shape == (2, *made.output_shape) == (2, 3, 40, 56)
    assert made.task == member.task == SEGMENTATION
    assert member.sizes[0] <= member.size <= member.sizes[1]
    assert member.card.summary.endswith(".")
    assert member.card.cost > 0
    layers = dict(made.module.named_modules())
    assert all(layers[head].weight.shape[0] == 3 for head in member.heads)
    assert all(layers[head].kernel_size == (1, 1) for head in member.heads)
    assert all(layers[name] for name in member.trained_first)
    grey = pytest.raises(BadParameter, match="Or take small_unet") if not member.grey else contextlib.nullcontext()
    with grey:
        fresh_module(member.card.key, 5, prep(32, 32, 1))


@pytest.mark.parametrize("member", MEMBERS)
def test_the_declared_layer_and_the_pyramid_hold_maps_over_the_picture(member: Architecture) -> None:
    made = classifier(member.card.key, NAMES, prep(96, 128), None)
    assert member.card.key.startswith("deeplab") == any("ASPP" in words for words in member.named_layers.values())
    assert member.cam_layer in member.named_layers
    for name in (member.cam_layer, *member.named_layers):
        found: list[Tensor] = []
        handle = made.layer(name).register_forward_hook(lambda _, __, out, into=found: into.append(out))
        with torch.no_grad():
            made.logits(pictures(1, 3, 96, 128))
        handle.remove()
        grid = grid_at(made, found[-1], name)
        assert grid.shape[2] * 128 == grid.shape[3] * 96


@pytest.mark.parametrize("member", MEMBERS)
def test_of_another_number_of_classes_all_but_the_heads_is_taken(member: Architecture) -> None:
    source, target = (fresh_module(member.card.key, count, prep(32, 32), seed=count) for count in (5, 3))
    fresh = {name: tensor.clone() for name, tensor in plain_state(target).items()}
    notes = start_from(target, plain_state(source), member)
    assert notes == [f"Layer {head} starts fresh: the file has 5 classes, the data 3." for head in member.heads]
    for name, tensor in plain_state(target).items():
        of_head = any(name.startswith(f"{head}.") for head in member.heads)
        assert torch.equal(tensor, fresh[name] if of_head else plain_state(source)[name])


@pytest.mark.parametrize("member", OF_TORCHVISION)
def test_torchvisions_own_weights_give_torchvisions_own_answers(member: Architecture) -> None:
    """Its published files have the auxiliary head, which answers nothing: it is left aside, and told."""
    key = member.card.key
    options = {} if key.startswith("lraspp") else {"aux_loss": True}
    with torch.random.fork_rng():
        torch.manual_seed(3)
        get = torchvision.models.get_model
        theirs = get(key, weights=None, weights_backbone=None, num_classes=3, **options).eval()
    ours = fresh_module(key, 3, prep(48, 32)).eval()
    notes = load_into(ours, theirs.state_dict())
    aside = [name for name in theirs.state_dict() if name.startswith("aux_classifier.")]
    assert notes == ([f"Left aside, not part of the model: aux_classifier ({len(aside)})."] if aside else [])
    x = pictures(2, 3, 48, 32)
    with torch.no_grad():
        assert torch.equal(ours(x), theirs(x)["out"])


def test_only_what_training_left_is_aside() -> None:
    with pytest.raises(BadInput, match="hold layers that this model lacks"):
        load_into(fresh_module("small_unet", 3, prep(32, 32)), {
            **fresh_module("small_unet", 3, prep(32, 32)).state_dict(), "classifier.1.weight": torch.zeros(1)
        })  # fmt: skip


@pytest.mark.parametrize(
    ("key", "network", "aside"),
    [
        ("deeplabv3_mobilenet_v2", "mobilenet_v2", "features.18 (6), classifier (2)"),
        ("unet_mobilenet_v2", "mobilenet_v2", "features.18 (6), classifier (2)"),
        pytest.param("deeplabv3_resnet50", "resnet50", "fc (2)", marks=pytest.mark.slow),
        ("lraspp_mobilenet_v3_large", "mobilenet_v3_large", "classifier (4)"),
    ],
)
def test_a_classifiers_weights_land_in_the_backbone_and_what_was_not_taken_is_told(
    key: str, network: str, aside: str
) -> None:
    theirs = torchvision.models.get_model(network, weights=None, num_classes=7)
    given = {f"module.{name}": tensor for name, tensor in theirs.state_dict().items()}
    member, ours = ARCHITECTURES[key], fresh_module(key, 3, prep(32, 32))
    notes = start_from(ours, given, member)
    assert notes[0] == f"Layers of {member.decoder} start fresh: the file has the weights of a classifier."
    assert notes[1].replace("module.", "") == f"Left aside, not part of the model: {aside}."
    values = {tuple(tensor.flatten()[:8].tolist()) for tensor in theirs.state_dict().values()}
    taken = plain_state(ours.get_submodule("backbone"))
    assert all(tuple(tensor.flatten()[:8].tolist()) in values for tensor in taken.values())


def test_weights_of_another_network_are_refused_in_one_line() -> None:
    other = fresh_module("small_cnn", 3, prep(32, 32)).state_dict()
    with pytest.raises(BadInput, match="the weights lack layers of this model"):
        start_from(
            fresh_module("deeplabv3_mobilenet_v2", 3, prep(32, 32)), other, ARCHITECTURES["deeplabv3_mobilenet_v2"]
        )


@pytest.mark.data
def test_real_imagenet_weights_land_in_the_backbone(data_dir: Path) -> None:
    """The features are the classifier's own, up to where the segmenter keeps the grid finer."""
    state = read_weights(data_dir / "weights" / "mobilenet_v2_imagenet_fp16.pth")
    member = ARCHITECTURES["deeplabv3_mobilenet_v2"]
    whole, ours = fresh_module("mobilenet_v2", 1000, prep(64, 64)), fresh_module(member.card.key, 3, prep(64, 64))
    load_into(whole, state)
    assert start_from(ours, state, member) == [
        "Layers of classifier start fresh: the file has the weights of a classifier.",
        "Left aside, not part of the model: features.18 (6), classifier (2).",
    ]
    x = pictures(1, 3, 64, 64)
    with torch.no_grad():
        theirs, mine = (
            net.eval().get_submodule(name)[:14](x) for net, name in ((whole, "features"), (ours, "backbone"))
        )
        assert torch.equal(theirs, mine)
        assert ours.get_submodule("backbone")(x).shape == (1, 320, 4, 4)


def test_a_dilated_backbone_sees_what_it_saw() -> None:
    """On a picture that is constant but for borders, a finer grid of the same values."""
    whole, ours = (fresh_module(key, 3, prep(512, 512)).eval() for key in ("mobilenet_v2", "deeplabv3_mobilenet_v2"))
    load_into(ours.get_submodule("backbone"), whole.state_dict(), partly=True)
    x = pictures(1, 3, 1, 1).expand(1, 3, 512, 512)
    with torch.no_grad():
        coarse, fine = whole.get_submodule("features")[:18](x), ours.get_submodule("backbone")(x)
    torch.testing.assert_close(fine[..., 16, 16], coarse[..., 8, 8], rtol=1e-3, atol=1e-3 * float(coarse.abs().max()))


@pytest.mark.parametrize(("height", "width", "channels"), [(32, 32, 1), (33, 47, 3), (100, 75, 1), (256, 250, 3)])
def test_small_unet_takes_any_size_grey_or_rgb(height: int, width: int, channels: int) -> None:
    made = classifier("small_unet", NAMES, prep(height, width, channels), None)
    with torch.no_grad():
        assert made.logits(pictures(2, channels, height, width)).shape == (2, 3, height, width)


def test_small_unet_is_small() -> None:
    count = sum(p.numel() for p in fresh_module("small_unet", 5, prep(32, 32)).parameters())
    assert 300_000 < count < 500_000


def test_small_unet_draws_no_checkerboard() -> None:
    """Of a constant picture, away from the borders, it answers the same everywhere, whatever its weights."""
    net = fresh_module("small_unet", 3, prep(256, 256), seed=4).eval()
    with torch.no_grad():
        inside = net(torch.full((1, 3, 256, 256), 0.7))[..., 112:144, 112:144]
    assert inside.std((2, 3)).max() < 1e-5 * inside.abs().max()


def test_small_unet_learns_a_planted_object() -> None:
    """Bright squares of 3 pixels and more in noise, in 40 steps, on pictures that it has not seen."""
    generator = torch.Generator().manual_seed(1)

    def drawn(count: int) -> tuple[Tensor, Tensor]:
        labels = torch.zeros(count, 40, 40, dtype=torch.long)
        for picture in labels:
            side, (top, left) = (
                int(torch.randint(3, 12, (), generator=generator)),
                torch.randint(0, 28, (2,), generator=generator),
            )
            picture[top : top + side, left : left + side] = 1
        noise = torch.randn(count, 1, 40, 40, generator=generator)
        return 0.7 * noise + 2 * labels[:, None], labels

    net = fresh_module("small_unet", 2, prep(40, 40, 1), seed=0)
    optimiser = torch.optim.AdamW(net.parameters(), 6e-3)
    for _ in range(40):
        x, labels = drawn(8)
        optimiser.zero_grad()
        functional.cross_entropy(net.train()(x), labels).backward()
        optimiser.step()
    x, labels = drawn(32)
    with torch.no_grad():
        said = net.eval()(x).argmax(1)
    overlap = (said & labels).sum() / (said | labels).sum()
    assert overlap > 0.8


def test_a_study_of_one_task_gets_no_architecture_of_the_other() -> None:
    one, other = ({member.card.key for member in architectures_for(task)} for task in (CLASSIFICATION, SEGMENTATION))
    assert one | other == set(ARCHITECTURES.keys())
    assert not one & other
    check_task("small_unet", SEGMENTATION)
    with pytest.raises(BadParameter, match=r"for segmentation, and resnet18 is .* for classification.*small_unet"):
        check_task("resnet18", SEGMENTATION)
    with pytest.raises(BadParameter, match="for classification, and small_unet is an architecture for segmentation"):
        check_task("small_unet", CLASSIFICATION)
    with pytest.raises(NotFound, match="Did you mean small_unet"):
        check_task("smal_unet", SEGMENTATION)


def test_head_epochs_train_what_started_fresh() -> None:
    assert ARCHITECTURES["deeplabv3_mobilenet_v2"].trained_first == ("classifier",)
    assert ARCHITECTURES["small_unet"].trained_first == ("head",)
    assert isinstance(fresh_module("small_unet", 2, prep(32, 32)).get_submodule("head"), nn.Conv2d)
