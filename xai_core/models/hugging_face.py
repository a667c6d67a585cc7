"""Models of transformers out of a local folder, `hf:FOLDER`: built from its configuration, without anybody's code.

The library is asked for the network, for how old names of weights are called today, and for what its preprocessors do.
Nothing is downloaded, no code of the folder's runs, and weights are read by our own reader.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from xai_core.errors import BadInput, BadParameter, NotFound, XaiError
from xai_core.models.resample import Interpolation
from xai_core.models.user_code import user_code
from xai_core.models.weights import State, load_into
from xai_core.text import listed

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
LARGEST = 16 * 2**20
FITTING = f"Give the {CONFIG} that they were saved with."

NOT_KEPT = {"id2label", "label2id", "num_labels", "auto_map", "transformers_version", "torch_dtype", "dtype"}
"""Of a configuration: names of classes, which are matched once, and what does not make another network of it."""

FILTERS: Mapping[int, Interpolation] = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box"}
"""Pillow's numbers."""

OWN_WAYS = ("resize", "center_crop", "rescale", "rescale_and_normalize")
"""What a preprocessor that does something else than others overrides."""

KNOWN_WAYS = ("ConvNextImageProcessor", "LevitImageProcessor", "PoolFormerImageProcessor", "EfficientNetImageProcessor")


def read_config(folder: Path) -> dict[str, Any]:
    """What a folder's `config.json` says. Raises NotFound without one, BadInput where it is damaged."""
    return _json(folder, CONFIG)


def kept(config: Mapping[str, Any]) -> dict[str, Any]:
    """What of a configuration builds the network, as a run keeps it.

    Raises BadInput for a quantised model, or one that transformers has no name for.
    """
    if not isinstance(config.get("model_type"), str):
        remedy = "Give a folder that save_pretrained of transformers has written."
        raise BadInput(f"{CONFIG} names no model_type", value=listed(list(config)) or "nothing", remedy=remedy)
    if config.get("quantization_config"):
        remedy = "Save the model before it was quantised: maps need ordinary weights."
        raise BadInput("this model is quantised", value=config["model_type"], remedy=remedy)
    return {name: value for name, value in config.items() if name not in NOT_KEPT and "attn_impl" not in name}


def class_names(config: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Names of the outputs in their order; None where the configuration has only `LABEL_0` and the like.

    Raises BadInput where they are not numbered from 0 on.
    """
    labels = config.get("id2label")
    if not isinstance(labels, dict) or not labels:
        return None
    try:
        found = {int(key): str(name) for key, name in labels.items()}
        names = tuple(found[place] for place in range(len(labels)))
    except (ValueError, KeyError):
        remedy = "Number them from 0, or name the outputs with --classes."
        raise BadInput(f"id2label of {CONFIG} does not number its classes", value=len(labels), remedy=remedy) from None
    return None if all(name == f"LABEL_{place}" for place, name in enumerate(names)) else names


def weights_in(folder: Path) -> Path:
    """The folder's weights file. Raises NotFound."""
    found = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if found is None:
        parts = any(folder.glob("*.index.json"))
        remedy = "Save it as one file: model.save_pretrained(…, max_shard_size='50GB')." if parts else "Give --weights."
        raise NotFound(f"no {' or '.join(WEIGHTS)} in this folder", value=folder, remedy=remedy)
    return found


def module(config: Mapping[str, Any], outputs: int) -> nn.Module:
    """The network with fresh weights, in float32.

    Raises:
        XaiError: transformers is not installed.
        BadInput: it knows no classifier of this configuration.
    """
    library, kind = _library(str(config.get("model_type"))), str(config.get("model_type"))
    known = dict(config)
    known.pop("model_type", None)
    architectures = known.pop("architectures", None)
    remedy = f"Check {CONFIG}, or update transformers."
    with user_code(f"hf:{kind}", "is no image classifier that transformers can build", remedy), _quiet(library):
        made = library.AutoConfig.for_model(kind, **known, num_labels=outputs)
        made.architectures = architectures if isinstance(architectures, list) else []
        # Eager attention is plain arithmetic, which every method can follow.
        return library.AutoModelForImageClassification.from_config(
            made, attn_implementation="eager", trust_remote_code=False
        )


def load(made: nn.Module, state: State, name: str) -> list[str]:
    """Copy weights into a network of `module`, also those that older versions of transformers called otherwise.

    Returns and raises as `load_into`.
    """
    wanted = made.state_dict().keys()
    if set(wanted) <= set(state):
        return load_into(made, state, name=name)
    library, net = _library(name), cast(Any, made)
    options = {"output_loading_info": True, "ignore_mismatched_sizes": True, "attn_implementation": "eager"}
    with user_code(name, "does not take these weights", FITTING), _quiet(library):
        renamed, told = type(net).from_pretrained(None, config=net.config, state_dict=dict(state), **options)
    lacking = sorted(set(told["missing_keys"]) | {str(each[0]) for each in told["mismatched_keys"]})
    if lacking:
        problem = "the weights lack layers of this model, or have them in other shapes"
        raise BadInput(problem, value=listed(lacking), remedy=FITTING)
    notes = load_into(made, renamed.state_dict(), name=name)
    extra = sorted(told["unexpected_keys"])
    return [*notes, *([f"Left aside, not part of the model: {listed(extra)}."] if extra else [])]


def preprocess(folder: Path) -> tuple[dict[str, Any], str]:
    """How the folder's `preprocessor_config.json` prepares pictures.

    Returns:
        Arguments of `make_preprocess` by name, and the file's name; empty without such a file.

    Raises:
        BadInput: it does something that has no words here; what is told.
    """
    if not (folder / PREPROCESSOR).is_file():
        return {}, ""
    _json(folder, PREPROCESSOR)  # whose damage is told by us
    library = _library(f"hf:{folder.name}")
    problem, remedy = f"has a {PREPROCESSOR} that transformers cannot read", "Give --size, --mean and --std."
    with user_code(f"hf:{folder.name}", problem, remedy), _quiet(library):
        processor = library.AutoImageProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    return {**_scale(processor), **_geometry(processor)}, PREPROCESSOR


def _geometry(processor: Any) -> dict[str, Any]:
    kind = type(processor).__name__.removesuffix("Fast").removesuffix("Pil")
    if kind not in KNOWN_WAYS and any(name in vars(type(processor)) for name in OWN_WAYS):
        raise _unknown(kind, "resizes in a way of its own")
    size, crop = _sides(processor.size), _sides(getattr(processor, "crop_size", None))
    cut = bool(getattr(processor, "do_center_crop", False))
    sized = "shortest_edge" in size or {"height", "width"} <= size.keys()
    if not processor.do_resize or getattr(processor, "do_pad", False) or not sized or "longest_edge" in size:
        raise _unknown(kind, "does not bring all pictures to one size")
    values: dict[str, Any] = {"interpolation": FILTERS.get(int(processor.resample), "bilinear")}
    if "shortest_edge" not in size:
        height, width = size["height"], size["width"]
        if kind == "PoolFormerImageProcessor" and getattr(processor, "crop_pct", None):
            return values | _cropped(crop or size, int(min(height, width) / processor.crop_pct), "crop")
        if not cut:
            return values | {"size": (height, width), "fit": "squash"}
        if height != width:
            raise _unknown(kind, "crops out of pictures that are not square")
        return values | _cropped(crop, height, "squash")
    edge = size["shortest_edge"]
    if kind == "ConvNextImageProcessor":
        if edge >= 384:
            return values | {"size": (edge, edge), "fit": "squash"}
        return values | _cropped({"height": edge, "width": edge}, int(edge / processor.crop_pct), "crop")
    if kind == "LevitImageProcessor":
        edge = int(256 / 224 * edge)
    if kind == "PoolFormerImageProcessor" and getattr(processor, "crop_pct", None):
        edge = int(edge / processor.crop_pct)
    if not cut or not crop:
        raise _unknown(kind, "does not bring all pictures to one size")
    return values | _cropped(crop, edge, "crop")


def _cropped(crop: Mapping[str, int], resize: int, fit: str) -> dict[str, Any]:
    height, width = crop["height"], crop["width"]
    if resize < max(height, width):
        raise _unknown("its preprocessor", f"cuts {height}×{width} out of {resize}, and fills the rest")
    return {"size": (height, width), "resize": resize, "fit": fit}


def _sides(size: Any) -> dict[str, int]:
    """Sides by name, those that are given."""
    found = {name: getattr(size, name, None) for name in ("height", "width", "shortest_edge", "longest_edge")}
    return {name: int(side) for name, side in found.items() if side}


def _scale(processor: Any) -> dict[str, Any]:
    """Mean and std on the 0…1 scale: a picture becomes (picture · factor − offset − mean) / std, from 0…255."""
    kind = type(processor).__name__
    if getattr(processor, "do_flip_channel_order", False):
        raise _unknown(kind, "turns RGB into BGR")
    factor = float(processor.rescale_factor) if processor.do_rescale else 1.0
    offset = 1.0 if getattr(processor, "rescale_offset", False) else 0.0
    mean, std = ([0.0] * 3, [1.0] * 3)
    if processor.do_normalize:
        mean, std = ([float(v) for v in values] for values in (processor.image_mean, processor.image_std))
    if kind.startswith("EfficientNet") and getattr(processor, "include_top", False):
        std, mean = [value * value for value in std], mean  # it divides by std twice
    whole = 255 * factor
    return {
        "mean": tuple((value + offset) / whole for value in mean),
        "std": tuple(value / whole for value in std),
    }


def _unknown(kind: str, why: str) -> BadParameter:
    remedy = "Say how pictures are prepared, with --size, --mean and --std."
    return BadParameter(f"{PREPROCESSOR} {why}", value=kind, remedy=remedy)


def _json(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    if not path.is_file():
        remedy = f"Give the folder that save_pretrained wrote, with {CONFIG}, {PREPROCESSOR} and {WEIGHTS[0]}."
        raise NotFound(f"no {name} in this folder", value=folder, remedy=remedy)
    try:
        values = json.loads(path.read_bytes()) if path.stat().st_size <= LARGEST else None
    except (OSError, ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise BadInput(f"{name} is damaged, or no configuration", value=path, remedy="Copy or download it again.")
    return values


def _library(spec: str) -> Any:
    try:
        import transformers
    except ImportError:
        remedy = "pip install 'second-look[hf]'"
        raise XaiError("transformers is not installed", value=spec, remedy=f"Install it: {remedy}.") from None
    return transformers


@contextmanager
def _quiet(library: Any) -> Iterator[None]:
    """Within, it neither reports nor draws bars; what matters is told by us. Random state is left alone."""
    logging = library.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
