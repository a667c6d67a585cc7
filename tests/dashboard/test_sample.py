"""The page of one sample."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.frame.context import Services
from dashboard.frame.state import Selection, from_query, to_query
from dashboard.heat.evidence import columns
from dashboard.heat.sample_maps import rows
from tests.dashboard.pages import context, finish_all, opened, words, worker
from xai_core.answers.diagnostics import notes
from xai_core.answers.maps import explain_line
from xai_core.answers.sample import explained, sample_of, specs
from xai_core.params import param
from xai_core.store.layers import convolutional_layers

LINE = "xai explain"


def test_the_surest_mistake_of_the_split_opens_first(served: Services) -> None:
    app = opened("sample", run="net")
    assert "cat taken for &lt;b&gt;dog&lt;/b&gt;" in words(app)
    assert "1 of 8 · test mistakes, surest first" in words(app)


def test_of_a_mistake_both_classes_and_their_difference_are_asked_for_once(served: Services) -> None:
    app = opened("sample", run="net", methods="gradcam,ig")
    (asked,) = worker(served).asked.values()
    assert asked["target"] == ["predicted", "true", "difference"]  # in one request, which shares the picture's pass
    app.run()
    assert len(worker(served).asked) == 1
    finish_all(served)
    app.run()
    assert len(worker(served).asked) == 1


def test_of_a_correct_sample_only_one_class_is_asked_for(served: Services) -> None:
    app = opened("sample", run="net", sample="1", methods="gradcam")
    assert [job["target"] for job in worker(served).asked.values()] == [["predicted"]]
    assert "Not among the 8" in words(app)


def test_a_class_named_in_the_link_comes_last(served: Services) -> None:
    here = context(served, run="net", sample=0, target="2")
    sample = sample_of(here.scope, 0)
    assert sample is not None
    assert specs(sample, here.selection.target) == ["predicted", "true", "difference", "2"]


def test_the_rows_say_class_role_and_probability(served: Services) -> None:
    opened("sample", run="net", methods="gradcam,lrp")
    finish_all(served)
    here = context(served, run="net", methods=("gradcam", "lrp"))
    sample = sample_of(here.scope, 0)
    assert sample is not None
    grid = rows(here, sample.row, explained(here.scope, sample, here.selection.target), columns(here))
    assert ["".join(row.title) for row in grid] == [
        "Evidence for <b>dog</b>",
        "Evidence for cat",
        "Evidence for <b>dog</b> rather than cat",
    ]
    assert [row.note for row in grid] == ["predicted · 70.0 %", "true · 15.0 %", "predicted − true"]
    assert all(frame.panel.address for row in grid for stack in row.stacks for frame in stack.frames)


def test_next_walks_through_the_cell(served: Services) -> None:
    app = opened("sample", run="net", true="0", predicted="1")
    assert "1 of 3 · cat taken for" in words(app)
    app.button(key="sample.Next").click().run()
    assert app.query_params["sample"] == "12"
    assert "2 of 3" in words(app)
    assert not app.button(key="sample.Previous").disabled


def test_a_sample_is_found_by_a_part_of_its_id(served: Services) -> None:
    app = opened("sample", run="net")
    app.text_input(key="sample.find").set_value("s00").run()
    found = app.selectbox(key="sample.found.s00")
    assert found.placeholder == "10 found: choose one"
    found.select_index(5).run()
    assert app.query_params["sample"] == "5"
    app.text_input(key="sample.find").set_value("<gone>").run()
    assert "No id contains “&lt;gone&gt;”" in words(app)


def test_a_wrong_layer_shows_the_workers_error_and_can_be_tried_again(served: Services) -> None:
    app = opened("sample", run="net", methods="gradcam", layer="layer9")
    job = list(worker(served).asked)[-1]
    assert worker(served).asked[job]["methods"] == [("gradcam", {"layer": "layer9", "window": 0})]
    for name in worker(served).asked:
        worker(served).fail(name, "no layer of this name: layer9. Did you mean layer4?")
    app.run()
    assert words(app).count("No layer of this name: layer9. Did you mean layer4?") == 1
    asked = len(worker(served).asked)
    app.button(key="maps.again").click().run()
    assert len(worker(served).asked) == 2 * asked


def test_the_layer_of_the_architecture_is_the_default(served: Services) -> None:
    app = opened("sample", run="net", methods="gradcam")
    assert app.selectbox(key="select.layer").value == "layer"
    assert not [box for box in opened("sample", run="net", methods="lrp").selectbox if box.key == "select.layer"]


def test_maps_that_do_not_depend_on_the_class_are_said_to(served: Services) -> None:
    said = "Not about the class: Eigen-CAM, Edges (control)."
    assert said in words(opened("sample", run="net", methods="eigencam,gradcam,edges"))
    assert "Not about the class" not in words(opened("sample", run="net", methods="gradcam"))


def test_settings_of_methods_travel_in_the_link_and_in_the_line(served: Services) -> None:
    app = opened("sample", run="net", methods="ig", settings="ig.steps=100")
    assert worker(served).asked["job0"]["methods"][0][1]["steps"] == 100
    lines = [line for line in words(app).splitlines() if line.startswith(LINE)]
    assert len(lines) == 3
    assert all("--set ig.steps=100" in line for line in lines)
    app.number_input(key="settings.ig.steps=100").set_value(20)
    next(button for button in app.button if button.label == "Apply").click().run()
    assert app.query_params["settings"] == "ig.steps=20"


def test_settings_that_no_method_accepts_are_told(served: Services) -> None:
    app = opened("sample", run="net", settings="ig.steps=999999,none.x=1")
    assert "ig.steps=999999, none.x=1" in app.warning[0].value


def test_settings_survive_the_link() -> None:
    selection = Selection(settings=("ig.baseline=mean", "shap.samples=20"), method="gradcam++", seed=2)
    assert from_query(to_query(selection)) == (selection, ())
    assert from_query({"settings": "ig.steps=1; rm"})[1]


def test_another_cell_or_split_forgets_the_sample() -> None:
    assert Selection(sample=3).changed(split="train").sample is None
    assert Selection(sample=3).changed(true=0, predicted=1).sample is None
    assert Selection(sample=3).changed(run="other").sample == 3


def test_the_line_is_quoted_for_a_shell(served: Services) -> None:
    here = context(served, run="net", methods=("gradcam",), layer="layer.1")
    parts = shlex.split(explain_line(str(here.study.path), here.scope.run, columns(here), 0, "predicted"))
    assert str(here.study.path) in parts
    assert parts[:3] == ["xai", "explain", str(here.study.path)]
    assert parts[-2:] == ["--set", "gradcam.layer=layer.1"]
    assert "--ids=s000" in parts, "an id that begins with a dash is no flag"


def test_diagnostics_say_when_to_look_twice() -> None:
    assert [note.odd for note in notes({"conservation": 1.01, "completeness_gap": 0.2, "sum": 3.0})] == [False, True]
    assert notes({"conservation": 0.95})[0].text == "conservation 95.0 %"
    estimate = {"sum": 3.0, "expected_difference": 2.5, "sum_error": 0.2, "completeness_gap": 0.2}
    assert [(note.text, note.odd) for note in notes(estimate)] == [("sum 3.00 ± 0.20, ideally 2.50", False)]
    assert notes({**estimate, "sum_error": 0.1})[0].odd
    assert [(note.text, note.odd) for note in notes({"constant_share": 0.62})] == [("class token 62 %", True)]
    assert notes({}) == []


def test_predictions_without_a_model_still_have_their_page(served: Services) -> None:
    app = opened("sample", run="alone")
    assert "taken for" in words(app)
    assert not worker(served).asked


def test_without_predictions_the_next_step_is_named(served: Services) -> None:
    assert "xai predict" in words(opened("sample", run="untested"))


def test_layers_of_a_run_without_weights_are_none(served: Services) -> None:
    here = context(served, run="net")
    assert here.run is not None
    assert convolutional_layers(here.run) == []


def test_convolutions_and_what_holds_them_are_layers(served: Services) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    run = context(served, run="net").run
    assert run is not None
    names = ["features.10.weight", "features.2.conv.weight", "head.weight"]
    save_file({name: torch.zeros([2] * (2 if "head" in name else 4)) for name in names}, run.weights)
    assert convolutional_layers(run) == ["features", "features.2", "features.2.conv", "features.10"]


@dataclass(frozen=True)
class Everything:
    """One parameter of each kind."""

    steps: int = param(5, help="how many", low=1, high=9)
    rate: float = param(0.5, help="how much", low=0.0)
    sure: bool = param(False, help="whether")
    kind: str = param("b", help="which", choices=("a", "b"))
    name: str = param("", help="what")
    layer: str = param("", help="asked elsewhere")


def test_a_form_has_one_widget_per_parameter() -> None:
    def script() -> None:
        import streamlit as st

        from dashboard.widgets.param_form import param_form
        from tests.dashboard.test_sample import Everything

        st.write(param_form(Everything, {"steps": 7}, key="form", skip=("layer",)))

    app = AppTest.from_function(script).run()
    assert not app.exception
    assert app.number_input[0].value == 7
    assert (app.number_input[0].min, app.number_input[0].max) == (1, 9)
    assert [box.options for box in app.selectbox] == [["a", "b"]]
    assert len(app.toggle) == 1
    assert [box.label for box in app.text_input] == ["Name"]


def test_tags_and_a_note_are_kept_in_the_study(served: Services) -> None:
    app = opened("sample", run="net", sample="0")
    annotations = served.studies[next(iter(served.studies))].annotations
    field = next(one for one in app.multiselect if one.label == "Tags")
    annotations.add_tag(5, "blurred")
    app.run()
    field = next(one for one in app.multiselect if one.label == "Tags")
    field.set_value(["blurred"]).run()
    app.text_area[0].set_value("look again").run()
    [found] = annotations.of([0])
    assert (found.tags, found.note) == (("blurred",), "look again")
    next(one for one in app.multiselect if one.label == "Tags").set_value([]).run()
    assert annotations.of([0])[0].tags == ()
    assert not app.exception
