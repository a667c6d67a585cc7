"""Regions as targets: which pixels each means, how it is written, and that maps and scores are about them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.core.segmentation_trees import coco
from tests.tiny_study import fails, xai_json
from xai_core.errors import BadInput, NotFound
from xai_core.explainers import EXPLAINERS, ExplainerInput
from xai_core.explainers.engine.plan import explain
from xai_core.label_maps import IGNORE
from xai_core.metrics import METRICS
from xai_core.pipeline.asked import Given
from xai_core.pipeline.explain import Request, explain_steps
from xai_core.pipeline.load import Bench, inputs, load_classifier, seeds_of
from xai_core.pipeline.make import make_study
from xai_core.pipeline.predict import predict
from xai_core.pipeline.score import ScoreRequest, score_steps
from xai_core.pipeline.train import train_run
from xai_core.regions import REGIONS, check_region, place_of, region_mask
from xai_core.store.maps import REFUSED, STORED
from xai_core.store.run import Run
from xai_core.store.targets import cell_rows, mask_of, predicted_rows, region_of
from xai_core.training.config import TrainConfig
from xai_core.types import Target

TRUTH = np.array([[0, 1, 1, 2], [0, 1, 2, 2], [IGNORE, 0, 0, 0]], np.uint8)
SAID = np.array([[1, 1, 0, 2], [0, 2, 2, 0], [1, 0, 1, 1]], np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A segmenter of twenty photos with a square each, trained a little and asked about all."""
    root = tmp_path_factory.mktemp("regions")
    coco(root / "data")
    study = make_study(root / "study", root / "data")
    made = train_run(study, "unet", TrainConfig(architecture="small_unet", epochs=2), Given(size=32, device="cpu"))
    predict(made, load_classifier(made, device="cpu"), ["test", "validation", "train"])
    return made


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("1@predicted", [(0, 0), (0, 1), (2, 2), (2, 3)]),
        ("1@true", [(0, 1), (0, 2), (1, 1)]),
        ("1@missed", [(0, 2), (1, 1)]),
        ("1@invented", [(0, 0), (2, 2), (2, 3)]),
        ("2-1@confused", [(1, 1)]),
        ("1@box=1,0,3,2", [(0, 1), (0, 2), (1, 1), (1, 2)]),
        ("1@box=2,2,9,9", [(2, 2), (2, 3)]),
        ("1@part=0,0", [(0, 0), (0, 1)]),
        ("2@part=1,1", [(1, 1), (1, 2), (0, 3)]),
        ("1@part=2,0", [(0, 1), (0, 2), (1, 1)]),
        ("1@part=3,1", []),
        ("1@part=99,99", []),
        ("1", [(y, x) for y in range(3) for x in range(4)]),
    ],
)
def test_a_region_is_these_pixels(key: str, expected: list[tuple[int, int]]) -> None:
    found = region_mask(Target.parse(key), TRUTH, SAID)
    assert found.dtype == bool
    assert found.shape == TRUTH.shape
    assert sorted(map(tuple, np.argwhere(found).tolist())) == sorted(expected)


LABELS = arrays(np.uint8, (5, 6), elements=st.sampled_from([0, 1, 2, IGNORE]))
SAYS = arrays(np.uint8, (5, 6), elements=st.sampled_from([0, 1, 2]))


@given(LABELS, SAYS, st.integers(0, 2))
def test_regions_add_up(truth: np.ndarray, said: np.ndarray, index: int) -> None:
    """What is annotated is found or missed, what is predicted right or invented, and that is all confusions of it."""
    of = {name: region_mask(Target(index, region=name), truth, said) for name in REGIONS if name != "confused"}
    found = of["true"] & of["predicted"]
    np.testing.assert_array_equal(of["true"], found | of["missed"])
    np.testing.assert_array_equal(of["predicted"], found | of["invented"])
    assert not (found & (of["missed"] | of["invented"])).any()
    confusions = [region_mask(Target(index, other, "confused"), truth, said) for other in range(3) if other != index]
    np.testing.assert_array_equal(of["invented"], np.any(confusions, axis=0))


@pytest.mark.parametrize(
    "key",
    [
        *("1@somewhere", "1@box=1,2", "1@box=3,0,3,2", "1@box=-1,0,3,2", "1@box=0,0,9999999,3", "1@box=1,0,3,2;"),
        *("1@part=1", "1@part=1,2,3", "1@part=٣,1", "1@confused", "2-1@missed"),
    ],
)
def test_what_is_no_region_is_told(key: str) -> None:
    with pytest.raises(BadInput, match=r"not a region|does not fit"):
        check_region(Target.parse(key))


def test_the_numbers_of_a_region() -> None:
    assert place_of("predicted") is None
    assert place_of("part=3,4") is not None


def test_what_a_user_asks_for_is_a_region_of_each_picture(run: Run) -> None:
    rows = np.arange(len(run.study.labels))
    for spec, name in (("predicted", "predicted"), ("true", "true")):
        for row, target in zip(rows.tolist(), run.targets(rows, spec), strict=True):
            assert (target.region, target.negative) == (name, None)
            there = region_of(run, row, target)
            if target.positive:  # no other object has more pixels
                others = [region_of(run, row, Target(k, region=name)).sum() for k in (1, 2)]
                assert there.sum() == max(others) > 0
    for row, target in zip(rows.tolist(), run.targets(rows, "difference"), strict=True):
        if target.region == "confused":
            most = run.label_maps().get(row).counts  # type: ignore[union-attr]
            wrong = [int(n) for true, said, n in most if true != said]
            assert region_of(run, row, target).sum() == max(wrong)
    assert run.targets(rows[:2], "2@missed") == [Target(2, region="missed")] * 2
    with pytest.raises(NotFound, match="class"):
        run.targets(rows, "7@missed")


def test_which_pictures_are_of_a_cell(run: Run) -> None:
    rows = np.arange(len(run.study.labels))
    assert predicted_rows(run, rows).tolist() == rows.tolist()
    for true in range(3):
        for predicted in range(3):
            inside = [row for row in rows if (_said(run, row)[run.study.label_map(row) == true] == predicted).any()]
            assert cell_rows(run, rows, true, predicted).tolist() == inside


def test_a_stored_map_is_that_of_the_region(run: Run) -> None:
    """And where a picture has no such pixel it is refused, in words."""
    rows = np.arange(6)
    for spec in ("true", "2@true", "2@box=2,2,9,9", "1"):
        list(explain_steps(Bench("cpu"), Request(run, rows.tolist(), spec, [("hirescam", {})])))
        targets = run.targets(rows, spec)
        store = run.maps("hirescam", EXPLAINERS["hirescam"].params())
        assert store is not None
        stored = store.get(rows, [target.key for target in targets])
        classifier = load_classifier(run, device="cpu")
        for place, (row, target) in enumerate(zip(rows.tolist(), targets, strict=True)):
            region = region_of(run, row, target)
            if not region.any():
                assert stored.state[place] == REFUSED
                assert str(stored.refusals[place]).startswith("the region is empty: the picture has no pixel")
                continue
            share = torch.from_numpy(classifier.preprocess.share(region))[None]
            seeds = seeds_of(run.study, rows[place : place + 1])
            one = ExplainerInput(classifier, inputs(run.study, classifier, [row]), [target], seeds, share)
            (expected,) = explain(one, [("hirescam", None)])
            assert stored.state[place] == STORED
            scale = np.abs(expected.maps).max()
            np.testing.assert_allclose(stored.maps[place], expected.maps[0], atol=1e-3 * scale)


def test_metrics_ask_about_the_region(run: Run) -> None:
    """The energy on what is annotated as the class, and the mean probability of the class over the region."""
    rows, spec = np.arange(4), "true"
    metrics = [("energy-pointing-game", {}), ("increase", {})]
    list(score_steps(Bench("cpu"), ScoreRequest(run, rows.tolist(), spec, [("hirescam", {})], metrics)))
    targets = run.targets(rows, spec)
    keys = [target.key for target in targets]
    method = ("hirescam", EXPLAINERS["hirescam"].params())
    energy = run.scores(("energy-pointing-game", METRICS["energy-pointing-game"].params()), method)
    increase = run.scores(("increase", METRICS["increase"].params()), method)
    assert energy is not None
    assert increase is not None
    classifier = load_classifier(run, device="cpu")
    areas = energy.get(rows, keys).beside["mask_area"]
    chances = increase.get(rows, keys).beside["probability"]
    for row, target, area, chance in zip(rows.tolist(), targets, areas, chances, strict=True):
        mask = mask_of(run, row, target)
        assert mask is not None
        assert area == pytest.approx(classifier.preprocess.mask(mask).mean(), abs=1e-6)
        share = torch.from_numpy(classifier.preprocess.share(mask))
        with torch.no_grad():
            said = classifier.logits(inputs(run.study, classifier, [row])).softmax(1)[0, target.positive]
        assert chance == pytest.approx(float((said * share).sum() / share.sum()), abs=1e-5)


def test_the_command_takes_regions_by_name(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    ids = ",".join(run.study.samples["id"].astype(str).tolist()[:2])
    words = ("explain", run.study.path, "--run", "unet", "--methods", "gradcam", "--ids", ids, "--target")
    for target in ("green@true", "2@true", "red-background@confused"):
        said = xai_json(capsys, *words, target)["methods"]["gradcam"]
        assert said["stored"] + said["refused"] == 2
    for wrong, why in (
        ("green@nowhere", "not a region"),
        ("green@", "no region behind"),
        ("green@cell=1,9", "class"),
        ("blue@true", "class"),
        ("green@confused", "does not fit"),
    ):
        assert why in fails(capsys, *words, wrong)


def test_random_weights_and_scores_by_command(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    some = ("--run", "unet", "--methods", "gradcam", "--limit", "3")
    said = xai_json(capsys, "sanity", run.study.path, *some, "--seeds", "1")
    assert said["methods"]["gradcam"]["measures"]
    assert xai_json(capsys, "score", run.study.path, *some, "--metrics", "iou")["scores"]


def _said(run: Run, row: int) -> np.ndarray:
    store = run.label_maps()
    found = store.get(row) if store is not None else None
    assert found is not None
    return found.label_map
