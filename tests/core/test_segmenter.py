"""A model that answers at every place: each method explains a region of its output, as if that were one logit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.oracles.models import CLASSES, SHAPE, Plain, model, pictures, wrap
from tests.oracles.table import OF_CLASSIFIERS, TABLE
from xai_core.errors import BadInput, NotApplicable
from xai_core.explainers import ExplainerInput
from xai_core.explainers.engine.plan import explain
from xai_core.explainers.lrp import LrpParams
from xai_core.explainers.scorecam import ScoreCamParams
from xai_core.models.classifier import Classifier
from xai_core.models.probe import KEPT, answers, check_logits
from xai_core.types import Target

SIZE = SHAPE[1:]
TARGETS = [Target(0), Target(3, 1), Target(2, region="box"), Target(4)]
SEEDS = np.array([11, 12, 13, 14])


class Segmenter(nn.Module):
    """Convolutions only: `(N, 3, 16, 12) -> (N, 5, 16, 12)`."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(SHAPE[0], 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 12, 3, padding=1), nn.ReLU()
        )
        self.head = nn.Conv2d(12, CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


class OneRegion(nn.Module):
    """A segmenter made a classifier by hand: class k's logit is its sum over one region."""

    def __init__(self, segmenter: nn.Module, region: Tensor) -> None:
        super().__init__()
        self.segmenter, self.sum = segmenter, nn.Linear(CLASSES * region.numel(), CLASSES, bias=False)
        with torch.no_grad():
            self.sum.weight.copy_((torch.eye(CLASSES)[:, :, None] * region.flatten()).flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.sum(self.segmenter(x).flatten(1))


def segmenter() -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return replace(wrap(Segmenter(), "features", name="segmenter"), output_size=SIZE)


def regions() -> Tensor:
    """`(4, 16, 12)`: a box, stripes, everything, and places that count in part."""
    found = torch.zeros(4, *SIZE)
    found[0, 2:9, 3:8], found[1, ::3], found[2] = 1, 1, 1
    found[3] = torch.rand(SIZE, generator=torch.Generator().manual_seed(4))
    return found


def given(rows: slice = slice(None)) -> ExplainerInput:
    masks, background = pictures(4).mean(1) > 0, pictures(6, seed=9)
    few = (pictures(4)[rows], TARGETS[rows], SEEDS[rows], regions()[rows], masks[rows])
    return ExplainerInput(segmenter(), *few, background=background)


def by_hand(row: int) -> ExplainerInput:
    here = given(slice(row, row + 1))
    summed = wrap(OneRegion(here.classifier.module, regions()[row]), "segmenter.features")
    return replace(here, classifier=summed, targets=[replace(TARGETS[row], region="")], regions=None)


@pytest.mark.parametrize("key", OF_CLASSIFIERS)
def test_a_region_is_explained_as_one_logit_of_its_sum(key: str) -> None:
    """In a batch, alone, and from a model that sums within: the three agree."""
    methods = [(key, TABLE[key].params)]
    (together,) = explain(given(), methods)
    near = 1e-4 * float(np.nanmax(np.abs(together.maps)))
    assert not all(together.refusals)
    for row in range(4):
        (alone,), (expected,) = explain(given(slice(row, row + 1)), methods), explain(by_hand(row), methods)
        np.testing.assert_allclose(alone.maps[0], together.maps[row], atol=near)
        np.testing.assert_allclose(expected.maps[0], together.maps[row], atol=near)
        assert [bool(each.refusals[0]) for each in (alone, expected)] == [bool(together.refusals[row])] * 2


@pytest.mark.parametrize("composite", ["epsilon-plus-flat", "gamma", "epsilon"])
def test_relevance_of_a_region_is_conserved(composite: str) -> None:
    (found,) = explain(given(), [("lrp", LrpParams(composite))])
    kept = [ratio for ratio, why in zip(found.diagnostics["conservation"], found.refusals, strict=True) if not why]
    assert kept
    np.testing.assert_allclose(kept, 1, atol=0.1)


def test_the_control_of_the_region_is_the_region_and_of_a_classifier_there_is_none() -> None:
    (found,) = explain(given(), [("region", None)])
    np.testing.assert_array_equal(found.maps, regions().numpy())
    (everywhere,) = explain(replace(given(), regions=None, targets=[Target(1)] * 4), [("region", None)])
    np.testing.assert_array_equal(everywhere.maps, np.ones((4, *SIZE)))
    with pytest.raises(NotApplicable, match="a classifier's output has no places"):
        explain(by_hand(0), [("region", None)])


def test_probabilities_of_a_segmenter_are_those_of_each_place() -> None:
    """Score-CAM's weight of a channel is then the region's sum of them."""
    here = given(slice(0, 1))
    (found,) = explain(here, [("scorecam", ScoreCamParams(score="probability"))])
    expected = torch.zeros(SIZE)
    with torch.no_grad():
        for channel in here.classifier.module.features(here.x)[0]:
            low, high = channel.min(), channel.max()
            if high > low:  # hidden pixels become the training mean, which is 0
                seen = here.x * (channel - low) / (high - low)
                expected += (here.classifier.module(seen).softmax(1)[0, 0] * regions()[0]).sum() * channel
    np.testing.assert_allclose(found.maps[0], expected.numpy(), rtol=1e-4, atol=1e-4)


def test_what_a_segmenter_answers_is_checked_as_a_classifiers_is() -> None:
    check_logits(segmenter())
    assert np.shape(answers(segmenter())) == (KEPT, CLASSES)
    with pytest.raises(BadInput, match="returns probabilities, not logits"):
        check_logits(replace(segmenter(), module=nn.Sequential(segmenter().module, nn.Softmax(1)).eval()))
    with pytest.raises(BadInput, match=r"shape \(1, 5, 16, 12\) instead of \(1, 5, 8, 6\)"):
        check_logits(replace(segmenter(), output_size=(8, 6)))


@pytest.mark.parametrize("key", ["gradcam", "saliency"])
def test_several_regions_of_one_picture_share_it(key: str) -> None:
    one = pictures(1)
    rows = np.zeros(4, np.int64)
    (shared,) = explain(replace(given(), x=one, masks=None), [(key, None)], rows)
    (apart,) = explain(replace(given(), x=one.repeat(4, 1, 1, 1), masks=None), [(key, None)])
    np.testing.assert_allclose(shared.maps, apart.maps, atol=1e-6)


def test_without_regions_the_whole_output_counts() -> None:
    plain = replace(given(), targets=[Target(1)] * 4, regions=None)
    everywhere = replace(plain, regions=torch.ones(4, *SIZE))
    (found,), (expected,) = (explain(each, [("gradcam", None)]) for each in (plain, everywhere))
    np.testing.assert_array_equal(found.maps, expected.maps)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"regions": regions()[:3]}, "regions have the wrong shape"),
        ({"regions": regions()[:, :8]}, r"regions have the wrong shape: \(4, 8, 12\). Give \(4, 16, 12\)"),
        ({"regions": None}, "nobody says where this region is: box"),
        ({"classifier": model(Plain)}, "regions for a model whose output has no places"),
        ({"masks": torch.ones(4, 8, 12, dtype=torch.bool)}, "masks have the wrong shape"),
    ],
)
def test_places_that_do_not_fit_are_refused(change: dict[str, object], match: str) -> None:
    with pytest.raises(BadInput, match=match):
        explain(replace(given(), **change), [("gradcam", None)])  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["gradcam", "saliency", "occlusion", "scorecam", "ablationcam", "shap_layer", "shap"])
def test_another_output_than_declared_is_refused(key: str) -> None:
    declared = replace(segmenter(), output_size=(8, 6))
    here = replace(given(), classifier=declared, targets=[Target(1)] * 4, regions=None)
    with pytest.raises(NotApplicable, match="wrong shape for 5 classes at 8×6 places"):
        explain(here, [(key, TABLE[key].params)])
