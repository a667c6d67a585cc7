"""Flags from the declaration of parameters: one for each, with its help, its default and what it takes."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from xai_core.errors import BadParameter
from xai_core.params import ParamSpec, assignments, build, specs


def parameter_flags(parser: argparse.ArgumentParser, params_type: type) -> None:
    """Add `--some-name` for each parameter `some_name`; what is not given stays None, see `given_parameters`."""
    for spec in specs(params_type):
        told = f"{spec.help} (default {_text(spec.default)})".replace("%", "%%")
        parser.add_argument(f"--{spec.name.replace('_', '-')}", dest=spec.name, metavar=_metavar(spec), help=told)


def given_parameters(args: argparse.Namespace, params_type: type) -> dict[str, Any]:
    """The parameters that the command line names, checked; those that it does not name are left out.

    Raises:
        BadParameter: a value of the wrong type or out of range.
    """
    names = [spec.name for spec in specs(params_type)]
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    return {name: value for name, value in asdict(build(params_type, given)).items() if name in given}


def parameters_of(key: str, pairs: list[str]) -> dict[str, str]:
    """What `--set KEY.NAME=VALUE` says of the one member that is chosen. Raises BadParameter for another's."""
    given = assignments(pairs)
    if unknown := set(given) - {key}:
        raise BadParameter("--set for something not chosen", value=min(unknown), remedy=f"Write {key}.NAME=VALUE.")
    return given.get(key, {})


def _metavar(spec: ParamSpec) -> str:
    if spec.choices:
        return "|".join(map(str, spec.choices))
    return {bool: "true|false", int: "N", float: "X"}.get(spec.type, "TEXT")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
