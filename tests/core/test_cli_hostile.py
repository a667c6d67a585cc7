"""Whatever is given to whatever option, the answer is a result or one line; and nothing of the user's is touched."""

from __future__ import annotations

import argparse
import contextlib
import errno
import functools
import io
import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.tiny_study import fails, write_pictures, xai, xai_json
from xai_core import settings
from xai_core.cli import command
from xai_core.cli.commands import demo, serve
from xai_core.cli.main import CANCELLED, FAILED, FAULT, FAULTS_FILE, UNREAD, main, parser
from xai_core.demo import bundle
from xai_core.demo.recipe import Recipe
from xai_core.errors import BadInput, NotFound, printable
from xai_core.explainers import EXPLAINERS
from xai_core.models.build import classifier as build_classifier
from xai_core.models.build import fresh_module
from xai_core.models.preprocess import Preprocess
from xai_core.models.weights import fingerprint, save_weights
from xai_core.store.run import RunInfo
from xai_core.store.study import Study
from xai_core.trust import folder_of
from xai_core.types import Cancelled, CancelToken, silent

Capture = pytest.CaptureFixture[str]
SQUARE, CLASSES = Preprocess(32, 32, 3, (0.5,) * 3, (0.5,) * 3), ("dark blue", "green", "red")

DIGITS = "9" * 5000
NUMBERS = [DIGITS, f"-{DIGITS}", "999999999999999999999", "-1", "²", "1e400", "nan", "-inf", "1.5"]
TEXTS = ["\x1b[31mred", "two\nlines", "\u202etxt.exe", "nul\0", "half\ud800", "n" * 300, "n" * 140_000]
TEXTS += ["", "../../etc", "{0}%s%n", ":", DIGITS, f"0:{DIGITS}", f"edges.x={DIGITS}"]
PATHS = [*TEXTS[:8], "half\udc80", "/".join(["n" * 200] * 40), "{loop}", "{file}/below", "{file}", "/dev/full", "."]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with two runs whose models learned nothing."""
    folder = tmp_path_factory.mktemp("hostile")
    xai("new", folder / "colours", "--dataset", "image-folder", "--data", write_pictures(folder / "data", per_class=4))
    study, module = Study.open(folder / "colours"), fresh_module("small_cnn", 3, SQUARE)
    chances = np.full((len(study.labels), 3), 1 / 3, np.float32)
    chances[:, 1] += 0.001
    about = {"architecture": "small_cnn", "preprocess": SQUARE.as_dict(), "cam_layer": "features"}
    for name in ("baseline", "other"):
        with study.new_run(name, RunInfo(fingerprint=fingerprint(module, "small_cnn", SQUARE), **about)) as run:
            save_weights(module, run.weights)
            run.write_predictions(study.rows(), chances)
    return study.path


@pytest.fixture
def study(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "colours"))


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))


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
    monkeypatch.setattr("xai_core.cli.main.parser", functools.cache(parser))
    load = functools.cache(lambda _, name: build_classifier("small_cnn", CLASSES, SQUARE, None))
    monkeypatch.setattr("xai_core.pipeline.load.load_classifier", lambda run, device: load(device, run.name))


BASES = {
    "aggregate": ["{study}", "--run", "baseline", "--method", "edges", "--cell", "red:green"],
    "agreement": ["{study}", "--run", "baseline", "--methods", "edges,random", "--limit", "2"],
    "check": ["{study}", "--run", "baseline", "--methods", "edges", "--samples", "2", "--pictures", "2"],
    "compare": ["{study}", "--baseline", "baseline", "--candidate", "other"],
    "demo": [],
    "explain": ["{study}", "--run", "baseline", "--methods", "edges", "--limit", "2"],
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


def _run(words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line of shell in which `xai` is the command."""
    line = f'xai() {{ "{sys.executable}" -m xai_core "$@"; }}; {words}'
    return subprocess.run(
        ["bash", "-c", line], cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        ("xai list | head -c 0; exit ${PIPESTATUS[0]}", UNREAD, ""),
        ("xai list > /dev/full", FAILED, "xai: the result cannot be written to standard output. No space left"),
        ("xai list >&- <&-", 0, ""),
        ("xai serve nothing 2>&- | wc -c | grep -qx 0", 0, ""),
    ],
)
def test_streams_that_are_full_or_closed(words: str, status: int, says: str) -> None:
    done = _run(words)
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith(says)
    assert len(done.stderr.splitlines()) == bool(says), done.stderr


def test_a_working_folder_that_is_gone(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert settings.load().port == 8501
    assert main(["list", "losses"]) == 0
    assert Study.open(made).name == "colours"


def test_a_relative_path_where_the_working_folder_is_gone(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert "the working folder is gone" in fails(capsys, "serve", "study")


class _Ascii(io.TextIOWrapper):
    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="ascii")

    def written(self) -> str:
        return self.buffer.getvalue().decode("ascii")  # type: ignore[attr-defined]


@pytest.fixture
def odd(made: Path, tmp_path: Path) -> Path:
    """A study with a class whose name is no good for a terminal."""
    study = Path(shutil.copytree(made, tmp_path / "odd"))
    path = study / "study.json"
    text = json.loads(path.read_text())
    text["class_names"][1] = "gr\x1b[31mü\nn\u202e"
    del text["checksum"]
    path.write_text(json.dumps(text))
    return study


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_names_reach_a_terminal_as_text(odd: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str]) -> None:
    stream = _Ascii()
    monkeypatch.setattr(sys, "stdout", stream)
    words = ["compare", str(odd), "--baseline", "baseline", "--candidate", "other", "--cell", "2:1"]
    assert main([*words, *flags]) == 0
    shown = stream.written()
    assert "\x1b" not in shown
    if flags:
        assert json.loads(shown)["cell"]["predicted"] == "gr\x1b[31mü\nn\u202e", "exact"
    else:
        assert "red taken for gr\\x1b[31m\\xfc\\nn\\u202e" in shown


def test_names_in_errors_and_remedies_stay_in_one_line(odd: Path, capsys: Capture) -> None:
    words = ["compare", odd, "--baseline", "baseline", "--candidate", "other"]
    line = fails(capsys, *words, "--cell", "x:y")
    assert "Known: dark blue, gr\\x1b[31mü n\\u202e, red" in line
    assert "Did you mean gr\\x1b[31mü n" in fails(capsys, *words, "--cell", "gr\x1b[31mü:red")
    error = BadInput("a\nb", value=Path("/a", "b" * 400, "end.png"), remedy="c\r\nd\x9b\u2028.")
    assert str(error).startswith("a b: /a/bbb")
    assert str(error).endswith("b/end.png. c d\\x9b .")
    assert len(str(error)) < 300
    assert str(NotFound.among("x", "n" * 9999, ["y\x07" * 9999])).count("\x07") == 0


def test_what_joins_letters_and_emoji_is_shown() -> None:
    assert printable("ü می‌خواهم 👩‍🎨") == "ü می‌خواهم 👩‍🎨"


def test_a_fault_of_ours_is_one_line_and_kept(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise KeyError("two\nlines")

    monkeypatch.setattr("xai_core.cli.commands.list._described", broken)
    assert main(["list"]) == FAULT
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("xai: a fault of ours, not of yours: KeyError: ")
    assert "in broken" in (tmp_path / "state" / "second-look" / FAULTS_FILE).read_text()
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null")
    assert main(["list"]) == FAULT
    assert "XAI_DEBUG=1" in capsys.readouterr().err
    monkeypatch.setenv("XAI_DEBUG", "1")
    assert main(["list"]) == FAULT
    assert "in broken" in capsys.readouterr().err


def test_what_is_printed_on_the_way_is_not_the_result(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xai_core.cli.commands.list._described", lambda _: print("hello"))
    assert main(["list", "explainers", "--json"]) == 0
    printed = capsys.readouterr()
    json.loads(printed.out)
    assert set(printed.err.splitlines()) == {"hello"}


@pytest.mark.parametrize(
    ("problem", "status", "says"),
    [
        (OSError(errno.ENAMETOOLONG, "File name too long", "/a/" + "n" * 5000), FAILED, "File name too long"),
        (OSError(errno.ENOSPC, "No space left on device"), FAILED, "no room left on the disk"),
        (OSError(errno.ENOENT, "No such file or directory"), FAILED, "the working folder is gone"),
        (OSError(errno.EINVAL, "Invalid argument"), FAULT, "a fault of ours"),
        (SystemExit(0), FAULT, "a fault of ours, not of yours: SystemExit: 0"),
        (MemoryError(), FAILED, "not enough memory"),
        (KeyboardInterrupt(), CANCELLED, "stopped"),
    ],
)
def test_what_nobody_answered_nearer_to_it(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, problem: BaseException, status: int, says: str
) -> None:
    def broken(_: object) -> None:
        raise problem

    monkeypatch.setattr("xai_core.cli.commands.list._described", broken)
    assert main(["list"]) == status
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert len(line) < 500


def test_a_log_line_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    from xai_core.cli.main import _Lines

    record = logging.LogRecord("x", logging.WARNING, "", 1, "a\x1b[2Jb", None, None)
    assert _Lines("%(message)s").format(record) == "a\\x1b[2Jb"


def test_progress_that_nobody_can_see_does_not_stop_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stderr", Full())
    with command.long_work("working") as (progress, _):
        time.sleep(0.2)
        progress(1, 2, "things")


def _user_files(folder: Path) -> list[Path]:
    """Files of a person's own, in the folders that the demo's study might be thought to have."""
    files = [folder / name / "mine.txt" for name in ("garments", "garments.rebuilt", ".garments.rebuilt.pictures")]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text("mine")
    return files


@pytest.fixture
def _drawn_at_once(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(folder: Path, *_: Any) -> Study:
        shutil.copytree(made, folder)
        return Study.open(folder)

    monkeypatch.setattr("xai_core.demo.recipe.rebuild", drawn)
    monkeypatch.setattr("xai_core.demo.recipe.facts", lambda _: {})


@pytest.mark.usefixtures("_drawn_at_once")
def test_rebuilding_the_demo_deletes_nothing(tmp_path: Path, capsys: Capture) -> None:
    files = _user_files(tmp_path / "into")
    assert "something is here already" in fails(capsys, "demo", "--rebuild", "--into", tmp_path / "into")
    (tmp_path / "into" / "garments" / "mine.txt").rename(tmp_path / "into" / "mine.txt")
    (tmp_path / "into" / "garments").rmdir()
    result = xai_json(capsys, "demo", "--rebuild", "--into", tmp_path / "into")
    assert Study.open(Path(result["study"])).name == "garments"
    names = {"garments", "garments.rebuilt", ".garments.rebuilt.pictures", "mine.txt"}
    assert {path.name for path in (tmp_path / "into").iterdir()} == names
    assert all(file.read_text() == "mine" for file in files[1:])


@pytest.mark.usefixtures("_drawn_at_once")
def test_a_bundled_study_that_is_rebuilt_is_set_aside(
    made: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Path(shutil.copytree(made, tmp_path / "assets" / "garments"))
    (study / "mine.txt").write_text("mine")
    monkeypatch.setattr(bundle, "ROOT", tmp_path)
    monkeypatch.setattr(bundle, "ASSETS", tmp_path / "assets")
    monkeypatch.setattr(bundle, "BUNDLE", study)
    former = xai_json(capsys, "demo", "--rebuild")["former"]
    assert (Path(former) / "mine.txt").read_text() == "mine"
    assert not (study / "mine.txt").exists()


def test_an_installed_demo_is_not_replaced(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "ASSETS", tmp_path / "xai_core" / "assets")
    assert "--into FOLDER" in fails(capsys, "demo", "--rebuild")


@pytest.mark.parametrize("stops_at", ["drawing", "training baseline"])
def test_a_rebuild_that_is_stopped_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops_at: str
) -> None:
    class Stop:
        def __enter__(self) -> Any:
            raise Cancelled

        def __exit__(self, *_: object) -> None: ...

    def watch(title: str, **_: Any) -> Any:
        return Stop() if title == stops_at else contextlib.nullcontext((silent, CancelToken()))

    monkeypatch.setattr(demo, "long_work", watch)
    few = Recipe(pictures={"train_per_class": 1, "validation_per_class": 1, "test_per_class": 1})
    monkeypatch.setattr("xai_core.demo.recipe.Recipe", lambda: few)
    assert main(["demo", "--rebuild", "--into", str(tmp_path / "into")]) == CANCELLED
    assert list((tmp_path / "into").iterdir()) == []


def test_a_cache_that_cannot_be_written(
    made: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "BUNDLE", made)
    monkeypatch.setattr(demo, "serve", lambda studies, _: {"exit": len(studies)})
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert "Set XDG_CACHE_HOME" in fails(capsys, "demo")

    def full(*_: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", full)
        assert "no room left" in fails(capsys, "demo")
    assert [p for p in (tmp_path / "cache").rglob("*") if p.is_file() or p.name.startswith(".")] == []
    xai("demo")


def test_no_home_folder_at_all(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", _raises(RuntimeError("Could not determine home directory.")))
    assert "Set HOME or XDG_CACHE_HOME" in fails(capsys, "demo")
    assert folder_of(Path("/s"), "r", "m:f") is None


def _raises(error: Exception) -> Any:
    def broken(*_: Any, **__: Any) -> Any:
        raise error

    return broken


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("taken", "already"),
        ("taken/s", ""),
        ("file/s", "Not a directory"),
        ("n" * 230, "File name too long"),
        ("link", "already"),
    ],
)
def test_where_a_study_cannot_be_made_is_said_before_the_work(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, where: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    monkeypatch.setattr("xai_core.datasets.image_folder.ImageFolder.scan", _raises(BadInput("looked", remedy=".")))
    line = fails(capsys, "new", where, "--dataset", "image-folder", "--data", "taken")
    assert (says or "looked") in line
    monkeypatch.setattr(os, "access", lambda *_: False)
    if not says:
        words = ["new", where, "--dataset", "image-folder", "--data", "taken"]
        assert "Permission denied" in fails(capsys, *words)


def test_a_run_of_own_code_that_cannot_be_remembered_is_not_there(
    study: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "net_of_mine.py").write_text(OWN_CODE)
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null")
    save_weights(fresh_module("small_cnn", 3, SQUARE), tmp_path / "w.safetensors")
    words = ["import", study, "--run", "own", "--arch", "net_of_mine:net", "--weights", "w.safetensors", "--size", "32"]
    words += ["--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5", "--classes", ",".join(CLASSES), "--cam-layer", "none"]
    assert "cannot be written" in fails(capsys, *words)
    assert Study.open(study).runs() == ["baseline", "other"]


OWN_CODE = """
from xai_core.models.architectures import ARCHITECTURES
from xai_core.models.architectures.base import ModelSpec

def net():
    return ARCHITECTURES["small_cnn"].build(ModelSpec(3, 3, 32))
"""


def test_refusals_are_given_with_their_reasons(study: Path, capsys: Capture) -> None:
    opened = Study.open(study)
    run, rows = opened.run("baseline"), opened.rows("test")
    for weights, refused in (("trained", len(rows)), ("randomised:0", 1)):
        maps = run.maps("edges", EXPLAINERS["edges"].params(), weights=weights, create=True)
        assert maps is not None
        drawn = np.ones((len(rows), 4, 4), np.float32)
        drawn[:refused] = np.nan
        reasons = ["it is zero"] * refused + [None] * (len(rows) - refused)
        maps.put(rows, ["1"] * len(rows), drawn, {}, reasons)
    words = ["aggregate", study, "--run", "baseline", "--method", "edges", "--cell", "red:green"]
    groups = xai_json(capsys, *words)["groups"]
    assert groups["confused"]["reasons"] == {"it is zero": len(rows) // 3}
    xai(*words)
    shown = capsys.readouterr().out
    assert f"no maps\n                      {len(rows) // 3} × it is zero" in shown
    assert "red, recognised     no samples" in shown


def test_what_comes_next_names_the_study_as_it_was_given(
    study: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    study.rename(tmp_path / "a study")
    monkeypatch.chdir(tmp_path)
    save_weights(fresh_module("small_cnn", 3, SQUARE), tmp_path / "w.safetensors")
    words = ["import", "a study", "--run", "it", "--arch", "small_cnn", "--weights", "w.safetensors", "--size", "32"]
    xai(*words, "--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5", "--classes", ",".join(CLASSES))
    assert "Next: xai predict 'a study' --run it" in capsys.readouterr().out
    line = fails(capsys, "compare", "a study", "--baseline", "it", "--candidate", "other")
    assert "Run this first: xai predict 'a study' --run it." in line


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("threads = 'abc'", "threads has the wrong type (in xai.toml): abc"),
        ("threads = true", "Give a whole number"),
        ("address = ['a']", "Give text"),
        ("device = 'cuda:" + "9" * 500 + "'", "no such device (in xai.toml)"),
        ("port = " + "9" * 5000, "not TOML"),
        ("port = 99999999", "from 1 to 65535"),
        ("a = " + "[" * 5000, "not TOML"),
        ("# " + "x" * 200_000, "more than 100000 bytes"),
        ("threds = 1", "Did you mean threads?"),
    ],
)
def test_settings_that_cannot_be(
    made: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, text: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "xai.toml").write_text(text)
    assert says in fails(capsys, "serve", made)


@pytest.mark.parametrize("kind", ["fifo", "loop", "folder"])
def test_a_settings_file_that_is_none(
    made: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "xai.toml"
    {"fifo": os.mkfifo, "loop": lambda p: p.symlink_to(p), "folder": os.mkdir}[kind](path)
    assert "the settings file cannot be read: xai.toml" in fails(capsys, "serve", made)


@pytest.mark.parametrize(("name", "value"), [("THREADS", "abc"), ("PORT", DIGITS), ("DEVICE", "tpu"), ("PORT", "")])
def test_an_environment_that_cannot_be(
    made: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"XAI_{name}", value)
    assert "(in the environment)" in fails(capsys, "serve", made)
