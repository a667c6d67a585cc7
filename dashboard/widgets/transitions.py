"""What became of the samples between two runs: in all, and of one cell."""

from __future__ import annotations

import streamlit as st

from dashboard.text import escaped
from xai_core.answers.compare import Comparison
from xai_core.triage.confusion import Cell
from xai_core.words import percent


def totals(found: Comparison) -> None:
    """Draw one stacked bar of all samples with its numbers."""
    parts, words = [], []
    for kind, meaning, count, share in found.fates:
        style = kind.replace(" ", "-")
        parts.append(f'<i class="{style}" style="width:{100 * share:.3f}%"></i>')
        words.append(
            f'<div title="{escaped(meaning)}"><span><i class="key {style}"></i>{kind.capitalize()}</span>'
            f"<b>{count:,}</b><em>{percent(share)}</em></div>"
        )
    st.html(
        f'<div class="totals"><div class="stack">{"".join(parts)}</div><div class="words">{"".join(words)}</div></div>'
    )


def flows(found: Comparison, cell: Cell) -> None:
    """Say where the samples of the cell went, and where its new ones came from."""
    lines = "<br>".join(escaped(line) for line in found.flow_sentences(cell))
    st.html(f'<p class="flows">{lines}</p>')
