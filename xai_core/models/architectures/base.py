"""The contract of an architecture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xai_core.errors import BadParameter, XaiError
from xai_core.registry import Registry
from xai_core.task import CLASSIFICATION, TaskKey
from xai_core.types import Card

if TYPE_CHECKING:
    from torch import Tensor, nn

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
        build: a module with fresh weights; raises BadParameter for a size that cannot work.
        cam_layer: dotted name of the layer for class activation maps.
        head: dotted name of the last, class-specific layer: replaced when classes differ, trained first.
        task: what it is for.
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
    learning_rate: float = 6e-3
    grey: bool = False
    restore_grid: Callable[[Tensor], Tensor] | None = None


ARCHITECTURES: Registry[Architecture] = Registry("architecture", "xai_core.models.architectures")


def torchvision_net(name: str, channels: int, **options: Any) -> nn.Module:
    """A torchvision model with fresh weights.

    Raises:
        BadParameter: `channels` is not 3.
        XaiError: torchvision does not load beside the installed torch.
    """
    if channels != 3:
        remedy = "Use channels=3: grey pictures are converted to RGB. Or take small_cnn or small_resnet."
        raise BadParameter(f"{name} takes RGB input only", value=f"channels={channels}", remedy=remedy)
    return _torchvision_models().get_model(name, weights=None, **options)


def torchvision_class(name: str) -> Any:
    """A class of torchvision's models. Raises XaiError where torchvision does not load beside the installed torch."""
    return getattr(_torchvision_models(), name)


def _torchvision_models() -> Any:
    try:
        import torchvision
    except (ImportError, RuntimeError) as error:
        # A CPU-only torch beside another torchvision fails with "operator torchvision::nms does not exist".
        remedy = "Install the matching pair: pip install --force-reinstall -r requirements.txt."
        raise XaiError("torchvision does not load beside this torch", value=error, remedy=remedy) from None
    return torchvision.models
