"""Models and predictions that this project did not make, as runs of a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xai_core import trust
from xai_core.errors import BadInput, BadParameter, NotFound
from xai_core.models.architectures import ARCHITECTURES
from xai_core.models.build import imported, make_preprocess
from xai_core.models.layers import other_layer
from xai_core.models.weights import save_weights
from xai_core.store.files import checked_name
from xai_core.store.run import Run, RunInfo
from xai_core.store.study import Study

NO_LAYER = "none"
SUM_TOLERANCE = 1e-3
"""By how much the probabilities of a sample may miss 1: CSV files are rounded."""


@dataclass(frozen=True)
class Model:
    """What must be known of a model from elsewhere; None where nothing was said."""

    spec: str
    weights: Path
    classes: tuple[str, ...] | None = None
    cam_layer: str | None = None
    size: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


def import_model(study: Study, name: str, model: Model) -> Run:
    """Add a model as a run. The person at the keyboard named its code, so that code may run.

    Raises:
        BadParameter: something that must be known is missing (all of it is named), or does not fit.
        BadInput, UnsafeFile, NotFound: weights, function or layer that cannot be used.
    """
    checked_name(name, "run")
    _check_known(model)
    _check_classes(study, model.classes or ())
    preprocess = make_preprocess(model.size, model.mean, model.std)
    layer = "" if model.cam_layer in (None, NO_LAYER) else str(model.cam_layer)
    made = imported(model.spec, model.weights, study.class_names, preprocess, cam_layer=layer, trusted=True)
    if model.cam_layer is None and not made.cam_layer:
        remedy = f"{other_layer(made)} Or {NO_LAYER}, for pixel methods only."
        raise BadParameter("this model also needs --cam-layer", value=model.spec, remedy=remedy)
    info = RunInfo(
        architecture=model.spec,
        preprocess=preprocess.as_dict(),
        cam_layer=made.cam_layer,
        fingerprint=made.fingerprint,
        provenance={"imported_from": model.weights.name},
    )
    with study.new_run(name, info) as run:
        save_weights(made.module, run.weights)
        if ":" in model.spec:  # before the run is there: without this it could not be opened
            trust.remember(study.path, name, model.spec, Path.cwd())
    return study.run(name)


def _check_known(model: Model) -> None:
    if model.spec not in ARCHITECTURES and ":" not in model.spec:
        raise NotFound.among("architecture", model.spec, ARCHITECTURES.keys())
    needed: dict[str, Any] = {"size": model.size, "mean": model.mean, "std": model.std, "classes": model.classes}
    missing = [f"--{name}" for name, value in needed.items() if value is None]
    if missing:
        remedy = "Give what it was trained with; --classes in the order of its outputs."
        raise BadParameter(f"this model also needs {', '.join(missing)}", value=model.spec, remedy=remedy)


def _check_classes(study: Study, classes: Sequence[str]) -> None:
    if tuple(classes) == study.class_names:
        return
    theirs, ours = ", ".join(classes), ", ".join(study.class_names)
    if sorted(classes) == sorted(study.class_names):
        remedy = f"Make the study with --classes {','.join(classes)}."
        raise BadParameter("the study has the model's classes in another order", value=ours, remedy=remedy)
    raise BadParameter("the model's classes are not the study's", value=theirs, remedy=f"The study has {ours}.")


def import_predictions(study: Study, name: str, path: Path) -> Run:
    """Add predictions as a run: a CSV with `id` and one column of probabilities per class, named as the class.

    Raises:
        BadInput: not such a table; the first problem is told with its line.
    """
    checked_name(name, "run")
    table = _read_csv(path)
    missing = [column for column in ("id", *study.class_names) if column not in table.columns]
    if missing:
        remedy = "Give id and one column of probabilities for each class of the study."
        raise BadInput("the table lacks columns", value=", ".join(missing), remedy=remedy)
    rows = _rows(study, table["id"])
    probabilities = _probabilities(table, study.class_names)
    info = RunInfo(provenance={"imported_from": path.name})
    with study.new_run(name, info) as run:
        run.write_predictions(rows, probabilities)
    return study.run(name)


def _read_csv(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise NotFound("no such file", value=path, remedy="Give the path of a CSV file.")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", on_bad_lines="error")
    except (ValueError, OSError) as error:
        remedy = f"Save it as CSV in UTF-8 with a header line ({type(error).__name__})."
        raise BadInput("not a CSV table", value=path.name, remedy=remedy) from None
    if not len(table):
        raise BadInput("the table has no lines", value=path.name, remedy="Give one line per sample.")
    return table


def _rows(study: Study, ids: pd.Series[str]) -> NDArray[np.int64]:
    known = pd.Series(np.arange(len(study.samples)), index=study.samples["id"].astype(str))
    unknown = ids[~ids.isin(known.index)]
    if len(unknown):
        remedy = f"{len(unknown)} of {len(ids)} ids are not in the study; it has such as {known.index[0]}."
        raise BadInput("a line is about an unknown sample", value=unknown.iloc[0], remedy=remedy)
    twice = ids[ids.duplicated()]
    if len(twice):
        raise BadInput("a sample comes twice", value=twice.iloc[0], remedy="Give each sample once.")
    return known[ids].to_numpy(np.int64)


def _probabilities(table: pd.DataFrame, classes: Sequence[str]) -> NDArray[np.float32]:
    values = table[list(classes)].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    wrong = ~((values >= 0) & (values <= 1)).all(axis=1)  # NaN compares false
    if wrong.any():
        remedy = "Give probabilities from 0 to 1, not logits or percentages."
        raise BadInput("a line holds no probabilities", value=_line(table, wrong), remedy=remedy)
    off = np.abs(values.sum(axis=1) - 1) > SUM_TOLERANCE
    if off.any():
        remedy = "The probabilities of a sample must add up to 1."
        raise BadInput("a line does not add up", value=_line(table, off), remedy=remedy)
    return values.astype(np.float32)


def _line(table: pd.DataFrame, wrong: NDArray[np.bool_]) -> str:
    first = int(np.flatnonzero(wrong)[0])
    return f"line {first + 2}, {table['id'].iloc[first]}"
