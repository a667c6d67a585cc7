"""Other ways to prepare pictures are tried on labelled ones: the better one is found, and none is where none is."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from tests.tiny_study import xai
from xai_core.models.classifier import Classifier
from xai_core.models.preprocess import Preprocess
from xai_core.pipeline import trials
from xai_core.pipeline.trials import fit_of, usual
from xai_core.store.study import Study

GREY = ((0.5,) * 3, (0.25,) * 3)


class Brightness(nn.Module):
    """Whether a picture is bright, as a net would say that was trained with a mean of 0.5."""

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((1, 2, 3))
        return torch.stack([3 * mean, -3 * mean], dim=1)


class Fails(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("out of order")


def _made(preprocess: Preprocess, module: nn.Module | None = None) -> Classifier:
    return Classifier(module or Brightness(), ("bright", "dark"), preprocess, "fake", "", "f" * 64)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Pictures three times as wide as high; the class is in the middle, and the sides are of the other brightness."""
    folder, rng = tmp_path_factory.mktemp("trials"), np.random.default_rng(0)
    for split, count in (("train", 3), ("validation", 20), ("test", 3)):
        for name, level in (("bright", 180), ("dark", 75)):
            (folder / "pictures" / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = np.full((24, 72, 3), 255 - level) + rng.integers(-60, 60, (24, 72, 3))
                pixels[:, 24:48] = level + rng.integers(-60, 60, (24, 24, 3))
                picture = Image.fromarray(pixels.astype(np.uint8))
                picture.save(folder / "pictures" / split / name / f"{number}.png")
    xai("new", folder / "study", "--dataset", "image-folder", "--data", folder / "pictures")
    return Study.open(folder / "study")


def test_a_crop_is_found_where_pictures_were_squashed(study: Study) -> None:
    said = fit_of(study, _made(Preprocess(16, 16, 3, *GREY)))
    says = r"With --resize 1[68] it would fit better on 40 validation pictures: 40 right instead of 0 \(\+100"
    assert re.match(says, said)
    assert re.search(r"95 % interval \+\d\d\.\d to \+100.*paired t-test p < 0\.001, corrected for 7 ways tried", said)
    assert "nothing was changed" in said


def test_nothing_is_claimed_of_a_model_that_is_given_what_it_was_trained_with(study: Study) -> None:
    """It is sure of little, and a larger contrast would make it surer: that is not what was asked, but true."""
    fitting = Preprocess(16, 16, 3, *GREY, "crop", 16)
    assert fit_of(study, _made(fitting, nn.Sequential(Brightness(), nn.Hardtanh(-2, 2)))).startswith(
        "Of 7 other ways to prepare pictures none fits clearly better on 40 validation pictures."
    )


def test_ways_that_are_no_better_are_not_asked_for_all_pictures(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is claimed stays what it was without: a way that fits better is never dropped, and others never claimed."""
    asked: list[int] = []
    monkeypatch.setattr(Brightness, "forward", _counting(asked, Brightness.forward))
    monkeypatch.setattr(trials, "AT_ONCE", 4)
    said = {}
    for glance in (8, 400):
        monkeypatch.setattr(trials, "GLANCE", glance)
        asked.clear()
        said[glance] = fit_of(study, _made(Preprocess(16, 16, 3, *GREY))), sum(asked)
    assert said[8][0] == said[400][0].replace("400", "8")
    assert said[8][1] < 0.8 * said[400][1]
    monkeypatch.setattr(trials, "GLANCE", 8)
    asked.clear()
    unsure = nn.Sequential(Brightness(), nn.Hardtanh(-2, 2))
    none = fit_of(study, _made(Preprocess(16, 16, 3, *GREY, "crop", 16), unsure))
    assert re.search(r"better on 40 validation pictures; \d of them were no better on the first 8\.", none)


def _counting(asked: list[int], forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def counted(self: Brightness, x: Tensor) -> Tensor:
        asked.append(len(x))
        return forward(self, x)

    return counted


def test_another_mean_is_found(study: Study) -> None:
    said = fit_of(study, _made(Preprocess(16, 16, 3, (0.0,) * 3, (1.0,) * 3, "crop", 16)))
    assert re.match(r"With --mean 0\.(5|485),\S+ --std \S+ it would fit better", said)


def test_too_few_pictures_a_model_that_fails_and_none_at_all_say_nothing(study: Study) -> None:
    squashed = Preprocess(16, 16, 3, *GREY)
    assert fit_of(study, _made(squashed), most=19) == ""
    assert fit_of(study, _made(squashed), most=0) == ""
    assert fit_of(study, _made(squashed, Fails())) == ""
    assert "on 20 validation pictures" in fit_of(study, _made(squashed), most=20)


@pytest.mark.parametrize("given", [Preprocess(16, 16, 3, *GREY), Preprocess(16, 24, 1, (0.5,), (0.5,), "pad")])
def test_the_usual_ways_differ_from_the_given_one(given: Preprocess) -> None:
    ways = usual(given)
    assert given not in ways.values()
    assert all((way.height, way.width, way.channels) == (16, given.width, given.channels) for way in ways.values())
    assert any(way.fit != given.fit for way in ways.values())
