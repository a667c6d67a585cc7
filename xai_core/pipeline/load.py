"""Models and inputs out of a study, kept warm between requests. Torch comes with the first model, and not before."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xai_core import trust
from xai_core.errors import BadInput, BadParameter, XaiError, one_line
from xai_core.files import damaged
from xai_core.models.answer import Answer
from xai_core.models.preprocess import Preprocess
from xai_core.params import digest
from xai_core.store.data_folder import MissingData
from xai_core.store.files import Cached
from xai_core.store.identity import sample_seed
from xai_core.store.run import INFO_FILE, Run
from xai_core.store.study import Study
from xai_core.store.study_info import STUDY_FILE

if TYPE_CHECKING:
    from torch import Tensor

    from xai_core.models.classifier import Classifier

LOG = logging.getLogger("xai.pipeline")
TRAINED = "trained"
MOST_SEED = 2**63 - 1
KEPT = 4
"""Classifiers held at once: a run, its candidate, and a randomised copy of each."""


def load_classifier(run: Run, *, device: str = "auto") -> Classifier:
    """The run's model, in eval mode.

    Raises:
        BadInput: the run is predictions alone, or its weights are gone or not those that `run.json` is about; code of
            the user's own that was edited since the import, or a model that answers otherwise than then.
        UnsafeFile: the weights file is not what it claims to be, or the model needs code that nobody here imported.
    """
    from xai_core.models.build import classifier as build_classifier
    from xai_core.models.build import imported, pick_device
    from xai_core.models.weights import read_weights

    if run.info.fingerprint and not run.info.architecture:
        remedy = "Ask it from that program, or add it again with code that builds it."
        raise BadInput("the model of this run lives in the program that added it", value=run.name, remedy=remedy)
    if not run.has_model or run.info.preprocess is None:
        raise BadInput("this run has predictions but no model", value=run.name, remedy="Import or train one with it.")
    preprocess = Preprocess.from_dict(run.info.preprocess)
    where, names, layer = pick_device(device), run.study.class_names, run.info.cam_layer
    spec, answer = run.info.architecture, Answer.from_dict(run.info.answer, len(names))
    if ":" not in spec:
        state = read_weights(run.weights)
        made = build_classifier(spec, names, preprocess, state, device=where, cam_layer=layer, answer=answer)
    else:
        folder = trust.folder_of(run.study.path, run.name, spec)
        trusted = folder is not None
        made = imported(
            spec,
            run.weights,
            names,
            preprocess,
            cam_layer=layer,
            answer=answer,
            config=run.info.config,
            trusted=trusted,
            folder=folder,
            known=run.info.code,
            device=where,
            task=run.study.task.key,
        )
    # What is stored would be mixed with another model's.
    if made.fingerprint != run.info.fingerprint:
        raise damaged(run.weights, "other weights than those this run was made with")
    _check_probe(run, made)
    return made


def _check_probe(run: Run, made: Classifier) -> None:
    """Only imports of own code have one, since this version."""
    if run.info.probe:
        import torch

        from xai_core.models.probe import check_answers

        try:
            known = torch.tensor(run.info.probe, dtype=torch.float32)
        except (TypeError, ValueError, RuntimeError) as error:
            raise damaged(run.path / INFO_FILE, error) from None
        check_answers(made, known)


def seed_of(weights: str) -> int | None:
    """None for `trained`, the seed for `randomised:SEED`."""
    kind, _, seed = weights.partition(":")
    if kind == TRAINED:
        return None
    if kind == "randomised" and seed.isdecimal() and len(seed) <= len(str(MOST_SEED)) and int(seed) <= MOST_SEED:
        return int(seed)
    remedy = f"Write trained or randomised:SEED, with a seed up to {MOST_SEED}."
    raise BadParameter("not a kind of weights", value=weights, remedy=remedy)


class Bench:
    """Studies, and a few classifiers and backgrounds, loaded once and kept until others push them out.

    Not safe for several threads: one process, one bench, one piece of work at a time.
    """

    def __init__(self, device: str = "auto") -> None:
        self.device = device
        self._held: dict[tuple[Path, str, str], Classifier] = {}
        self._classifiers: OrderedDict[tuple[Path | str, ...], Classifier] = OrderedDict()
        self._studies: dict[Path, Cached[Study]] = {}
        self._backgrounds: OrderedDict[tuple[str, str, tuple[int, ...]], Tensor] = OrderedDict()

    def study(self, path: Path) -> Study:
        """The study in a folder, opened again only where another was put there. Raises as `Study.open`."""
        kept = self._studies.setdefault(path, Cached(path / STUDY_FILE, lambda file: Study.open(file.parent)))
        return kept.get() or Study.open(path)

    def classifier(self, run: Run, weights: str = TRAINED) -> Classifier:
        """The run's model with its own weights, or with all of them randomised; loaded anew where its code changed."""
        # The fingerprint does not tell of the layer, which may differ where a run was removed and imported again.
        key = (run.study.path, run.name, run.info.fingerprint, digest(run.info.code), run.info.cam_layer, weights)
        kept = self._classifiers.get(key)
        if kept is None or (kept.code is not None and kept.code.edited()):
            self._classifiers.pop(key, None)
            seed = seed_of(weights)
            if seed is None:
                held = self._held.get((run.study.path, run.name, run.info.fingerprint))
                self._classifiers[key] = held or load_classifier(run, device=self.device)
            else:
                from xai_core.sanity.randomise import randomised

                self._classifiers[key] = randomised(self.classifier(run), seed)
        self._classifiers.move_to_end(key)
        while len(self._classifiers) > KEPT:
            self._classifiers.popitem(last=False)
        return self._classifiers[key]

    def hold(self, run: Run, made: Classifier) -> None:
        """Keep the model of a run that cannot be loaded; it is never pushed out."""
        self._held[run.study.path, run.name, run.info.fingerprint] = made

    def background(self, study: Study, classifier: Classifier, rows: Sequence[int]) -> Tensor:
        """Model inputs of the background rows, `(B, C, H, W)`."""
        key = (study.info.samples_digest, str(classifier.preprocess), tuple(int(r) for r in rows))
        if key not in self._backgrounds:
            self._backgrounds[key] = inputs(study, classifier, rows)
        self._backgrounds.move_to_end(key)
        while len(self._backgrounds) > KEPT:
            self._backgrounds.popitem(last=False)
        return self._backgrounds[key]


def read(
    study: Study, preprocess: Preprocess, rows: Sequence[int], left_out: dict[str, str]
) -> dict[int, NDArray[np.uint8]]:
    """By row, in the order given, the pictures as the model sees them, `(H, W, C)`.

    One that cannot be read costs no other: why is noted in `left_out`. Raises MissingData where all are gone.
    """
    found, pictures = dict[int, NDArray[np.uint8]](), study.pictures(rows)  # goes on after a picture that failed
    for row in rows:
        try:
            found[row] = preprocess.pixels(next(pictures))
        except MissingData:
            raise
        except Exception as error:  # a dataset from anywhere raises anything
            note(left_out, study, row, error)
    return found


def note(left_out: dict[str, str], study: Study, row: int, why: Exception | str) -> None:
    """Say, by the sample's id and in one line, why there is nothing of it."""
    if isinstance(why, Exception) and not isinstance(why, XaiError):
        LOG.info("row %d", row, exc_info=why)
        why = f"{type(why).__name__}: {why}"
    left_out[study.ids(np.array([row]))[0].as_py()] = one_line(why)


def seeds_of(study: Study, rows: NDArray[np.int64], again: int | None = None) -> NDArray[np.int64]:
    """`(N,)`, what random methods draw from for these samples: the same whenever and wherever they are explained.

    Args:
        again: which other draw is wanted, from 0; None for the one that maps are stored of.
    """
    seed = study.info.seed if again is None else study.info.seed + 1 + again
    return np.array([sample_seed(seed, each) for each in study.ids(rows).to_pylist()], dtype=np.int64)


def inputs(study: Study, classifier: Classifier, rows: Sequence[int]) -> Tensor:
    """Pictures of these rows as the model's input, `(N, C, H, W)` float32 on its device; of tiles the middle one."""
    from xai_core.models.tiles import one_tile

    seen = (classifier.preprocess.pixels(picture) for picture in study.pictures(rows))
    return as_input(classifier, [one_tile(pixels, classifier.preprocess) for pixels in seen])


def as_input(classifier: Classifier, pixels: Sequence[NDArray[np.uint8]]) -> Tensor:
    """Resized pictures `(H, W, C)` as the model's input, `(N, C, H, W)` float32 on its device."""
    import torch

    return torch.from_numpy(classifier.preprocess.normalise(np.stack(pixels))).to(classifier.device)
