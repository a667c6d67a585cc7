"""What a person takes away from a page."""

from __future__ import annotations

from dashboard.frame.context import Context
from xai_core.answers.cell import members_table
from xai_core.answers.scope import Rows

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_TEXTS = ("id", "path", "true", "predicted", "tags", "note")


def cell_csv(context: Context, rows: Rows) -> bytes:
    """The samples of a cell: id, file, classes, probabilities, loss, tags and note. UTF-8 with a header."""
    table = members_table(context.scope, rows)
    for name in _TEXTS:
        table[name] = [_harmless(text) for text in table[name]]
    return table.to_csv(index=False, float_format="%.6g").encode()


def _harmless(text: str) -> str:
    """Text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
