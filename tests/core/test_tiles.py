"""Large pictures in tiles: drawn in training, blended in prediction, added up in explanations."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn

from tests.core.test_segmentation import CONFIG, QUICK, study  # noqa: F401  (a fixture)
from xai_core.errors import BadParameter, Cancelled, NotApplicable
from xai_core.models.build import make_preprocess
from xai_core.models.preprocess import Preprocess
from xai_core.models.tiles import in_tiles, one_tile, starts, window
from xai_core.params import NoParams
from xai_core.pipeline.export import export
from xai_core.pipeline.load import Bench, load_classifier
from xai_core.pipeline.pictures import training_data
from xai_core.pipeline.predict import predict
from xai_core.pipeline.preview import preview
from xai_core.pipeline.score import ScoreRequest, score_steps
from xai_core.pipeline.train import train_run
from xai_core.store.study import Study
from xai_core.store.targets import region_of
from xai_core.training.config import TrainConfig
from xai_core.training.tiles import Tiles
from xai_core.types import CancelToken

SIDE = 32
TILES = replace(CONFIG, tiles_of=48)
BLACK = torch.zeros(3, 1, 1)


class Net(nn.Module):
    """Convolutions alone: each pixel's answer depends on three pixels around it."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            layers = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 5, padding=2), nn.Conv2d(8, 4, 1)]
            self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.layers(x)
        return answer


def picture(height: int, width: int) -> Tensor:
    return torch.randn(3, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("size", [(32, 32), (33, 100), (47, 64), (150, 81)])
def test_tiles_say_what_the_whole_picture_says_up_to_its_borders(size: tuple[int, int]) -> None:
    """The margin of a tile, an eighth of 32, is more than the three pixels that an answer depends on."""
    net, x = Net(), picture(*size)
    with torch.no_grad():
        whole, tiled = net(x[None]).softmax(1)[0], in_tiles(net, x, SIDE, SIDE, outside=BLACK)
        assert tiled.shape == whole.shape
        torch.testing.assert_close(tiled, whole, atol=1e-6, rtol=0)
        beside = in_tiles(net, x, SIDE, SIDE, outside=BLACK, overlap=False)
    if max(size) > SIDE:
        assert float((beside - whole).abs().max()) > 1e-3, "tiles without overlap have seams"


def test_a_picture_smaller_than_a_tile_keeps_its_size() -> None:
    found = in_tiles(Net(), picture(10, 50), SIDE, SIDE, outside=BLACK)
    assert found.shape == (4, 10, 50)
    torch.testing.assert_close(found.sum(0), torch.ones(10, 50))


@given(length=st.integers(1, 400), half=st.integers(4, 64), overlap=st.booleans())
def test_every_pixel_counts_somewhere(length: int, half: int, overlap: bool) -> None:
    side = 2 * half
    weight, places = np.zeros(max(length, side)), starts(length, side, overlap=overlap)
    for start in places:
        weight[start : start + side] += window(start, max(length, side), side).numpy() if overlap else 1
    assert (weight > 0).all()
    assert places[-1] == max(0, length - side)


@given(
    size=st.tuples(st.integers(1, 64), st.integers(1, 64)),
    draws=st.lists(st.floats(0, 1, exclude_max=True), min_size=5, max_size=5),
    spot=st.tuples(st.integers(0, 63), st.integers(0, 63)),
)
def test_drawn_tiles_lie_in_the_picture_and_show_their_object(
    size: tuple[int, int], draws: list[float], spot: tuple[int, int]
) -> None:
    canvas = Preprocess(16, 16, 3, (0.0,) * 3, (1.0,) * 3, fit="tiles", resize=64).canvas
    inside = np.array([canvas.inside(*size)])
    left, top, right, bottom = inside[0].tolist()
    assert max(right - left, bottom - top) == 64
    labels = np.full((64, 64), 255, np.uint8)
    labels[top:bottom, left:right] = 0
    x, y = left + spot[0] % (right - left), top + spot[1] % (bottom - top)
    labels[y, x] = 2
    tiles = Tiles(16, 16, inside, True)
    at = tiles._place(0, labels, draws)
    for begin, low, high in zip(at, (left, top), (right, bottom), strict=True):
        assert 0 <= begin <= 48
        assert low <= begin <= high - 16 if high - low >= 16 else begin <= low <= high <= begin + 16
    if draws[0] < 1 / 3:
        assert 2 in labels[at[1] : at[1] + 16, at[0] : at[0] + 16]


def test_label_maps_are_cut_where_their_pictures_are(study: Study) -> None:  # noqa: F811
    preprocess = Preprocess(SIDE, SIDE, 3, (0.0,) * 3, (1.0,) * 3, fit="tiles", resize=48)
    arrays = training_data(study, preprocess).training
    assert arrays.label_maps is not None
    assert arrays.pixels.shape[1:] == (48, 48, 3)
    rows = np.arange(len(arrays))
    marked = replace(arrays, pixels=np.repeat(arrays.label_maps[rows][..., None], 3, 3))
    batch = marked.batch(rows, 3, torch.device("cpu"), torch.Generator().manual_seed(3))
    assert batch.x.shape == (len(rows), 3, SIDE, SIDE)
    assert torch.equal((batch.x[:, 0] * 255).round().long(), batch.targets)
    one, other = (arrays.tiles.whole(0, each[[0]][0]) for each in (arrays.pixels, arrays.label_maps))  # type: ignore
    assert one.shape[:2] == other.shape == (40, 48)


def test_a_segmenter_is_trained_and_predicts_in_tiles_and_goes_on_where_it_was_stopped(study: Study) -> None:  # noqa: F811
    config, token = replace(TILES, epochs=2), CancelToken()
    whole = train_run(study, "tiles", config, QUICK)
    assert whole.info.preprocess is not None
    assert (whole.info.preprocess["fit"], whole.info.preprocess["resize"], whole.info.preprocess["width"]) == (
        "tiles",
        48,
        SIDE,
    )

    def stop(done: int, total: int, what: str) -> None:
        if what == "batches" and done == total - 1:
            token.cancel()

    with pytest.raises(Cancelled):
        train_run(study, "tiles-stopped", config, QUICK, progress=stop, cancel=token)
    again = train_run(study, "tiles-stopped", config, QUICK)
    assert again.info.fingerprint == whole.info.fingerprint
    predict(whole, load_classifier(whole, device="cpu"), ["test"])
    store = whole.label_maps()
    assert store is not None
    for row in study.rows("test").tolist():
        kept = store.get(row)
        assert kept is not None
        assert kept.label_map.shape == study.label_map(row).shape
        assert 255 not in kept.label_map


def test_what_is_predicted_is_what_the_tiles_say(study: Study) -> None:  # noqa: F811
    made = train_run(study, "tiles-said", TILES, QUICK)
    classifier = load_classifier(made, device="cpu")
    predict(made, classifier, ["test"])
    row = int(study.rows("test")[0])
    x = torch.from_numpy(classifier.preprocess(study.picture(row)))
    assert x.shape == (3, 40, 48)
    with torch.no_grad():
        said = in_tiles(classifier.logits, x, SIDE, SIDE, outside=BLACK)
    own = torch.nn.functional.interpolate(said[None], (20, 24), mode="bilinear")[0].argmax(0)
    np.testing.assert_array_equal(made.label_maps().get(row).label_map, own)  # type: ignore[union-attr]


def test_explanations_of_tiles_lie_over_the_whole_picture(study: Study) -> None:  # noqa: F811
    made, bench = train_run(study, "tiles-explained", TILES, QUICK), Bench("cpu")
    predict(made, load_classifier(made, device="cpu"), ["test"])
    rows, methods = study.rows("test")[:2], [("hirescam", {}), ("region", {})]
    metrics = [("energy-pointing-game", {}), ("context-share", {"distance": 0.0})]
    list(score_steps(bench, ScoreRequest(made, rows.tolist(), "true", methods, metrics)))
    targets, preprocess = made.targets(rows, "true"), Preprocess.from_dict(made.info.preprocess or {})
    store = made.maps("region", NoParams())
    assert store is not None
    stored = store.get(rows, [target.key for target in targets])
    for row, target, found in zip(rows.tolist(), targets, stored.maps, strict=True):
        there = preprocess.whole.share(region_of(made, row, target))
        assert found.shape == there.shape == (48, 48)
        assert np.corrcoef(found.ravel(), there.ravel())[0, 1] > 0.95
    energy = made.scores(("energy-pointing-game", NoParams()), ("region", NoParams()))
    assert energy is not None
    assert (energy.get(rows, [target.key for target in targets]).values > 0.8).all(), "masks lie where maps do"
    for method, metric, why in (("scorecam", "iou", "do not add up"), ("hirescam", "deletion", "a part is hidden")):
        with pytest.raises(NotApplicable, match=why):
            list(score_steps(bench, ScoreRequest(made, rows.tolist(), "true", [(method, {})], [(metric, {})])))


def test_tiles_are_for_segmenters_and_smaller_than_their_picture(study: Study) -> None:  # noqa: F811
    with pytest.raises(BadParameter, match="resized to less than is cut out"):
        train_run(study, "wrong", replace(TILES, tiles_of=20), QUICK)
    with pytest.raises(BadParameter, match="only segmenters see pictures in tiles"):
        TrainConfig(architecture="small_cnn", tiles_of=64).check_task("classification")
    with pytest.raises(BadParameter, match="tiles of what"):
        make_preprocess(32, (0.5,) * 3, (0.5,) * 3, fit="tiles")


def test_the_whole_picture_is_seen_and_put_back() -> None:
    preprocess = make_preprocess(16, (0.5,) * 3, (0.5,) * 3, 64, fit="tiles")
    assert preprocess.box(640, 480) == (0, 0, 640, 480)
    assert preprocess.pixels(Image.new("RGB", (640, 480))).shape == (48, 64, 3)
    assert preprocess.label_map(np.zeros((480, 640), np.uint8), True).shape == (48, 64)
    assert preprocess.mask(np.ones((480, 640), bool)).shape == (48, 64)
    assert Preprocess.from_dict(preprocess.as_dict()) == preprocess
    assert preprocess.described() == ("A picture's longer side becomes 64 pixels; the model sees it in tiles of 16×16.")


def test_a_preview_shows_tiles(study: Study) -> None:  # noqa: F811
    found = preview(study, TILES, QUICK)
    assert found.before.shape == (8, SIDE, SIDE, 3)
    assert found.after.shape[1:] == found.before.shape


def test_an_export_takes_a_tile_and_says_so(study: Study, tmp_path: Path) -> None:  # noqa: F811
    made = train_run(study, "tiles-exported", TILES, QUICK)
    export(made, "torchscript", tmp_path / "net.pt", samples=2)
    about = json.loads((tmp_path / "net.pt.json").read_text())
    assert (about["preprocess"]["fit"], about["preprocess"]["resize"]) == ("tiles", 48)
    assert "in tiles of 32×32" in about["preprocess"]["in_words"]
    small = one_tile(np.ones((10, 50, 3), np.uint8), load_classifier(made, device="cpu").preprocess)
    assert small.shape == (SIDE, SIDE, 3)
    assert small.sum() == 10 * SIDE * 3
