"""The lines that do in a terminal what a page shows."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from dashboard.context import Context
from xai_core.answers.maps import Column
from xai_core.params import as_dict


def explain_line(context: Context, columns: Sequence[Column], row: int, target: str) -> str:
    """`xai explain …` for one sample, quoted for a shell.

    Args:
        target: one of TARGET_SPECS or a class index as text.
    """
    assert context.run is not None
    words = ["xai", "explain", str(context.study.path), "--run", context.run.name]
    words += ["--methods", ",".join(column.card.key for column in columns)]
    words += [f"--ids={context.study.samples['id'].iat[row]}", "--target", target]  # an id may begin with a dash
    for column in columns:
        words += [word for setting in settings(column) for word in ("--set", f"{column.card.key}.{setting}")]
    return shlex.join(words)


def settings(column: Column) -> list[str]:
    """A method's parameters that are not at their defaults, as `steps=100`."""
    defaults = as_dict(type(column.params)())
    return [f"{name}={value}" for name, value in as_dict(column.params).items() if value != defaults[name]]
