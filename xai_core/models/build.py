"""From a name, weights and preprocessing to a Classifier."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from xai_core.errors import BadInput, BadParameter, NotFound, UnsafeFile, XaiError
from xai_core.models.architectures import ARCHITECTURES
from xai_core.models.classifier import Classifier, Restore
from xai_core.models.grids import NO_GRID, SEVERAL, layout_of
from xai_core.models.layers import other_layer
from xai_core.models.preprocess import Fit, Preprocess
from xai_core.models.weights import fingerprint, load_into, read_weights
from xai_core.models.wrappers import to_eval

PROBES = 8
ALONE = 0.02
"""By how much of the largest a picture's logits may differ alone and in a batch: half precision rounds that much."""


def pick_device(name: str = "auto") -> torch.device:
    """The device that `auto`, `cpu`, `cuda` or `cuda:N` means here; raises BadParameter where there is none such."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    match = re.fullmatch(r"cpu|cuda(?::(\d+))?", name)
    if not match or (name != "cpu" and int(match[1] or 0) >= torch.cuda.device_count()):
        raise BadParameter("no such device here", value=name, remedy="Use auto, cpu, cuda or cuda:N.")
    return torch.device(name)


def make_preprocess(
    size: int | None, mean: Sequence[float] | None, std: Sequence[float] | None, fit: Fit = "squash"
) -> Preprocess:
    """Square preprocessing for given weights; the length of `mean` says grey (1) or RGB (3).

    Raises BadParameter naming every flag that is missing (a guessed mean would lower the accuracy silently), or where
    they do not fit together.
    """
    given = {"--size": size, "--mean": mean, "--std": std}
    missing = [flag for flag, value in given.items() if value is None]
    if size is None or mean is None or std is None:
        remedy = "Give what the weights were trained with, as in --size 224 --mean 0.485,0.456,0.406 --std …"
        raise BadParameter(f"the model needs {' and '.join(missing)}", remedy=f"{remedy}.")
    return Preprocess(size, size, len(mean), tuple(mean), tuple(std), fit)


def fresh_module(architecture: str, classes: int, preprocess: Preprocess, *, seed: int = 0) -> nn.Module:
    """A new module on the CPU; the same seed gives the same weights, and global random state is left alone.

    Raises:
        NotFound: unknown architecture.
        BadParameter: a size, shape or channel count that it does not work with.
    """
    member = ARCHITECTURES[architecture]
    size, (low, high) = preprocess.width, member.sizes
    if preprocess.height != size or not low <= size <= high:
        shape = f"{preprocess.height}×{size}"
        raise BadParameter(
            f"{architecture} takes squares of {low} to {high} pixels", value=shape, remedy="Change the size."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return member.build(classes, preprocess.channels, size)


def classifier(
    architecture: str,
    class_names: Sequence[str],
    preprocess: Preprocess,
    state: Mapping[str, Tensor] | None,
    *,
    cam_layer: str = "",
    device: torch.device | str = "cpu",
) -> Classifier:
    """A model of a registered architecture, in eval mode.

    Args:
        state: its weights, head included; None for fresh ones (seed 0).
        cam_layer: another layer for class activation maps than the architecture declares.

    Raises as `fresh_module` and `load_into` do; NotFound for an unknown layer.
    """
    member = ARCHITECTURES[architecture]
    module = fresh_module(architecture, len(class_names), preprocess)
    if state is not None:
        load_into(module, state, member.head)
    layer = cam_layer or member.cam_layer
    return _assembled(module, class_names, preprocess, architecture, layer, member.restore_grid, device)


def imported(
    spec: str,
    weights: Path | None,
    class_names: Sequence[str],
    preprocess: Preprocess,
    *,
    cam_layer: str = "",
    trusted: bool = False,
    folder: Path | None = None,
    device: torch.device | str = "cpu",
) -> Classifier:
    """A model from elsewhere: an architecture's key, or the user's own `package.module:function`.

    The function is looked up on the Python path and in `folder` (the working folder), and returns an `nn.Module`; it
    is called with the number of classes where it takes an argument.

    Args:
        weights: a weights file; None only for an own function that returns a trained model.
        cam_layer: for class activation maps; without it, an own model offers pixel methods only.
        trusted: the person at the keyboard named this function. A study from elsewhere must not make us run code.

    Raises:
        UnsafeFile: own code, and not `trusted`.
        BadInput, BadParameter, NotFound: what does not fit, each with its remedy.
    """
    if ":" not in spec:
        if weights is None:
            raise BadParameter("the model needs --weights", value=spec, remedy="Give the file with its weights.")
        made = classifier(spec, class_names, preprocess, read_weights(weights), cam_layer=cam_layer, device=device)
    else:
        if not trusted:
            remedy = "Import the model again yourself if you know where this code comes from."
            raise UnsafeFile("this model is built by Python code of the user's own", value=spec, remedy=remedy)
        module = _from_function(spec, len(class_names), folder or Path.cwd())
        if weights is not None:
            load_into(module, read_weights(weights))
        made = _assembled(module, class_names, preprocess, spec, cam_layer, None, device)
    _probe(made)
    return made


def _assembled(
    module: nn.Module,
    class_names: Sequence[str],
    preprocess: Preprocess,
    architecture: str,
    cam_layer: str,
    restore: Restore | None,
    device: torch.device | str,
) -> Classifier:
    to_eval(module.to(device))
    identity = fingerprint(module, architecture, preprocess)
    made = Classifier(module, tuple(class_names), preprocess, architecture, cam_layer, identity, restore)
    if cam_layer:
        made.layer()
    return made


def _from_function(spec: str, classes: int, folder: Path) -> nn.Module:
    function = _function(spec, folder)
    try:
        takes = any(p.default is p.empty for p in inspect.signature(function).parameters.values())
        module = function(classes) if takes else function()
    except Exception as error:
        raise _own_code_failed(spec, error) from error
    if not isinstance(module, nn.Module):
        remedy = "Return a torch.nn.Module."
        raise BadInput(f"{spec} returned no model", value=type(module).__name__, remedy=remedy)
    return module


def _function(spec: str, folder: Path) -> Callable[..., Any]:
    name, _, attribute = spec.partition(":")
    try:
        with _importable(folder):
            module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        remedy = "Start from the folder that holds it, or install its package."
        raise NotFound(f"no Python module for {spec}", value=error.name, remedy=remedy) from None
    except Exception as error:
        raise _own_code_failed(spec, error) from error
    if not callable(found := getattr(module, attribute, None)):
        raise NotFound.among(
            f"function in {name}", attribute, [n for n in vars(module) if callable(getattr(module, n))]
        )
    return found


def _own_code_failed(spec: str, error: Exception) -> XaiError:
    return BadInput(
        f"{spec} failed", value=f"{type(error).__name__}: {error}", remedy="Mend the function and try again."
    )


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """The `xai` script, other than `python -m`, does not find modules in the working folder."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _probe(made: Classifier) -> None:
    """One black picture through the model: K logits must come out, and a map from its layer."""
    seen: dict[str, Any] = {}
    handle = made.layer().register_forward_hook(lambda _, __, out: seen.update(out=out)) if made.cam_layer else None
    try:
        with torch.inference_mode():
            logits = made.logits(torch.zeros(1, *made.input_shape, device=made.device))
    except Exception as error:
        remedy = "Check --size and the number of channels (as many as --mean has numbers)."
        raise BadInput(f"{made.architecture} does not take this input", value=error, remedy=remedy) from error
    finally:
        if handle is not None:
            handle.remove()
    _check_logits(made, logits)
    _check_alone(made)
    if made.cam_layer:
        _check_layer(made, seen.get("out"))


def _check_logits(made: Classifier, logits: Any) -> None:
    if not isinstance(logits, Tensor):
        remedy = "Wrap it in a module that returns one tensor of logits, (pictures, classes)."
        raise BadInput(f"{made.architecture} returns no tensor", value=type(logits).__name__, remedy=remedy)
    got, wanted = tuple(logits.shape), (1, len(made.class_names))
    if got != wanted:
        remedy = "The model must give one logit per class, and --classes one name per logit."
        raise BadInput(f"the output has shape {got} instead of {wanted}", value=made.architecture, remedy=remedy)


def _check_alone(made: Classifier) -> None:
    """What is stored for a picture must not depend on its neighbours in a batch, nor change from call to call."""
    noise = torch.randn(PROBES, *made.input_shape, generator=torch.Generator().manual_seed(0)).to(made.device)
    with torch.inference_mode(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # the same verdict each time, also on a model that draws at random
        beside, alone = made.logits(noise).float(), torch.cat([made.logits(one[None]) for one in noise]).float()
    if (beside - alone).abs().max() > ALONE * alone.abs().max():
        remedy = "Use BatchNorm with running statistics, and dropout in training only."
        raise BadInput("a picture's answer depends on its batch, or on chance", value=made.architecture, remedy=remedy)


def _check_layer(made: Classifier, out: Any) -> None:
    problem = layout_of(made, made.cam_layer).problem
    if out is not None and problem in (SEVERAL, NO_GRID):
        got = tuple(out.shape) if isinstance(out, Tensor) else f"a {type(out).__name__}"
        problem = f"--cam-layer gives {got}, which is no map"
    if problem:
        raise BadParameter(problem, value=made.cam_layer, remedy=other_layer(made))
