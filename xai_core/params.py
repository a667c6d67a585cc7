"""Parameters as frozen dataclasses: one declaration gives the widget, the flag, the JSON and the hash.

@dataclass(frozen=True)
class IGParams:
    steps: int = param(50, help="points on the path", low=2, high=1000)
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_type_hints

from xai_core.errors import BadParameter, NotFound

P = TypeVar("P")
LATER = "later"


@dataclass(frozen=True)
class NoParams:
    """For members without parameters."""


@dataclass(frozen=True)
class ParamSpec:
    """One parameter, as a form or a flag needs it. `low` and `high` are inclusive."""

    name: str
    type: type
    default: Any
    help: str
    low: float | None
    high: float | None
    choices: tuple[Any, ...]
    unit: str


def param(
    default: Any,
    *,
    help: str,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[Any, ...] = (),
    unit: str = "",
    later: bool = False,
) -> Any:
    """A dataclass field that knows how to be asked for. Types: int, float, bool, str.

    `later`: it came after results were stored, which were made as its default says; see `identifying`.
    """
    metadata = {"help": help, "low": low, "high": high, "choices": choices, "unit": unit}
    return dataclasses.field(default=default, metadata={**metadata, LATER: later})


def specs(params_type: type) -> list[ParamSpec]:
    """The parameters of a type, in the order of declaration."""
    hints = get_type_hints(params_type)
    return [
        ParamSpec(f.name, hints[f.name], f.default, **{k: v for k, v in f.metadata.items() if k != LATER})
        for f in dataclasses.fields(params_type)
    ]


def build(params_type: type[P], values: Mapping[str, Any]) -> P:
    """Parameters from text or JSON values; what is not given keeps its default.

    Raises:
        NotFound: a name that the type does not have.
        BadParameter: a value of the wrong type or out of range.
    """
    known = {spec.name: spec for spec in specs(params_type)}
    for name in values:
        if name not in known:
            raise NotFound.among("parameter", name, known)
    return params_type(**{name: _checked(known[name], value) for name, value in values.items()})


def as_dict(params: Any) -> dict[str, Any]:
    """The JSON form, in the order of declaration."""
    return dataclasses.asdict(params)


def identifying(params: Any) -> dict[str, Any]:
    """The JSON form that stored results are known by.

    A parameter that came later is left out at its default: what was stored before it came stays valid.
    """
    values = as_dict(params)
    quiet = (f.name for f in dataclasses.fields(params) if f.metadata.get(LATER) and values[f.name] == f.default)
    for name in list(quiet):
        del values[name]
    return values


def digest(value: Any) -> str:
    """sha256 of a JSON-able value, independent of key order: what identities of stored results are made of."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def assignments(pairs: list[str]) -> dict[str, dict[str, str]]:
    """`["shap.samples=50"]` → `{"shap": {"samples": "50"}}`: the form of the `--set` flag.

    Raises:
        BadParameter: an entry that is not MEMBER.NAME=VALUE.
    """
    result: dict[str, dict[str, str]] = {}
    for pair in pairs:
        path, equals, value = pair.partition("=")
        member, dot, name = path.partition(".")
        if not (equals and dot and member and name):
            raise BadParameter("not an assignment", value=pair, remedy="Write MEMBER.NAME=VALUE, as in ig.steps=50.")
        result.setdefault(member, {})[name] = value
    return result


def _checked(spec: ParamSpec, value: Any) -> Any:
    converted = _converted(spec, value)
    if spec.choices and converted not in spec.choices:
        allowed = ", ".join(map(str, spec.choices))
        raise BadParameter(f"{spec.name} is not among its choices", value=value, remedy=f"Choose from {allowed}.")
    if isinstance(converted, (int, float)) and not isinstance(converted, bool):
        below = spec.low is not None and converted < spec.low
        above = spec.high is not None and converted > spec.high
        if below or above or not math.isfinite(converted):
            raise BadParameter(f"{spec.name} is out of range", value=value, remedy=_range_remedy(spec))
    return converted


def _range_remedy(spec: ParamSpec) -> str:
    if spec.low is not None and spec.high is not None:
        return f"Give a number from {spec.low} to {spec.high}."
    if spec.low is not None:
        return f"Give a number of at least {spec.low}."
    return f"Give a number of at most {spec.high}." if spec.high is not None else "Give a finite number."


def _converted(spec: ParamSpec, value: Any) -> Any:
    try:
        if spec.type is bool:
            return _bool(value)
        if spec.type is str:
            return _text(value)
        if isinstance(value, bool):
            raise ValueError  # which Python takes for a number
        number = float(value)
        if spec.type is int and number != int(number):
            raise ValueError
        return spec.type(number)
    except (TypeError, ValueError, OverflowError):
        kind = {int: "a whole number", float: "a number", bool: "true or false"}.get(spec.type, "text")
        raise BadParameter(f"{spec.name} has the wrong type", value=value, remedy=f"Give {kind}.") from None


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError
    return value


def _bool(value: Any) -> bool:
    text = str(value).strip().lower()
    if text in ("true", "1", "yes", "on"):
        return True
    if text in ("false", "0", "no", "off"):
        return False
    raise ValueError
