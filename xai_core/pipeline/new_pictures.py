"""Pictures that are not of the study, asked of a run's model: read as the study's own are, predicted and explained.

Nothing is written into the study: what comes of it is handed back, batch by batch.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from xai_core.datasets.base import DATASETS
from xai_core.errors import BadInput, NotApplicable, XaiError, one_line
from xai_core.explainers import EXPLAINERS, ExplainerInput
from xai_core.explainers.engine.plan import explain
from xai_core.files import read_plain
from xai_core.label_maps import LabelMap
from xai_core.models.classifier import Classifier
from xai_core.params import build
from xai_core.pictures import LARGEST_SIDE, decode_picture, fixed_range, full_range, own_range
from xai_core.pipeline.explain import Request, check_methods
from xai_core.pipeline.load import Bench, as_input
from xai_core.pipeline.new_regions import regions_said, said_at
from xai_core.pipeline.places import NOWHERE, among, inside, planes, preprocess_of, refused
from xai_core.pipeline.predict import AT_ONCE
from xai_core.pipeline.predict_work import probabilities_of, segmented
from xai_core.store.identity import sample_seed
from xai_core.store.new_pictures import SaidRegions
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.task import SEGMENTATION
from xai_core.types import Array, Explanation, Target, resolve_target

LOG = logging.getLogger("xai.pipeline")
MOST_MB = 20
KINDS = "PNG, JPEG or WebP"
NOT_A_NUMBER = "the model's output is not a number"

Methods = Sequence[tuple[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Given:
    """A picture from anywhere: what it is called, and where it lies. The name is never taken for a path."""

    name: str
    path: Path


@dataclass(frozen=True, eq=False)
class NewPicture:
    """One that was read, and what the model says of it.

    Attributes:
        name: as given.
        picture: upright, mode `RGB` or `L`, as the study reads its own.
        seed: of methods that draw at random, from the file's content: the same picture gets the same map.
        probabilities: `(K,)` float32 of a classifier; of a segmenter empty.
        regions, label_map: of a segmenter, what it says of all pixels, and of each: `(height, width)` class indices,
            255 where it saw nothing.
    """

    name: str
    picture: Image.Image
    seed: int
    probabilities: Array
    regions: SaidRegions | None = None
    label_map: LabelMap | None = None


def ask_pictures(
    bench: Bench, run: Run, given: Sequence[Given], left_out: dict[str, str], *, batch_size: int = 64
) -> Iterator[list[NewPicture]]:
    """Predict them in batches; yields what could be of each batch.

    One that cannot be read or predicted costs no other: why is noted in `left_out`, by its name.

    Raises:
        BadInput, UnsafeFile: the run's model cannot be loaded: see `load_classifier`.
    """
    classifier, reader = bench.classifier(run), reader_of(run.study)
    batch_size = min(batch_size, AT_ONCE) if classifier.output_size else batch_size
    for start in range(0, len(given), batch_size):
        batch = [
            one for each in given[start : start + batch_size] if (one := _read(each, reader, run, classifier, left_out))
        ]
        yield _predicted(run, classifier, batch, left_out)


def check_picture_methods(bench: Bench, run: Run, methods: Methods) -> None:
    """Raise now what would be raised of methods after the predicting.

    Raises:
        NotFound, BadParameter: an unknown method, parameter or layer.
        NotApplicable: a method that cannot be used on this run, or that needs masks: such pictures have none.
    """
    for key, values in methods:
        explainer = EXPLAINERS[key]
        if "mask" in explainer.card_for(build(explainer.params, values)).needs:
            remedy = "Choose another method."
            raise NotApplicable("pictures from outside the study have no masks", value=key, remedy=remedy)
    check_methods(bench, Request(run, [], "predicted", methods))


def explain_pictures(
    bench: Bench, run: Run, pictures: Sequence[NewPicture], methods: Methods, target: str
) -> list[Explanation]:
    """Maps of these pictures by each method, in the order of `methods`.

    Args:
        bench: whose model it is.
        run: which.
        pictures: N of them, at least one.
        methods: keys and parameters that `check_picture_methods` let through.
        target: `predicted`, or a class index as text.

    Raises:
        BadInput: a picture of the study's background cannot be read.
    """
    classifier = bench.classifier(run)
    targets = [target_of(each, target) for each in pictures]
    places = (
        said_at([each.label_map for each in pictures], targets, preprocess_of(run))
        if classifier.output_size
        else NOWHERE
    )
    fit = np.array([at for at in range(len(pictures)) if at not in places.lacking], np.int64)
    if not len(fit):
        return [refused(list(places.lacking.values()))] * len(methods)
    preprocess, asked = classifier.preprocess, [pictures[at] for at in fit]
    given = ExplainerInput(
        classifier,
        as_input(classifier, [preprocess.canvas.pixels(each.picture) for each in asked]),
        [targets[at] for at in fit],
        np.array([each.seed for each in asked], dtype=np.int64),
        regions=planes(places, fit, classifier),
        inside=inside(preprocess, [each.picture.size for each in asked]),
    )
    return [among(each, fit, places.lacking) for each in _explained(bench, run, given, methods)]


def _explained(bench: Bench, run: Run, given: ExplainerInput, methods: Methods) -> list[Explanation]:
    """Maps by each method, which gets the background that it needs."""
    found = []
    for key, values in methods:
        explainer = EXPLAINERS[key]
        params: Any = build(explainer.params, values)
        count = explainer.background_count(params)
        rows = run.study.background(count).tolist() if count else []
        background = bench.background(run.study, given.classifier, rows) if count else None
        try:
            found += explain(replace(given, background=background), [(key, params)])
        except NotApplicable as refusal:
            found.append(refused([str(refusal)] * len(given.targets)))
    return found


def target_of(picture: NewPicture, target: str) -> Target:
    """What a map of it explains; nobody knows its true class."""
    if picture.regions is not None:
        return picture.regions.target(target)
    return resolve_target(target, int(picture.probabilities.argmax()), -1)


Reader = Callable[[bytes, str], Image.Image]


def reader_of(study: Study) -> Reader:
    """What makes a picture of a file's bytes just as the study reads its own: turned, reduced, and greys by its range.

    Raises NotFound where its dataset is unknown here.
    """
    params: Any = build(DATASETS[study.info.dataset].params, study.info.dataset_params)
    white = getattr(params, "white", None)
    grey = own_range if white is None else fixed_range(params.black, white) if white else full_range
    turn, side = getattr(params, "turn", True), getattr(params, "largest_side", LARGEST_SIDE)

    def read(data: bytes, name: str) -> Image.Image:
        return decode_picture(BytesIO(data), name, grey=grey, turn=turn, largest_side=side)

    return read


def content_of(given: Given) -> bytes:
    """All of a picture's file. Raises BadInput for one that is gone, no plain file, too large or of another kind."""
    try:
        size = os.stat(given.path).st_size
        if size > MOST_MB * 2**20:
            value, remedy = f"{given.name}, {size / 2**20:.1f} MB", f"Make it smaller than {MOST_MB} MB."
            raise BadInput("the file is too large", value=value, remedy=remedy)
        data = read_plain(given.path, MOST_MB * 2**20)
    except OSError as error:
        remedy = f"Check that it can be opened: {error.strerror}."
        raise BadInput("the picture cannot be read", value=given.name, remedy=remedy) from None
    if not _is_known(data):
        raise BadInput(f"neither {KINDS.replace(' or ', ' nor ')}", value=given.name, remedy="Save it as one of them.")
    return data


def _is_known(data: bytes) -> bool:
    webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    return webp or data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"))


@dataclass(frozen=True, eq=False)
class _Readable:
    name: str
    picture: Image.Image
    pixels: NDArray[np.uint8]
    seed: int

    def with_said(self, *said: Any) -> NewPicture:
        """With what the model says of it."""
        return NewPicture(self.name, self.picture, self.seed, *said)


def _read(given: Given, reader: Reader, run: Run, classifier: Classifier, left_out: dict[str, str]) -> _Readable | None:
    try:
        data = content_of(given)
        picture = reader(data, given.name)
        pixels = classifier.preprocess.pixels(picture)
    except Exception as error:  # on bytes from anywhere decoders raise nearly anything
        _note(left_out, given.name, error)
        return None
    return _Readable(given.name, picture, pixels, sample_seed(run.study.info.seed, hashlib.sha256(data).hexdigest()))


def _predicted(
    run: Run, classifier: Classifier, batch: Sequence[_Readable], left_out: dict[str, str]
) -> list[NewPicture]:
    """Together; where the model fails on them, each alone, to find the one that it fails on."""
    if not batch:
        return []
    try:
        said = _said(run, classifier, batch)
    except Exception as error:  # a module from anywhere raises anything
        if len(batch) == 1:
            _note(left_out, batch[0].name, error)
            return []
        return [one for each in batch for one in _predicted(run, classifier, [each], left_out)]
    for each, one in zip(batch, said, strict=True):
        if one is None:
            left_out[each.name] = NOT_A_NUMBER
    return [one for one in said if one is not None]


def _said(run: Run, classifier: Classifier, batch: Sequence[_Readable]) -> list[NewPicture | None]:
    """What the model says of each; None where that is no number."""
    pixels = [each.pixels for each in batch]
    if run.study.task.key != SEGMENTATION:
        chances = probabilities_of(run.study.task, classifier, pixels)
        return [
            each.with_said(one) if np.isfinite(one).all() else None for each, one in zip(batch, chances, strict=True)
        ]
    found: list[NewPicture | None] = []
    outputs = segmented(run.study.task, classifier, pixels, len(run.study.class_names))
    for each, output in zip(batch, outputs, strict=True):
        known = bool(torch.isfinite(output).all())
        about = regions_said(output, classifier.preprocess, each.picture.size, run.study.has_background)
        found.append(each.with_said(np.empty(0, np.float32), *about) if known else None)
    return found


def _note(left_out: dict[str, str], name: str, why: Exception) -> None:
    if not isinstance(why, XaiError):
        LOG.info("%s", one_line(name), exc_info=why)
        why = BadInput(type(why).__name__, value=why, remedy="Leave it out.")
    left_out[name] = one_line(why)
