"""Settings of a process: defaults < `xai.toml` in the working folder < environment (`XAI_…`) < command line."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xai_core.errors import BadInput, BadParameter, XaiError
from xai_core.params import build, param, specs

AT_ONCE, ON_REQUEST = "at-once", "on-request"
FILE, _MOST_BYTES = "xai.toml", 100_000
_DEVICE = re.compile(r"auto|cpu|cuda(:[0-9]{1,3})?")


@dataclass(frozen=True)
class Settings:
    """What holds for a whole process."""

    device: str = param("auto", help="where models run: auto, cpu, cuda or cuda:N")
    threads: int = param(0, help="CPU threads for models; 0 lets torch choose", low=0, high=512)
    batch_size: int = param(32, help="samples per forward pass", low=1, high=4096)
    compute: str = param(
        AT_ONCE, help="when the dashboard computes heatmaps that a page lacks", choices=(AT_ONCE, ON_REQUEST)
    )
    address: str = param("127.0.0.1", help="address the dashboard listens on")
    allow_hosts: str = param("", help="names, with commas, by which the dashboard may be asked besides its own")
    port: int = param(8501, help="port the dashboard listens on", low=1, high=65535)


def load(overrides: Mapping[str, Any] | None = None, *, folder: Path | None = None) -> Settings:
    """The settings in force.

    Args:
        overrides: values from the command line; None entries are ignored.
        folder: where `xai.toml` is looked for; the working folder by default.

    Raises:
        BadInput: `xai.toml` cannot be read or is not TOML.
        NotFound, BadParameter: an unknown setting or a value that cannot be; where it was said is told.
    """
    values: dict[str, Any] = {}
    for source, given in (
        (f"in {FILE}", _from_toml(folder)),
        ("in the environment", _from_environment(os.environ)),
        ("", {name: value for name, value in (overrides or {}).items() if value is not None}),
    ):
        try:
            _check_device(build(Settings, given).device)
        except XaiError as error:
            error.problem += f" ({source})" if source else ""
            raise
        values |= given
    return build(Settings, values)


def _check_device(name: str) -> None:
    """Whether it can be the name of a device; whether it is there is known where torch is."""
    if not _DEVICE.fullmatch(name):
        raise BadParameter("no such device", value=name, remedy="Use auto, cpu, cuda or cuda:N.")


def _from_toml(folder: Path | None) -> dict[str, Any]:
    try:
        path = (folder or Path.cwd()) / FILE
        kind = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):  # also where the working folder itself is gone
        return {}
    except OSError as error:
        raise _unusable(error.strerror) from None
    if not stat.S_ISREG(kind):
        raise _unusable("not a plain file")
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise _unusable(f"more than {_MOST_BYTES} bytes")
        return tomllib.loads(content.decode("utf-8-sig"))
    except OSError as error:
        raise _unusable(error.strerror) from None
    except (ValueError, RecursionError) as error:
        raise BadInput("the settings file is not TOML", value=FILE, remedy=f"Correct this: {error}.") from None


def _unusable(reason: str | None) -> BadInput:
    return BadInput("the settings file cannot be read", value=FILE, remedy=f"Correct or remove it: {reason}.")


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    names = {f"XAI_{spec.name.upper()}": spec.name for spec in specs(Settings)}
    return {name: environment[variable] for variable, name in names.items() if variable in environment}
