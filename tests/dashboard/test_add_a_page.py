"""The example of docs/how-to/add-a-page.md works as printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboard import app
from dashboard.app import found_views
from dashboard.frame.context import Services
from tests.conftest import ROOT
from tests.dashboard.pages import opened
from tests.how_to import printed


def test_the_page_of_the_how_to_opens_from_the_menu(
    served: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with printed("add-a-page", tmp_path) as page:
        known = found_views()
        assert page.ORDER not in {view.ORDER for view in known}
        assert (ROOT / "assets" / "icons" / f"{page.ICON}.svg").is_file()
        monkeypatch.setattr(app, "found_views", lambda: (*known, page))
        shown = opened(page.URL)
        assert len(shown.get("vega_lite_chart")) == 1
