"""What became of the samples between two runs: in all, and of one cell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.comparison import Comparison
from dashboard.context import Context
from dashboard.text import escaped
from xai_core.triage.confusion import Cell

_LOOKS = {
    "fixed": "wrong before, right after",
    "broken": "right before, wrong after",
    "still wrong": "the same wrong class both times",
    "changed its mistake": "another wrong class than before",
    "still right": "right both times",
}


def totals(found: Comparison) -> None:
    """Draw one stacked bar of all samples with its numbers."""
    counts = found.numbers(np.ones(len(found.rows), bool))
    n = len(found.rows)
    parts, words = [], []
    for kind, meaning in _LOOKS.items():
        style = kind.replace(" ", "-")
        parts.append(f'<i class="{style}" style="width:{100 * counts[kind] / n:.3f}%"></i>')
        words.append(
            f'<div title="{escaped(meaning)}"><span><i class="key {style}"></i>{kind.capitalize()}</span>'
            f"<b>{counts[kind]:,}</b><em>{100 * counts[kind] / n:.1f} %</em></div>"
        )
    st.html(
        f'<div class="totals"><div class="stack">{"".join(parts)}</div><div class="words">{"".join(words)}</div></div>'
    )


def flows(context: Context, found: Comparison, cell: Cell) -> None:
    """Say where the samples of the cell went, and where its new ones came from."""
    moves, names = found.flows(cell), context.study.class_names
    out = moves[moves["baseline"] == cell[1]]
    new = moves[moves["baseline"] != cell[1]]
    true, predicted = names[cell[0]], names[cell[1]]
    lines = [
        f"Before, {int(out['count'].sum()):,} of class {true} were predicted as {predicted}; "
        f"after: {_list(out, 'candidate', names)}.",
        f"New in the cell after: {int(new['count'].sum()):,}"
        + (f"; before: {_list(new, 'baseline', names)}." if len(new) else "."),
    ]
    st.html(f'<p class="flows">{"<br>".join(escaped(line) for line in lines)}</p>')


def _list(moves: pd.DataFrame, column: str, names: tuple[str, ...]) -> str:
    """`7 dress, 4 skirt`, largest first."""
    counts = moves.groupby(column)["count"].sum().sort_values(ascending=False, kind="stable")
    pairs = zip(counts.index.to_numpy(), counts.to_numpy(), strict=True)
    return ", ".join(f"{count:,} {names[index]}" for index, count in pairs) or "none"
