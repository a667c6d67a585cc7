"""Order, names and scales of methods."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.frame.context import Services
from dashboard.heat.evidence import columns
from tests.dashboard.pages import context, opened, words
from xai_core.answers.methods import FAMILIES, family, in_menus, takes_layer
from xai_core.explainers import EXPLAINERS
from xai_core.params import build


def test_menus_begin_with_maps_and_end_with_controls() -> None:
    keys = [explainer.card.key for explainer in in_menus()]
    assert sorted(keys) == sorted(EXPLAINERS.keys())
    assert keys[-5:] == ["centre", "edges", "object", "random", "region"]
    assert family(EXPLAINERS["shap_layer"].card) == FAMILIES[0]
    assert keys.index("scorecam") < keys.index("saliency")


@pytest.mark.parametrize(
    ("key", "values", "title", "signed"),
    [
        ("smoothgrad", {}, "SmoothGrad of Saliency (gradient)", True),
        ("smoothgrad", {"method": "gradcam"}, "SmoothGrad of Grad-CAM", False),
        ("saliency", {}, "Saliency (gradient)", True),
        ("saliency", {"channels": "max"}, "Saliency (gradient)", False),
        ("lrp", {}, "Layer-wise relevance propagation", True),
    ],
)
def test_settings_decide_name_and_scale(key: str, values: dict[str, str], title: str, signed: bool) -> None:
    explainer = EXPLAINERS[key]
    card = explainer.card_for(build(explainer.params, values))
    assert (card.title, card.signed) == (title, signed)


def test_a_layer_is_offered_only_where_it_changes_the_maps(served: Services) -> None:
    for method, can in (("saliency", False), ("gradcam", True)):
        settings = (f"smoothgrad.method={method}",)
        assert takes_layer(EXPLAINERS["smoothgrad"], build(EXPLAINERS["smoothgrad"].params, {"method": method})) is can
        here = context(served, run="net", methods=("smoothgrad",), settings=settings, layer="early")
        assert columns(here)[0].params.layer == ("early" if can else "")
        app = opened("sample", run="net", methods="smoothgrad", settings=",".join(settings))
        assert bool(_layers(app)) is can


def test_the_help_of_the_choice_is_by_family(served: Services) -> None:
    app = opened("sample", run="net", methods="gradcam")
    text = next(box.help for box in app.multiselect if box.label == "Methods")
    places = [text.index(f"**{name}**") for name in FAMILIES]
    assert places == sorted(places)
    assert "Does not show: Says" not in text


@pytest.mark.parametrize("page", ["confusion", "class-heatmaps", "sanity"])
def test_settings_are_told_where_there_is_no_form_and_can_be_undone(served: Services, page: str) -> None:
    query = {"run": "net", "true": "0", "predicted": "1", "methods": "gradcam,ig", "method": "gradcam"}
    app = opened(page, **query, layer="early", settings="ig.steps=8")
    assert "Grad-CAM: layer early" in words(app)
    assert ("Integrated gradients: steps 8" in words(app)) is (page != "class-heatmaps")
    next(button for button in app.button if button.label == "Back to defaults").click().run()
    assert "Not at defaults" not in words(app)
    assert "layer" not in app.query_params


def _layers(app: AppTest) -> list[str]:
    return [box.label for box in app.selectbox if box.label == "Layer"]
