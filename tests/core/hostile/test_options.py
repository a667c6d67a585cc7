"""Whatever is given to whatever option, the answer is a result or one line; and nothing of the user's is touched."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.core.hostile.conftest import CLASSES, DIGITS, SQUARE
from xai_core.cli import command
from xai_core.cli.commands import serve
from xai_core.cli.main import CANCELLED, FAILED, main, parser
from xai_core.demo import bundle
from xai_core.errors import printable
from xai_core.models.build import classifier as build_classifier
from xai_core.types import Cancelled

Capture = pytest.CaptureFixture[str]

NUMBERS = [DIGITS, f"-{DIGITS}", "999999999999999999999", "-1", "²", "1e400", "nan", "-inf", "1.5"]
TEXTS = ["\x1b[31mred", "two\nlines", "\u202etxt.exe", "nul\0", "half\ud800", "n" * 300, "n" * 140_000]
TEXTS += ["", "../../etc", "{0}%s%n", ":", DIGITS, f"0:{DIGITS}", f"edges.x={DIGITS}"]
PATHS = [*TEXTS[:8], "half\udc80", "/".join(["n" * 200] * 40), "{loop}", "{file}/below", "{file}", "/dev/full", "."]


@pytest.fixture
def _nothing_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an option let through may start neither a server nor a training."""

    def stop(*_: Any, **__: Any) -> Any:
        raise Cancelled

    monkeypatch.setattr(serve, "_run_streamlit", stop)
    monkeypatch.setattr(bundle, "working_copy", stop)
    monkeypatch.setattr("xai_core.demo.recipe.rebuild", stop)
    monkeypatch.setattr("xai_core.pipeline.train.train", stop)
    monkeypatch.setattr("xai_core.pipeline.explain.explain_steps", stop)
    monkeypatch.setattr("xai_core.pipeline.repair.features_of", stop)
    monkeypatch.setattr("xai_core.pipeline.score.score_steps", stop)
    monkeypatch.setattr("xai_core.pipeline.export.load_classifier", stop)
    monkeypatch.setattr("xai_core.cli.main.parser", functools.cache(parser))
    load = functools.cache(lambda _, name: build_classifier("small_cnn", CLASSES, SQUARE, None))
    monkeypatch.setattr("xai_core.pipeline.load.load_classifier", lambda run, device: load(device, run.name))


BASES = {
    "aggregate": ["{study}", "--run", "baseline", "--method", "edges", "--cell", "red:green"],
    "agreement": ["{study}", "--run", "baseline", "--methods", "edges,random", "--limit", "2"],
    "annotate": ["{study}", "--run", "baseline"],
    "check": ["{study}", "--run", "baseline", "--methods", "edges", "--samples", "2", "--pictures", "2"],
    "compare": ["{study}", "--baseline", "baseline", "--candidate", "other"],
    "demo": [],
    "explain": ["{study}", "--run", "baseline", "--methods", "edges", "--limit", "2"],
    "export": ["{study}", "--run", "baseline", "--to", "torchscript"],
    "groups": ["{study}"],
    "import": ["{study}", "--run", "theirs", "--arch", "small_cnn", "--weights", "{study}/none", "--size", "32"],
    "jobs": ["{study}", "show", "none"],
    "list": [],
    "move": ["{study}", "--data", "{study}/../none"],
    "new": ["{tmp}/new", "--dataset", "image-folder", "--data", "{study}/../none"],
    "open": ["{tmp}/new", "--data", "{study}/../none", "--arch", "small_cnn", "--no-serve"],
    "predict": ["{study}", "--run", "baseline"],
    "recipe": ["xai-framework"],
    "recipe explanation-quality": ["--data", "{study}/../none", "--into", "{tmp}/new"],
    "recipe fashion-case-study": ["--data", "{study}/../none", "--into", "{tmp}/new"],
    "recipe fashion-mnist-pipeline": ["--data", "{study}/../none", "--into", "{tmp}/new"],
    "recipe segment-overlap": ["--data", "{study}/../none", "--into", "{tmp}/new"],
    "recipe visual-inspection": ["--data", "{study}/../none", "--into", "{tmp}/new"],
    "recipe xai-framework": ["--data", "{study}/../none", "--into", "{tmp}/new"],
    "repair": ["{study}", "--run", "baseline", "--method", "jtt"],
    "sanity": ["{study}", "--run", "baseline", "--methods", "edges", "--limit", "2"],
    "score": ["{study}", "--run", "baseline", "--methods", "edges", "--metrics", "sparseness", "--limit", "2"],
    "serve": ["{study}"],
    "show": ["{study}", "cell", "--run", "baseline", "--cell", "red:green"],
    "train": ["{study}", "--run", "child", "--arch", "small_cnn", "--epochs", "1"],
}

OF_PICTURES = ["{study}", "--run", "baseline", "--images", "{study}/../data/test/red"]

INSTEAD = {
    ("show", "sample"): ["{study}", "sample", "--run", "baseline"],
    ("show", "rates"): ["{study}", "confusion", "--run", "baseline"],
    ("jobs", "action"): ["{study}", "list"],
    ("predict", "out"): [*OF_PICTURES],
    ("predict", "heatmaps"): [*OF_PICTURES, "--methods", "edges"],
    ("predict", "methods"): [*OF_PICTURES, "--heatmaps", "{tmp}/maps"],
    ("predict", "target"): [*OF_PICTURES, "--methods", "edges", "--heatmaps", "{tmp}/maps"],
    ("predict", "set"): [*OF_PICTURES, "--methods", "edges", "--heatmaps", "{tmp}/maps"],
}
"""Where a value is not read with the words of BASES: flags that a question has no use for are refused unread."""
OTHER_HALF = {"true_class": ["--predicted", "green"], "predicted_class": ["--true", "red"]}


def _base(name: str, action: argparse.Action) -> list[str]:
    """The words that the value stands among."""
    words = INSTEAD.get((name, action.dest), BASES[name])
    if action.dest in OTHER_HALF and "--cell" in words:
        at = words.index("--cell")
        words = [*words[:at], *words[at + 2 :], *OTHER_HALF[action.dest]]
    return words


def _with(words: list[str], name: str, action: argparse.Action, value: str) -> list[str]:
    """The words with the value: behind its flag, or at its place among the positional ones."""
    if action.option_strings:
        return [*words, f"{action.option_strings[0]}={value}"]
    place = [other.dest for command, other in _actions() if command == name and not other.option_strings]
    return [*words[: place.index(action.dest)], value, *words[place.index(action.dest) + 1 :]]


def _actions() -> Iterator[tuple[str, argparse.Action]]:
    for name, child in _commands(parser()):
        for action in child._actions:
            if action.nargs != 0:
                yield name, action


def _commands(of: argparse.ArgumentParser, before: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command, and what it offers in turn: `recipe`, `recipe xai-framework`."""
    for group in (action for action in of._actions if isinstance(action, argparse._SubParsersAction)):
        for name, child in group.choices.items():
            yield f"{before}{name}", child
            yield from _commands(child, f"{before}{name} ")


@pytest.mark.parametrize(("name", "action"), [pytest.param(n, a, id=f"{n}-{a.dest}") for n, a in _actions()])
def test_every_option_is_read_by_a_type_of_ours(name: str, action: argparse.Action) -> None:
    """`int` reads no 5,000 digits, and `Path` takes what no system does."""
    ours = getattr(action.type, "__module__", None) == command.__name__
    assert action.type is None or ours, f"xai {name} {action.dest}: take one of xai_core.cli.command, such as path"


def _hostile(action: argparse.Action) -> list[str]:
    if action.type is command.path:
        return PATHS
    return TEXTS if action.type in (None, command.some) else [*NUMBERS, *TEXTS]


@pytest.mark.usefixtures("_nothing_long")
@pytest.mark.parametrize(("name", "action"), [pytest.param(n, a, id=f"{n}-{a.dest}") for n, a in _actions()])
def test_every_option_answers_in_one_line(
    name: str, action: argparse.Action, made: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").write_text("id,red\n")
    places = {"study": made, "tmp": tmp_path, "loop": tmp_path / "loop", "file": tmp_path / "file"}
    base = [word.format(**places) for word in _base(name, action)]
    before = _everything(made)
    for value in _hostile(action):
        given = value.format(**places) if value in ("{loop}", "{file}", "{file}/below") else value
        words = _with(base, name, action, given)
        capsys.readouterr()
        status = main([*name.split(), *words])
        errors = capsys.readouterr().err
        lines = [line for line in errors.splitlines() if line.startswith("xai: ")]
        assert status in (0, FAILED, CANCELLED), (given[:80], errors[-2000:])
        assert len(lines) == (status != 0), (given[:80], errors[-2000:])
        assert "Traceback" not in errors
        assert all(len(line) < 1500 and printable(line) == line for line in lines), (given[:80], lines)
    assert _everything(made) == before, "a mistake writes nothing"


def _everything(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*") if path.suffix not in (".sqlite-shm", ".sqlite-wal"))
