"""What a person takes away from a page."""

from __future__ import annotations

from dashboard.frame.context import Context
from xai_core.answers.cell import members_table
from xai_core.answers.method_quality import MethodQuality
from xai_core.answers.quality_words import table
from xai_core.answers.scope import Rows
from xai_core.tables import csv_bytes


def cell_csv(context: Context, rows: Rows) -> bytes:
    """The samples of a cell: id, file, classes, probabilities, loss, tags, note and facts. UTF-8 with a header."""
    return csv_bytes(members_table(context.scope, rows))


def quality_csv(found: MethodQuality) -> bytes:
    """A line for each metric and method: mean, interval, n, not scored, ranks, what stands beside. UTF-8, a header."""
    return csv_bytes(table(found))
