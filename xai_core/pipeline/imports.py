"""Models that this project did not make, as runs of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from xai_core import trust
from xai_core.errors import BadParameter, NotFound
from xai_core.models.architectures import ARCHITECTURES, architectures_for
from xai_core.models.build import check_trained, imported, make_preprocess
from xai_core.models.classifier import Classifier
from xai_core.models.grids import layout_of
from xai_core.models.preprocess import Fit, Preprocess
from xai_core.models.probe import answers, check_answers
from xai_core.models.proposal import proposed_layer
from xai_core.models.resample import Interpolation
from xai_core.models.weights import save_weights
from xai_core.models.wrappers import asked
from xai_core.models.zoo import is_own_code, token_layer
from xai_core.pipeline.class_match import ClassName, answer_for
from xai_core.pipeline.library import as_the_library_says
from xai_core.pipeline.said import KEPT, as_said
from xai_core.pipeline.trials import TRIED, fit_of
from xai_core.store.files import checked_name
from xai_core.store.run import Run, RunInfo
from xai_core.store.study import Study
from xai_core.task import TaskKey
from xai_core.types import CancelToken, Progress, silent

NO_LAYER = "none"


@dataclass(frozen=True)
class Model:
    """What must be known of a model from elsewhere; None where nothing was said.

    `classes` are the names of its outputs, in their order: the study's among them, in any order. Without `weights`
    an own function has to return a trained model. From `size` on it is the preprocessing that it was trained with: see
    `make_preprocess`. `config` is what transformers builds its network from, found in its folder.
    """

    spec: str
    weights: Path | None = None
    classes: tuple[ClassName, ...] | None = None
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
    config: Mapping[str, Any] | None = None


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
        model: what is known of it. Without `cam_layer` a layer is proposed, and a note says why that one.
        folder: where its code is looked for first; the working folder where not given.
        like: what it has to answer: see `models.probe.answers`.
        try_on: how many pictures other ways to prepare them are tried on (`fit_of`), at most; 0 for none.
        progress, cancel: of that.

    Raises:
        BadParameter: something that must be known is missing (all of it is named), or does not fit.
        BadInput, UnsafeFile, NotFound: weights, function or layer that cannot be used.
    """
    checked_name(name, "run")
    asked = model
    model, said = as_the_library_says(study, model)
    _check_known(model, study.task.key)
    answer, matched = answer_for(study, model.classes or ())
    preprocess = preprocess_of(model)
    layer = "" if model.cam_layer in (None, NO_LAYER) else str(model.cam_layer)
    place = folder or Path.cwd()
    made = imported(
        model.spec,
        model.weights,
        study.class_names,
        preprocess,
        cam_layer=layer,
        answer=answer,
        config=model.config,
        trusted=True,
        folder=place,
        task=study.task.key,
    )
    if model.weights is None:
        check_trained(made)
    if model.cam_layer is None and not made.cam_layer:
        made, layer_note = with_proposed_layer(made)
        said = [*said, layer_note]
    if like is not None:
        check_answers(made, torch.tensor(like))
    fits = fit_of(study, made, most=try_on, progress=progress, cancel=cancel)
    notes = [_seen(preprocess), *said, *matched, *made.notes, fits]
    source = model.weights.name if model.weights else model.spec
    info = RunInfo(
        architecture=model.spec,
        preprocess=preprocess.as_dict(),
        cam_layer=made.cam_layer,
        fingerprint=made.fingerprint,
        code=dict(made.code.digests) if made.code else {},
        probe=answers(made) if made.code else [],
        answer=made.answer.as_dict(),
        config=dict(model.config or {}),
        provenance={
            "imported_from": source,
            KEPT: as_said(model.weights, vars(asked)),
            "notes": list(filter(None, notes)),
        },
    )
    with study.new_run(name, info) as run:
        save_weights(made.module, run.weights)
        if is_own_code(model.spec):  # before the run is there: without this it could not be opened
            trust.remember(study.path, name, model.spec, place)
    return study.run(name)


def with_proposed_layer(made: Classifier) -> tuple[Classifier, str]:
    """The model with a layer for class activation maps, and why it is that one; or why there is none."""
    name, _ = token_layer(asked(made.module), made.preprocess)
    why = "the last whose tokens of places the class is read from"
    if not name or layout_of(made, name).problem:
        name, why = proposed_layer(made)
    if not name:
        return made, f"{why[:1].upper()}{why[1:]}: pixel methods only."
    return replace(made, cam_layer=name), f"Class activation maps are made at {name}: {why}; --cam-layer takes another."


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


def _check_known(model: Model, task: TaskKey) -> None:
    if model.spec not in ARCHITECTURES and ":" not in model.spec:
        raise NotFound.among("architecture", model.spec, [each.card.key for each in architectures_for(task)])
    needed: dict[str, Any] = {"size": model.size, "mean": model.mean, "std": model.std, "classes": model.classes}
    missing = [f"--{name}" for name, value in needed.items() if value is None]
    if missing:
        remedy = "Give what it was trained with; --classes in the order of its outputs."
        raise BadParameter(f"this model also needs {', '.join(missing)}", value=model.spec, remedy=remedy)
