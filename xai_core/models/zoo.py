"""Models of libraries, `torchvision:NAME`, `timm:NAME`, `hf:FOLDER`: built offline, with what is known of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from torch import nn

from xai_core.errors import BadParameter, NotFound, XaiError
from xai_core.models import hugging_face
from xai_core.models.architectures.base import ModelSpec, torchvision_segmenter
from xai_core.models.classifier import Restore
from xai_core.models.preprocess import Preprocess
from xai_core.models.tokens import Tokens
from xai_core.models.user_code import no_network, user_code

HUGGING_FACE = "hf:"

TRANSFORMED = ("googlenet", "inception_v3")
"""Their weights want pictures between -1 and 1; torchvision makes that of ImageNet's normalisation in the model."""


def in_zoo(spec: str) -> bool:
    """Whether a model is named that a library has, and no code of a person's own."""
    return ":" in spec and (spec.startswith(HUGGING_FACE) or spec.partition(":")[0] in ZOOS)


def is_own_code(spec: str) -> bool:
    """Whether it is a function `package.module:function`, whose code runs because a person named it."""
    return ":" in spec and not in_zoo(spec)


def zoo_module(spec: str, classes: int, preprocess: Preprocess, config: Mapping[str, Any] | None = None) -> nn.Module:
    """The module with fresh weights, for these classes and this input; of transformers from its configuration.

    Raises:
        NotFound: the library has no model of this name.
        XaiError: the library is not installed.
        BadInput, BadParameter: the model cannot be built so.
    """
    library, _, name = spec.partition(":")
    with user_code(spec), no_network(spec):
        if spec.startswith(HUGGING_FACE):
            return hugging_face.module(config or {}, classes)
        return ZOOS[library][0](name, classes, preprocess)


def zoo_preprocess(spec: str, weights: Path | None = None) -> tuple[dict[str, Any], str]:
    """What the library says of the input that its weights were trained with, and where it says so.

    Args:
        spec: the model.
        weights: a file whose name may tell which weights they are, where the library has several.

    Returns:
        Arguments of `make_preprocess` by name, and the name of the weights; empty where the library says nothing.

    Raises as `zoo_module`.
    """
    library, _, name = spec.partition(":")
    with no_network(spec):
        return ZOOS[library][1](name, weights)


def zoo_classes(spec: str, weights: Path | None = None) -> tuple[str | tuple[str, ...], ...]:
    """Names of the outputs of the library's own weights, in their order; () where it tells none. Args as above."""
    library, _, name = spec.partition(":")
    if library == "torchvision":
        chosen = _torchvision_weights(name, weights)
        return tuple(chosen.meta.get("categories", ())) if chosen is not None else ()
    if library == "timm":
        from timm import data

        known = _timm_library(name).get_pretrained_cfg(name)
        subset = data.infer_imagenet_subset(known.to_dict()) if known is not None else None
        info = data.ImageNetInfo(subset) if subset else None
        return tuple(zip(info.label_names(), info.label_descriptions(), strict=True)) if info else ()
    return ()


def _torchvision(name: str, classes: int, preprocess: Preprocess) -> nn.Module:
    models = _torchvision_models(name)
    if name in _segmenters(models):
        return torchvision_segmenter(name, ModelSpec(classes, preprocess.channels, preprocess.width))
    options: dict[str, Any] = {"init_weights": False} if name in TRANSFORMED else {}
    if name.startswith("vit_"):
        options["image_size"] = preprocess.width
    if preprocess.channels != 3:
        remedy = "Give --mean and --std three numbers: grey pictures are converted to RGB."
        raise BadParameter(f"{name} takes RGB input only", value=f"channels={preprocess.channels}", remedy=remedy)
    return models.get_model(name, weights=None, num_classes=classes, **options)


def _torchvision_input(name: str, weights: Path | None) -> tuple[dict[str, Any], str]:
    chosen = _torchvision_weights(name, weights)
    if chosen is None:
        return {}, ""
    made = chosen.transforms()
    cut = getattr(made, "crop_size", None)  # of a segmenter nothing is cut out
    values = {
        "size": (cut or made.resize_size)[0],
        "resize": made.resize_size[0] if cut else None,
        "mean": tuple(made.mean),
        "std": tuple(made.std),
        "interpolation": made.interpolation.value,
    }
    if name in TRANSFORMED:
        values |= {"mean": (0.5,) * 3, "std": (0.5,) * 3}
    return values, str(chosen)


def _torchvision_weights(name: str, weights: Path | None) -> Any:
    """Those that the file is named after, else the newest; None where there are none."""
    models = _torchvision_models(name)
    members = list(models.get_model_weights(name))
    named = [each for each in members if weights is not None and Path(each.url).stem == weights.stem]
    return (named or [models.get_model_weights(name).DEFAULT])[0] if members else None


def _torchvision_models(name: str) -> Any:
    from torchvision import models

    _check_name("torchvision", name, [*models.list_models(module=models), *_segmenters(models)])
    return models


def _segmenters(models: Any) -> list[str]:
    found: list[str] = models.list_models(module=models.segmentation)
    return found


def _timm(name: str, classes: int, preprocess: Preprocess) -> nn.Module:
    timm = _timm_library(name)
    size = (preprocess.height, preprocess.width)
    known = timm.get_pretrained_cfg(name)
    fixed = known is not None and known.fixed_input_size and tuple(known.input_size[1:]) != size
    options: dict[str, Any] = {"img_size": size} if fixed else {}
    return timm.create_model(name, pretrained=False, num_classes=classes, in_chans=preprocess.channels, **options)


def _timm_input(name: str, _: Path | None) -> tuple[dict[str, Any], str]:
    timm = _timm_library(name)
    known = timm.get_pretrained_cfg(name)
    if known is None:
        return {}, ""
    _, height, width = known.input_size
    values: dict[str, Any] = {
        "size": height if height == width else (height, width),
        "mean": tuple(known.mean),
        "std": tuple(known.std),
        "interpolation": known.interpolation if known.interpolation in ("bilinear", "nearest") else "bicubic",
    }
    if known.crop_mode == "border":
        values["fit"] = "pad"
    elif height == width and (known.crop_mode != "squash" or known.crop_pct < 1):
        values |= {"crop_share": known.crop_pct, "fit": "squash" if known.crop_mode == "squash" else "crop"}
    elif known.crop_mode != "squash":
        values["fit"] = "crop"
    return values, f"timm's {name}.{known.tag}" if known.tag else f"timm's {name}"


def _timm_library(name: str) -> Any:
    try:
        import timm
    except ImportError:
        remedy = "pip install 'second-look[timm]'"
        raise XaiError("timm is not installed", value=f"timm:{name}", remedy=f"Install it: {remedy}.") from None
    _check_name("timm", name.partition(".")[0], timm.list_models())
    return timm


def _check_name(library: str, name: str, known: list[str]) -> None:
    if name not in known:
        near = get_close_matches(name, known, n=3, cutoff=0.5)
        remedy = f"Did you mean {' or '.join(near)}?" if near else f"{library} has {len(known)} models."
        raise NotFound(f"no model of this name in {library}", value=name, remedy=remedy)


def token_layer(module: nn.Module, preprocess: Preprocess) -> tuple[str, Restore | None]:
    """Of a vision transformer, the layer that class activation maps are made at, and what makes its tokens a grid.

    It is what the last block normalises first: behind that block only the class token may be read. "" and None for
    other models.
    """
    net: Any = module
    blocks, patches = getattr(module, "blocks", None), getattr(module, "patch_embed", None)
    if isinstance(blocks, nn.Sequential) and hasattr(blocks[-1], "norm1") and hasattr(module, "num_prefix_tokens"):
        grid = getattr(patches, "grid_size", None)
        if grid is not None:
            return f"blocks.{len(blocks) - 1}.norm1", Tokens(int(net.num_prefix_tokens), *map(int, grid))
    if type(module).__name__ == "VisionTransformer" and hasattr(module, "conv_proj"):
        side = int(net.patch_size)
        last = len(net.encoder.layers) - 1
        tokens = Tokens(1, preprocess.height // side, preprocess.width // side)
        return f"encoder.layers.encoder_layer_{last}.ln_1", tokens
    return "", None


Build = Callable[[str, int, Preprocess], nn.Module]
Known = Callable[[str, Path | None], tuple[dict[str, Any], str]]
ZOOS: Mapping[str, tuple[Build, Known]] = {
    "torchvision": (_torchvision, _torchvision_input),
    "timm": (_timm, _timm_input),
}
