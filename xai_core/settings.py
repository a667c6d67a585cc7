"""Settings of a process: defaults < `xai.toml` in the working folder < environment (`XAI_…`) < command line."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xai_core.errors import BadInput
from xai_core.params import build, param, specs


@dataclass(frozen=True)
class Settings:
    """What holds for a whole process."""

    device: str = param("auto", help="where models run: auto, cpu, cuda or cuda:N")
    threads: int = param(0, help="CPU threads for models; 0 lets torch choose", low=0, high=512)
    batch_size: int = param(32, help="samples per forward pass", low=1, high=4096)
    address: str = param("127.0.0.1", help="address the dashboard listens on")
    port: int = param(8501, help="port the dashboard listens on", low=1, high=65535)


def load(overrides: Mapping[str, Any] | None = None, *, folder: Path | None = None) -> Settings:
    """The settings in force.

    Args:
        overrides: values from the command line; None entries are ignored.
        folder: where `xai.toml` is looked for; the working folder by default.

    Raises:
        BadInput: `xai.toml` is not TOML.
        NotFound, BadParameter: an unknown setting or a value out of range.
    """
    values = _from_toml((folder or Path.cwd()) / "xai.toml") | _from_environment(os.environ)
    values |= {name: value for name, value in (overrides or {}).items() if value is not None}
    return build(Settings, values)


def _from_toml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput("the settings file is not TOML", value=path.name, remedy=f"Mend it: {error}.") from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    names = {f"XAI_{spec.name.upper()}": spec.name for spec in specs(Settings)}
    return {name: environment[variable] for variable, name in names.items() if variable in environment}
