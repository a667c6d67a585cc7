"""The page of a segmenter: its numbers, the cells of its confusion, and pictures by how many pixels are wrong."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from dashboard.app import found_views, tasks_of
from dashboard.drawing.tiles import Tiles, label_tile
from dashboard.frame.context import Services
from dashboard.widgets.pixel_confusion import ON_A_PAGE
from tests.dashboard.pages import opened, words, worker
from tests.tiny_study import xai_json
from xai_core.answers.segments import segments
from xai_core.drawing.label_maps import INVENTED, MISSED, compared, of_cell, painted
from xai_core.label_maps import IGNORE
from xai_core.store.study import Study
from xai_core.task import SEGMENTATION


def test_numbers_and_pictures_are_there(study: Study) -> None:
    app = opened("segmentation", run="unet", split="test")
    said = words(app)
    assert "Mean IoU" in said
    assert "green" in said
    assert "Most wrong pixels first" in said


def test_a_cell_lists_its_pictures_and_asks_why_these_pixels(study: Study, served: Services) -> None:
    said = words(opened("confusion", run="unet", split="test", methods="gradcam"))
    assert "of them wrong (" in said
    assert "No cell chosen" in said
    cell = {"run": "unet", "split": "test", "true": "2", "predicted": "1", "methods": "gradcam"}
    said = words(opened("confusion", target="difference", **cell))
    assert "green taken for red" in said
    assert "those with most of them first" in said
    (asked,) = worker(served).asked.values()
    assert asked["target"] == "1-2@confused"
    pictures = segments(study.run("unet"), "test").pictures((2, 1))
    assert asked["rows"] == [row for row, _ in pictures][:ON_A_PAGE]
    empty = words(opened("confusion", **cell | {"true": "1", "predicted": "2"}))
    assert "This cell is empty" in empty


@pytest.mark.parametrize(
    ("target", "key"), [("predicted", "1@cell=2,1"), ("true", "2@cell=2,1"), ("2@missed", "1-2@confused")]
)
def test_evidence_is_for_either_class_at_the_cells_own_pixels(served: Services, target: str, key: str) -> None:
    opened("confusion", run="unet", split="test", true="2", predicted="1", methods="gradcam", target=target)
    assert [asked["target"] for asked in worker(served).asked.values()] == [key]


def test_a_cell_leads_to_other_pages_about_it(study: Study) -> None:
    cell = {"true": "2", "predicted": "1"}
    app = opened("confusion", run="unet", split="test", methods="gradcam", **cell)
    assert {button.label for button in app.button} >= {"Mean heatmaps", "Compare"}
    app = opened("confusion", run="unet", split="test", methods="gradcam", true="1", predicted="1")
    assert "red, recognised" in words(app)
    assert "Mean heatmaps" not in {button.label for button in app.button}


def test_two_runs_are_compared_on_the_same_pictures(study: Study) -> None:
    said = words(opened("compare", run="unet", split="test", other="better"))
    assert "Mean IoU: got worse" in said
    assert "Mean boundary F1: got worse" in said
    assert "together they hold at 95 %" in said
    assert "Those first whose number of right pixels changed most" in said
    assert "Compared with which run" in words(opened("compare", run="unet", split="test"))


def test_a_cell_of_two_runs_is_what_the_command_says(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["--baseline", "unet", "--candidate", "better"]
    told = xai_json(capsys, "compare", study.path, *names, "--cell", "green:red", "--split", "test")["segments"]
    cell = told["cell"]
    assert 0 < cell["before"] <= cell["of"]
    assert cell["after"] == 0
    assert cell["change"]["value"] == -cell["before"] / cell["of"]
    assert {"before", "after", "change"} == set(told["classes"][0]["boundary_f1"])
    app = opened("compare", run="better", other="unet", split="test", true="2", predicted="1")
    said = words(app)
    for sentence in (told["sentence"], told["boundary_sentence"], cell["sentence"], cell["note"], *told["notes"]):
        assert sentence in said
    assert "number of pixels in the cell changed most" in said


def test_a_baseline_that_said_nothing_is_told(study: Study) -> None:
    app = opened("compare", run="unet", split="test", other="silent")
    said = words(app) + "".join(str(error.value) for error in app.error)
    assert "no pictures that both runs predicted" in said.lower()


def test_the_overview_lists_segmenters(study: Study) -> None:
    said = words(opened("overview", run="unet", split="test"))
    assert "Mean IoU" in said
    assert "better" in said
    assert "silent" in said
    assert "Main object" in said
    assert "a class is empty" not in said


def test_a_run_that_said_nothing_says_how_to_ask_it(study: Study) -> None:
    app = opened("segmentation", run="silent", split="test")
    assert "This run has no predictions yet" in words(app)


def test_every_other_page_serves_segmenters() -> None:
    assert all(SEGMENTATION in tasks_of(view) for view in found_views())


def test_layers_show_what_they_say(study: Study) -> None:
    tiles, run = Tiles(), study.run("unet")
    row = int(np.flatnonzero(study.labels == 2)[0])
    for kind in ("truth", "said", "compared", "cell"):
        tile = tiles.draw(label_tile(tiles, run, row, kind, (2, 1)).rpartition("/")[2])  # type: ignore[arg-type]
        assert tile is not None
        with Image.open(io.BytesIO(tile.content)) as drawn:
            assert drawn.mode == "RGBA"
            assert np.asarray(drawn)[..., 3].any()


def rgb(colour: str) -> list[int]:
    return list(bytes.fromhex(colour[1:]))


def test_differences_are_told_by_colour() -> None:
    truth = np.array([[0, 0, 1, 1, 2, IGNORE]], np.uint8)
    said = np.array([[0, 1, 1, 0, 1, 1]], np.uint8)
    layer = compared(truth, said, background=True)
    assert layer[0, :, 3].astype(bool).tolist() == [False, True, True, True, True, False]
    assert layer[0, 1, :3].tolist() == rgb(INVENTED)
    assert layer[0, 3, :3].tolist() == rgb(MISSED)
    assert layer[0, 2, 3] < layer[0, 3, 3]
    assert painted(truth, background=True)[0, :, 3].astype(bool).tolist() == [False, False, True, True, True, False]
    assert of_cell(truth, said, (2, 1))[0, :, 3].astype(bool).tolist() == [False] * 4 + [True, False]
