"""Benchmarks end in time: rounds stop before the clock does, and the long form is asked for."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import pytest

from benchmarks.report import SECONDS, Clock, run


class Time:
    """A clock that stands still between rounds."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr(time, "monotonic", clock.monotonic)
    return clock


def _rounds(clock: Clock, still: Time, seconds: float, most: int, least: int = 1) -> int:
    count = 0
    for _ in clock.rounds(most, least):
        count += 1
        still.now += seconds
    return count


def test_rounds_end_before_the_time_is_up(still: Time) -> None:
    assert _rounds(Clock(still.now + 10), still, 3, most=9) == 3
    assert still.now == 109


def test_a_few_rounds_are_always_made(still: Time) -> None:
    assert _rounds(Clock(still.now + 10), still, 30, most=9, least=2) == 2
    assert _rounds(Clock(), still, 30, most=9) == 9


def test_parts_share_what_is_left(still: Time) -> None:
    clock = Clock(still.now + 100)
    assert clock.part(4).until == still.now + 25
    still.now += 60  # the first one took longer
    assert clock.part(2).until == still.now + 20


def _measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    monkeypatch.setattr("sys.argv", ["benchmark", "--json", *words])
    parser = argparse.ArgumentParser()
    parser.add_argument("settings", nargs="*", default=("small",))
    run(lambda args: {"settings": args.settings, "until": min(args.clock.until, 1e9)}, parser, {"settings": ("large",)})
    return json.loads(capsys.readouterr().out)


def test_the_long_form_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], still: Time
) -> None:
    short = _measured(monkeypatch, capsys)
    assert (short["settings"], short["until"], short["full"]) == (["small"], still.now + SECONDS, False)
    long = _measured(monkeypatch, capsys, "--full")
    assert (long["settings"], long["until"], long["full"]) == (["large"], 1e9, True)
    assert _measured(monkeypatch, capsys, "--full", "mine")["settings"] == ["mine"]
