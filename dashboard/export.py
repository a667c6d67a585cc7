"""What a person takes away from a page."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dashboard.context import Context

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell_csv(context: Context, rows: NDArray[np.int64]) -> bytes:
    """The samples of a cell: id, file, classes, probabilities, loss, tags and note. UTF-8 with a header."""
    predictions, study = context.predictions, context.study
    assert predictions is not None
    said = predictions.at(rows)
    labels, predicted = study.labels[rows], said.predicted
    names = np.array(study.class_names, dtype=object)
    samples = study.samples.iloc[rows]
    written = study.annotations.of(rows.tolist())
    table = pd.DataFrame(
        {
            "id": samples["id"].map(_harmless),
            "row": rows,
            "split": samples["split"],
            "path": samples["path"].map(_harmless),
            "true": [_harmless(name) for name in names[labels]],
            "predicted": [_harmless(name) for name in names[predicted]],
            "p_true": said.of(labels),
            "p_predicted": said.confidence,
            "loss": said.loss,
            "tags": [_harmless("; ".join(one.tags)) for one in written],
            "note": [_harmless(one.note) for one in written],
        }
    )
    return table.to_csv(index=False, float_format="%.6g").encode()


def _harmless(text: str) -> str:
    """Text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
