"""A model of a running program as a run: kept so that others can build it too, where possible."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from xai_core.errors import XaiError
from xai_core.models.architectures import architectures_for
from xai_core.models.architectures.base import Architecture, ModelSpec
from xai_core.models.build import held
from xai_core.models.classifier import Classifier
from xai_core.models.preprocess import Preprocess
from xai_core.models.probe import answers
from xai_core.models.weights import save_weights
from xai_core.models.wrappers import asked
from xai_core.pipeline.class_match import answer_for
from xai_core.pipeline.imports import NO_LAYER, Model, import_model, preprocess_of, with_proposed_layer
from xai_core.pipeline.load import Bench
from xai_core.store.files import checked_name
from xai_core.store.run import Run, RunInfo
from xai_core.store.study import Study

ONLY_HERE = (
    "The model was handed over by a running program, and its code is in no file that could build it again: only that "
    "program can ask it. What it stored is seen everywhere."
)


def add_live(
    study: Study,
    bench: Bench,
    name: str,
    module: nn.Module,
    model: Model,
) -> Run:
    """Add the module as it is now, as a run that `bench` can ask.

    Args:
        model: what must be known of it. `spec` is the `package.module:function` that builds it, or "" to look for one;
            `weights` are not looked at; without `cam_layer` it is the architecture's own, else a proposed one.

    Raises:
        BadParameter: something does not fit; or `code` builds a model that answers otherwise.
        BadInput: the model does not answer with logits.
    """
    checked_name(name, "run")
    classes = model.classes or study.class_names
    answer, notes = answer_for(study, classes)
    live = held(
        module, study.class_names, preprocess_of(model), answer=answer, device=bench.device, task=study.task.key
    )
    specs = [model.spec] if model.spec else list(_specs(live))
    with tempfile.TemporaryDirectory() as scratch:
        weights = Path(scratch) / "weights.safetensors"
        save_weights(live.module, weights)
        for spec in specs:
            built = replace(model, spec=spec, weights=weights, classes=classes)
            try:
                return import_model(study, name, built, folder=_folder(asked(live.module), spec), like=answers(live))
            except XaiError:
                if model.spec:
                    raise
    return _only_here(study, bench, name, live, model.cam_layer, notes)


def _specs(live: Classifier) -> Iterator[str]:
    """What may build it again: architectures with the very same weights by name and shape, and its own class."""
    module = asked(live.module)
    shapes = {key: tensor.shape for key, tensor in module.state_dict().items()}
    for member in architectures_for(live.task):
        if _shapes(member, live.preprocess, live.answer.outputs) == shapes:
            yield member.card.key
    kind = type(module)
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    if file and kind.__module__ != "__main__" and kind.__qualname__.isidentifier() and not _installed(Path(file)):
        yield f"{kind.__module__}:{kind.__qualname__}"


def _shapes(member: Architecture, preprocess: Preprocess, classes: int) -> dict[str, torch.Size]:
    """Of a fresh module's weights, by name; none where it does not take such an input. Nothing is computed."""
    if not member.sizes[0] <= preprocess.width <= member.sizes[1]:
        return {}
    with torch.random.fork_rng(devices=[]), torch.device("meta"), suppress(XaiError, NotImplementedError):
        made = member.build(ModelSpec(classes, preprocess.channels, preprocess.width))
        return {name: tensor.shape for name, tensor in made.state_dict().items()}
    return {}


def _installed(file: Path) -> bool:
    return bool({"site-packages", "dist-packages"} & set(file.parts)) or Path(__file__).parents[1] in file.parents


def _folder(module: nn.Module, spec: str) -> Path:
    """From where the module that `spec` names is imported: where the class's package lies, else the working folder."""
    kind = type(module)
    if spec != f"{kind.__module__}:{kind.__qualname__}":
        return Path.cwd()
    return Path(str(sys.modules[kind.__module__].__file__)).resolve().parents[kind.__module__.count(".")]


def _only_here(study: Study, bench: Bench, name: str, live: Classifier, cam_layer: str | None, notes: list[str]) -> Run:
    if cam_layer is None:
        made, note = with_proposed_layer(live)
        notes = [*notes, note]
    else:
        made = replace(live, cam_layer=cam_layer.replace(NO_LAYER, ""))
    if made.cam_layer:
        made.layer()
    info = RunInfo(
        preprocess=live.preprocess.as_dict(),
        cam_layer=made.cam_layer,
        fingerprint=live.fingerprint,
        answer=live.answer.as_dict(),
        provenance={"notes": [ONLY_HERE, *notes, *live.notes]},
    )
    with study.new_run(name, info) as run:
        save_weights(live.module, run.weights)
    bench.hold(study.run(name), made)
    return study.run(name)
