"""Stored predictions of one run are damaged: every page lives, and what is about that run says so in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from dashboard.app import found_views
from dashboard.frame.context import Services, Studies, use_services
from tests.core.test_damaged_predictions import flipped, truncated
from tests.dashboard.fakes import FakeWorker, add_run, make_study
from tests.dashboard.pages import opened, words

PAGES = [view.URL for view in found_views()]
WITHOUT_PREDICTIONS = {"new-pictures", "train", "segmentation", "annotations"}
"""Pages that ask the chosen run's model alone, or its configuration; the last two are about studies of another task."""
BROKEN = "crop-seed1"
TOLD = f"The predictions of {BROKEN} are damaged."
REMEDY = "Restore the file from a copy, or make this run again."


@pytest.fixture(params=[truncated, flipped], ids=lambda how: how.__name__)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Two arms of three seeds; one of the second is damaged, and a newer run is whole."""
    damage: Callable[[bytes], bytes] = request.param
    study = make_study(tmp_path_factory.mktemp("damaged") / "pets")
    for place, name in enumerate(("plain", "crop")):
        for seed in range(3):
            number = 3 * place + seed + 1
            add_run(study, f"{name}-seed{seed}", arm=name, wrong_every=3 + seed + place, fingerprint=f"{number:064x}")
    add_run(study, "alone")
    file = study.path / "runs" / BROKEN / "predictions.parquet"
    file.write_bytes(damage(file.read_bytes()))
    use_services(Services(Studies([study.path]), FakeWorker()))
    yield
    use_services(None)


def problems(shown: str) -> list[str]:
    return [line for line in shown.split("\n") if 'class="problem"' in line]


def test_no_page_fails_for_another_run(served: None) -> None:
    for page in PAGES:
        app = opened(page, run="plain-seed0", other="plain-seed1")
        assert len(app.sidebar.selectbox) == 3, page
        told = problems(words(app))
        assert len(told) == (page in ("overview", "compare")), page
        assert all(TOLD in line and REMEDY in line for line in told)


def test_a_page_about_it_says_so_and_others_can_be_chosen(served: None) -> None:
    for page in PAGES:
        app = opened(page, run=BROKEN)
        assert len(app.sidebar.selectbox) == 3, page
        told = problems(words(app))
        assert len(told) == (page not in WITHOUT_PREDICTIONS), page
        assert all(TOLD in line and REMEDY in line for line in told)


def test_compare_counts_the_seeds_that_are_left(served: None) -> None:
    for run, other in (("plain-seed0", "plain-seed1"), ("plain-seed0", BROKEN), (BROKEN, "plain-seed0")):
        shown = words(opened("compare", run=run, other=other))
        assert "Ways of training, over their seeds" in shown, (run, other)
        assert "crop: 2 of 3 seeds; seed 1 is damaged." in shown


def test_overview_has_the_other_runs_in_its_table(served: None) -> None:
    for run in ("plain-seed0", BROKEN):
        app = opened("overview", run=run)
        assert len(app.dataframe[0].value) == 6, run
