"""The contract of an architecture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from xai_core.errors import BadParameter, XaiError
from xai_core.registry import Registry
from xai_core.task import CLASSIFICATION, SEGMENTATION, TaskKey
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import Tensor, nn

BACKBONE_END, BEFORE_THE_HEAD = "end of the backbone", "what the head reads"
"""What the two layers hold that segmenters have in common, in plain words."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class ModelSpec:
    """What a fresh module must fit: its number of classes, of input channels, and the input's side in pixels."""

    classes: int
    channels: int
    size: int


@dataclass(frozen=True)
class Architecture:
    """A registered architecture.

    Attributes:
        card: its `cost` is billions of multiplications for one picture at the default size.
        build: a module with fresh weights; raises BadParameter for a size that cannot work. It maps `(N, C, H, W)` to
            logits `(N, K)`, of a segmenter `(N, K, H, W)`.
        cam_layer: dotted name of the layer for class activation maps.
        head: dotted name of the last, class-specific layer: replaced when classes differ, trained first.
        task: what it is for.
        named_layers: layers of use for class activation maps, whose output is `(N, C, h, w)`, and what each holds
            in plain words; the declared one may be among them.
        more_heads: further class-specific layers, whose outputs are added to the head's.
        backbone, decoder: of a segmenter on a classifier's network the dotted names of that network, which a
            classifier's weights fill, and of all behind it, which then is trained first; "" where it has no such parts.
        size: default input side in pixels; `sizes` the inclusive range it works in.
        learning_rate: peak rate of a training from fresh weights that nobody says more about.
        grey: whether it can be built for one channel; else grey pictures are converted to RGB.
        restore_grid: for layers whose output is not `(N, C, h, w)`; leaves other outputs alone. None where every
            layer of use has that shape.
    """

    card: Card
    build: Callable[[ModelSpec], nn.Module]
    cam_layer: str
    head: str
    size: int
    sizes: tuple[int, int]
    task: TaskKey = CLASSIFICATION
    named_layers: Mapping[str, str] = field(default_factory=dict)
    more_heads: tuple[str, ...] = ()
    backbone: str = ""
    decoder: str = ""
    learning_rate: float = 6e-3
    grey: bool = False
    restore_grid: Callable[[Tensor], Tensor] | None = None

    @property
    def heads(self) -> tuple[str, ...]:
        """All class-specific layers."""
        return (self.head, *self.more_heads)

    @property
    def trained_first(self) -> tuple[str, ...]:
        """The layers that are trained alone while the rest is still as the weights to start from have it."""
        return (self.decoder,) if self.decoder else self.heads


ARCHITECTURES: Registry[Architecture] = Registry("architecture", "xai_core.models.architectures")


def architectures_for(task: TaskKey) -> list[Architecture]:
    """Those that do this task, cheap ones first: what a study of it may choose from."""
    return [member for member in ARCHITECTURES if member.task == task]


def check_task(key: str, task: TaskKey) -> None:
    """Raise BadParameter where this architecture does another task, NotFound where there is none of this key."""
    member = ARCHITECTURES[key]
    if member.task != task:
        fitting = ", ".join(each.card.key for each in architectures_for(task))
        problem = f"the study is for {task}, and {key} is an architecture for {member.task}"
        raise BadParameter(problem, remedy=f"Choose one of {fitting}.")


def torchvision_net(name: str, channels: int, **options: Any) -> nn.Module:
    """A torchvision model with fresh weights.

    Raises:
        BadParameter: `channels` is not 3.
        XaiError: torchvision does not load beside the installed torch.
    """
    check_rgb(name, channels, CLASSIFICATION)
    return _torchvision_models().get_model(name, weights=None, **options)


def torchvision_segmenter(name: str, spec: ModelSpec) -> nn.Module:
    """A segmenter of torchvision with fresh weights, which answers with one tensor: see `segmenters.OneOutput`.

    Without the auxiliary head, which only training with its loss would need; one in a file is left aside.

    Raises as `torchvision_net`.
    """
    from xai_core.models.segmenters import OneOutput

    check_rgb(name, spec.channels, SEGMENTATION)
    options = {"weights": None, "weights_backbone": None, "num_classes": spec.classes}
    net = _torchvision_models().get_model(name, **options)
    return OneOutput(net.backbone, net.classifier, whole=name.startswith("lraspp"))


def on_dilated_backbone(
    card: Card, build: Callable[[ModelSpec], nn.Module], cam_layer: str, head: str, **more: Any
) -> Architecture:
    """Register a segmenter of torchvision's form: a dilated network of a classifier, and a head that is resized."""
    parts: dict[str, Any] = {"backbone": "backbone", "decoder": "classifier"}
    made = Architecture(card, build, cam_layer, head, size=520, sizes=(32, 1024), task=SEGMENTATION, **parts, **more)
    return ARCHITECTURES.add(made)


def check_rgb(name: str, channels: int, task: TaskKey) -> None:
    """Raise BadParameter for another number of channels than three, naming architectures that take grey pictures."""
    if channels != 3:
        others = " or ".join(member.card.key for member in architectures_for(task) if member.grey)
        remedy = f"Use channels=3: grey pictures are converted to RGB. Or take {others}."
        raise BadParameter(f"{name} takes RGB input only", value=f"channels={channels}", remedy=remedy)


def torchvision_class(name: str) -> Any:
    """A class of torchvision's models. Raises XaiError where torchvision does not load beside the installed torch."""
    return getattr(_torchvision_models(), name)


def torchvision_submodule(name: str) -> Any:
    """A module below torchvision's models. Raises XaiError as `torchvision_class`."""
    from importlib import import_module

    return import_module(f"{_torchvision_models().__name__}.{name}")


def _torchvision_models() -> Any:
    try:
        import torchvision
    except (ImportError, RuntimeError) as error:
        # A CPU-only torch beside another torchvision fails with "operator torchvision::nms does not exist".
        remedy = "Install the matching pair: pip install --force-reinstall -r requirements.txt."
        raise XaiError("torchvision does not load beside this torch", value=error, remedy=remedy) from None
    return torchvision.models
