"""Streams that are full or closed, names that steer terminals, faults of ours: what a terminal gets is text."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.tiny_study import fails
from xai_core import settings
from xai_core.cli import command
from xai_core.cli.main import CANCELLED, FAILED, FAULT, FAULTS_FILE, UNREAD, main
from xai_core.errors import BadInput, NotFound, printable
from xai_core.store.study import Study

Capture = pytest.CaptureFixture[str]


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
