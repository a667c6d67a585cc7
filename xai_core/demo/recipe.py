"""The demo study, made from nothing by the project's own steps: draw, train twice, predict, explain.

The story is that of paper 1: some dresses are framed tightly on the lower body, so that a model which looks at the
hem takes them for skirts; a top-biased crop is tried against that. Nothing here chooses the outcome: what the second
run does to the confusion is what the demo shows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.answers.quality_choice import LIMIT
from xai_core.answers.sample import sample_of, specs
from xai_core.answers.scope import Rows, Scope
from xai_core.answers.series import series
from xai_core.datasets import DATASETS
from xai_core.demo.checks import add_checks
from xai_core.demo.drawing import GarmentParams, drawing, pack
from xai_core.errors import BadInput
from xai_core.params import as_dict, build
from xai_core.pipeline.asked import Given
from xai_core.pipeline.explain import Request, explain_steps
from xai_core.pipeline.load import Bench
from xai_core.pipeline.predict import predict
from xai_core.pipeline.train import train_run
from xai_core.sanity.orders import SAMPLES
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.training.config import TrainConfig
from xai_core.types import SPLITS, Specs

NAME = "garments"
BASELINE, CANDIDATE = "baseline", "top-biased-crop"
PAIR = ("Dress", "Skirt")
TOLERANCE = 0.03
"""By how much a rebuilt run's test accuracy may differ from the bundled one's: sums round differently elsewhere."""

Methods = Sequence[tuple[str, Mapping[str, Any]]]

Watch = Callable[[str], Any]
"""`watch(title)` gives a context manager with (progress, cancel token): how a step is shown."""


@dataclass(frozen=True)
class Recipe:
    """What the demo is made of."""

    seed: int = 0
    pictures: dict[str, Any] = field(default_factory=lambda: {"train_per_class": 340, "test_per_class": 100})
    training: TrainConfig = field(
        default_factory=lambda: TrainConfig(
            architecture="small_resnet",
            epochs=40,
            batch_size=32,
            learning_rate=0.003,
            precision="bfloat16",
            augmentations={
                "flip": {},
                "affine": {"probability": 0.5},
                "color_jitter": {},
                "random_erasing": {"probability": 0.25, "area_high": 0.1},
            },
        )
    )
    intervention: dict[str, Any] = field(default_factory=lambda: {"top_biased_crop": {}})
    cams: tuple[str, ...] = ("gradcam", "gradcam++")
    pixel_methods: tuple[str, ...] = ("lrp", "ig", "shap")
    scored: int = LIMIT
    randomised: int = SAMPLES


def rebuild(folder: Path, recipe: Recipe, watch: Watch) -> Study:
    """Make the whole demo study in `folder`, which must not exist, within one that does.

    Raises:
        BadParameter: the folder exists.
        Cancelled: asked to stop; what was made so far is still there.
    """
    study = _drawn(folder, recipe, watch)
    baseline = _trained(study, BASELINE, recipe.training, None, watch)
    changed = replace(recipe.training, augmentations={**recipe.training.augmentations, **recipe.intervention})
    candidate = _trained(study, CANDIDATE, changed, BASELINE, watch)
    bench = Bench("cpu")
    for run in (baseline, candidate):
        explain_run(bench, run, recipe, watch)
    if recipe.scored:
        add_checks(study, watch, count=recipe.scored, pictures=recipe.randomised)
    return study


def _drawn(folder: Path, recipe: Recipe, watch: Watch) -> Study:
    member = DATASETS["garments"]
    params: Any = build(member.params, recipe.pictures)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-pictures-", dir=folder.parent) as beside:
        pictures = Path(beside) / "data"
        with watch("drawing") as (progress, _):
            scan = member.make(pictures, params).scan(recipe.seed, progress)
        study = Study.create(
            folder, dataset="garments", params=as_dict(params), data=folder / "data", seed=recipe.seed, scan=scan
        )
        pack(pictures, params)
        pictures.rename(study.data)
    return study


def _trained(study: Study, name: str, config: TrainConfig, parent: str | None, watch: Watch) -> Run:
    with watch(f"training {name}") as (progress, cancel):
        run = train_run(study, name, config, Given(parent=parent, device="cpu"), progress=progress, cancel=cancel)
    with watch(f"predicting {name}") as (progress, cancel):
        predict(run, Bench("cpu").classifier(run), SPLITS, progress=progress, cancel=cancel)
    return run


def wrong_rows(run: Run) -> NDArray[np.int64]:
    """Test samples that the run gets wrong: what people click first."""
    test = run.study.rows("test")
    return test[_predicted(run, test) != run.study.labels[test]]


def pair_rows(study: Study) -> NDArray[np.int64]:
    """Test samples that any run confuses between the classes of PAIR: what people compare before and after."""
    test = study.rows("test")
    labels = study.labels[test]
    pair = [study.class_names.index(name) for name in PAIR]
    wanted = np.zeros(len(test), bool)
    for name in study.runs():
        predicted = _predicted(study.run(name), test)
        wanted |= (predicted != labels) & np.isin(labels, pair) & np.isin(predicted, pair)
    return test[wanted]


def explain_run(bench: Bench, run: Run, recipe: Recipe, watch: Watch) -> None:
    """Store the maps that pages show where nothing but a cell was chosen.

    Class activation maps are small: there is one of each test sample, and of the errors of any run one for each class
    that is in question. Maps of pixel methods are large: there is one of each error of the run, of the baseline also of
    what only the other run confuses within the pair. The first sample of the newest run has all its own. What is not
    stored is computed when somebody asks for it.
    """
    cams, pixel = _at_defaults(recipe.cams), _at_defaults(recipe.pixel_methods)
    study, newest = run.study, run.name == CANDIDATE
    explained = [(run.study.rows("test"), "predicted", cams), *((*each, cams) for each in _in_question(study))]
    wrong = wrong_rows(run)
    explained += [(wrong, "difference", cams), (wrong, "predicted", pixel)]
    explained += [] if newest else [(pair_rows(study), "predicted", pixel)]
    for rows, target, methods in explained:
        _explain(bench, run, rows, target, methods, watch)
    if newest:
        _first_look(bench, run, [*cams, *pixel], watch)


def _in_question(study: Study) -> Iterator[tuple[Rows, str]]:
    """By class, the errors of any run that belong to it, or that any run takes for it: what runs are compared by."""
    runs = [study.run(name) for name in study.runs()]
    wrong = np.unique(np.concatenate([wrong_rows(run) for run in runs]))
    said = [study.labels[wrong], *(_predicted(run, wrong) for run in runs)]
    for index in range(len(study.class_names)):
        yield wrong[np.any([each == index for each in said], axis=0)], str(index)


def _first_look(bench: Bench, run: Run, methods: Methods, watch: Watch) -> None:
    """Maps of the sample that a page opens on."""
    scope = Scope(run, "test")
    first = sample_of(scope, int(series(scope, None, "confidence").rows[0]))
    assert first is not None, "it is one of the run's errors"
    _explain(bench, run, np.array([first.row]), specs(first, ""), methods, watch)


def _at_defaults(keys: Sequence[str]) -> Methods:
    return [(key, {}) for key in keys]


def _explain(bench: Bench, run: Run, rows: Rows, target: Specs, methods: Methods, watch: Watch) -> None:
    with watch(f"explaining {run.name}") as (progress, cancel):
        for done, total in explain_steps(bench, Request(run, rows.tolist(), target, methods)):
            progress(done, total, "maps")
            cancel.check()


def _predicted(run: Run, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    predictions = run.predictions
    assert predictions is not None, "every run of the demo is predicted"
    return predictions.at(rows).predicted


def facts(study: Study) -> dict[str, dict[str, Any]]:
    """Per run, on the test split: accuracy, and how many dresses are taken for skirts, by framing."""
    test = study.rows("test")
    labels = study.labels[test]
    dress, skirt = (study.class_names.index(name) for name in PAIR)
    tight = _tight(study, test[labels == dress])
    result = {}
    for name in study.runs():
        predicted = _predicted(study.run(name), test)
        confused = predicted[labels == dress] == skirt
        result[name] = {
            "accuracy": float((predicted == labels).mean()),
            "n": len(test),
            "dress_as_skirt": int(confused.sum()),
            "dresses": len(confused),
            "tight_dress_as_skirt": int((confused & tight).sum()),
            "tight_dresses": int(tight.sum()),
            "skirt_as_dress": int(((labels == skirt) & (predicted == dress)).sum()),
            "skirts": int((labels == skirt).sum()),
        }
    return result


def _tight(study: Study, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of these test pictures are framed tightly on purpose: drawn again, since the table does not say."""
    params: Any = build(GarmentParams, study.info.dataset_params)
    names = study.samples["path"].to_numpy()[rows]
    numbers = [int(Path(name).stem) for name in names]
    drawn = (
        drawing(study.info.seed, "test", int(label), number, params)
        for label, number in zip(study.labels[rows], numbers, strict=True)
    )
    return np.array([one.framing == "tight" for one in drawn])


def check_same(rebuilt: Study, bundled: Study) -> dict[str, Any]:
    """How the rebuilt study differs from the bundled one.

    Raises:
        BadInput: other pictures, or a test accuracy that differs by more than TOLERANCE.
    """
    if rebuilt.info.samples_digest != bundled.info.samples_digest:
        raise BadInput("the rebuilt pictures differ from the bundled ones", remedy="Run xai demo --rebuild and commit.")
    before, after = facts(bundled), facts(rebuilt)
    for name, bundled_facts in before.items():
        difference = after[name]["accuracy"] - bundled_facts["accuracy"]
        if abs(difference) > TOLERANCE:
            remedy = f"It may differ by {TOLERANCE} at most; run xai demo --rebuild and look at the result."
            raise BadInput(f"the test accuracy of {name} differs", value=f"{difference:+.3f}", remedy=remedy)
    return {"bundled": before, "rebuilt": after, "tolerance": TOLERANCE}
