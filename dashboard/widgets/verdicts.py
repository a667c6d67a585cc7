"""What changed between two runs, in numbers and in the sentence that they carry."""

from __future__ import annotations

import math
from collections.abc import Sequence

import streamlit as st

from dashboard.text import escaped
from xai_core.answers.compare import Outcome
from xai_core.triage.compare import PairedChange
from xai_core.words import points


def verdict_card(outcome: Outcome[PairedChange]) -> None:
    """Draw one outcome: the verdict, the change with its interval around zero, the sentence with all numbers."""
    sentence = escaped(outcome.verdict.sentence).replace(" %", "&nbsp;%")
    drawn = _change(outcome.change, outcome.lower_is_better) if outcome.change.n else ""
    st.html(
        f'<div class="verdict {outcome.verdict.kind}"><header><h3>{escaped(outcome.name)}</h3>'
        f"<em>{escaped(outcome.head)}</em></header>{drawn}<p>{sentence}</p></div>"
    )


def _change(change: PairedChange, lower_is_better: bool) -> str:
    reach = _reach(max(abs(change.low), abs(change.high)))
    low, high, point = (50 + 50 * value / reach for value in (change.low, change.high, change.difference))
    ends = ("better", "worse") if lower_is_better else ("worse", "better")
    return (
        f'<div class="shift"><b>{points(change.difference)}</b><span>points</span></div>'
        f'<div class="track zero"><i class="range" style="left:{low:.2f}%;width:{high - low:.2f}%"></i>'
        f'<i class="point" style="left:{point:.2f}%"></i></div>'
        f'<div class="ends"><span>−{100 * reach:g} {ends[0]}</span><span>0</span>'
        f"<span>{ends[1]} +{100 * reach:g}</span></div>"
    )


def _reach(largest: float) -> float:
    """The end of the axis: the next 1, 2 or 5 of a decade."""
    if not largest > 0:
        return 0.01
    decade = 10 ** math.floor(math.log10(largest))
    return next(step * decade for step in (1, 2, 5, 10) if step * decade >= largest * 0.999)


def caveats(sentences: Sequence[str]) -> None:
    """What the numbers cannot say."""
    lines = "".join(f"<li>{escaped(sentence)}</li>" for sentence in sentences)
    st.html(f'<div class="caveats"><b>What these numbers cannot say</b><ul>{lines}</ul></div>')
