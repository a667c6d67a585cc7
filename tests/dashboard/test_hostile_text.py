"""Pages of a study whose names, tags, notes and link are made to be interpreted: they are words like any others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageDraw
from streamlit.testing.v1 import AppTest

from dashboard.app import found_views
from dashboard.frame.context import Services, Studies, use_services
from dashboard.heat.sheet import cell_sheet
from tests.dashboard.fakes import FakeWorker, add_run, make_study
from tests.dashboard.pages import context, finish_all, opened, words

NASTY = (
    "$10$ [sign in](http://evil.example) ![p](http://evil.example/p.png)",
    "__other__ :red[x] :material/home: :smile: `c` <img src=x onerror=alert(1)> www.evil.example",
    "invoice\u202efdp.exe " + "W" * 300,
)
MARKS = re.compile(r"(?<!\\)(\$|__other|\[sign|!\[p|`c`|<img)|:(red\[|material/|smile:)|http://|www\.evil")


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[Services]:
    study = make_study(tmp_path / "$a$ [b](http:)", classes=NASTY)
    for name in ("one", "two"):
        add_run(study, name)
    study.annotations.add_tag(0, "$tag$ [t](http://evil.example)")
    study.annotations.set_note(0, "![n](http://evil.example/n.png)")
    services = Services(Studies([study.path]), FakeWorker())
    use_services(services)
    yield services
    use_services(None)


def markdown(app: AppTest) -> list[str]:
    """Everything on the page that Streamlit reads as Markdown."""
    plain = [
        element.value
        for kind in (app.markdown, app.caption, app.warning, app.error, app.info, app.title, app.subheader)
        for element in kind
    ]
    labelled = [element for kind in (app.button, app.selectbox, app.multiselect, app.toggle) for element in kind]
    return [*plain, *(text for element in labelled for text in (element.label, element.proto.help) if text)]


@pytest.mark.parametrize("page", [view.URL for view in found_views()])
def test_no_page_hands_names_over_as_markdown_or_html(hostile: Services, page: str) -> None:
    link = {"run": "two", "other": "one", "true": "0", "predicted": "1", "methods": "gradcam", "sample": "0"}
    app = opened(page, **link)
    finish_all(hostile)
    app.run()
    assert not app.exception
    found = [text for text in markdown(app) if MARKS.search(text)]
    assert not found
    shown = "\n".join(str(element.proto.body) for element in app.get("html"))
    assert "<img src=x" not in shown
    assert "\u202e" not in shown
    assert "\u202e" not in words(app)
    if page in ("overview", "confusion", "sample"):
        assert "[U+202E]" in shown or "$10$" in shown, "names are shown"


def test_an_exported_sheet_shows_what_steers_by_its_number(hostile: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", lambda _self, _at, text, *_: drawn.append(text))
    cell_sheet(context(hostile, run="two", methods=("gradcam",)), np.array([2]))
    assert any("invoice[U+202E]fdp.exe" in text for text in drawn)
    assert "\u202e" not in "".join(drawn)


@pytest.mark.parametrize("name", ["study", "run", "split", "true", "settings", "layer", "target"])
def test_what_a_link_says_is_repeated_as_text(hostile: Services, name: str) -> None:
    app = opened("overview", **{name: "[Session expired](http://evil.example) $x$ :red[y]"})
    notes = [element.value for element in app.warning]
    assert notes
    assert "Session expired" in notes[0] or name in ("true", "target")
    assert not any(re.search(r"(?<!\\)(\[|\$)|http://|:red", note) for note in notes), notes
