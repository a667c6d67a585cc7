"""Benchmarks end in time: rounds stop before the clock does, and the long form is asked for."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import segmentation
from benchmarks.cams import made
from benchmarks.metrics_truth import TRUTH, by_metric, controls, of_a_case, told
from benchmarks.report import SECONDS, Clock, run
from xai_core.answers.scored import Scored
from xai_core.types import Card


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


def test_of_a_segmenter_no_second_is_printed_that_was_not_measured(still: Time) -> None:
    """With its time up it times one method, and says of the others why not."""
    words = argparse.Namespace(architecture="small_unet", size=32, repetitions=1, peers=1, clock=Clock(still.now - 1))
    found = segmentation.measure(words)
    seconds, reasons = found["seconds_per_map"], found["reasons"]
    assert [key for key, value in seconds.items() if value is not None] == ["gradcam"]
    assert set(reasons) == set(seconds) - {"gradcam"}
    assert set(reasons.values()) == {segmentation.NO_TIME}
    assert found["peers_timed"] == ["HiResCAM"]
    assert all(found[key] > 0 for key in ("five_cams_in_forwards", "speedup_vs_pytorch_grad_cam"))


@pytest.mark.parametrize("key", segmentation.BY_CHANNEL)
def test_what_two_channels_take_is_extrapolated_to_what_all_do(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that each answer of the model moves on by one."""
    classifier, answers = made("small_unet", 32), list[int]()
    classifier.module.register_forward_hook(lambda _module, _x, logits: answers.append(len(logits)))
    monkeypatch.setattr(time, "perf_counter", lambda: float(sum(answers)))
    x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    part, words = segmentation.timed(classifier, x, key)
    taken = sum(answers)
    whole = segmentation.once(classifier, x, key, {})
    assert part == whole
    assert isinstance(whole, float)
    assert taken < 20 < whole
    assert words.startswith("2 of ")


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


def _scored(metric: str, method: str, values: list[float], *, direction: int = 1, control: bool = False) -> Scored:
    cards = Card(metric, metric, "", "", direction=direction), Card(method, method, "", "", control=control)
    return Scored(*cards, np.array(values), {}, 0, {})


def test_a_metric_is_as_good_as_its_order_of_methods_is_the_truths() -> None:
    rising = {"a": [0.1, 0.2, 0.3, 0.2], "b": [0.4, 0.5, 0.6, 0.5], "c": [0.7, 0.8, 0.9, 0.8], "noise": [0.0] * 4}
    found = [
        _scored(metric, method, [direction * value for value in values], direction=direction, control=method == "noise")
        for metric, direction in ((TRUTH, 1), ("lower-is-better", -1))
        for method, values in rising.items()
    ]
    turned = {"a": "c", "b": "b", "c": "a", "noise": "noise"}
    found += [_scored("wrong", turned[method], values, control=method == "noise") for method, values in rising.items()]
    setting = told(found)
    assert setting["samples"] == 4
    assert {key: (each["tau"], each["methods"]) for key, each in setting["agreement"].items()} == {
        "lower-is-better": (1.0, 3),
        "wrong": (-1.0, 3),
    }
    assert setting["agreement"]["wrong"]["tau_with_controls"] == 0.0
    assert setting["truth"]["b"] | {"low": 0, "high": 0} == {"value": 0.5, "low": 0, "high": 0, "n": 4}
    right = {"agreement": {"wrong": {"tau": 1.0}, "lower-is-better": {"tau": None}}}
    both = by_metric({"one": setting, "other": right})
    assert both["wrong"] == {"mean": 0.0, "lowest": -1.0, "highest": 1.0, "settings": 2}
    assert both["lower-is-better"]["settings"] == 1


def test_a_case_is_scored_by_every_method_that_can_be_used_with_its_model() -> None:
    args = argparse.Namespace(samples=3, methods=["gradcam", "input_x_gradient"], metrics=[TRUTH, "top-part"])
    setting = told(list(of_a_case("linear", args)))
    assert setting["means"][TRUTH]["input_x_gradient"] == 1
    assert set(setting["means"]["top-part"]) == {"gradcam", "input_x_gradient", *controls()} - {"object"}
