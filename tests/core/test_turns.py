"""Whose turn it is in the worker: nobody waits for somebody else's slow map, and nobody is passed over."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from xai_core.explainers.engine.pauses import pause
from xai_core.worker import operations
from xai_core.worker import server as server_module
from xai_core.worker.server import DEEPEST, Server
from xai_core.worker.turns import HEAD_START, Turns


class Scripted(Server):
    """Work made of steps, which are batches, which take seconds of a clock that it moves; notes who worked when."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.log, self.arriving = 0.0, list[tuple[float, str]](), list[tuple[float, Mapping[str, Any]]]()
        monkeypatch.setattr(server_module, "monotonic", lambda: self.now)
        monkeypatch.setattr(server_module, "pick_device", lambda _: "cpu")
        monkeypatch.setattr(server_module, "Bench", lambda _: None)
        monkeypatch.setattr(server_module, "steps", lambda _, message: self._steps(message))
        super().__init__(io.StringIO())

    def ask(self, name: str, steps: list[list[float]], *, owner: str, urgent: bool = True, at: float = 0.0) -> None:
        message = {"op": "explain", "id": name, "owner": owner, "urgent": urgent, "steps": steps}
        self.arriving.append((at, message))

    def tell(self, at: float, **message: Any) -> None:
        self.arriving.append((at, message))

    def _steps(self, message: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
        for number, step in enumerate(message["steps"], start=1):
            for place, seconds in enumerate(step):
                if place:
                    pause()
                self.log.append((self.now, message["id"]))
                self.now += seconds
                self._hear()
            yield number, len(message["steps"])

    def _hear(self) -> None:
        due = [each for each in self.arriving if each[0] <= self.now]
        self.arriving = [each for each in self.arriving if each not in due]
        for _, message in due:
            self._take(message)

    def work(self) -> dict[str, float]:
        """Until nothing is left; gives when each job ended."""
        ends: dict[str, float] = {}
        self._hear()
        while self._open or self.arriving:
            if not self._open:
                self.now = min(at for at, _ in self.arriving)
                self._hear()
            work = self._next()
            assert work is not None
            self._step(work)
            for event in self.said():
                if event["event"] in ("done", "failed", "cancelled"):
                    ends.setdefault(event["id"], self.now)
        return ends

    def said(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._events.getvalue().splitlines()]  # type: ignore[attr-defined]

    def order(self) -> list[str]:
        return [name for _, name in self.log]


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    return Scripted(monkeypatch)


SLOW_MAP = [0.5] * 20
"""Ten seconds in batches of half a second."""


def test_short_work_does_not_wait_for_somebody_elses_slow_map(worker: Scripted) -> None:
    worker.ask("shap", [SLOW_MAP] * 5, owner="a")
    worker.ask("gradcam", [[0.6], [0.6]], owner="b", at=3.2)
    began = next(at for at, name in (worker.work(), worker.log)[1] if name == "gradcam")
    assert began - 3.2 <= 0.5
    assert worker.order().count("shap") == 100
    last = max(at for at, name in worker.log if name == "gradcam")
    assert last + 0.6 - 3.2 <= 0.5 + 1.2, "nothing of the slow map comes between"


def test_who_comes_later_does_not_always_go_first(worker: Scripted) -> None:
    worker.ask("a", [[0.5]] * 20, owner="a")
    for number in range(20):
        worker.ask(f"b{number}", [[0.5]], owner="b", at=0.1 + 0.5 * number)
    worker.work()
    first = worker.order()[:20]
    assert 6 <= first.count("a") <= 10


def test_two_slow_ones_share_the_time(worker: Scripted) -> None:
    worker.ask("one", [SLOW_MAP] * 4, owner="a")
    worker.ask("other", [SLOW_MAP] * 4, owner="b", at=0.1)
    worker.work()
    for count in (60, 100, 140):
        assert abs(worker.order()[:count].count("one") - count / 2) <= 20 + 2 * HEAD_START


def test_urgent_work_goes_before_long_work_whoever_had_less(worker: Scripted) -> None:
    worker.ask("long", [[1.0] * 4] * 4, owner="a", urgent=False)
    worker.ask("urgent", [[1.0]] * 6, owner="b", at=0.5)
    worker.work()
    assert worker.order()[:7] == ["long", *["urgent"] * 6]


def test_of_one_person_the_newest_comes_first_also_within_a_step(worker: Scripted) -> None:
    worker.ask("old", [SLOW_MAP], owner="a")
    worker.ask("new", [[0.5], [0.5]], owner="a", at=0.2)
    worker.work()
    assert worker.order()[:3] == ["old", "new", "new"]


def test_what_is_cancelled_ends_at_its_next_pause(worker: Scripted) -> None:
    worker.ask("shap", [SLOW_MAP] * 2, owner="a")
    worker.ask("other", [[0.5]], owner="b", at=0.7)
    worker.tell(1.2, op="cancel", id="shap")
    ends = worker.work()
    assert worker.order().count("shap") <= 3
    assert [event["event"] for event in worker.said() if event.get("id") == "shap"] == ["cancelled"]
    assert ends.keys() == {"shap", "other"}


def test_who_joins_waits_as_little_as_if_it_were_theirs_alone(worker: Scripted) -> None:
    worker.ask("first", [[1.0]] * 10, owner="a")
    worker.ask("shared", [[1.0]] * 2, owner="a", urgent=False, at=0.1)
    worker.ask("other", [[1.0]] * 10, owner="c", urgent=False, at=0.1)
    worker.tell(0.2, op="join", id="shared", owner="b")
    worker.work()
    assert worker.order()[10:12] == ["shared"] * 2
    worker.tell(worker.now, op="join", id="gone", owner="b")
    worker._hear()


def test_steps_within_steps_are_not_deeper_than_they_may_be(worker: Scripted) -> None:
    for number in range(DEEPEST + 3):
        worker.ask(f"{number}", [[1.0] * 3] * 2, owner=f"{number}", at=0.1 * number)
    assert len(worker.work()) == DEEPEST + 3


def test_an_error_within_a_pause_is_told_and_the_other_goes_on(worker: Scripted) -> None:
    worker.ask("good", [[1.0] * 4], owner="a")
    worker.ask("bad", [["not a number"]], owner="b", at=0.5)  # type: ignore[list-item]
    worker.work()
    ends = {event["id"]: event["event"] for event in worker.said() if event["event"] in ("done", "failed")}
    assert ends == {"good": "done", "bad": "failed"}
    assert worker.order().count("good") == 4


def test_nobody_saves_up_time_by_being_away() -> None:
    turns = Turns()
    turns.arrive("a", [])
    turns.charge(["a"], 1000.0)
    turns.arrive("b", ["a"])
    assert turns.had(["a"]) - turns.had(["b"]) == HEAD_START
    turns.charge(["b"], 5.0)
    turns.arrive("b", ["a"])
    assert turns.had(["b"]) > turns.had(["a"]), "who comes back has had what they had"
    turns.charge(["a", "b"], 2.0)
    assert turns.had(["a"]) == turns.had(["a", "b"])


def test_what_the_worker_does_not_know_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "Bench", lambda _: None)
    events = io.StringIO()
    server = Server(events, device="cpu")
    with monkeypatch.context() as patched:
        patched.setitem(operations.OPERATIONS, "count", lambda _, message: iter([(1, message["total"])]))
        asked = [{"op": "paint", "id": "a"}, {"op": "count", "id": "b", "total": 1}]
        for message in asked:
            server._take(message)
        while server._open:
            work = server._next()
            assert work is not None
            server._step(work)
    told = [json.loads(line) for line in events.getvalue().splitlines()]
    assert {event["id"]: event["event"] for event in told if event["event"] != "ready"} == {"a": "failed", "b": "done"}
    assert "does not know this operation: paint" in next(event["error"] for event in told if "error" in event)
