"""What a library, or a folder that it wrote, tells of a model: input, classes, weights, configuration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from xai_core.errors import BadParameter
from xai_core.models import hugging_face
from xai_core.models.zoo import HUGGING_FACE, in_zoo, zoo_classes, zoo_preprocess
from xai_core.pipeline.class_match import answer_for
from xai_core.store.study import Study
from xai_core.text import listed

if TYPE_CHECKING:
    from xai_core.pipeline.imports import Model

CROPS = ("resize", "fit", "crop_share")


def as_the_library_says(study: Study, model: Model) -> tuple[Model, list[str]]:
    """The model with what its library tells of it, where nothing was said; and whose that is, one sentence each.

    Raises as `zoo_preprocess`; BadInput, NotFound where a folder of transformers' is no such folder.
    """
    if not in_zoo(model.spec):
        return model, []
    source = Path(model.spec.partition(":")[2])
    if model.spec.startswith(HUGGING_FACE):
        model = _of_folder(model, source)
    prepared, said = _prepared(model, source)
    return (prepared, said) if model.classes is not None else _with_classes(study, prepared, said)


def weights_of(model: Model) -> Path | None:
    """The file of its weights: the one that was said, else that of a folder of transformers; None without any.

    Raises NotFound for a folder without weights.
    """
    if model.weights is None and model.spec.startswith(HUGGING_FACE):
        return hugging_face.weights_in(Path(model.spec.partition(":")[2]))
    return model.weights


def _of_folder(model: Model, folder: Path) -> Model:
    config = hugging_face.read_config(folder)
    builds = hugging_face.kept(config)
    names = builds.get("architectures") or [builds["model_type"]]
    return replace(
        model,
        spec=f"{HUGGING_FACE}{names[0]}",  # the folder may be gone tomorrow
        config=builds,
        weights=weights_of(model),
        classes=model.classes or hugging_face.class_names(config),
    )


def _prepared(model: Model, source: Path) -> tuple[Model, list[str]]:
    """With the library's preprocessing; a crop belongs to its size, so it is not taken where one of them is said."""
    size, crops = model.size is not None, any(getattr(model, name) is not None for name in CROPS)
    if size and crops and model.mean and model.std:
        return model, []
    if model.config is not None:
        whole = size and model.mean and model.std  # said by hand, whatever the folder's preprocessor does
        values, of = ({}, "") if whole else hugging_face.preprocess(source)
    else:
        values, of = zoo_preprocess(model.spec, model.weights)
    left_out = {*(CROPS if size or crops else ()), *(("size",) if size else ())}
    taken = {name: value for name, value in values.items() if name not in left_out and getattr(model, name) is None}
    return replace(model, **taken), [f"{', '.join(taken)} as of {of}."] if taken else []


def _with_classes(study: Study, model: Model, said: list[str]) -> tuple[Model, list[str]]:
    """With the classes that the library's weights are of, where the study's are among them."""
    classes = zoo_classes(model.spec, model.weights)
    try:
        answer_for(study, classes)
    except BadParameter:
        return model, said
    first = listed([name if isinstance(name, str) else name[-1] for name in classes])
    return replace(model, classes=classes), [*said, f"Its {len(classes):,} classes as of {model.spec}: {first}."]
