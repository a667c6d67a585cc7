"""What a person takes away from a page."""

from __future__ import annotations

from typing import Any

from dashboard.frame.context import Context
from xai_core.answers.cell import members_table
from xai_core.answers.scope import Rows
from xai_core.store.facts import said

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell_csv(context: Context, rows: Rows) -> bytes:
    """The samples of a cell: id, file, classes, probabilities, loss, tags, note and facts. UTF-8 with a header."""
    table = members_table(context.scope, rows)
    for name in table.select_dtypes(exclude="number").columns:
        table[name] = [_harmless(value) for value in table[name]]
    table.columns = [_harmless(name) for name in table.columns]
    return table.to_csv(index=False, float_format="%.6g").encode()


def _harmless(value: Any) -> Any:
    """Text that a spreadsheet does not take for a formula; yes and no as people write them."""
    if isinstance(value, bool):
        return said(value)
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
