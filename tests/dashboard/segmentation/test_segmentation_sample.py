"""A picture of a segmenter: what is wrong in it, the regions that can be explained, and how one is pointed at."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from dashboard.drawing.tiles import region_tile
from dashboard.frame.context import Services
from dashboard.frame.state import Selection, from_query, to_query
from dashboard.widgets.region_picker import in_pixels
from tests.dashboard.pages import context, opened, words, worker
from tests.tiny_study import xai_json
from xai_core.answers.picture import boxed, picture_of, pointed_at
from xai_core.answers.scope import Scope
from xai_core.answers.series import series
from xai_core.store.study import Study
from xai_core.store.targets import region_of


def green(study: Study) -> int:
    """A picture with a green square, which the run takes for red."""
    return int(np.flatnonzero(study.labels == 2)[0])


def test_the_worst_picture_comes_first_with_its_mistakes(study: Study, served: Services) -> None:
    app = opened("sample", study="squares", run="unet", split="all", methods="gradcam")
    said = words(app)
    assert "most wrong pixels first" in said
    assert "of its pixels wrong, most of them" in said
    (asked,) = worker(served).asked.values()
    assert list(asked["target"]) == ["predicted", "difference"]


def test_every_region_of_the_picture_is_offered_and_asked_for(study: Study, served: Services) -> None:
    row = green(study)
    app = opened("sample", study="squares", run="unet", split="all", sample=str(row), methods="gradcam")
    choice = app.selectbox(key="select.target")
    assert any(one.startswith("green, missed") for one in choice.options)
    assert any(one.startswith("green taken for red") for one in choice.options)
    choice.set_value("2@missed").run()
    assert not app.exception
    assert app.query_params["target"] == "2@missed"
    assert list(list(worker(served).asked.values())[-1]["target"]) == ["2@missed"]


@pytest.mark.parametrize("target", ["9@missed", "1@nowhere", "1@box=3,3,1,1", "x" * 500, "2@missed@"])
def test_a_link_to_no_region_says_so_and_shows_the_page(study: Study, target: str) -> None:
    app = opened("sample", study="squares", run="unet", split="all", target=target, methods="gradcam")
    assert "no valid target" in words(app) or "no such class" in words(app)
    assert "of its pixels wrong" in words(app)


@pytest.mark.parametrize("target", ["2", "2@missed", "2-1@confused", "1@box=0,0,9,9", "1@part=4,5"])
def test_a_target_goes_through_a_link(target: str) -> None:
    found, notes = from_query(to_query(Selection(target=target)))
    assert (found.target, notes) == (target, ())


def test_who_points_at_something_means_the_object_there(study: Study) -> None:
    run, row = study.run("unet"), green(study)
    y, x = (int(each) for each in np.argwhere(study.label_map(row) == 2)[0])
    target = pointed_at(run, row, x, y)
    assert (target.positive, target.region) == (1, f"part={x},{y}")  # predicted to be red there
    np.testing.assert_array_equal(region_of(run, row, target), study.label_map(row) == 2)
    assert pointed_at(run, row, 10**6, 10**6).positive == 0  # within the picture, and nothing is there
    box = boxed(run, row, (x, y, x + 2, y + 2))
    assert (box.positive, int(region_of(run, row, box).sum())) == (1, 4)


def test_what_is_picked_lies_on_the_pixels_of_the_picture(study: Study, served: Services) -> None:
    open_, run = context(served, study="squares", run="unet"), study.run("unet")
    wide, high = study.samples[["width", "height"]].to_numpy(int)[0].tolist()
    assert in_pixels(open_, run, 0, [0, 0, 1, 1]) == (0, 0, wide - 1, high - 1)
    assert in_pixels(open_, run, 0, [0.5, 0.25, 0.5, 0.25]) == (wide // 2, high // 4, wide // 2, high // 4)
    assert in_pixels(open_, run, 0, [-7, -7, 99, 99]) == (0, 0, wide - 1, high - 1)


def test_the_outline_of_a_region_is_drawn(study: Study, served: Services) -> None:
    run, row = study.run("unet"), green(study)
    for key, seen in (("2@missed", True), ("2@box=999,999,1000,1000", False)):
        tile = served.tiles.draw(region_tile(served.tiles, run, row, key).rpartition("/")[2])
        assert tile is not None
        with Image.open(io.BytesIO(tile.content)) as drawn:
            assert np.asarray(drawn)[..., 3].any() == seen


def test_pictures_of_a_cell_come_by_how_many_of_its_pixels_they_have(study: Study) -> None:
    scope = Scope(study.run("unet"), "all")
    found = series(scope, (0, 2), "confidence")
    counts = [int(picture_of(scope, row).confusion[0, 2]) for row in found.rows.tolist()]  # type: ignore[union-attr]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] > 0
    assert found.name == "background taken for green"


def test_the_command_says_the_same(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    row = green(study)
    name = str(study.samples["id"].iat[row])
    said = xai_json(capsys, "show", study.path, "sample", "--run", "unet", "--sample", name, "--target", "green@missed")
    picture = picture_of(Scope(study.run("unet"), "all"), row)
    assert picture is not None
    assert said["title"] == picture.title
    assert said["wrong_pixels"] == picture.wrong
    assert [one["target"] for one in said["evidence"]] == ["2@missed"]
    assert {"key": "2@missed", "words": "green, missed", "pixels": int(picture.confusion[2].sum())} in said["regions"]


@pytest.mark.parametrize("page", ["sanity", "quality"])
def test_checks_are_about_regions_too(study: Study, page: str) -> None:
    app = opened(page, study="squares", run="unet", split="all", methods="gradcam")
    assert "Models of this study do segmentation" not in words(app)
    assert not app.exception
