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
    samples = [f"--ids={context.study.samples['id'].iat[row]}"]  # an id may begin with a dash
    return shlex.join(_explain(context, columns, samples, target))


def explain_many_line(context: Context, columns: Sequence[Column], cell: tuple[int, int] | None) -> str:
    """`xai explain … --background` for a cell of the chosen split, or all of it."""
    samples = ["--split", context.selection.split]
    if cell is not None:
        true, predicted = (context.study.class_names[index] for index in cell)
        samples += [f"--true={true}", f"--predicted={predicted}"]
    return shlex.join([*_explain(context, columns, samples, context.selection.target), "--background"])


def _explain(context: Context, columns: Sequence[Column], samples: Sequence[str], target: str) -> list[str]:
    assert context.run is not None
    words = ["xai", "explain", str(context.study.path), "--run", context.run.name]
    words += ["--methods", ",".join(column.card.key for column in columns), *samples, "--target", target]
    return words + [part for c in columns for setting in settings(c) for part in ("--set", f"{c.card.key}.{setting}")]


def settings(column: Column) -> list[str]:
    """A method's parameters that are not at their defaults, as `steps=100`."""
    defaults = as_dict(type(column.params)())
    return [f"{name}={value}" for name, value in as_dict(column.params).items() if value != defaults[name]]
