"""A small table of words and numbers; whatever is in it is shown as text."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.text import escaped


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, hints: Sequence[str] = ()) -> None:
    """Draw it.

    Args:
        head: titles of the columns; "" for none.
        rows: each as long as `head`; the first entry names the row.
        hints: per column what its title means, shown on hovering; "" for nothing.
    """
    hints = [*hints, *[""] * (len(head) - len(hints))]
    titles = "".join(
        f'<th scope="col"{_hint(hint)}>{escaped(title)}</th>' for title, hint in zip(head, hints, strict=True)
    )
    lines = "".join(f"<tr>{_line(row)}</tr>" for row in rows)
    st.html(f'<table class="facts"><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table>')


def _line(row: Sequence[str]) -> str:
    first, *rest = (escaped(entry) for entry in row)
    cells = (f"<td{_kind(entry)}>{entry}</td>" for entry in rest)
    return f'<th scope="row">{first}</th>' + "".join(cells)


def _kind(entry: str) -> str:
    """Short entries stay on one line; sentences wrap."""
    return ' class="number"' if len(entry) <= 20 else ""


def _hint(text: str) -> str:
    return f' title="{escaped(text)}"' if text else ""
