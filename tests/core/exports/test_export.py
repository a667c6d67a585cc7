"""Exported files: they answer as the model, explain themselves as HiResCAM does, and nothing half-made is left."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tiny_study import fails, xai, xai_json
from xai_core.errors import BadInput, StorageFull
from xai_core.exports import EXPORTS
from xai_core.pipeline.export import about_path, export
from xai_core.store.study import Study

Capture = pytest.CaptureFixture[str]


# Every format


# Maps in closed form


# Code that no trace holds


# The command


def test_the_command_writes_both_files_and_says_what_was_measured(study: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "net.pt"
    words = ["export", study, "--run", "baseline", "--to", "torchscript", "--with-explanation", "--out", out]
    told = xai_json(capsys, *words, "--samples", "5")
    about = json.loads(about_path(out).read_text())
    assert about["classes"] == ["dark blue", "green", "red"]
    assert about["preprocess"]["mean"] == [0.5, 0.5, 0.5]
    assert about["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert about["checked"] == told["checked"]
    assert about["outputs"][1]["layer"] == "features"
    assert about["input"]["shape"] == ["N", 3, 32, 32]
    assert (told["checked"]["pictures"], told["checked"]["said"]) == (5, 5)
    assert fails(capsys, *words) == (f"xai: something is here already: {out}. Choose another place for the file.")
    out.unlink()
    assert f"{about_path(out)}. Choose another place" in fails(capsys, *words)
    about_path(out).unlink()
    xai(*words)
    lines = capsys.readouterr().out.splitlines()
    assert "equal to PyTorch on 16 pictures" in lines[1]
    assert lines[1].endswith("16 of 16 predictions are equal")
    assert "at the layer features: 16 maps" in lines[2]
    assert "median of 6 runs" in lines[3]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["net.pt", "net.pt.json"]


def test_mistakes_are_told_in_one_line(study: Path, tmp_path: Path, capsys: Capture, monkeypatch: Any) -> None:
    words = ["export", study, "--run", "baseline", "--out", tmp_path / "x", "--to"]
    assert "no export format of this name: coreml. Known: torchscript, onnx" in fails(capsys, *words, "coreml")
    for package, key, extra in (("onnxruntime", "onnx", "export"), ("executorch", "executorch", "executorch")):
        monkeypatch.setitem(sys.modules, package, None)
        remedy = f"Install it: pip install 'second-look[{extra}]'."
        assert fails(capsys, *words, key) == f"xai: {package} is not installed: --to {key}. {remedy}"
    words[5] = tmp_path / "none" / "x"
    assert "no such folder" in fails(capsys, *words, "torchscript")
    assert not list(tmp_path.iterdir())


# What goes wrong leaves nothing


@pytest.fixture
def answers() -> Iterator[list[Any]]:
    """A format whose file answers as it is told to."""
    told: list[Any] = []

    def make(*_: Any) -> bytes:
        return b"file"

    known = EXPORTS["torchscript"]
    member = EXPORTS.add(replace(known, card=replace(known.card, key="broken"), make=make, open=lambda _: told[0]))
    yield told
    del EXPORTS._members[member.card.key]


def test_a_file_that_answers_otherwise_is_not_written(answers: list[Any], study: Path, tmp_path: Path) -> None:
    run = Study.open(study).run("baseline")

    def refused(match: str, ask: Any) -> None:
        answers[:] = [ask]
        with pytest.raises(BadInput, match=match):
            export(run, "broken", tmp_path / "net", samples=2)
        assert not list(tmp_path.iterdir())

    refused(r"on 2 pictures logits differ by up to .* of the largest \(1e-04 is allowed\)", _Constant(3.0))
    refused("logits differ by up to inf", _Constant(np.nan))
    refused(r"it gives \(1, 7\), PyTorch \(1, 3\)", _Constant(0.0, 7))
    refused("cannot be asked: ZeroDivisionError", lambda _: 1 / 0)


class _Constant:
    def __init__(self, value: float, classes: int = 3) -> None:
        self.value, self.classes = value, classes

    def __call__(self, x: Any) -> Sequence[Any]:
        return [np.full((len(x), self.classes), self.value, np.float32)]


def test_what_cannot_be_written_in_a_format_is_one_line(study: Path, tmp_path: Path, monkeypatch: Any) -> None:
    def fail(*_: Any) -> bytes:
        raise ValueError("no\nwords for it")

    member = EXPORTS["torchscript"]
    monkeypatch.setitem(EXPORTS._members, "torchscript", replace(member, make=fail))
    with pytest.raises(BadInput, match=r"^small_cnn cannot be written as TorchScript: ValueError: no words for it\."):
        export(Study.open(study).run("baseline"), "torchscript", tmp_path / "net", samples=1)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_neither_file(study: Path, tmp_path: Path, monkeypatch: Any) -> None:
    def full(path: Path, _: bytes) -> None:
        raise StorageFull("no room left on the disk", value=path, remedy="Free some space.")

    monkeypatch.setattr("xai_core.pipeline.export.write_atomic", full)
    with pytest.raises(StorageFull):
        export(Study.open(study).run("baseline"), "torchscript", tmp_path / "net", samples=1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopped_midway_it_leaves_nothing(number: int, study: Path, tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from dataclasses import replace\n"
        "from xai_core.exports import EXPORTS\n"
        "from xai_core.cli.main import main\n"
        "def slow(*_):\n"
        "    print('making', flush=True, file=sys.__stdout__)\n"
        "    time.sleep(2)\n"
        "    return b'half'\n"
        "EXPORTS._members['torchscript'] = replace(EXPORTS['torchscript'], make=slow)\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    words = ["export", study, "--run", "baseline", "--to", "torchscript", "--out", tmp_path / "net"]
    process = subprocess.Popen([sys.executable, "-c", code, *map(str, words)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "making\n"
    time.sleep(0.1)
    os.kill(process.pid, number)
    assert process.wait(120) == (130 if number == signal.SIGINT else -number)
    process.stdout.close()
    assert not list(tmp_path.iterdir())
