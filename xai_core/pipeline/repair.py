"""A run whose last layer is learned again on stored features: features, groups, the repair, and a run with a parent."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xai_core import __version__, trust
from xai_core.errors import BadInput, BadParameter, NotApplicable
from xai_core.params import as_dict, build
from xai_core.pipeline.features import features_of
from xai_core.pipeline.grouping import CLUSTERS, grouping, of_run
from xai_core.store.features import Features
from xai_core.store.files import checked_name
from xai_core.store.run import Run, RunInfo
from xai_core.store.study import Study
from xai_core.store.subgroups import UNKNOWN, Grouping
from xai_core.training.repairs import REPAIRS, SPLITS_TO_LEARN_FROM, RepairInput, RepairOutput
from xai_core.types import Array, CancelToken, Progress, silent

if TYPE_CHECKING:
    from xai_core.models.head import Head

REPAIR, GROUPS_DIGEST = "repair", "groups_digest"
"""Where a run's provenance keeps how its last layer was learned, and in there what the groups were."""


@dataclass(frozen=True)
class RepairWanted:
    """What is asked for.

    Attributes:
        run: name of the run whose last layer is learned again; `into` of the one that comes of it.
        method: key of a repair, with its parameters.
        groups: as `pipeline.grouping` reads it; "" for those of the study.
        split: what is learned from, one of SPLITS_TO_LEARN_FROM.
        seed: of every draw.
    """

    run: str
    into: str
    method: str
    params: Mapping[str, Any] = field(default_factory=dict)
    groups: str = ""
    split: str = SPLITS_TO_LEARN_FROM[0]
    seed: int = 0

    def as_dict(self, by: str) -> dict[str, Any]:
        """What tells one repair from another, defaults filled in; `by` is what was grouped by."""
        params = as_dict(build(REPAIRS[self.method].params, self.params))
        return {"method": self.method, "params": params, "groups": by, "split": self.split, "seed": self.seed}


def check_repair(study: Study, wanted: RepairWanted) -> Run:
    """The run that is repaired, where the work can begin. No torch.

    Raises:
        NotFound, BadParameter, NotApplicable, BadInput: what does not fit, each with its remedy.
    """
    run, member = study.run(wanted.run), REPAIRS[wanted.method]
    build(member.params, wanted.params)
    checked_name(wanted.into, "run")
    if not run.has_model:
        raise NotApplicable("a run without a model", value=run.name, remedy="Choose a run that has a model.")
    if wanted.split not in SPLITS_TO_LEARN_FROM:
        remedy = "Learn from validation or train: what is learned from says nothing of how good a run is."
        raise BadParameter("the test is not for learning", value=wanted.split, remedy=remedy)
    if not len(study.rows(wanted.split)):
        raise BadInput("no samples to learn from", value=wanted.split, remedy="Take another split.")
    if member.grouped and not wanted.groups and study.grouping is None:
        remedy = "Name them: --groups FACT, tag:NAME, mask-size, errors or clusters. A study remembers xai groups."
        raise BadInput(f"{wanted.method} needs groups", value=study.name, remedy=remedy)
    if wanted.groups and of_run(wanted.groups)[0] != CLUSTERS:
        grouping(study, wanted.groups, run)
    existing_repair(study, wanted)
    return run


def existing_repair(study: Study, wanted: RepairWanted) -> Run | None:
    """The run of this name, if it came about just so; None where there is none. Raises BadInput for another one."""
    if wanted.into not in study.runs():
        return None
    run = study.run(wanted.into)
    kept, asked = run.info.provenance.get(REPAIR, {}), wanted.as_dict(_by(study, wanted))
    same = run.info.parent == wanted.run and all(kept.get(key) == value for key, value in asked.items())
    if same and kept.get(GROUPS_DIGEST) == _digest_now(study, wanted, kept):
        return run
    raise BadInput("this run exists already, and is another", value=wanted.into, remedy="Choose another name: --into.")


def _digest_now(study: Study, wanted: RepairWanted, kept: Mapping[str, Any]) -> object:
    """Of the groups as they are now: facts stay, tags and masks may have changed. Clusters are the model's own."""
    if of_run(wanted.groups)[0] == CLUSTERS:
        return kept.get(GROUPS_DIGEST)
    return _digest(grouping(study, wanted.groups, study.run(wanted.run)) if wanted.groups else study.grouping)


def _digest(groups: Grouping | None) -> str:
    return "" if groups is None else hashlib.sha256(groups.codes.tobytes()).hexdigest()[:16]


def _by(study: Study, wanted: RepairWanted) -> str:
    kind, name = of_run(wanted.groups)
    if kind:
        return f"{kind}:{name or wanted.run}"
    return wanted.groups or (study.grouping.by if study.grouping else "")


def repair_run(
    study: Study,
    wanted: RepairWanted,
    *,
    device: str = "auto",
    batch_size: int = 64,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> Run:
    """Learn the last layer again; the new run has predictions of the same samples as its parent, and what was learned
    from. One that came about just so is returned as it is.

    Raises:
        NotApplicable: the model has no linear last layer.
        BadInput: what it takes is not there, or groups are too small.
        Cancelled: asked to stop; features that are computed are kept.
        Otherwise as `check_repair`.
    """
    run, token = check_repair(study, wanted), cancel or CancelToken()
    if made := existing_repair(study, wanted):
        return made
    from xai_core.models.head import head_of
    from xai_core.pipeline.load import load_classifier

    head = head_of(load_classifier(run, device=device))
    rows = _rows(run, wanted.split)
    features = features_of(run, head, rows, batch_size=batch_size, progress=progress, cancel=token)
    groups = _grouped(study, wanted, run, features)
    began = monotonic()

    def step(done: int, total: int, what: str) -> None:
        token.check()
        progress(done, total, what)

    given, left = _given(study, wanted, head, features, groups, step)
    output = REPAIRS[wanted.method].compute(given, build(REPAIRS[wanted.method].params, wanted.params))
    notes = [*_notes(wanted, given, groups, left), *output.notes]
    return _stored(run, wanted, head, features, output, notes, groups, monotonic() - began)


def _rows(run: Run, split: str) -> NDArray[np.int64]:
    """What is learned from, then what the parent predicted."""
    learned = run.study.rows(split)
    return learned if run.predictions is None else np.union1d(learned, run.predictions.rows)


def _grouped(study: Study, wanted: RepairWanted, run: Run, features: Features) -> Grouping | None:
    if not wanted.groups:
        return study.grouping
    kind, name = of_run(wanted.groups)
    if kind == CLUSTERS and name not in ("", run.name):
        remedy = f"Take {CLUSTERS}, of the run itself, or group the study: xai groups STUDY --by {wanted.groups}."
        raise BadInput("clusters of another run", value=wanted.groups, remedy=remedy)
    return grouping(study, wanted.groups, run, features)


def _given(
    study: Study, wanted: RepairWanted, head: Head, features: Features, groups: Grouping | None, progress: Progress
) -> tuple[RepairInput, int]:
    """What the repair sees, and how many samples are left out since their group is not known."""
    rows = np.intersect1d(study.rows(wanted.split), features.rows)
    attributes = np.zeros(len(study.labels), np.int64) if groups is None else groups.codes
    known = rows[attributes[rows] != UNKNOWN]
    if not len(known):
        raise BadInput("no sample's group is known", value=wanted.split, remedy="Take another split or grouping.")
    labels = study.labels[known]
    if len(np.unique(labels)) < 2:
        raise BadInput("samples of one class alone", value=wanted.split, remedy="Take another split.")
    keys, codes = np.unique(np.stack([labels, attributes[known]], axis=1), axis=0, return_inverse=True)
    names = [_name(study, groups, *key) for key in keys.tolist()]
    values, layer = features.at(known).astype(np.float64), head.of_classes()
    classes = len(study.class_names)
    given = RepairInput(values, labels, codes.reshape(-1), tuple(names), classes, *layer, wanted.seed, progress)
    return given, len(rows) - len(known)


def _name(study: Study, groups: Grouping | None, label: int, attribute: int) -> str:
    name = study.class_names[label]
    return name if groups is None else groups.name(name, attribute)


def _notes(wanted: RepairWanted, given: RepairInput, groups: Grouping | None, left: int) -> list[str]:
    n = np.bincount(given.groups)
    small = given.names[int(n.argmin())]
    said = [f"Its last layer learned from {len(given.labels):,} {wanted.split} samples: judge it on others."]
    if groups is not None:
        said.append(f"The smallest of {len(n)} groups has {n.min():,} samples: {small}.")
    if left:
        said.append(f"Left out, since their group is not known: {left:,} samples.")
    return said


def _stored(
    run: Run,
    wanted: RepairWanted,
    head: Head,
    features: Features,
    output: RepairOutput,
    notes: Sequence[str],
    groups: Grouping | None,
    seconds: float,
) -> Run:
    """The run, with its predictions. The parent's classifier becomes the new one."""
    from xai_core.models.probe import answers
    from xai_core.models.weights import fingerprint, save_weights
    from xai_core.models.zoo import is_own_code

    study, info, made = run.study, run.info, head.classifier
    head.replaced(output.weight, output.bias)
    about = {"chosen": dict(output.chosen), "layer": head.name, GROUPS_DIGEST: _digest(groups)}
    repair = wanted.as_dict(groups.by if groups else "") | about
    new = RunInfo(
        architecture=info.architecture,
        preprocess=info.preprocess,
        cam_layer=info.cam_layer,
        fingerprint=fingerprint(made.module, made.architecture, made.preprocess, info.config or None),
        code=info.code,
        probe=answers(made) if info.probe else [],
        answer=info.answer,
        config=info.config,
        parent=run.name,
        provenance={"repaired_by": f"second-look {__version__}", REPAIR: repair, "notes": list(notes)},
        seconds=seconds,
    )
    with study.new_run(wanted.into, new) as filled:
        save_weights(made.module, filled.weights)
        filled.write_predictions(features.rows, _probabilities(head, features))
        folder = trust.folder_of(study.path, run.name, info.architecture) if is_own_code(info.architecture) else None
        if folder is not None:
            trust.remember(study.path, wanted.into, info.architecture, folder)
    return study.run(wanted.into)


def _probabilities(head: Head, features: Features) -> Array:
    """By the layer as it is stored, in its own precision; a few thousand samples at once."""
    weight, bias = head.of_classes()
    found = []
    for start in range(0, len(features.rows), 4096):
        logits = features.values[start : start + 4096].astype(np.float64) @ weight.T + bias
        exact = np.exp(logits - logits.max(axis=1, keepdims=True))
        found.append((exact / exact.sum(axis=1, keepdims=True)).astype(np.float32))
    return np.concatenate(found)
