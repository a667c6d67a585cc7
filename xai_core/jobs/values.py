"""A record of arguments out of JSON: what does not fit its type is told in one line."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from xai_core.errors import BadParameter, NotFound

R = TypeVar("R")


def record(kind: type[R], values: Mapping[str, Any]) -> R:
    """A dataclass from JSON values. Fields are texts, numbers, tables, tuples of these, or one of them or None.

    Raises:
        NotFound: a name that the record does not have.
        BadParameter: a name is missing, or a value is of another type.
    """
    hints = get_type_hints(kind)
    for name in values:
        if name not in hints:
            raise NotFound.among("argument", str(name), hints)
    known: tuple[Any, ...] = fields(kind)  # type: ignore[arg-type]
    for field in known:
        if field.name not in values and field.default is MISSING and field.default_factory is MISSING:
            raise BadParameter("an argument is missing", value=field.name, remedy="Give it.")
    return kind(**{name: _fitting(name, hints[name], value) for name, value in values.items()})


def _fitting(name: str, kind: Any, value: Any) -> Any:
    try:
        return _converted(kind, value)
    except TypeError as error:
        raise BadParameter(f"{name} has the wrong type", value=value, remedy=f"Give {error}.") from None


def _converted(kind: Any, value: Any) -> Any:
    """Raises TypeError, which says what is wanted."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin is types.UnionType:
        (other,) = (each for each in inner if each is not type(None))
        return None if value is None else _converted(other, value)
    if origin is tuple:
        return _tuple(inner, value)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise TypeError("a table")
        return {_converted(inner[0], key): _converted(inner[1], item) for key, item in value.items()}
    return _plain(kind, value)


def _tuple(inner: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError("a list")
    if inner[-1] is Ellipsis:
        return tuple(_converted(inner[0], item) for item in value)
    if len(value) != len(inner):
        raise TypeError(f"a list of {len(inner)}")
    return tuple(_converted(each, item) for each, item in zip(inner, value, strict=True))


def _plain(kind: type, value: Any) -> Any:
    if kind is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if type(value) is not kind or (isinstance(value, str) and "\0" in value):
        raise TypeError({int: "a whole number", float: "a number", bool: "true or false"}.get(kind, "text"))
    return value
