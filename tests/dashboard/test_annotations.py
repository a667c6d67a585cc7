"""The page of proposals: what it shows, what a decision writes, and that nothing is written by nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dashboard.drawing.proposals import CORNERS, LEAST_SIDE, outlined
from dashboard.frame.context import Services, Studies, use_services
from dashboard.views import annotations as page
from tests.core.annotation_scenes import METHOD, squares, with_proposals
from tests.dashboard.fakes import FakeWorker
from tests.dashboard.pages import opened, words
from tests.dashboard.test_both_ways import component, text
from tests.tiny_study import xai_json
from xai_core.answers.annotations import decided, proposed
from xai_core.datasets import runs
from xai_core.store.run import Run, RunInfo
from xai_core.store.study import Study


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    made = squares(tmp_path)
    with_proposals(made)
    use_services(Services(Studies([made.path]), FakeWorker()))
    yield made
    use_services(None)


def unet(study: Study) -> Run:
    return study.run("unet")


def test_it_says_what_is_proposed_and_asks_who_decides(study: Study) -> None:
    app = opened("annotations", run="unet")
    assert f"{len(study.rows('train'))} proposals on {len(study.rows('train'))} training pictures" in words(app)
    assert "Give your name to decide" in words(app)
    (undo,) = [button for button in app.button if button.label == "Undo"]
    assert undo.disabled


def test_cards_are_what_the_command_lists(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    asked = xai_json(capsys, "annotate", study.path, "--run", "unet", "--list")
    app = opened("annotations", run="unet")
    assert asked["sentence"] in text(app)
    assert asked["standing"] in text(app)
    items = component(app, "proposal_cards")["items"]
    assert [item["id"] for item in items] == [one["id"] for one in asked["proposals"][: page.ON_A_PAGE]]
    assert all(item["base"] and item["region"] and item["polygon"] for item in items)


def test_what_was_decided_is_told_and_taken_back(study: Study) -> None:
    answer = proposed(unet(study), METHOD, "reviewed")
    decided(answer, {"id": answer.questions[0].proposal.id, "what": "accept"}, "Ada")
    app = opened("annotations", run="unet")
    assert "1 decided" in words(app)
    app.text_input[0].set_value("Bo").run()
    assert "Give your name" not in words(app)
    next(button for button in app.button if button.label == "Undo").click().run()
    assert not app.exception
    assert "Taken back: 1 decision." in words(app)
    assert [change.by for change in proposed(unet(study), METHOD, "reviewed").journal] == ["Ada", "Bo"]


def test_decided_ones_have_a_place_of_their_own(study: Study) -> None:
    app = opened("annotations", run="unet")
    next(control for control in app.button_group if control.label == "Show").set_value(page.DECIDED).run()
    assert "None here" in words(app)


def test_another_version_is_another_list_of_decisions(study: Study) -> None:
    answer = proposed(unet(study), METHOD, "wide")
    decided(answer, {"id": answer.questions[0].proposal.id, "what": "reject"}, "Ada")
    assert "1 decided" in words(opened("annotations", run="unet", version="wide"))
    assert "0 decided" in words(opened("annotations", run="unet"))


def test_without_proposals_it_gives_the_command(study: Study) -> None:
    run = study.add_run("fresh", RunInfo(architecture="small_unet", fingerprint="e" * 64))
    assert "no predictions yet" in words(opened("annotations", run="fresh"))
    run.label_maps(create=True)
    app = opened("annotations", run="fresh")
    assert "No proposals yet" in words(app)
    assert f"xai annotate {study.path} --run fresh --method hirescam" in app.code[0].value


def ring() -> tuple[np.ndarray, np.ndarray]:
    """A slanting cable, and what would be annotated around it."""
    y, x = np.mgrid[:200, :300]
    away = np.abs(x - 1.3 * y - 20)
    return (away <= 2).astype(np.uint8), (away > 2) & (away <= 5)


def test_outlines_mean_the_region_and_the_crop_holds_it() -> None:
    label_map, region = ring()
    found = outlined(region, label_map, 1, None)
    assert found.crop == (0, 0, 300, 200)
    small = np.zeros_like(region)
    small[100:104, 100:104] = True
    left, top, right, bottom = outlined(small, label_map, 1, None).crop
    assert right - left == round(LEAST_SIDE * 4 / 3)
    assert bottom - top == LEAST_SIDE
    assert left <= 100 < 104 <= right
    (square,) = outlined(small, label_map, 1, None).region
    assert sorted(zip(square[::2], square[1::2], strict=True)) == [(100, 100), (100, 104), (104, 100), (104, 104)]


def test_an_enlargement_is_edited_as_a_whole_with_few_corners() -> None:
    label_map, region = ring()
    polygon = outlined(region, label_map, 1, None).polygon
    assert 6 <= len(polygon) <= 2 * CORNERS
    drawn = runs.painted([(runs.of_polygons([polygon], 200, 300), 1)], 200, 300) > 0
    whole = region | (label_map == 1)
    assert (drawn & whole).sum() / (drawn | whole).sum() > 0.9
