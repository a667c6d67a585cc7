"""What the Overview says of data and runs: a study in, tables and short facts out. Nothing is drawn here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from dashboard.context import Context
from xai_core.errors import XaiError
from xai_core.store.predictions import Predictions
from xai_core.store.run import RunInfo
from xai_core.store.study import Study
from xai_core.triage.quality import Quality, quality
from xai_core.types import SPLITS

SHOWN_CLASSES = 30
"""With more classes than this, the data card shows the largest and the smallest ones."""


@dataclass(frozen=True)
class Fact:
    """One entry of the data card; `help` says why it matters, `warn` that a person should look twice."""

    name: str
    value: str
    help: str = ""
    warn: bool = False


def class_counts(study: Study) -> pd.DataFrame:
    """One row per class, in order: how many samples each of SPLITS has, and `n` in all."""
    codes = pd.Categorical(study.samples["split"], categories=SPLITS).codes.astype(np.int64)
    size = len(study.class_names)
    counts = np.bincount(study.labels * len(SPLITS) + codes, minlength=size * len(SPLITS)).reshape(size, -1)
    return pd.DataFrame(counts, columns=list(SPLITS)).assign(n=counts.sum(axis=1))


def shown_classes(counts: pd.DataFrame) -> NDArray[np.int64]:
    """The classes that the card has room for: all in order, or the largest and the smallest by samples."""
    if len(counts) <= SHOWN_CLASSES:
        return np.arange(len(counts))
    order = np.argsort(-counts["n"].to_numpy(), kind="stable")
    half = SHOWN_CLASSES // 2
    return np.concatenate([order[:half], order[-half:]])


def examples(study: Study, rows: NDArray[np.int64], label: int, count: int) -> NDArray[np.int64]:
    """Up to `count` row numbers of a class among `rows`, evenly spread over them."""
    members = rows[study.labels[rows] == label]
    places = np.unique(np.linspace(0, len(members) - 1, min(count, len(members))).round().astype(int))
    return members[places] if len(members) else members


@st.cache_data(max_entries=16, show_spinner=False)
def crossing(_study: Study, digest: str) -> pd.DataFrame:  # noqa: ARG001 (the digest stands for the study in the cache)
    """The groups of identical samples in several splits: `samples` (ids) and `splits`, as text."""
    found, ids = _study.duplicates(), _study.samples["id"].to_numpy()
    names = [", ".join(ids[rows]) for rows in found["rows"]]
    return pd.DataFrame({"samples": names, "splits": [", ".join(splits) for splits in found["splits"]]})


def facts(study: Study) -> list[Fact]:
    """The data card."""
    samples, masks = study.samples, int(study.samples["has_mask"].sum())
    twins, broken = len(crossing(study, study.info.samples_digest)), len(study.info.unreadable)
    return [
        Fact("Samples", f"{len(samples):,}"),
        Fact("Classes", f"{len(study.class_names):,}"),
        _balance(study),
        _sizes(samples),
        Fact("Object masks", f"{masks:,} of {len(samples):,}" if masks else "none", _MASKS),
        Fact("Shared by splits", f"{twins:,} found" if twins else "none", _LEAK, bool(twins)),
        Fact("Unreadable files", f"{broken:,} left out" if broken else "none", "They are in no count.", bool(broken)),
    ]


_LEAK = "The same picture in two splits: a model looks better than it is where it is tested on what it was trained on."
_MASKS = "With masks it can be measured how much of a heatmap lies on the object."


def _balance(study: Study) -> Fact:
    counts = np.bincount(study.labels, minlength=len(study.class_names))
    most, least = int(counts.argmax()), int(counts.argmin())
    words = f"Largest: {study.class_names[most]} ({counts[most]:,}). Smallest: {study.class_names[least]} "
    words += f"({counts[least]:,}). All splits together."
    if not counts[least]:
        return Fact("Largest to smallest class", "a class is empty", words, warn=True)
    ratio = counts[most] / counts[least]
    return Fact("Largest to smallest class", f"{ratio:.1f} to 1", words, warn=ratio >= 10)


def _sizes(samples: pd.DataFrame) -> Fact:
    wide, high = samples["width"], samples["height"]
    if wide.nunique() == 1 and high.nunique() == 1:
        return Fact("Picture size", f"{wide.iat[0]} × {high.iat[0]} px")
    help_ = f"Median width × median height. Widths {wide.min()} to {wide.max()}, heights {high.min()} to {high.max()}."
    return Fact("Picture size", f"{wide.median():.0f} × {high.median():.0f} px, varies", help_)


@dataclass(frozen=True)
class Runs:
    """The study's runs on the split that is open, newest first.

    Attributes:
        table: one row per run: `name`, `model`, `state` (`measured`, `elsewhere`: no predictions in this split,
            `unpredicted`), the fields of Quality, `parent`, `augmentations`, `created`, `seconds`.
        problems: of runs that cannot be read.
    """

    table: pd.DataFrame
    problems: list[XaiError]

    @property
    def measured(self) -> pd.DataFrame:
        """Those with predictions in the split."""
        return self.table[self.table["state"] == "measured"]

    def named(self, state: str) -> list[str]:
        """Names of the runs in this state."""
        return self.table.loc[self.table["state"] == state, "name"].tolist()


_COLUMNS = ("name", "model", "state", *Quality.__dataclass_fields__, "parent", "augmentations", "created", "seconds")


def all_runs(context: Context) -> Runs:
    """What is known of every run; a damaged one hides no other."""
    rows, problems = [], []
    for name in reversed(context.study.runs()):
        try:
            rows.append(_run_row(context, name))
        except XaiError as error:
            problems.append(error)
    return Runs(pd.DataFrame(rows, columns=list(_COLUMNS)), problems)


def _run_row(context: Context, name: str) -> dict[str, object]:
    run = context.services.studies.run(context.study, name)
    info, predictions = run.info, run.predictions
    row: dict[str, object] = {
        "name": name,
        "model": info.architecture or "predictions alone",
        "state": "unpredicted",
        "parent": info.parent or "",
        "augmentations": ", ".join(augmentations(info)),
        "created": _moment(info.created),
        "seconds": info.seconds if info.seconds is not None else np.nan,
    }
    if predictions is None:
        return row
    good = measured(context, predictions)
    return row | asdict(good) | {"state": "measured" if good.n else "elsewhere"}


def augmentations(info: RunInfo) -> list[str]:
    """Keys of the augmentations that a run was trained with, as words."""
    return [str(key).replace("_", " ") for key in info.training.get("augmentations") or ()]


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return None


def aligned(context: Context, predictions: Predictions) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row numbers of the open split that have predictions, and their places in the predictions."""
    places = np.flatnonzero(np.isin(predictions.rows, context.rows))
    return predictions.rows[places], places


def measured(context: Context, predictions: Predictions) -> Quality:
    """How good the predictions are on the open split."""
    rows, _ = aligned(context, predictions)
    said = predictions.at(rows)
    return _quality(context.study.labels[rows], said.predicted, said.confidence, len(context.study.class_names))


@st.cache_data(max_entries=256, show_spinner=False)
def _quality(labels: NDArray[np.int64], predicted: NDArray[np.int64], confidence: NDArray, classes: int) -> Quality:
    return quality(labels, predicted, confidence, classes)
