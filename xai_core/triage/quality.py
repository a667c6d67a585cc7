"""How good a classifier is on a set of samples: one record, a table per class, a table for calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xai_core.triage.confusion import confusion_counts
from xai_core.triage.intervals import wilson

BINS = 15


@dataclass(frozen=True)
class Quality:
    """All in [0, 1] except counts; NaN where it cannot be computed (no samples, no probabilities).

    Attributes:
        n, errors: samples, and how many of them are wrong.
        accuracy, low, high: share of correct samples and its 95 % interval (Wilson).
        balanced_accuracy: mean recall over the classes that have samples.
        macro_f1: mean F1 over the classes that have samples or predictions.
        calibration_error: see `expected_calibration_error`.
    """

    n: int
    errors: int
    accuracy: float
    low: float
    high: float
    balanced_accuracy: float
    macro_f1: float
    calibration_error: float


def quality(labels: NDArray[np.integer], predicted: NDArray[np.integer], confidence: NDArray, classes: int) -> Quality:
    """What the record says, for `(n,)` labels, predictions and their probabilities, of so many classes."""
    n, correct = len(labels), int(np.sum(labels == predicted))
    low, high = (float(bound) for bound in wilson(correct, n))
    if not n:
        return Quality(0, 0, *[np.nan] * 6)
    counts = confusion_counts(labels, predicted, classes)
    hits, members, said = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    balanced = np.mean(hits[members > 0] / members[members > 0])
    either = members + said > 0
    f1 = np.mean(2 * hits[either] / (members + said)[either])
    gap = expected_calibration_error(reliability(labels, predicted, confidence))
    return Quality(n, n - correct, correct / n, low, high, float(balanced), float(f1), gap)


def per_class(labels: NDArray[np.integer], predicted: NDArray[np.integer], class_names: Sequence[str]) -> pd.DataFrame:
    """One row per class: `class`, `name`, `n`, `errors`, `recall` with `low` and `high`, `precision`, `f1`.

    NaN where there is nothing to divide by: recall without samples, precision without predictions.
    """
    from sklearn.metrics import precision_recall_fscore_support

    classes = np.arange(len(class_names))
    if len(labels):
        precision, recall, f1, n = precision_recall_fscore_support(
            labels, predicted, labels=classes, zero_division=np.nan
        )
    else:
        precision = recall = f1 = np.full(len(classes), np.nan)
        n = np.zeros(len(classes), int)
    correct = np.bincount(labels[labels == predicted], minlength=len(classes)) if len(labels) else n
    low, high = wilson(correct, n)
    return pd.DataFrame(
        {"class": classes, "name": list(class_names), "n": n, "errors": n - correct, "recall": recall}
        | {"low": low, "high": high, "precision": precision, "f1": f1}
    )


def reliability(
    labels: NDArray[np.integer], predicted: NDArray[np.integer], confidence: NDArray, bins: int = BINS
) -> pd.DataFrame:
    """Accuracy against confidence, the probability of the predicted class, in bins of equal width.

    Returns:
        One row per bin: `left`, `right` (the bin is (left, right]), `n`, `confidence` (mean), `accuracy`, `low`,
        `high`; NaN in empty bins. Samples without a probability (NaN) are in none.
    """
    confidence = np.asarray(confidence, float)
    known = np.isfinite(confidence)
    confidence, correct = confidence[known], (labels == predicted)[known].astype(float)
    number = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    n = np.bincount(number, minlength=bins)
    hits = np.bincount(number, weights=correct, minlength=bins)
    divisor = np.where(n > 0, n, np.nan)
    low, high = wilson(hits, n)
    edges = np.linspace(0, 1, bins + 1)
    return pd.DataFrame(
        {"left": edges[:-1], "right": edges[1:], "n": n}
        | {"confidence": np.bincount(number, weights=confidence, minlength=bins) / divisor}
        | {"accuracy": hits / divisor, "low": low, "high": high}
    )


def expected_calibration_error(table: pd.DataFrame) -> float:
    """Σ over bins of (n_bin / n) · |accuracy − confidence|, in [0, 1]; NaN without samples.

    Guo et al. (2017), On calibration of modern neural networks, eq. 3, on a table from `reliability`.
    """
    n = table["n"].sum()
    gap = (table["accuracy"] - table["confidence"]).abs()
    return float((gap * table["n"]).sum() / n) if n else float("nan")
