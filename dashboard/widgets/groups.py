"""How good runs are on the study's groups, the worst first: of one run, and of two."""

from __future__ import annotations

import streamlit as st

from dashboard.text import escaped, plain
from dashboard.widgets.table import table
from xai_core.answers.worst_group import SHOWN, GroupAnswer, GroupComparison
from xai_core.triage.subgroups import LEAST
from xai_core.words import percent, percent_range, points

_FEW = f"fewer than {LEAST}: too few to say"


def groups_of_run(answer: GroupAnswer) -> None:
    """Draw the sentence on the worst group, and the groups."""
    st.html(f'<p class="figure-title">Groups by {escaped(answer.grouping.by)}</p>')
    st.markdown(plain(answer.sentence))
    rows = [
        (
            line["group"],
            f"{line['right']:,} of {line['n']:,}",
            percent(line["accuracy"]) if line["counted"] else _FEW,
            percent_range(line["low"], line["high"]) if line["counted"] else "",
        )
        for line in answer.lines()[:SHOWN]
    ]
    table(("Group", "Right", "Accuracy", "95 % interval"), rows, hints=("Class, and the value that samples share",))
    _notes(answer.notes, len(answer.found.groups))


def groups_of_both(answer: GroupComparison) -> None:
    """Draw the verdict on the worst group, and what became of each group."""
    found = answer.found
    st.html(f'<p class="figure-title">Groups by {escaped(answer.grouping.by)}</p>')
    st.markdown(plain(found.verdict.sentence))
    rows = [
        (
            line["group"],
            f"{line['n']:,}",
            percent(line["before"]),
            percent(line["after"]),
            points(line["difference"]) if line["counted"] else _FEW,
            f"{points(line['low'])} to {points(line['high'])}" if line["counted"] else "",
            f"{line['p']:.2g}" if line["counted"] else "",
        )
        for line in answer.lines()[:SHOWN]
    ]
    heads = ("Group", "n", "Before", "After", "Points", "95 % interval", "p")
    table(heads, rows, hints=("Class, and the value that samples share; the baseline's worst first",))
    _notes(answer.notes, len(found.groups))


def _notes(notes: list[str], groups: int) -> None:
    more = [f"The worst {SHOWN} of {groups} groups are shown."] if groups > SHOWN else []
    st.caption(plain(" ".join([*more, *notes])))
