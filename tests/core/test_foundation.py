"""Errors, registry, parameters, settings and targets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xai_core import params, settings
from xai_core.errors import BadInput, BadParameter, NotFound, XaiError
from xai_core.explainers import EXPLAINERS
from xai_core.params import param
from xai_core.registry import Registry
from xai_core.types import Card, Target, resolve_target, target_weights


@dataclass(frozen=True)
class Sample:
    steps: int = param(50, help="points", low=2, high=100)
    rate: float = param(0.5, help="share", low=0.0, high=1.0)
    baseline: str = param("black", help="what", choices=("black", "blur"))
    on: bool = param(True, help="whether")


def test_an_error_is_one_line_with_problem_value_and_remedy() -> None:
    error = XaiError("not a picture", value="a\nb\t" + "x" * 500, remedy="Leave it out.")
    text = str(error)
    assert text.startswith("not a picture: a b xxx")
    assert text.endswith("…. Leave it out.")
    assert "\n" not in text
    assert len(text) < 250


def test_a_question_keeps_its_mark() -> None:
    assert str(XaiError("which one?", remedy="Name it.")) == "which one? Name it."


def test_a_missing_name_gets_near_ones() -> None:
    assert "Did you mean gradcam?" in str(NotFound.among("explainer", "gradcm", ["gradcam", "lrp"]))
    assert "Known: a, b." in str(NotFound.among("class", "zzzz", ["a", "b"]))
    assert "none yet" in str(NotFound.among("run", "x", []))


def test_two_members_of_one_key_are_a_programming_error() -> None:
    @dataclass(frozen=True)
    class Member:
        card: Card

    registry: Registry[Member] = Registry("thing", "xai_core.explainers")
    registry.add(Member(Card("a", "A", "", "")))
    with pytest.raises(ValueError, match=r"two members of one key: thing .a."):
        registry.add(Member(Card("a", "A", "", "")))


def test_members_come_cheap_ones_first() -> None:
    costs = [member.card.cost for member in EXPLAINERS]
    assert costs == sorted(costs)


@given(steps=st.integers(2, 100), rate=st.floats(0, 1), baseline=st.sampled_from(["black", "blur"]), on=st.booleans())
def test_parameters_survive_text_and_json(steps: int, rate: float, baseline: str, on: bool) -> None:
    original = Sample(steps, rate, baseline, on)
    values = params.as_dict(original)
    assert params.build(Sample, values) == original
    assert params.build(Sample, {name: str(value) for name, value in values.items()}) == original


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("steps", "1", "from 2 to 100"),
        ("steps", "2.5", "whole number"),
        ("steps", "many", "whole number"),
        ("steps", "1e400", "whole number"),
        ("rate", "nan", "from 0.0 to 1.0"),
        ("baseline", "grey", "black, blur"),
        ("on", "perhaps", "true or false"),
    ],
)
def test_a_bad_value_says_what_is_accepted(name: str, value: str, says: str) -> None:
    with pytest.raises(BadParameter, match=says):
        params.build(Sample, {name: value})


def test_an_unknown_parameter_is_named() -> None:
    with pytest.raises(NotFound, match="steps"):
        params.build(Sample, {"step": 3})


def test_assignments() -> None:
    assert params.assignments(["ig.steps=5", "ig.baseline=a=b"]) == {"ig": {"steps": "5", "baseline": "a=b"}}
    for bad in ("steps=5", "ig.steps", ".x=1", "ig.=1"):
        with pytest.raises(BadParameter, match=r"MEMBER\.NAME=VALUE"):
            params.assignments([bad])


def test_the_digest_ignores_the_order_of_keys() -> None:
    assert params.digest({"a": 1, "b": [2, None]}) == params.digest({"b": [2, None], "a": 1})
    assert params.digest({"a": 1}) != params.digest({"a": 1.5})


def test_settings_come_from_defaults_file_environment_and_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.load(folder=tmp_path).port == 8501
    (tmp_path / "xai.toml").write_text("port = 1000\nbatch_size = 7\n")
    assert settings.load(folder=tmp_path).port == 1000
    monkeypatch.setenv("XAI_PORT", "2000")
    assert settings.load(folder=tmp_path).port == 2000
    loaded = settings.load({"port": 3000, "device": None}, folder=tmp_path)
    assert (loaded.port, loaded.batch_size, loaded.device) == (3000, 7, "auto")


def test_bad_settings_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "xai.toml").write_text("port = = 1")
    with pytest.raises(BadInput, match="not TOML"):
        settings.load(folder=tmp_path)
    (tmp_path / "xai.toml").write_text("ports = 1")
    with pytest.raises(NotFound, match="port"):
        settings.load(folder=tmp_path)


@given(positive=st.integers(0, 999), negative=st.none() | st.integers(0, 999), region=st.text())
def test_a_target_survives_its_key(positive: int, negative: int | None, region: str) -> None:
    target = Target(positive, negative, region)
    assert Target.parse(target.key) == target


def test_a_key_names_the_region_last() -> None:
    keys = [Target(3).key, Target(3, 1).key, Target(3, region="true").key, Target(3, 1, "predicted").key]
    assert keys == ["3", "3-1", "3@true", "3-1@predicted"]


@pytest.mark.parametrize("text", ["", "x", "-1", "3-", "03", "3@", "3-1@", "@true", "3--1", "٣", "3 - 1", " 3"])
def test_what_is_no_key_of_a_target_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="not the key of a target"):
        Target.parse(text)


def test_what_a_target_means_for_a_sample() -> None:
    assert resolve_target("predicted", 2, 1) == Target(2)
    assert resolve_target("true", 2, 1) == Target(1)
    assert resolve_target("difference", 2, 1) == Target(2, 1)
    assert resolve_target("difference", 2, 2) == Target(2)
    assert resolve_target("7", 2, 1) == Target(7)
    np.testing.assert_array_equal(target_weights([Target(0), Target(2, 1)], 3), [[1, 0, 0], [0, -1, 1]])
