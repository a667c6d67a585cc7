"""Models and predictions that this project did not make, as runs of a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from xai_core import trust
from xai_core.errors import BadInput, BadParameter, NotFound
from xai_core.models.architectures import ARCHITECTURES
from xai_core.models.build import imported, make_preprocess
from xai_core.models.layers import other_layer
from xai_core.models.preprocess import Fit, Preprocess
from xai_core.models.probe import answers, check_answers
from xai_core.models.resample import Interpolation
from xai_core.models.weights import save_weights
from xai_core.pipeline.trials import TRIED, fit_of
from xai_core.store.files import checked_name
from xai_core.store.run import Run, RunInfo
from xai_core.store.study import Study
from xai_core.tables import Table, number, read_table
from xai_core.text import listed, nfc, places, plain_name
from xai_core.types import CancelToken, Progress, silent

NO_LAYER = "none"
SUM_TOLERANCE = 1e-3
"""By how much the probabilities of a sample may miss 1: CSV files are rounded."""


@dataclass(frozen=True)
class Model:
    """What must be known of a model from elsewhere; None where nothing was said.

    From `size` on it is the preprocessing that it was trained with: see `make_preprocess`.
    """

    spec: str
    weights: Path
    classes: tuple[str, ...] | None = None
    cam_layer: str | None = None
    size: int | tuple[int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    resize: int | None = None
    fit: Fit | None = None
    crop_share: float | None = None
    interpolation: Interpolation | None = None
    antialias: bool | None = None
    fill: tuple[int, ...] | None = None


def import_model(
    study: Study,
    name: str,
    model: Model,
    *,
    folder: Path | None = None,
    like: Sequence[Sequence[float]] | None = None,
    try_on: int = TRIED,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> Run:
    """Add a model as a run. The person at the keyboard named its code, so that code may run.

    Args:
        study: where to.
        name: of the run.
        model: what is known of it.
        folder: where its code is looked for first; the working folder where not given.
        like: what it has to answer: see `models.probe.answers`.
        try_on: how many pictures other ways to prepare them are tried on (`fit_of`), at most; 0 for none.
        progress, cancel: of that.

    Raises:
        BadParameter: something that must be known is missing (all of it is named), or does not fit.
        BadInput, UnsafeFile, NotFound: weights, function or layer that cannot be used.
    """
    checked_name(name, "run")
    _check_known(model)
    check_classes(study, model.classes or ())
    preprocess = preprocess_of(model)
    layer = "" if model.cam_layer in (None, NO_LAYER) else str(model.cam_layer)
    place = folder or Path.cwd()
    made = imported(
        model.spec, model.weights, study.class_names, preprocess, cam_layer=layer, trusted=True, folder=place
    )
    if like is not None:
        check_answers(made, torch.tensor(like))
    if model.cam_layer is None and not made.cam_layer:
        remedy = f"{other_layer(made)} Or {NO_LAYER}, for pixel methods only."
        raise BadParameter("this model also needs --cam-layer", value=model.spec, remedy=remedy)
    notes = [_seen(preprocess), *made.notes, fit_of(study, made, most=try_on, progress=progress, cancel=cancel)]
    info = RunInfo(
        architecture=model.spec,
        preprocess=preprocess.as_dict(),
        cam_layer=made.cam_layer,
        fingerprint=made.fingerprint,
        code=dict(made.code.digests) if made.code else {},
        probe=answers(made) if made.code else [],
        provenance={"imported_from": model.weights.name, "notes": list(filter(None, notes))},
    )
    with study.new_run(name, info) as run:
        save_weights(made.module, run.weights)
        if ":" in model.spec:  # before the run is there: without this it could not be opened
            trust.remember(study.path, name, model.spec, place)
    return study.run(name)


def preprocess_of(model: Model) -> Preprocess:
    """What is known of the model's input. Raises as `make_preprocess`."""
    names = ("fit", "crop_share", "interpolation", "antialias", "fill")
    return make_preprocess(
        model.size, model.mean, model.std, model.resize, **{name: getattr(model, name) for name in names}
    )


def _seen(preprocess: Preprocess) -> str:
    """What the model is shown of a picture, and what else it may have been trained with."""
    squashed = preprocess.fit == "squash" and preprocess.resize is None
    other = " If the model was trained on their centres, import it with --resize." if squashed else ""
    return preprocess.described() + other


def _check_known(model: Model) -> None:
    if model.spec not in ARCHITECTURES and ":" not in model.spec:
        raise NotFound.among("architecture", model.spec, ARCHITECTURES.keys())
    needed: dict[str, Any] = {"size": model.size, "mean": model.mean, "std": model.std, "classes": model.classes}
    missing = [f"--{name}" for name, value in needed.items() if value is None]
    if missing:
        remedy = "Give what it was trained with; --classes in the order of its outputs."
        raise BadParameter(f"this model also needs {', '.join(missing)}", value=model.spec, remedy=remedy)


def check_classes(study: Study, classes: Sequence[str]) -> None:
    """Raise BadParameter where these are not the study's classes in its order."""
    given, known = [[plain_name(name) for name in names] for names in (classes, study.class_names)]
    if given == known:
        return
    theirs, ours = ", ".join(classes), ", ".join(study.class_names)
    if sorted(given) == sorted(known):
        remedy = f"Make the study with --classes {','.join(classes)}."
        raise BadParameter("the study has the model's classes in another order", value=ours, remedy=remedy)
    raise BadParameter("the model's classes are not the study's", value=theirs, remedy=f"The study has {ours}.")


def import_predictions(study: Study, name: str, path: Path) -> Run:
    """Add predictions as a run: a CSV with `id` and one column of probabilities per class, named as the class.

    Raises:
        BadInput: not such a table; the first problem is told with its line.
    """
    checked_name(name, "run")
    table = read_table(path)
    id_place, class_places = _places(table, study.class_names)
    rows = _rows(study, table, id_place)
    probabilities = _probabilities(table, id_place, class_places)
    info = RunInfo(provenance={"imported_from": path.name})
    with study.new_run(name, info) as run:
        run.write_predictions(rows, probabilities)
    return study.run(name)


def _places(table: Table, classes: Sequence[str]) -> tuple[int, list[int]]:
    """Where the ids are, and the probabilities of each class. Of a class called `id`, in the second such column."""
    found = {name: table.places(name) for name in ("id", *classes)}
    spare = {name: int(plain_name(name) == "id" and "id" in map(plain_name, classes)) for name in found}
    missing = [name for name, at in found.items() if len(at) <= spare[name]]
    if missing:
        has = listed(table.columns, 8)
        remedy = f"Give id and one column of probabilities for each class of the study; the table has {has}."
        raise BadInput("the table lacks columns", value=", ".join(missing), remedy=remedy)
    twice = [name for name, at in found.items() if len(at) > 1 + spare[name]]
    if twice:
        raise BadInput("a column comes twice", value=", ".join(twice), remedy="Give each class one column.")
    return found["id"][0], [found[name][-1] for name in classes]


def _rows(study: Study, table: Table, id_place: int) -> NDArray[np.int64]:
    ids = study.samples["id"].astype(str)
    known = places(ids)
    rows = [known.get(given, known.get(nfc(given))) for given in table.column(id_place)]
    unknown = [place for place, row in enumerate(rows) if row is None]
    if unknown:
        remedy = f"{len(unknown)} of {len(rows)} ids are not in the study; it has such as {ids.iloc[0]}."
        raise BadInput("a line is about an unknown sample", value=_line(table, id_place, unknown[0]), remedy=remedy)
    seen: set[int | None] = set()
    for place, row in enumerate(rows):
        if row in seen:
            raise BadInput("a sample comes twice", value=_line(table, id_place, place), remedy="Give each sample once.")
        seen.add(row)
    return np.array(rows, dtype=np.int64)


def _probabilities(table: Table, id_place: int, class_places: Sequence[int]) -> NDArray[np.float32]:
    values = np.array([[number(row[place]) for place in class_places] for row in table.rows], dtype=np.float64)
    wrong = ~((values >= 0) & (values <= 1)).all(axis=1)  # NaN compares false
    if wrong.any():
        first = int(np.argmax(wrong))
        remedy = "Give probabilities from 0 to 1, not logits or percentages."
        raise BadInput("a line holds no probabilities", value=_line(table, id_place, first), remedy=remedy)
    off = np.abs(values.sum(axis=1) - 1) > SUM_TOLERANCE
    if off.any():
        remedy = "The probabilities of a sample must add up to 1."
        raise BadInput("a line does not add up", value=_line(table, id_place, int(np.argmax(off))), remedy=remedy)
    return values.astype(np.float32)


def _line(table: Table, id_place: int, place: int) -> str:
    return f"line {table.lines[place]}, {table.rows[place][id_place]}"
