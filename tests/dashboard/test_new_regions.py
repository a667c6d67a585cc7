"""New pictures of a segmenter: what is stored of the study's own, what the command says, what the page shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dashboard.drawing.tiles import dropped_regions
from dashboard.frame.context import Services, Studies, use_services
from tests.core.segmentation_trees import write_coco
from tests.dashboard.fakes import FakeWorker
from tests.dashboard.pages import opened, worker
from tests.dashboard.test_both_ways import component, text
from tests.dashboard.test_new_pictures import as_png, dropped, worked
from tests.tiny_study import fails, xai_json
from xai_core.explainers import EXPLAINERS
from xai_core.pipeline import new_pictures
from xai_core.pipeline.asked import Given as Asked
from xai_core.pipeline.explain import Request, explain_steps
from xai_core.pipeline.load import Bench, load_classifier
from xai_core.pipeline.make import make_study
from xai_core.pipeline.predict import predict
from xai_core.pipeline.train import train_run
from xai_core.store.new_pictures import NewPictures
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.training.config import TrainConfig

Capture = pytest.CaptureFixture[str]
CONFIG = TrainConfig(architecture="small_unet", epochs=2, batch_size=8)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Twenty photos with a red or a green square; `unet` sees them whole, `tiles` in tiles."""
    root = tmp_path_factory.mktemp("new_regions")
    square = [8, 6, 16, 6, 16, 14, 8, 14]
    annotations = [{"image_id": n, "category_id": n % 2, "segmentation": [square]} for n in range(19)]
    write_coco(root / "data" / "instances_default.json", annotations, pictures=20, folder="images")
    made = make_study(root / "squares", root / "data")
    for name, config in (("unet", CONFIG), ("tiles", replace(CONFIG, tiles_of=48))):
        run = train_run(made, name, config, Asked(size=32, device="cpu"))
        predict(run, load_classifier(run, device="cpu"), ["test"])
    return made


@pytest.fixture
def served(study: Study) -> Iterator[Services]:
    found = Services(Studies([study.path]), FakeWorker())
    use_services(found)
    yield found
    found.uploads.end()
    use_services(None)


def asked(study: Study, run: Run, rows: list[int]) -> list[new_pictures.NewPicture]:
    """The study's own pictures, as if they were of somewhere else."""
    files = [new_pictures.Given(str(row), study.data / study.samples["path"].iat[row]) for row in rows]
    return [one for batch in new_pictures.ask_pictures(Bench("cpu"), run, files, {}) for one in batch]


@pytest.mark.parametrize("name", ["unet", "tiles"])
def test_the_studys_own_pictures_get_the_label_maps_that_are_stored(study: Study, name: str) -> None:
    run, rows = study.run(name), study.rows("test").tolist()
    store = run.label_maps()
    assert store is not None
    for row, one in zip(rows, asked(study, run, rows), strict=True):
        stored = store.get(row)
        assert stored is not None
        assert one.label_map is not None
        assert one.regions is not None
        np.testing.assert_array_equal(one.label_map, stored.label_map)
        shares = np.bincount(stored.label_map.ravel(), minlength=3) / stored.label_map.size
        np.testing.assert_allclose(one.regions.shares, shares)
        known = np.isfinite(one.regions.confidences)
        assert (known == (shares > 0)).all()
        assert ((one.regions.confidences[known] > 1 / 3) & (one.regions.confidences[known] <= 1)).all()


def test_tiles_predict_and_explain_and_say_what_does_not_add_up(study: Study, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(as_png(study.picture(0)))
    words = ["predict", study.path, "--run", "tiles", "--images", tmp_path / "images"]
    assert len(xai_json(capsys, *words)["pictures"]) == 1
    xai_json(capsys, *words, "--methods", "gradcam", "--heatmaps", tmp_path / "maps")
    assert len(list((tmp_path / "maps").rglob("*.png"))) == 1
    assert "do not add up" in fails(capsys, *words, "--methods", "scorecam", "--heatmaps", tmp_path / "more")


@pytest.mark.parametrize("name", ["unet", "tiles"])
def test_a_heatmap_of_its_own_picture_is_the_one_that_is_stored(study: Study, name: str) -> None:
    run, bench, row = study.run(name), Bench("cpu"), int(study.rows("test")[0])
    (one,) = asked(study, run, [row])
    assert one.regions is not None
    for spec in ("0", "1", "2"):
        key = new_pictures.target_of(one, spec).key
        assert key == f"{spec}@predicted"
        (made,) = new_pictures.explain_pictures(bench, run, [one], [("gradcam", {})], spec)
        if not one.regions.shares[int(spec)]:
            assert "no pixel where it is predicted" in str(made.refusals[0])
            continue
        list(explain_steps(bench, Request(run, [row], key, [("gradcam", {})])))
        maps = run.maps("gradcam", EXPLAINERS["gradcam"].params())
        assert maps is not None
        np.testing.assert_allclose(made.maps[0], maps.get([row], [key]).maps[0], atol=2**-10 * np.abs(made.maps).max())


def test_the_page_says_what_the_command_says(served: Services, study: Study, tmp_path: Path, capsys: Capture) -> None:
    files = {f"<b>{at}.png": as_png(study.picture(int(row))) for at, row in enumerate(study.rows("test")[:2])}
    (tmp_path / "images").mkdir()
    for name, data in files.items():
        (tmp_path / "images" / name).write_bytes(data)
    told = xai_json(capsys, "predict", study.path, "--run", "unet", "--images", tmp_path / "images")["pictures"]
    app = dropped(opened("new-pictures", run="unet", methods="gradcam", target="0"), files)
    app = worked(served, worked(served, app))
    assert list(worker(served).asked.values())[-1]["target"] == "0"
    shown, found = text(app), next(iter(served.uploads._of.values()))
    kept = NewPictures(found.folder, study.run("unet"))
    for one, (number, name, _) in zip(told, found.pictures, strict=True):
        assert one["file"] == name
        said = kept.said(number)
        assert said is not None
        assert said.regions is not None
        assert list(one["shares"].values()) == pytest.approx(said.regions.shares.tolist())
        for share in one["shares"].values():
            assert not share or f"{100 * share:.1f} %" in shown
        for key in ("", "0@predicted"):
            tile = dropped_regions(served.tiles, kept, number, key)
            assert served.tiles.draw(tile.rsplit("/", 1)[-1]) is not None
    assert not any("<h4><b>" in str(each.value) for each in app.get("html"))
    assert all(row["cells"][0]["mask"] for row in component(app, "heat_grid")["rows"])
    assert "--target=background" in shown
