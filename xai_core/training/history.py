"""What a training measured, in the long form: a line for each epoch, split and measure. No torch here."""

from __future__ import annotations

from typing import Any

import pandas as pd

COLUMNS = ("epoch", "split", "measure", "value")
MEASURES = ("loss", "accuracy", "seconds", "learning_rate")
"""What every training has of both splits; of the training split also what its loss reports, and of segmentation's
validation `mean_iou`, the mean over classes of intersection over union.

`loss` is plain cross-entropy in nats whatever the training loss, so that runs compare; of `train`, over the augmented
batches as they came. `accuracy` is a share, of `train` by the largest of each target. `seconds` are those of the whole
epoch, `learning_rate` is that of its last step.
"""


def entries(epoch: int, split: str, measures: dict[str, float]) -> list[dict[str, Any]]:
    """The lines of one epoch and split."""
    return [{"epoch": epoch, "split": split, "measure": name, "value": value} for name, value in measures.items()]


def long(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same where earlier versions kept one line for each epoch and split, with all measures."""
    found: list[dict[str, Any]] = []
    for line in lines:
        wide = {name: line[name] for name in MEASURES if name in line}
        found += entries(line["epoch"], line["split"], wide) if wide else [line]
    return found


def frame(lines: list[dict[str, Any]]) -> pd.DataFrame:
    """The lines as a table with COLUMNS."""
    return pd.DataFrame(lines, columns=list(COLUMNS)).astype({"epoch": "int64", "value": "float64"})


def values(history: pd.DataFrame, split: str, measure: str) -> pd.Series[float]:
    """One measure of one split, by epoch."""
    found = history[(history["split"] == split) & (history["measure"] == measure)]
    return found.set_index("epoch")["value"]


def by_epoch(history: pd.DataFrame) -> list[dict[str, Any]]:
    """One object for each epoch and split, with its measures by name."""
    found: dict[tuple[int, str], dict[str, Any]] = {}
    for line in history.to_dict("records"):
        place = found.setdefault((line["epoch"], line["split"]), {"epoch": line["epoch"], "split": line["split"]})
        place[line["measure"]] = line["value"]
    return list(found.values())
