"""Calls a function that builds a model: with the number of classes where it takes one, and without a download."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Container, Mapping
from inspect import Parameter
from pathlib import Path
from typing import Any

from torch import nn

from xai_core.errors import BadInput
from xai_core.models.own_code import OwnCode
from xai_core.models.user_code import no_network, user_code

THINGS = ("class", "classes", "cls", "labels", "outputs", "categories")
COUNTS = {f"{start}{thing}" for thing in THINGS for start in ("n", "nb", "nr", "num", "number", "numberof", "numof")}
COUNTS |= {"nc", "outfeatures", "outdim", "outputdim"}
"""What functions call the number of classes, in small letters and without underscores; or bare, as THINGS."""

PRETRAINED = {"weights", "weightsbackbone", "pretrained", "pretrain", "pretrainedbackbone", "backbonepretrained"}
PRETRAINED |= {"usepretrained", "loadpretrained", "pretrainedweights", "imagenet", "imagenetpretrained", "download"}
"""What they call the wish for weights from elsewhere, which the person gives as a file instead."""

OPEN = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def built(code: OwnCode, spec: str, classes: int) -> nn.Module:
    """The module that `package.module:function` makes. Raises BadInput where it fails, or makes something else."""
    function = code.function(spec)
    with user_code(spec), no_network(spec), code.in_force():
        # A model that its module holds ready is copied: it may be asked for again, with other weights.
        module = copy.deepcopy(function) if isinstance(function, nn.Module) else _called(function, classes)
    if not isinstance(module, nn.Module):
        remedy = "Return a torch.nn.Module."
        raise BadInput(f"{spec} returned no model", value=type(module).__name__, remedy=remedy)
    return module


def _called(function: Callable[..., Any], classes: int) -> Any:
    try:
        parameters = inspect.signature(function).parameters
    except ValueError:  # one that is not written in Python
        return function(classes)
    declined = {name: _without(p.default) for name, p in parameters.items() if _wishes(name, p)}
    count = _count(parameters, declined)
    if count is not None and parameters[count].kind is Parameter.POSITIONAL_ONLY:
        return function(classes, **declined)
    if count is not None:
        return function(**declined, **{count: classes})
    kinds = {p.kind for p in parameters.values()}
    if Parameter.VAR_KEYWORD in kinds:  # torchvision's and timm's functions hand this on to the model
        try:
            return function(**declined, num_classes=classes)
        except TypeError as error:
            if "num_classes" not in str(error):
                raise
    return function(*[classes] * (Parameter.VAR_POSITIONAL in kinds), **declined)


def _count(parameters: Mapping[str, Parameter], declined: Container[str]) -> str | None:
    """The parameter that takes the number of classes: the one named for it, else the first that must be given."""
    numbers = [name for name, p in parameters.items() if p.kind not in OPEN and _may_be_number(p.default)]
    named = [name for name in numbers if _plain(name) in COUNTS] + [name for name in numbers if _plain(name) in THINGS]
    must = [name for name in numbers if parameters[name].default is Parameter.empty and name not in declined]
    return next(iter(named + must), None)


def _may_be_number(default: object) -> bool:
    """Other than a list of names, or a switch."""
    whole = isinstance(default, int) and not isinstance(default, bool)
    return default is Parameter.empty or default is None or whole


def _wishes(name: str, parameter: Parameter) -> bool:
    """Whether it would load weights, or must be told. A file that is there is no download."""
    if parameter.kind in (*OPEN, Parameter.POSITIONAL_ONLY) or _plain(name) not in PRETRAINED:
        return False
    default = parameter.default
    return not (isinstance(default, str | Path) and Path(default).is_file()) and bool(default)


def _without(default: object) -> bool | None:
    return False if isinstance(default, bool) else None


def _plain(name: str) -> str:
    return name.lower().replace("_", "")
