"""Plain text of answers: paragraphs, and tables whose columns stand under each other."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def paragraphs(*parts: str) -> str:
    """The parts that say something, with an empty line between them."""
    return "\n\n".join(part for part in parts if part)


def table(rows: Sequence[Sequence[str]], *, right: Collection[int] = (), indent: str = "  ") -> str:
    """Lines of columns of equal width; those in `right` are flush right."""
    if not rows:
        return ""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join(
        indent
        + "  ".join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
