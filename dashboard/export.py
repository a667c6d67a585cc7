"""What a person takes away from a page."""

from __future__ import annotations

from typing import Any

import pandas as pd

from dashboard.frame.context import Context
from xai_core.answers.cell import members_table
from xai_core.answers.method_quality import MethodQuality
from xai_core.answers.quality_words import table
from xai_core.answers.scope import Rows
from xai_core.store.facts import said

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell_csv(context: Context, rows: Rows) -> bytes:
    """The samples of a cell: id, file, classes, probabilities, loss, tags, note and facts. UTF-8 with a header."""
    return _csv(members_table(context.scope, rows))


def quality_csv(found: MethodQuality) -> bytes:
    """A line for each metric and method: mean, interval, n, not scored, ranks, what stands beside. UTF-8, a header."""
    return _csv(table(found))


def _csv(lines: pd.DataFrame) -> bytes:
    for name in lines.select_dtypes(exclude="number").columns:
        lines[name] = [_harmless(value) for value in lines[name]]
    lines.columns = [_harmless(name) for name in lines.columns]
    return lines.to_csv(index=False, float_format="%.6g").encode()


def _harmless(value: Any) -> Any:
    """Text that a spreadsheet does not take for a formula; yes and no as people write them."""
    if isinstance(value, bool):
        return said(value)
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
