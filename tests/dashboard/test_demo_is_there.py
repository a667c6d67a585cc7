"""The bundled demo as it opens: whatever a page shows by itself is stored."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dashboard.app import found_views
from dashboard.frame.context import Services, Studies, use_services
from dashboard.heat import evidence
from tests.dashboard.fakes import FakeWorker
from tests.dashboard.pages import context, opened, words, worker
from xai_core.answers.methods import DEFAULT_METHODS
from xai_core.answers.speed import seconds_per_map
from xai_core.demo.bundle import BUNDLE, CHECKS, add_checks
from xai_core.store.maps import STORED

RUNS = ("baseline", "top-biased-crop")


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Services]:
    """Served at once, so that a map that is missing is asked of the worker."""
    copy = Path(shutil.copytree(BUNDLE, tmp_path / BUNDLE.name))
    add_checks(BUNDLE / CHECKS, copy)
    services = Services(Studies([copy]), FakeWorker())
    use_services(services)
    yield services
    use_services(None)


@pytest.mark.parametrize("page", [view.URL for view in found_views()])
def test_a_page_opens_without_asking_the_worker(page: str, demo: Services) -> None:
    opened(page)
    assert not worker(demo).asked


@pytest.mark.parametrize("run", RUNS)
def test_every_error_has_the_maps_that_its_cell_shows(run: str, demo: Services) -> None:
    here = context(demo, study=BUNDLE.name, run=run)
    wrong = here.members.mistakes
    for column in evidence.columns(here, DEFAULT_METHODS):
        assert column.maps is not None
        assert (column.maps.state(wrong, evidence.target_keys(here, wrong, "predicted")) == STORED).all()


@pytest.mark.parametrize("run", RUNS)
def test_every_test_sample_has_the_maps_of_layers(run: str, demo: Services) -> None:
    """So whole classes can be looked at, and every confusion compared between the runs, without waiting."""
    here = context(demo, study=BUNDLE.name, run=run)
    study = here.study
    said = [study.run(name).predictions for name in RUNS]
    wrong = np.unique(np.concatenate([context(demo, study=BUNDLE.name, run=name).members.mistakes for name in RUNS]))
    in_question = [study.labels[wrong], *(one.at(wrong).predicted for one in said if one is not None)]
    for column in evidence.columns(here, ("gradcam", "gradcam++")):
        assert column.maps is not None
        keys = evidence.target_keys(here, here.members.rows, "predicted")
        assert (column.maps.state(here.members.rows, keys) == STORED).all()
        for classes in in_question:
            assert (column.maps.state(wrong, [str(index) for index in classes]) == STORED).all()


def test_on_request_a_page_says_what_it_lacks_and_how_long_that_takes(demo: Services) -> None:
    demo.on_request = True
    app = opened("confusion", run="top-biased-crop", true="1", predicted="1")
    assert not worker(demo).asked
    assert "72 heatmaps of this page are not computed yet: about" in words(app)
    app.button(key="maps.compute").click().run()
    assert len(worker(demo).asked) == 1
    assert "not computed yet" not in words(app)


def test_on_request_what_was_never_timed_is_not_guessed(demo: Services) -> None:
    demo.on_request = True
    app = opened("confusion", run="top-biased-crop", true="0", predicted="1", methods="occlusion")
    assert "how long it takes is not known" in words(app)


def test_the_speed_is_that_of_the_stored_maps(demo: Services) -> None:
    here = context(demo, study=BUNDLE.name, run="baseline")
    speeds = {one.card.key: seconds_per_map(here.study, one) for one in evidence.columns(here, ("lrp", "occlusion"))}
    assert speeds["occlusion"] is None
    assert speeds["lrp"] is not None
    assert 0 < speeds["lrp"] < 60


@pytest.mark.parametrize("run", RUNS)
def test_every_method_that_a_page_opens_on_is_checked(run: str, demo: Services) -> None:
    app = opened("sample", run=run)
    marks = [each.proto.popover.label for each in app.get("popover")]
    assert "✓ Grad-CAM: checked" in marks
    assert "? Integrated gradients: undecided" in marks
    assert not any("not checked" in mark for mark in marks)


@pytest.mark.parametrize("run", RUNS)
def test_the_table_of_quality_lacks_nothing(run: str, demo: Services) -> None:
    app = opened("quality", run=run)
    assert "100 of 500 test samples" in words(app)
    assert "missing" not in words(app)
    assert "Nothing is scored yet" not in words(app)


@pytest.mark.parametrize("run", RUNS)
def test_the_cascade_has_a_verdict_for_every_method(run: str, demo: Services) -> None:
    text = words(opened("sanity", run=run))
    assert "Not checked for this model" not in text
    assert "The same map whatever the weights" in text
