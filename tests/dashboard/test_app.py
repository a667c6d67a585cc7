from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dashboard.app import found_views, tasks_of
from dashboard.export import cell_csv
from dashboard.frame.context import Services, Studies, resolve, use_services
from dashboard.frame.state import Selection
from dashboard.heat import evidence
from dashboard.heat.sheet import cell_sheet
from tests.dashboard.fakes import FakeWorker, add_run, make_study
from tests.dashboard.pages import opened, words, worker
from xai_core.answers.agreement import agreement
from xai_core.store.run import Run
from xai_core.task import CLASSIFICATION


def test_every_view_says_what_it_is(served: Services) -> None:
    views = found_views()
    assert [view.ORDER for view in views] == sorted({view.ORDER for view in views})
    for view in views:
        assert view.QUESTION.endswith("?")
        assert view.URL.isascii()
        assert (Path(__file__).parents[2] / "assets" / "icons" / f"{view.ICON}.svg").is_file()


@pytest.mark.parametrize("page", [view.URL for view in found_views() if CLASSIFICATION not in tasks_of(view)])
def test_pages_of_segmenters_alone_lead_classifiers_on(served: Services, page: str) -> None:
    app = opened(page)
    assert "Models of this study do classification" in words(app)
    assert [button.label for button in app.button if button.key == "another-task"] == ["Open Overview"]


def test_the_frame_offers_studies_runs_and_splits(served: Services) -> None:
    app = opened()
    assert [box.label for box in app.sidebar.selectbox] == ["Study", "Run", "Split"]
    assert app.sidebar.selectbox[2].options == ["Test · 30", "All · 30"]
    assert app.sidebar.selectbox[1].options == ["net", "untested", "alone"]
    assert app.sidebar.selectbox[1].value == "net"
    assert "xai-ready" in words(app)


def test_what_a_link_got_wrong_is_told_until_something_is_chosen(served: Services) -> None:
    app = opened(page="0")
    told = [element.value for element in app.warning]
    assert told
    app.run()  # as a page does by itself when heatmaps are done
    assert [element.value for element in app.warning] == told
    app.sidebar.selectbox[2].select("all").run()
    assert not app.warning


def test_a_link_opens_its_view(served: Services) -> None:
    app = opened(run="alone", true="0", predicted="1", sort="loss")
    assert app.sidebar.selectbox[1].value == "alone"
    assert "cat taken for &lt;b&gt;dog&lt;/b&gt;" in words(app)
    assert app.query_params["true"] == "0"


def test_names_in_a_link_that_do_not_exist_are_told(served: Services) -> None:
    app = opened(study="../secret", run="net", true="0", predicted="0", sort="colour", methods="gradcam,<x>")
    assert len(app.warning) == 3  # of another study neither the run nor the cell means anything here
    assert app.sidebar.selectbox[0].value == "pets"
    assert len(opened(run="gone", true="99", predicted="0").warning) == 2


def test_choosing_a_run_changes_the_url(served: Services) -> None:
    app = opened()
    assert not app.query_params
    app.sidebar.selectbox[1].select("alone").run()
    assert app.query_params["run"] == "alone"


def test_a_cell_asks_for_missing_maps_once_and_shows_them_when_they_are_there(served: Services) -> None:
    app = opened(run="net", true="0", predicted="1", methods="gradcam,ig")
    asked = worker(served).asked
    assert [(job["run"], job["target"], len(job["methods"])) for job in asked.values()] == [("net", "predicted", 2)]
    app.run()
    assert len(asked) == 1
    worker(served).finish("job0")
    app.run()
    assert len(asked) == 1
    assert not app.exception


@pytest.mark.parametrize("page", ["confusion", "sample"])
def test_a_rerun_looks_each_method_up_once(served: Services, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(page, run="net", true="0", predicted="1", methods="gradcam,ig")
    for name in list(worker(served).asked):
        worker(served).finish(name)
    app.run()
    looks, plain = list[str](), Run.maps
    monkeypatch.setattr(
        Run, "maps", lambda self, key, *rest, **more: (looks.append(key), plain(self, key, *rest, **more))[1]
    )
    app.run()
    assert not app.exception
    assert looks == ["gradcam", "ig"]


def test_a_failed_job_is_told_and_not_asked_again_by_itself(served: Services) -> None:
    app = opened(run="net", true="0", predicted="1", methods="gradcam")
    worker(served).fail("job0", "no such layer: x. Choose another.")
    app.run()
    assert "o such layer: x. Choose another." in words(app)
    assert len(worker(served).asked) == 1
    next(button for button in app.button if button.label == "Try again").click().run()
    assert len(worker(served).asked) == 2


def test_predictions_alone_have_pictures_and_the_reason_why_no_maps(served: Services) -> None:
    app = opened(run="alone", true="0", predicted="1")
    assert "no model that could be explained" in words(app)
    assert not worker(served).asked


def test_a_run_without_predictions_names_the_command(served: Services) -> None:
    assert "--run untested" in words(opened(run="untested"))


def test_a_study_without_runs_says_what_to_do(tmp_path: Path) -> None:
    make_study(tmp_path / "new")
    use_services(Services(Studies([tmp_path / "new"]), FakeWorker()))
    assert "xai train" in words(opened())
    use_services(None)


def test_a_server_without_studies_says_what_to_do() -> None:
    use_services(Services(Studies([]), FakeWorker()))
    assert "xai serve" in words(opened())
    use_services(None)


def test_a_broken_study_is_a_box_with_a_remedy(tmp_path: Path) -> None:
    use_services(Services(Studies([tmp_path / "nothing"]), FakeWorker()))
    assert "xai new" in words(opened())
    use_services(None)


def test_an_unexpected_error_is_logged_whole_and_shown_calmly(
    served: Services, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from dashboard.views import confusion

    def fail(_context: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(confusion, "render", fail)
    shown = words(opened())
    assert "went wrong on our side" in shown
    assert "secret detail" not in shown
    assert "RuntimeError: secret detail" in caplog.text


def test_a_cell_can_be_taken_away(served: Services) -> None:
    selection = Selection(run="net", methods=("gradcam", "ig"))
    context, _ = resolve(selection, served)
    rows = np.array([0, 4, 8])
    worker(served).finish(evidence.request(context, evidence.columns(context), rows))
    lines = list(csv.DictReader(io.StringIO(cell_csv(context, rows).decode())))
    assert [line["id"] for line in lines] == ["s000", "s004", "s008"]
    assert lines[0]["predicted"] == "<b>dog</b>"
    assert float(lines[0]["p_predicted"]) == pytest.approx(0.7)
    sheet = Image.open(io.BytesIO(cell_sheet(context, rows)))
    assert sheet.format == "PNG"
    assert sheet.height > 3 * 168


def test_cells_of_a_table_are_no_formulas(tmp_path: Path) -> None:
    study = make_study(tmp_path / "names", classes=("=1+1", "b"))
    add_run(study, "net")
    context, _ = resolve(Selection(), Services(Studies([study.path]), FakeWorker()))
    assert "'=1+1" in cell_csv(context, np.array([0])).decode()


def test_disagreement_is_zero_for_equal_maps_and_unknown_without_maps(served: Services) -> None:
    context, _ = resolve(Selection(run="net", methods=("gradcam", "gradcam++")), served)
    rows = np.array([0, 4])

    def scores(context: Any) -> np.ndarray:
        return agreement(context.scope, evidence.columns(context), rows, "predicted").scores

    assert np.isnan(scores(context)).all()
    worker(served).finish(evidence.request(context, evidence.columns(context), rows))
    np.testing.assert_allclose(scores(context), 0, atol=1e-6)
    alone = replace(context, selection=replace(context.selection, methods=("gradcam",)))
    assert np.isnan(scores(alone)).all()


def test_panels_know_what_is_missing_refused_and_doubtful(served: Services) -> None:
    context, _ = resolve(Selection(run="net", methods=("lrp",)), served)
    run = context.run
    assert run is not None
    (column,) = evidence.columns(context)
    store = run.maps("lrp", column.params, create=True)
    assert store is not None
    rows = np.array([0, 4, 8])
    keys = evidence.target_keys(context, rows)
    maps = np.ones((2, 16, 16), np.float32)
    store.put(rows[:2], keys[:2], maps, {"conservation": np.array([0.8, 1.0])}, [None, "it is zero"])
    doubtful, refused, missing = evidence.panels(context, evidence.columns(context)[0], rows)
    assert "80 %" in str(doubtful.facts.caution)
    assert refused.reason == "it is zero"
    assert missing.missing
    shown = words(opened(run="net", true="1", predicted="2", methods="lrp"))
    assert "is not available for 1 of 3 maps: it is zero" in shown


def test_the_server_knows_the_first_page_by_name() -> None:
    from dashboard import main

    assert found_views()[0].URL == main.FRONT
