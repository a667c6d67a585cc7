"""The truth about parts: what each counts is what the model loses, and metrics hold maps against it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from xai_core.datasets import DATASETS
from xai_core.datasets.base import Parts
from xai_core.demo.bundle import bundled
from xai_core.demo.drawing import RECORD, GarmentParams
from xai_core.errors import BadInput
from xai_core.metrics import METRICS, MetricInput, SampleParts, score
from xai_core.models.classifier import Classifier
from xai_core.models.preprocess import Preprocess
from xai_core.pipeline.load import Bench
from xai_core.pipeline.metric_inputs import Samples
from xai_core.pipeline.parts import parts_of
from xai_core.store.study import Study
from xai_core.types import Card, Target

SIGNED = Card("toy", "Toy", "Drawn by a test.", "Everything.", signed=True)
RANKING, TOP = METRICS["part-ranking"], METRICS["top-part"]
SIDE = 8
FEW: Any = GarmentParams(train_per_class=1, validation_per_class=1, test_per_class=1)


def rows_of(heights: Sequence[int]) -> np.ndarray:
    """Parts that are bands of rows, one below the other, of these heights."""
    masks, top = np.zeros((len(heights), SIDE, SIDE), bool), 0
    for mask, height in zip(masks, heights, strict=True):
        mask[top : top + height] = True
        top += height
    return masks


def asked(values: Sequence[float], importance: Sequence[float], heights: Sequence[int] = (2, 2, 2, 2)) -> MetricInput:
    """A map that is the same on each band."""
    masks = rows_of(heights)
    pixels = np.einsum("phw,p->hw", masks, np.array(values)).astype(np.float32)[None]
    parts = SampleParts(tuple("abcdef"[: len(masks)]), masks, np.array(importance, float))
    no_mask = np.zeros((1, SIDE, SIDE), bool)
    return MetricInput(pixels, SIGNED, [Target(0)], np.zeros(1, np.int64), no_mask, np.zeros(1, bool), parts=[parts])


@pytest.mark.parametrize(
    ("values", "importance", "ranking", "top"),
    [
        ((4, 3, 2, 1), (8, 6, 0, -1), 1.0, 1.0),
        ((1, 2, 3, 4), (8, 6, 0, -1), -1.0, 0.0),
        ((4, 3, 1, 2), (8, 6, 0, -1), 0.8, 1.0),
        ((-1, 3, 1, 2), (-3, 6, 0, 1), 1.0, 1.0),
        ((5, 5, 0, 0), (8, 0, 0, 0), 0.5774, 0.5),  # half of what is first by the evidence is first in truth
        ((5, 0, 0, 0), (8, 8, 0, 0), 0.5774, 1.0),  # either of two that count most will do
    ],
)
def test_known_rankings(values: Any, importance: Any, ranking: float, top: float) -> None:
    given = asked(values, importance)
    assert score(RANKING, given).values[0] == pytest.approx(ranking, abs=1e-4)
    assert score(TOP, given).values[0] == top
    assert score(RANKING, given).beside["parts"].tolist() == [4]


def test_the_sum_grows_with_a_part_and_the_mean_does_not() -> None:
    given = asked((1, 2, 0, 0), (3, 2, 1, 1), heights=(5, 1, 1, 1))
    assert score(TOP, given).values[0] == 1
    assert score(TOP, given, TOP.params(statistic="mean")).values[0] == 0


def test_evidence_against_counts_only_where_zero_means_something() -> None:
    given = asked((3, -4, 2, 0), (3, -4, 2, 0))
    assert score(RANKING, given).values[0] == pytest.approx(1)
    unsigned = replace(given, explainer=replace(SIGNED, signed=False))
    assert score(RANKING, unsigned).values[0] == pytest.approx(0.9487, abs=1e-4), "the second and the last are tied"


def test_rounding_of_the_model_breaks_no_tie() -> None:
    exact = score(RANKING, asked((4, 1, 2, 3), (5, 0, 0, 0))).values
    np.testing.assert_array_equal(score(RANKING, asked((4, 1, 2, 3), (5, 3e-6, -2e-6, 1e-6))).values, exact)


@pytest.mark.parametrize(
    ("given", "metric", "reason"),
    [
        (asked((4, 3, 2, 1), (1, 1, 1, 1)), RANKING, "no part counts more than another"),
        (asked((4, 3, 2, 1), (0, 0, 0, 0)), TOP, "no part counts more than another"),
        (asked((4, 3, 2, 1), (-1, -2, -3, 0)), TOP, "no part speaks for what is explained"),
        (asked((-4, -3, -2, -1), (1, 2, 3, 0)), TOP, "no evidence for any part"),
        (asked((2, 2, 1, 1), (1, 2, np.nan, np.nan)), TOP, "the evidence is the same on every part"),
        (asked((4, 3, 2, 1), (1, 2, np.nan, np.nan)), RANKING, "fewer than 3 parts to compare"),
        (asked((4, 3, 2, 1), (1, np.nan, np.nan, np.nan)), TOP, "fewer than 2 parts to compare"),
        (replace(asked((4, 3, 2, 1), (1, 2, 3, 0)), parts=[None]), TOP, "what the sample is made of is not known"),
        (replace(asked((4, 3, 2, 1), (1, 2, 3, 0)), parts=()), RANKING, "what the sample is made of is not known"),
    ],
)
def test_what_tells_nothing_is_not_scored(given: MetricInput, metric: Any, reason: str) -> None:
    assert score(metric, given).reasons == (reason,)


def test_a_part_that_is_too_small_is_left_out() -> None:
    given = asked((4, 9, 2, 1), (4, 0, 2, 1), heights=(3, 1, 2, 2))
    found = score(TOP, given, TOP.params(least=0.2))
    assert (found.values[0], found.beside["parts"][0]) == (1, 3)
    assert score(TOP, given, TOP.params(statistic="mean")).values[0] == 0


class Means(nn.Module):
    """Two classes: the mean of the upper half of the picture, and of the lower."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([x[:, :, : SIDE // 2].mean((1, 2, 3)), x[:, :, SIDE // 2 :].mean((1, 2, 3))], 1)


def test_the_importance_is_what_the_explained_output_loses() -> None:
    preprocess = Preprocess(SIDE, SIDE, 1, (0.0,), (1.0,))
    classifier = Classifier(Means().eval(), ("upper", "lower"), preprocess, "toy", "", "f" * 64)
    grey = np.full((SIDE, SIDE), 200, np.uint8)
    upper, lower, lighter = (grey.copy() for _ in range(3))
    upper[: SIDE // 2], lower[SIDE // 2 :], lighter[SIDE // 2 :] = 0, 0, 100
    pictures = [[upper], [lower, lighter], []]
    parts = Parts(("top", "bottom", "rest"), rows_of((4, 3, 1)), [[Image.fromarray(p) for p in ps] for ps in pictures])

    def shown(row: int) -> Parts:
        if row == 1:
            raise BadInput("damaged", value="it", remedy="Restore it.")
        return parts

    study: Any = SimpleNamespace(parts=shown)
    x = torch.full((3, 1, SIDE, SIDE), 200 / 255)
    weights = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 1.0]])
    found = parts_of(study, classifier, x, weights, np.array([0, 1, 2]))
    assert found.parts[1] is None and list(found.unread) == [1]  # noqa: PT018
    first, last = found.parts[0], found.parts[2]
    assert first is not None
    assert last is not None
    np.testing.assert_allclose(first.importance, [200 / 255, 0, np.nan], atol=1e-6)
    np.testing.assert_allclose(last.importance, [-200 / 255, 150 / 255, np.nan], atol=1e-6)
    np.testing.assert_array_equal(first.masks, parts.masks)


def test_parts_of_the_demo_arrive_with_what_its_model_loses() -> None:
    study = bundled()
    run, bench, rows = study.run("baseline"), Bench("cpu"), study.rows("test")[[3, 120]]
    targets = [Target(0), Target(1, 0)]
    samples = Samples(bench, run, "trained", rows, targets)
    classifier, x = samples.model
    for row, target, one, pixels in zip(rows.tolist(), targets, samples.parts.parts, x, strict=True):
        assert one is not None
        assert one.masks.shape[1:] == samples.size
        shown = study.parts(row)
        assert shown is not None
        at = shown.names.index("background")
        inputs = np.stack([classifier.preprocess(picture) for picture in shown.without[at]])
        with torch.no_grad():
            logits = classifier.logits(torch.cat([pixels[None], torch.from_numpy(inputs)])).numpy()
        explained = logits[:, target.positive] - (0 if target.negative is None else logits[:, target.negative])
        assert one.importance[at] == pytest.approx(explained[0] - explained[1:].mean(), abs=1e-4)
        assert np.isnan(one.importance[one.names.index("body")])
        assert np.isfinite(one.importance[[name != "body" for name in one.names]]).all()


def test_a_study_whose_dataset_nobody_knows_here_has_no_parts() -> None:
    study = bundled()
    assert study.has_parts
    strange = Study(study.path, replace(study.info, dataset="from-elsewhere"), study._table)
    assert not strange.has_parts


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few pictures."""
    folder = tmp_path_factory.mktemp("garments") / "g"
    DATASETS["garments"].make(folder, FEW).scan(5)
    return folder


@pytest.fixture
def garments(drawn: Path, tmp_path: Path) -> tuple[Any, Any]:
    """A copy of them, and the line of one."""
    data = DATASETS["garments"].make(shutil.copytree(drawn, tmp_path / "g"), FEW)
    return data, data.scan(5).samples.iloc[4]


def test_a_picture_that_was_edited_cannot_be_drawn_again(garments: tuple[Any, Any], tmp_path: Path) -> None:
    data, row = garments
    whole = data.parts(row)
    assert whole.masks.shape == (len(whole.names), 96, 96)
    assert [len(pictures) for pictures in whole.without] == [
        {"background": 3, "body": 0}.get(name, 1) for name in whole.names
    ]
    path = tmp_path / "g" / row["path"]
    Image.open(path).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path)
    with pytest.raises(BadInput, match=r"not the picture that is drawn for its name: train/skirt/0000\.jpg"):
        data.parts(row)


@pytest.mark.parametrize("record", ["", "{}", '{"seed": 5, "version": 0}', '{"seed": 6, "version": 1}'])
def test_what_was_drawn_otherwise_is_told(garments: tuple[Any, Any], tmp_path: Path, record: str) -> None:
    (tmp_path / "g" / RECORD).write_text(record)
    with pytest.raises(BadInput, match=r"damaged: g/garments\.json|not the picture that is drawn"):
        garments[0].parts(garments[1])


@pytest.mark.parametrize("path", ["elsewhere.jpg", "../../etc/passwd", "train/skirt/1.jpg", "train/hat/0000.jpg"])
def test_a_path_that_names_no_drawn_picture_is_told(garments: tuple[Any, Any], path: str) -> None:
    with pytest.raises(BadInput, match="not the picture that is drawn"):
        garments[0].parts({**garments[1], "path": path})
