"""Masks on the page of one sample: their outlines, and how much of the evidence lies inside."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dashboard.drawing.outline import outline
from dashboard.drawing.tiles import Tiles, draw_outline, outline_tile
from tests.core.image_trees import draw
from xai_core.answers.aggregate import aggregate, text
from xai_core.answers.context import context
from xai_core.answers.maps import Column
from xai_core.answers.on_object import METRIC, on_object, on_objects, seen_masks
from xai_core.answers.scope import Scope
from xai_core.explainers import EXPLAINERS
from xai_core.metrics import METRICS, MetricInput, score
from xai_core.store.run import Run, RunInfo
from xai_core.store.study import Study
from xai_core.types import Target

PREPROCESS = {"height": 12, "width": 12, "channels": 3, "mean": [0.5] * 3, "std": [0.5] * 3, "fit": "crop"}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Eight pictures, the first three with masks: the left half, an empty one, a damaged one."""
    from xai_core.datasets.image_folder import ImageFolder, ImageFolderParams

    data = tmp_path / "data"
    for number in range(8):
        draw(data / "test" / "ab"[number % 2] / f"{number}.png", number, (24, 12))
    for number, mask in enumerate([np.arange(24) < 12, np.zeros(24, dtype=bool)]):
        pixels = np.broadcast_to(mask, (12, 24)).astype(np.uint8) * 255
        Image.fromarray(pixels).save(data / "test" / "ab"[number] / f"{number}_mask.png")
    scan = ImageFolder(data, ImageFolderParams()).scan(0)
    study = Study.create(tmp_path / "s", dataset="image-folder", params={}, data=data, seed=0, scan=scan)
    run = study.add_run("net", RunInfo("fake", PREPROCESS, "layer", "f" * 64))
    run.write_predictions(study.rows(), np.full((8, 2), 0.5, np.float32))
    return run


def row_of(run: Run, name: str) -> int:
    return run.study.samples["id"].tolist().index(name)


def test_the_share_is_what_the_metric_says(run: Run) -> None:
    row, explainer = row_of(run, "test/a/0.png"), EXPLAINERS["gradcam"]
    maps = run.maps("gradcam", explainer.params(), create=True)
    assert maps is not None
    heat = np.arange(12, dtype=np.float32).reshape(3, 4) - 2
    maps.put([row], ["1"], heat[None], {}, [None])
    (mask,) = seen_masks(run, row, ["1"])
    assert mask is not None
    assert mask[:, :6].all(), "the model sees the middle of the picture"
    assert not mask[:, 6:].any()
    found, missing = on_object(explainer.card, maps, row, ["1", "0"], [mask, mask])
    given = MetricInput(
        heat[None], explainer.card, [Target(1)], np.zeros(1, np.int64), mask[None], np.ones(1, dtype=bool)
    )
    (expected,) = score(METRICS[METRIC], given).values
    assert missing is None
    assert found is not None
    assert found.share == pytest.approx(expected, abs=1e-3)
    assert found.area == pytest.approx(0.5)
    assert "its area 50.0 %" in found.note.text


def test_of_a_classifier_context_is_what_lies_outside_of_the_object(run: Run) -> None:
    """The object is the left half of what the model sees, 12 × 12; the map is on the right half, in its last column."""
    row, explainer = row_of(run, "test/a/0.png"), EXPLAINERS["gradcam"]
    maps = run.maps("gradcam", explainer.params(), create=True)
    assert maps is not None
    heat = np.zeros((12, 12), np.float32)
    heat[:, 11] = 1
    maps.put([row], ["0"], heat[None])
    found = context(Scope(run, "test"), np.array([row]), "0", [Column(explainer.card, explainer.params(), maps)])
    assert found.place == "object"
    (gradcam,) = found.methods
    np.testing.assert_allclose(gradcam.bands.share.value, [0, 0, 0, 0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(gradcam.bands.area, np.array([6, 0, 1, 1, 2, 2]) / 12, atol=1e-6)
    assert gradcam.bands.times.value[5] == pytest.approx(6)
    assert "over 40 % away" in found.text()


def test_without_an_object_there_is_a_reason(run: Run) -> None:
    row, explainer = row_of(run, "test/b/1.png"), EXPLAINERS["gradcam"]
    maps = run.maps("gradcam", explainer.params(), create=True)
    assert maps is not None
    maps.put([row], ["1"], np.eye(3, dtype=np.float32)[None], {}, [None])
    (found,) = on_object(explainer.card, maps, row, ["1"], seen_masks(run, row, ["1"]))
    assert found is not None
    assert (found.share, found.reason) == (None, "the mask is empty where the model looks")
    assert "not scored" in found.note.text
    assert seen_masks(run, row_of(run, "test/a/2.png"), ["1"]) == [None]


def test_an_outline_lies_on_the_border_of_the_object_alone() -> None:
    mask = np.zeros((40, 60), dtype=bool)
    mask[:, 30:] = True  # it goes on beyond the picture
    layer = np.asarray(outline(mask))
    assert layer.shape == (40, 60, 4)
    assert (layer[:, 30, 3] == 255).all()
    assert not layer[:, :25, 3].any()
    assert not layer[:, 36:, 3].any()


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
def test_the_outline_lies_as_the_picture_does(fit: str) -> None:
    mask = np.zeros((12, 24), dtype=bool)
    mask[3:9, 6:18] = True
    tile = draw_outline(mask, PREPROCESS | {"fit": fit}, side=240)
    drawn = np.asarray(Image.open(io.BytesIO(tile.content)).convert("RGBA"))[..., 3] == 255
    rows, columns = (np.flatnonzero(drawn.any(axis)) for axis in (1, 0))
    expected = {"squash": (60, 180, 60, 180), "crop": (60, 180, 0, 240), "pad": (90, 150, 60, 180)}[fit]
    high, wide = drawn.shape
    assert (high, wide) == ((120, 240) if fit == "squash" else (240, 240))
    top, bottom, left, right = (np.array(expected) * ([high / 240] * 2 + [wide / 240] * 2)).tolist()
    assert np.allclose([rows[0], rows[-1]], [top, bottom], atol=4)
    if fit != "crop":  # there it goes on beyond both sides
        assert np.allclose([columns[0], columns[-1]], [left, right], atol=4)


def test_an_edited_mask_has_another_address(run: Run) -> None:
    tiles, row = Tiles(), row_of(run, "test/a/0.png")
    first = outline_tile(tiles, run.study, run, row)
    assert first
    assert first == outline_tile(tiles, run.study, run, row)
    file = run.study.data / "test" / "a" / "0_mask.png"
    os.utime(file, ns=(1, 1))
    assert outline_tile(tiles, run.study, run, row) != first
    assert outline_tile(tiles, run.study, run, row_of(run, "test/a/2.png")) == ""
    file.write_bytes(b"damaged")  # since: nothing is drawn, and nothing fails
    drawn = tiles.draw(outline_tile(tiles, run.study, run, row).rsplit("/", 1)[1])
    assert drawn is not None
    assert not np.asarray(Image.open(io.BytesIO(drawn.content)).convert("RGBA"))[..., 3].any()


def test_the_mean_of_a_cell_is_that_of_its_samples(run: Run) -> None:
    explainer, rows = EXPLAINERS["gradcam"], np.arange(8)
    maps = run.maps("gradcam", explainer.params(), create=True)
    assert maps is not None
    keys = ["1"] * 8
    maps.put(rows.tolist(), keys, np.random.default_rng(0).random((8, 3, 4), np.float32), {}, [None] * 8)
    single = [on_object(explainer.card, maps, row, ["1"], seen_masks(run, row, ["1"]))[0] for row in range(8)]
    scored = [one for one in single if one is not None and one.share is not None and one.area is not None]
    found = on_objects(run, explainer.card, maps, rows, keys)
    assert (found.n, found.masked) == (len(scored), 2)
    assert found.mean == pytest.approx(np.mean([one.share for one in scored]))
    assert found.area == pytest.approx(np.mean([one.area for one in scored]))
    assert np.isnan(found.low), "of so few no interval"
    assert on_objects(run, explainer.card, None, rows, keys).n == 0


def test_class_heatmaps_tell_how_much_lies_on_the_objects(run: Run) -> None:
    study, explainer = run.study, EXPLAINERS["gradcam"]
    predicted = np.ones(8, np.int64)
    run.write_predictions(np.arange(8), np.eye(2, dtype=np.float32)[predicted])
    maps = run.maps("gradcam", explainer.params(), create=True)
    assert maps is not None
    heat = np.broadcast_to(np.arange(4, dtype=np.float32), (8, 3, 4))
    maps.put(list(range(8)), ["1"] * 8, heat, {}, [None] * 8)
    found = aggregate(Scope(study.run("net"), "all"), (0, 1), Column(explainer.card, explainer.params(), maps))
    ((title, share, area, n),) = found.on_object
    assert (title, area, n) == ("a taken for b", "50.0 %", 1)
    told = found.as_json()
    assert told["on_object"]["confused"]["n"] == 1
    assert f"on the object {share} of it, n = 1, where masks are 50.0 % of the area" in text(told)
