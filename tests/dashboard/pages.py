"""What the tests of single pages share: a page opened by its link, its words, the fake worker."""

from __future__ import annotations

from typing import Any

from streamlit.testing.v1 import AppTest

from dashboard.frame.context import Context, Services, resolve
from dashboard.frame.state import Selection
from tests.dashboard.fakes import FakeWorker

_SCRIPT = """
from dashboard.app import main
main(first={first!r})
"""


def opened(page: str = "confusion", /, **query: str) -> AppTest:
    """The page as a link with this query opens it."""
    app = AppTest.from_string(_SCRIPT.format(first=page), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    """All running text of the page."""
    elements: list[Any] = [*app.get("html"), *app.markdown, *app.caption, *app.get("code"), *app.warning]
    return "\n".join(str(getattr(element, "body", None) or element.value) for element in elements)


def worker(served: Services) -> FakeWorker:
    """The worker behind the page."""
    assert isinstance(served.worker, FakeWorker)
    return served.worker


def finish_all(served: Services) -> None:
    """Let the worker do everything it was asked."""
    for name in list(worker(served).asked):
        worker(served).finish(name)


def context(served: Services, **selection: Any) -> Context:
    """What a page works on with this selection."""
    return resolve(Selection(**selection), served)[0]
