"""A classical baseline as a run: numbers of each sample, a fit, predictions of all splits. Nothing of it is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core import __version__
from xai_core.errors import BadInput, BadParameter, LeftOut, NotApplicable
from xai_core.models.preprocess import Preprocess
from xai_core.params import as_dict, build
from xai_core.pipeline.features import features_of
from xai_core.pipeline.fitting import Follow, fitted
from xai_core.pipeline.load import read
from xai_core.pipeline.own_input import LOOKED_AT, own_channels, own_size
from xai_core.store.features import Features
from xai_core.store.files import checked_name
from xai_core.store.run import BASELINE, Run, RunInfo
from xai_core.store.study import Study
from xai_core.task import CLASSIFICATION
from xai_core.text import counted
from xai_core.training.baselines import BASELINES, Estimator
from xai_core.training.baselines.base import all_classes, in_proportion
from xai_core.training.last_layer import Scaler
from xai_core.triage.ordering import drawn
from xai_core.types import SPLITS, Array, CancelToken, Progress, silent

Rows = NDArray[np.int64]
Numbers = Callable[[Rows], tuple[Rows, Array]]
"""Of rows those that there is something of, and `(n, D)` float32 of them."""

PREFIX = "sklearn:"
"""What an architecture begins with that is a baseline: `sklearn:forest`."""

SIDE, LARGEST_SIDE = 32, 64
"""Of pictures that are no squares of one size up to LARGEST_SIDE, and the largest that may be asked for."""

AT_ONCE = 1024
"""Samples between two looks at whether to stop."""

COPIES = 3
"""Of the training samples that a fit may hold, such as those in double precision."""


@dataclass(frozen=True)
class BaselineWanted:
    """What is asked for.

    Attributes:
        run: name of the run that comes of it.
        baseline: key of a baseline, with its parameters.
        size: side of the pictures, whose pixels are the numbers; None for their own, or SIDE.
        features_of: name of a run with a model: what its last layer gets takes the place of pixels; "" for pixels.
        seed: of every draw.
        seeds: how many runs, of this seed and those that follow: with more than one they are an arm.
        arm: what a run of an arm has in common with those of other seeds; "" for one by itself.
    """

    run: str
    baseline: str
    params: Mapping[str, Any] = field(default_factory=dict)
    size: int | None = None
    features_of: str = ""
    seed: int = 0
    seeds: int = 1
    arm: str = ""

    def runs(self) -> Iterator[BaselineWanted]:
        """Each run by itself."""
        if self.seeds == 1:
            yield self
            return
        for seed in range(self.seed, self.seed + self.seeds):
            yield replace(self, run=f"{self.run}-seed{seed}", arm=self.run, seed=seed, seeds=1)


def check_baseline(study: Study, wanted: BaselineWanted) -> None:
    """Raise what would only be found out later. No torch, no scikit-learn.

    Raises:
        NotFound, BadParameter, NotApplicable, BadInput: what does not fit, each with its remedy.
    """
    build(BASELINES[wanted.baseline].params, wanted.params)
    checked_name(wanted.run, "run")
    if study.task.key != CLASSIFICATION:
        raise NotApplicable("baselines tell classes", value=study.task.key, remedy="Take a study of classification.")
    if wanted.size is not None and (wanted.features_of or not 1 <= wanted.size <= LARGEST_SIDE):
        pixels = f"Give 1 to {LARGEST_SIDE}: each pixel is a number."
        remedy = "Leave --size out: features have none." if wanted.features_of else pixels
        raise BadParameter("not a size for a baseline", value=wanted.size, remedy=remedy)
    if wanted.features_of and not study.run(wanted.features_of).has_model:
        remedy = "Choose a run that has a model."
        raise NotApplicable("a run without a model", value=wanted.features_of, remedy=remedy)
    labels = study.labels[study.rows("train")]
    if not len(labels):
        raise BadInput("the training split is empty", remedy="Make the study anew with pictures to train on.")
    if len(np.unique(labels)) < 2:
        remedy = "A baseline needs two classes to tell apart."
        raise BadInput("training samples of one class alone", value=study.class_names[labels[0]], remedy=remedy)
    if wanted.seeds > 1:
        _check_varies(wanted, len(labels))
    for one in wanted.runs():
        checked_name(one.run, "run")
        existing_baseline(study, one)


def _check_varies(wanted: BaselineWanted, samples: int) -> None:
    """Several runs that are all the same would look like a sure result."""
    member = BASELINES[wanted.baseline]
    if not member.varies(build(member.params, wanted.params).samples, samples):
        fewer = f"--set {wanted.baseline}.samples={max(2, samples // 2)}"
        remedy = f"It draws nothing: leave --seeds out, one run is the answer, or let each seed draw samples: {fewer}."
        value = f"{PREFIX}{wanted.baseline} on all {samples:,} training samples"
        raise BadParameter("every seed predicts the same", value=value, remedy=remedy)


def existing_baseline(study: Study, wanted: BaselineWanted) -> Run | None:
    """The run of this name, if it came about just so; None where there is none. Raises BadInput for another one."""
    if wanted.run not in study.runs():
        return None
    run = study.run(wanted.run)
    kept, asked = run.info.provenance.get(BASELINE), _asked(study, wanted)
    if not isinstance(kept, dict):
        different = ["it is no baseline"]
    else:
        others = [name for name in asked if kept.get(name) != asked[name]]
        different = [f"{name}: {kept.get(name)}, not {asked[name]}" for name in others]
    if different:
        value = f"{wanted.run} ({', '.join(different)})"
        raise BadInput("this run exists already, and is another", value=value, remedy="Choose another name.")
    return run


def _asked(study: Study, wanted: BaselineWanted) -> dict[str, Any]:
    """What tells one baseline from another, defaults filled in; a size only where one is given."""
    params = as_dict(build(BASELINES[wanted.baseline].params, wanted.params))
    model = study.run(wanted.features_of).info.fingerprint if wanted.features_of else ""
    asked = {"key": wanted.baseline, "params": params, "seed": wanted.seed}
    asked |= {"features_of": wanted.features_of, "features_model": model}
    return asked if wanted.size is None else asked | {"size": wanted.size}


def baseline_run(
    study: Study,
    wanted: BaselineWanted,
    *,
    device: str = "auto",
    batch_size: int = 64,
    progress: Progress = silent,
    cancel: CancelToken | None = None,
) -> Run:
    """Fit a baseline, of one seed, to the training split and add its predictions of all splits as a run.

    One that came about just so is returned as it is. The estimator is not kept.

    Args:
        device, batch_size: for features that are not computed yet.

    Raises:
        BadInput: it cannot learn from these samples, they do not fit into memory, or one of them cannot be read. Of
            others that cannot be read there is no prediction, and a note.
        Cancelled: asked to stop; nothing is stored but features.
        Otherwise as `check_baseline`.
    """
    check_baseline(study, wanted)
    if made := existing_baseline(study, wanted):
        return made
    member, left_out = BASELINES[wanted.baseline], dict[str, str]()
    follow = Follow(progress, cancel or CancelToken())
    params = build(member.params, wanted.params)
    everything = np.sort(np.concatenate([study.rows(split) for split in SPLITS]))
    about: dict[str, Any]
    if wanted.features_of:
        run = study.run(wanted.features_of)
        found = _features(run, everything, device, batch_size, follow)
        numbers, about = _from_features(study, found), {"numbers": int(found.values.shape[1])}
    else:
        preprocess = _preprocess(study, wanted.size)
        numbers = _from_pixels(study, preprocess, left_out)
        about = {"numbers": preprocess.height**2 * preprocess.channels, "size": preprocess.height}
    train = study.rows("train")
    chosen = train[in_proportion(study.labels[train], params.samples, wanted.seed)]
    _check_room(wanted, len(chosen) * about["numbers"])
    rows, x = _all(numbers, chosen, follow, "training samples")
    if left_out:
        raise LeftOut(left_out, "pixels to learn from")
    fit = fitted(member, (x, study.labels[rows]), params, wanted.seed, follow)
    rows_said, probabilities, seconds = _said(study, fit.estimator, numbers, everything, follow)
    notes = [*_notes(wanted, len(chosen), len(train), left_out), *fit.notes]
    made_by = _asked(study, wanted) | about
    made_by |= {"samples": len(rows), "fit_seconds": fit.seconds, "predict_seconds": seconds}
    made_by |= {"predicted": len(rows_said), "scikit_learn": _version()}
    info = RunInfo(
        architecture=PREFIX + wanted.baseline,
        parent=wanted.features_of or None,
        provenance={"trained_by": f"second-look {__version__}", BASELINE: made_by, "notes": notes},
        seconds=fit.seconds,
        arm=wanted.arm,
    )
    with study.new_run(wanted.run, info) as filled:
        filled.write_predictions(rows_said, probabilities)
    return study.run(wanted.run)


# Numbers


def _preprocess(study: Study, size: int | None) -> Preprocess:
    """Pixels from 0 to 1, as they are."""
    channels = own_channels(study, drawn(study.rows("train"), LOOKED_AT, study.info.seed))
    side = size or own_size(study, 1, LARGEST_SIDE) or SIDE
    return Preprocess(side, side, channels, (0.0,) * channels, (1.0,) * channels)


def _from_pixels(study: Study, preprocess: Preprocess, left_out: dict[str, str]) -> Numbers:
    def numbers(rows: Rows) -> tuple[Rows, Array]:
        found = read(study, preprocess, rows.tolist(), left_out)
        width = preprocess.height * preprocess.width * preprocess.channels
        flat = np.array([pixels.ravel() for pixels in found.values()], np.float32).reshape(-1, width)
        return np.array(list(found), np.int64), flat / np.float32(255)

    return numbers


def _features(run: Run, rows: Rows, device: str, batch_size: int, follow: Follow) -> Features:
    """What the run's last layer gets of each sample; what is stored is not computed again."""
    from xai_core.models.head import head_of
    from xai_core.pipeline.load import load_classifier

    head = head_of(load_classifier(run, device=device))
    return features_of(run, head, rows, batch_size=batch_size, progress=follow.progress, cancel=follow.cancel)


def _from_features(study: Study, found: Features) -> Numbers:
    """Each with mean 0 and standard deviation 1 over the training samples: features have scales of their own."""
    scaler = Scaler.of(found.at(np.intersect1d(study.rows("train"), found.rows)).astype(np.float64))

    def numbers(rows: Rows) -> tuple[Rows, Array]:
        known = rows[np.isin(rows, found.rows)]
        return known, scaler(found.at(known).astype(np.float64)).astype(np.float32)

    return numbers


def _check_room(wanted: BaselineWanted, numbers: int) -> None:
    from xai_core.pipeline.pictures import most_in_memory

    needed, most = 4 * COPIES * numbers, most_in_memory()
    if needed > most:
        value = f"{needed / 2**30:.1f} GiB, and {most / 2**30:.1f} are allowed"
        remedy = f"Take fewer: --set {wanted.baseline}.samples=10000, or a smaller --size."
        raise BadInput("the training samples do not fit into memory", value=value, remedy=remedy)


def _parts(numbers: Numbers, rows: Rows, follow: Follow, what: str) -> Iterator[tuple[Rows, Array]]:
    for start in range(0, len(rows), AT_ONCE):
        follow.cancel.check()
        yield numbers(rows[start : start + AT_ONCE])
        follow.progress(min(start + AT_ONCE, len(rows)), len(rows), what)


def _all(numbers: Numbers, rows: Rows, follow: Follow, what: str) -> tuple[Rows, Array]:
    found, values = zip(*_parts(numbers, rows, follow, what), strict=True)
    return np.concatenate(found), np.concatenate(values)


# What it says


def _said(
    study: Study, estimator: Estimator, numbers: Numbers, rows: Rows, follow: Follow
) -> tuple[Rows, Array, float]:
    """Rows, their probabilities, and the seconds that these took without reading."""
    known, found, seconds = list[Rows](), list[Array](), 0.0
    for some, x in _parts(numbers, rows, follow, "samples"):
        if len(some):
            began = perf_counter()
            found.append(all_classes(estimator, x, len(study.class_names)))
            seconds += perf_counter() - began
            known.append(some)
    return np.concatenate(known), np.concatenate(found), seconds


def _notes(wanted: BaselineWanted, samples: int, of: int, left_out: Mapping[str, str]) -> list[str]:
    notes = []
    if samples < of:
        all_of_them = f"--set {wanted.baseline}.samples=0 takes all"
        notes.append(f"It learned from {samples:,} of {of:,} training samples, classes in proportion: {all_of_them}.")
    if left_out:
        name, why = next(iter(left_out.items()))
        notes.append(f"Left out, since they cannot be read: {counted(len(left_out), 'sample')}, such as {name}: {why}")
    return notes


def _version() -> str:
    import sklearn

    return str(sklearn.__version__)
