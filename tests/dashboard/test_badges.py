"""The mark beside a method's name: on every page that shows its heatmaps, in words, and on the way to the evidence."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.frame.context import Services
from dashboard.heat import sheet as sheets
from tests.dashboard.pages import context, opened, words
from xai_core.answers import badge as badges
from xai_core.answers.badge import Badge, Part

CELL = {"run": "net", "true": "0", "predicted": "1", "methods": "gradcam,ig", "method": "gradcam"}
PAGES = {
    "confusion": CELL,
    "sample": {"run": "net", "methods": "gradcam"},
    "class-heatmaps": CELL,
    "compare": CELL | {"other": "alone"},
}


def labels(app: AppTest) -> list[str]:
    """What the marks of a page say."""
    return [
        each.proto.popover.label for each in app.get("popover") if each.proto.popover.label[:1] in badges.MARKS.values()
    ]


def known(kind: str) -> Any:
    """Every method has a badge of this kind."""
    parts = (Part("Random weights", kind, "they change.", "sanity"), Part("Controls", kind, "beaten.", "quality"))  # type: ignore[arg-type]
    return lambda run, method: Badge(method[0], "Grad-CAM", parts)


@pytest.mark.parametrize("page", PAGES)
def test_each_page_says_what_is_known_of_its_methods(
    served: Services, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.setattr(badges, "assessed", known("passes"))
    app = opened(page, **PAGES[page])
    assert "✓ Grad-CAM: checked" in labels(app)
    assert "**Random weights**: they change." in words(app), "the sentence waits behind the mark for no server"


def test_a_method_that_nobody_checked_says_so_and_where_to_begin(served: Services) -> None:
    app = opened("sample", run="net", methods="gradcam")
    assert labels(app) == ["○ Grad-CAM: not checked"]
    app.session_state["badge.check"] = True
    buttons = [button.label for button in app.run().button]
    assert {"Check this on Sanity check", "Check this on Explanation quality"} <= set(buttons)
    assert "xai check" in words(app)


def test_the_way_to_the_evidence_keeps_the_method(served: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(badges, "assessed", known("fails"))
    app = opened("sample", run="net", methods="gradcam,ig")
    next(button for button in app.button if button.key == "badge.open.gradcam.sanity").click().run()
    assert not app.exception
    assert app.query_params["methods"] in ("gradcam,ig", ["gradcam,ig"])


def test_an_exported_sheet_carries_the_marks(served: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(badges, "assessed", known("undecided"))
    drawn: dict[str, Any] = {}
    monkeypatch.setattr(sheets, "sheet", lambda titles, lines, foot: drawn.update(titles=titles, foot=foot) or _blank())
    here = context(served, run="net", methods=("gradcam",))
    sheets.cell_sheet(here, here.members.rows[:1])
    assert drawn["titles"] == ["Grad-CAM: undecided"]
    assert "Random weights: they change." in drawn["foot"]


def _blank() -> Any:
    from PIL import Image

    return Image.new("RGB", (1, 1))
