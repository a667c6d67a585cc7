"""Who waits for what: a page that is left is given up, but not what somebody else waits for."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.frame.context import Services
from dashboard.frame.interest import Interest
from dashboard.frame.sessions import GRACE
from tests.dashboard.pages import opened, words, worker

CELL = {"run": "net", "methods": "gradcam"}


def states(served: Services) -> list[str]:
    fake = worker(served)
    return [fake.known[name].state for name in fake.asked]


def moved(app: AppTest, **query: str) -> AppTest:
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def test_the_cell_that_is_left_is_given_up_and_asked_for_again_on_return(served: Services) -> None:
    app = opened("confusion", true="0", predicted="0", **CELL)
    moved(app, true="1", predicted="1")
    assert states(served) == ["cancelled", "waiting"]
    moved(app, true="0", predicted="0")
    assert states(served) == ["cancelled", "cancelled", "waiting"]
    assert "Stopped before" not in words(app)


def test_what_another_session_waits_for_goes_on(served: Services) -> None:
    fake = worker(served)
    fake.joins = True
    one, other = (opened("confusion", true="0", predicted="0", **CELL) for _ in range(2))
    moved(one, true="1", predicted="1")
    assert states(served) == ["waiting", "waiting"]
    moved(other, true="2", predicted="2")
    assert states(served) == ["cancelled", "waiting", "waiting"]


def test_leaving_for_a_page_that_asks_for_nothing_gives_up_too(served: Services) -> None:
    app = AppTest.from_string("from dashboard.app import main\nmain(first='confusion')\n", default_timeout=60)
    for name, value in {"true": "0", "predicted": "0", **CELL}.items():
        app.query_params[name] = value
    app.run()
    assert states(served) == ["waiting"]
    app.session_state["maps.page"] = "overview"  # as if this page were another than the one before
    del app.query_params["true"], app.query_params["predicted"]
    app.run()
    assert states(served) == ["cancelled"]


def test_jobs_are_asked_for_in_the_name_of_their_sessions(served: Services) -> None:
    fake = worker(served)
    fake.joins = True
    for _ in range(2):
        opened("confusion", true="0", predicted="0", **CELL)
    (owners,) = fake.owners.values()
    assert len(owners) == 2
    assert all(owners)


def test_what_a_closed_browser_waited_for_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    now, there, stopped = [0.0], {"a": True, "b": True}, list[str]()
    monkeypatch.setattr("dashboard.frame.sessions.time.monotonic", lambda: now[0])
    interest = Interest()
    interest.join("a", lambda: "only a", connected=lambda: there["a"])
    for session in "ab":
        interest.join(session, lambda: "both", connected=lambda session=session: there[session])  # type: ignore[misc]

    def after(seconds: float) -> list[str]:
        now[0] += seconds
        interest.sweep(stopped.append)
        return stopped

    assert after(1000) == []
    there["a"] = False
    assert after(GRACE / 2) == [], "the page may be loading again"
    there["a"] = True
    assert after(GRACE) == []
    there["a"] = False
    after(1)
    assert after(GRACE) == ["only a"]
    there["b"] = False
    assert after(2 * GRACE) == ["only a", "both"]
    assert after(1000) == ["only a", "both"]


def test_long_work_survives_a_change_of_page_and_so_does_a_page_that_asks_for_nothing(served: Services) -> None:
    app = opened("class-heatmaps", true="0", predicted="1", **CELL)
    moved(app, true="1", predicted="2")
    assert states(served) == ["waiting", "waiting"]
    again = opened("confusion", true="0", predicted="0", **CELL)
    del again.query_params["true"], again.query_params["predicted"]
    again.run()
    assert states(served) == ["waiting"] * 3


def test_the_side_lists_only_what_the_page_does_not_show(served: Services) -> None:
    worker(served).start()
    app = opened("confusion", true="0", predicted="0", **CELL)
    assert "In the background" not in words(app)
    opened("class-heatmaps", true="0", predicted="1", **CELL)
    app.run()
    assert "In the background" in words(app)


def test_the_last_one_to_leave_stops_the_job() -> None:
    interest, stopped = Interest(), list[str]()
    for session in "ab":
        assert interest.join(session, lambda: "job") == "job"
    interest.leave("a", "job", stopped.append)
    assert not stopped
    interest.leave("b", "job", stopped.append)
    assert stopped == ["job"]
