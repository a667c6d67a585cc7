"""From a name, weights and preprocessing to a Classifier."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from xai_core.errors import BadParameter, UnsafeFile
from xai_core.models import hugging_face
from xai_core.models.answer import Answer
from xai_core.models.architectures import ARCHITECTURES, check_task
from xai_core.models.architectures.base import ModelSpec
from xai_core.models.builder import built
from xai_core.models.classifier import Classifier
from xai_core.models.grids import NO_GRID, SEVERAL, layout_of
from xai_core.models.layers import other_layer
from xai_core.models.own_code import load_code
from xai_core.models.preprocess import Fit, Preprocess, check_scale
from xai_core.models.probe import check_logits, located
from xai_core.models.resample import Interpolation
from xai_core.models.user_code import user_code
from xai_core.models.weights import fingerprint, load_into, plain_state, read_weights
from xai_core.models.wrappers import Answering, buffers_kept, device_of, placed
from xai_core.models.zoo import HUGGING_FACE, in_zoo, is_own_code, token_layer, zoo_module
from xai_core.task import CLASSIFICATION, SEGMENTATION, TaskKey


def pick_device(name: str = "auto") -> torch.device:
    """The device that `auto`, `cpu`, `cuda` or `cuda:N` means here; raises BadParameter where there is none such."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    match = re.fullmatch(r"cpu|cuda(?::([0-9]{1,3}))?", name)
    if not match or (name != "cpu" and int(match[1] or 0) >= torch.cuda.device_count()):
        raise BadParameter("no such device here", value=name, remedy="Use auto, cpu, cuda or cuda:N.")
    return torch.device(name)


def make_preprocess(
    size: int | tuple[int, int] | None,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    resize: int | None = None,
    *,
    fit: Fit | None = None,
    crop_share: float | None = None,
    interpolation: Interpolation | None = None,
    antialias: bool | None = None,
    fill: Sequence[int] | None = None,
) -> Preprocess:
    """The preprocessing for given weights; the length of `mean` says grey (1) or RGB (3). See `Preprocess`.

    Args:
        size: the side of a square, or height and width.
        resize: as there; with it, or `crop_share`, pictures are cropped, and otherwise squashed, unless `fit` says so.
        crop_share: which share of the resized side is cut out, as timm's `crop_pct`; of squares.
        fill: one grey value, or one number per channel.

    Raises BadParameter naming every flag that is missing (a guessed mean would lower the accuracy silently), or where
    they do not fit together or are on another scale.
    """
    given = {"--size": size, "--mean": mean, "--std": std}
    missing = [flag for flag, value in given.items() if value is None]
    if size is None or mean is None or std is None:
        remedy = "Give what the weights were trained with, as in --size 224 --mean 0.485,0.456,0.406 --std …"
        raise BadParameter(f"the model needs {' and '.join(missing)}", remedy=f"{remedy}.")
    height, width = (size, size) if isinstance(size, int) else size
    if crop_share is not None:
        resize = _resize_for(crop_share, height, width, resize)
    preprocess = Preprocess(
        height,
        width,
        len(mean),
        tuple(mean),
        tuple(std),
        fit or ("squash" if resize is None else "crop"),
        resize,
        interpolation or "bilinear",
        antialias is not False,
        tuple(fill or ()) * (len(mean) if len(fill or ()) == 1 else 1),
    )
    check_scale(mean, std)
    return preprocess


def _resize_for(share: float, height: int, width: int, resize: int | None) -> int:
    """The side of which `share` is cut out, rounded down as timm does."""
    if resize is not None or height != width or not 0 < share <= 1:
        problem = "the share that is cut out goes with a square alone, and is above 0 and up to 1"
        raise BadParameter(problem, value=share, remedy="Give --resize instead, or a share such as 0.875.")
    return int(height / share)


def fresh_module(architecture: str, classes: int, preprocess: Preprocess, *, seed: int = 0) -> nn.Module:
    """A new module on the CPU; the same seed gives the same weights, and global random state is left alone.

    Raises:
        NotFound: unknown architecture.
        BadParameter: a size, shape or channel count that it does not work with.
    """
    member = ARCHITECTURES[architecture]
    sides, (low, high) = (preprocess.height, preprocess.width), member.sizes
    squares = member.restore_grid is not None  # a grid of tokens is known by its number alone
    size = max(sides)
    if not low <= min(sides) <= size <= high or (squares and sides[0] != sides[1]):
        shape, what = f"{sides[0]}×{sides[1]}", "squares" if squares else "sides"
        raise BadParameter(
            f"{architecture} takes {what} of {low} to {high} pixels", value=shape, remedy="Change the size."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return member.build(ModelSpec(classes, preprocess.channels, size))


def classifier(
    architecture: str,
    class_names: Sequence[str],
    preprocess: Preprocess,
    state: Mapping[str, Tensor] | None,
    *,
    cam_layer: str = "",
    answer: Answer | None = None,
    device: torch.device | str = "cpu",
) -> Classifier:
    """A model of a registered architecture, in eval mode.

    Args:
        state: its weights, head included; None for fresh ones (seed 0).
        cam_layer: another layer for class activation maps than the architecture declares.
        answer: which of its outputs are these classes; None where they are these, in this order.

    Raises as `fresh_module` and `load_into` do; NotFound for an unknown layer.
    """
    answer = answer or Answer(len(class_names))
    return _for_study(_registered(architecture, answer, preprocess, state, cam_layer, device), answer, class_names)


def _registered(
    architecture: str,
    answer: Answer,
    preprocess: Preprocess,
    state: Mapping[str, Tensor] | None,
    cam_layer: str,
    device: torch.device | str,
) -> Classifier:
    member = ARCHITECTURES[architecture]
    module = fresh_module(architecture, answer.outputs, preprocess)
    notes = load_into(module, state) if state is not None else []
    layer = cam_layer or member.cam_layer
    made = _assembled(module, answer, preprocess, architecture, layer, device, member.task)
    return replace(made, restore_grid=member.restore_grid, notes=tuple(notes))


def imported(
    spec: str,
    weights: Path | None,
    class_names: Sequence[str],
    preprocess: Preprocess,
    *,
    cam_layer: str = "",
    answer: Answer | None = None,
    config: Mapping[str, Any] | None = None,
    trusted: bool = False,
    folder: Path | None = None,
    known: Mapping[str, str] | None = None,
    device: torch.device | str = "cpu",
    task: TaskKey = CLASSIFICATION,
) -> Classifier:
    """A model from elsewhere: an architecture's key, a library's, or the user's own `package.module:function`.

    The function is looked up in `folder` (the working folder) and on the Python path, and returns an `nn.Module`; it
    is called with the number of outputs where it takes one. It may not use the network.

    Args:
        weights: a weights file; None only for an own function that returns a trained model.
        cam_layer: for class activation maps; without it, an own model offers pixel methods only.
        answer: which of its outputs are these classes, and where they lie in what it returns, which is looked for
            where it is not said; None where they are these, in this order.
        config: what transformers builds the network from.
        trusted: the person at the keyboard named this function. A study from elsewhere must not make us run code.
        known: digests of the files that the code was loaded from before, by name of the module.
        task: what the study is for. A segmenter that answers at another resolution is resized, which a note says.

    Raises:
        UnsafeFile: own code, and not `trusted`.
        BadInput, BadParameter, NotFound: what does not fit, each with its remedy.
    """
    answer = answer or Answer(len(class_names))
    if is_own_code(spec):
        if not trusted:
            remedy = "Import the model again yourself if you know where this code comes from."
            raise UnsafeFile("this model is built by Python code of the user's own", value=spec, remedy=remedy)
        place = folder or Path.cwd()
        made = _of_own_code(spec, weights, answer, preprocess, cam_layer, place, known or {}, device, task)
    elif weights is None:
        raise BadParameter("the model needs --weights", value=spec, remedy="Give the file with its weights.")
    elif in_zoo(spec):
        module = zoo_module(spec, answer.outputs, preprocess, config)
        load = hugging_face.load if spec.startswith(HUGGING_FACE) else load_into
        notes = load(module, read_weights(weights), name=spec)
        _, restore = token_layer(module, preprocess)
        made = _assembled(module, answer, preprocess, spec, cam_layer, device, task)
        made = replace(made, restore_grid=restore, notes=tuple(notes))
    else:
        check_task(spec, task)
        made = _registered(spec, answer, preprocess, read_weights(weights), cam_layer, device)
    made = _asked(made, answer, class_names, config)
    with buffers_kept(made.module):
        _probe_layer(made)
    if made.code is not None:
        made.code.check(known or {})
    return made


def _of_own_code(
    spec: str,
    weights: Path | None,
    answer: Answer,
    preprocess: Preprocess,
    cam_layer: str,
    folder: Path,
    known: Mapping[str, str],
    device: torch.device | str,
    task: TaskKey,
) -> Classifier:
    code = load_code(folder, spec)
    code.check(known, so_far=True)
    module = built(code, spec, answer.outputs)
    if weights is not None:
        notes = load_into(module, read_weights(weights), name=spec)
    else:
        plain_state(module)  # raises where a layer gets its weights with the first picture
        notes = [f"Weights as {spec} returns them."]
    made = _assembled(module, answer, preprocess, spec, cam_layer, device, task)
    return replace(made, code=code, notes=tuple(notes))


def check_trained(made: Classifier) -> None:
    """Raise BadParameter where the function that returned a model gives other weights each time: they are drawn."""
    assert made.code is not None
    one, other = (plain_state(each) for each in (made.module, built(made.code, made.architecture, made.answer.outputs)))
    if one.keys() != other.keys() or any(not torch.equal(other[key], value.cpu()) for key, value in one.items()):
        value, remedy = made.architecture, "Give the file with its weights, or let the function load them."
        raise BadParameter("the model needs --weights: its function draws others each time", value=value, remedy=remedy)


def held(
    module: nn.Module,
    class_names: Sequence[str],
    preprocess: Preprocess,
    *,
    answer: Answer | None = None,
    device: torch.device | str = "cpu",
    task: TaskKey = CLASSIFICATION,
) -> Classifier:
    """A copy of a module as it is now, in eval mode; the name of its class stands for its architecture.

    Args:
        answer, task: as of `imported`.

    Raises BadInput where it does not answer with logits of this task, each picture for itself.
    """
    answer, where = answer or Answer(len(class_names)), pick_device(str(device))
    made = _assembled(copy.deepcopy(module), answer, preprocess, type(module).__name__, "", where, task)
    return _asked(made, answer, class_names)


def _assembled(
    module: nn.Module,
    answer: Answer,
    preprocess: Preprocess,
    architecture: str,
    cam_layer: str,
    device: torch.device | str,
    task: TaskKey,
) -> Classifier:
    """The model with all its outputs, each called by its number; it has no identity yet."""
    if preprocess.tiled and task != SEGMENTATION:
        raise BadParameter("only segmenters see pictures in tiles", value=preprocess.fit, remedy="Choose another fit.")
    placed(module, device)
    made = Classifier(module, tuple(map(str, range(answer.outputs))), preprocess, architecture, cam_layer, "")
    if task == SEGMENTATION:
        made = replace(made, output_size=(preprocess.height, preprocess.width))
    if cam_layer and isinstance(module, torch.jit.ScriptModule):
        remedy = "Give --cam-layer none, for pixel methods only, or let the function return the Python module."
        raise BadParameter("no layer inside TorchScript can be watched", value=cam_layer, remedy=remedy)
    if cam_layer:
        made.layer()
    return made


def _asked(
    made: Classifier, answer: Answer, class_names: Sequence[str], config: Mapping[str, Any] | None = None
) -> Classifier:
    """The model for these classes, once all its outputs are known to be logits; they are looked for."""
    with buffers_kept(made.module):
        answer, notes = located(made, answer)
        made = replace(made, notes=(*made.notes, *notes))
        # All outputs: those that are picked of probabilities no longer add up to 1.
        check_logits(replace(made, module=_answering(made.module, replace(answer, picked=()))))
    return _for_study(made, answer, class_names, config)


def _for_study(
    made: Classifier, answer: Answer, class_names: Sequence[str], config: Mapping[str, Any] | None = None
) -> Classifier:
    module = _answering(made.module, answer)
    identity = fingerprint(module, made.architecture, made.preprocess, config)
    return replace(made, module=module, class_names=tuple(class_names), fingerprint=identity)


def _answering(module: nn.Module, answer: Answer) -> nn.Module:
    return module if answer.plain else Answering(module, answer).to(device_of(module))


def _probe_layer(made: Classifier) -> None:
    """A picture through the model: a map must come from its layer."""
    if not made.cam_layer:
        return
    seen: dict[str, Any] = {}
    handle = made.layer().register_forward_hook(lambda _, __, out: seen.update(out=out))
    try:
        with user_code(made.architecture), torch.no_grad():
            made.logits(torch.zeros(1, *made.input_shape, device=made.device))
    finally:
        handle.remove()
    _check_layer(made, seen.get("out"))


def _check_layer(made: Classifier, out: Any) -> None:
    with user_code(made.architecture):
        problem = layout_of(made, made.cam_layer).problem
    if out is not None and problem in (SEVERAL, NO_GRID):
        got = tuple(out.shape) if isinstance(out, Tensor) else f"a {type(out).__name__}"
        problem = f"--cam-layer gives {got}, which is no map"
    if problem:
        raise BadParameter(problem, value=made.cam_layer, remedy=other_layer(made))
