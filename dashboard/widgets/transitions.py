"""What became of the samples between two runs: in all, and of one cell."""

from __future__ import annotations

import streamlit as st

from dashboard.text import escaped
from xai_core.answers.compare import MEANING, Comparison
from xai_core.triage.confusion import Cell
from xai_core.words import percent


def totals(found: Comparison) -> None:
    """Draw one stacked bar of all samples with its numbers."""
    counts = found.numbers()
    n = len(found.rows)
    parts, words = [], []
    for kind, meaning in MEANING.items():
        style = kind.replace(" ", "-")
        parts.append(f'<i class="{style}" style="width:{100 * counts[kind] / n:.3f}%"></i>')
        words.append(
            f'<div title="{escaped(meaning)}"><span><i class="key {style}"></i>{kind.capitalize()}</span>'
            f"<b>{counts[kind]:,}</b><em>{percent(counts[kind] / n)}</em></div>"
        )
    st.html(
        f'<div class="totals"><div class="stack">{"".join(parts)}</div><div class="words">{"".join(words)}</div></div>'
    )


def flows(found: Comparison, cell: Cell) -> None:
    """Say where the samples of the cell went, and where its new ones came from."""
    lines = "<br>".join(escaped(line) for line in found.flow_sentences(cell))
    st.html(f'<p class="flows">{lines}</p>')
