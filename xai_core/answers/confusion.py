"""Which classes are confused: the matrix of a run on a split, its largest confusions, and what it leaves out."""

from __future__ import annotations

from xai_core.answers.scope import Members, Scope
from xai_core.triage.confusion import confusion_counts, worst_pairs


def unpredicted(scope: Scope) -> str:
    """A sentence on the samples of the split that the run has no prediction for, or ""."""
    missing = len(scope.rows) - len(scope.members.rows)
    if not missing:
        return ""
    begin = "1 more sample of this split has" if missing == 1 else f"{missing:,} more samples of this split have"
    return f"{begin} no prediction and count nowhere: xai predict asks again, and says why where there is none."


def confusions(among: Members, classes: int, *, top: int | None = None) -> list[tuple[int, int, int]]:
    """`(true class, predicted class, samples)` of the confusions that happen, largest first."""
    table = worst_pairs(confusion_counts(among.labels, among.predicted, classes), [""] * classes, top)
    columns = (table[name].tolist() for name in ("true", "predicted", "count"))
    return list(zip(*columns, strict=True))
