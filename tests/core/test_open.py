"""`xai open`: pictures and a model become a study that a dashboard shows, and what is there is not made again."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.tiny_study import fails, write_pictures, xai, xai_json
from xai_core.cli.commands import serve
from xai_core.models.build import fresh_module
from xai_core.models.preprocess import Preprocess
from xai_core.store.study import Study

Capture = pytest.CaptureFixture[str]
MODEL = ["--arch", "small_resnet", "--weights", "net.pth", "--size", "32", "--mean", "0.5,0.5,0.5"]
MODEL += ["--std", "0.5,0.5,0.5", "--classes", "dark blue,green,red", "--try-on", "0"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with pictures and a model's weights."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    write_pictures(tmp_path / "photos", per_class=4)
    _save(seed=4)
    yield tmp_path
    sys.modules.pop("nets", None)


def _save(seed: int) -> None:
    module = fresh_module("small_resnet", 3, Preprocess(32, 32, 3, (0.5,) * 3, (0.5,) * 3), seed=seed)
    torch.save(module.state_dict(), "net.pth")


def test_one_command_goes_from_pictures_and_weights_to_the_dashboard(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    served: list[Path] = []
    monkeypatch.setattr(serve, "_run_streamlit", lambda _app, studies, _settings: served.extend(studies) or 0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    xai("open", "mine", "--data", "photos", *MODEL, "--port", port)
    assert served == [(here / "mine").resolve()]
    told = capsys.readouterr().err
    assert "mine: 3 classes, read as image-folder" in told
    assert "model: small_resnet" in told
    predictions = Study.open(here / "mine").run("model").predictions
    assert predictions is not None
    assert len(predictions.rows) == len(Study.open(here / "mine").samples)


def test_what_is_there_is_opened_and_not_made_again(here: Path, capsys: Capture) -> None:
    words = ["open", "mine", "--data", "photos", *MODEL, "--no-serve"]
    first = xai_json(capsys, *words)
    assert first["predictions"]["test"]["n"] == 6
    assert xai_json(capsys, *words)["predictions"] == first["predictions"]
    assert xai_json(capsys, "open", "mine", "--no-serve")["runs"] == ["model"]
    more = xai_json(capsys, *words, "--run", "again", "--limit", "2")
    assert more["runs"] == ["model", "again"]
    assert {split: found["n"] for split, found in more["predictions"].items()} == {"test": 2}


def test_predictions_alone_are_enough(here: Path, capsys: Capture) -> None:
    xai("new", "first", "--data", "photos")
    ids = Study.open(here / "first").samples["id"]
    lines = ["id,dark blue,green,red", *(f"{name},0.2,0.5,0.3" for name in ids)]
    Path("answers.csv").write_text("\n".join(lines))
    words = ["open", "mine", "--data", "photos", "--predictions", "answers.csv", "--no-serve"]
    assert xai_json(capsys, *words)["runs"] == ["model"]
    assert xai_json(capsys, *words)["runs"] == ["model"]
    Path("answers.csv").write_text("\n".join(lines).replace("0.5", "0.4").replace("0.3", "0.4"))
    assert "was imported from another file" in fails(capsys, *words)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (["--size", "48"], "was imported otherwise"),
        (["--arch", "small_cnn"], "was imported otherwise"),
        (["--weights", "other.pth"], "was imported from another file"),
    ],
)
def test_a_run_of_something_else_is_not_taken_for_it(here: Path, capsys: Capture, change: list[str], says: str) -> None:
    xai("open", "mine", "--data", "photos", *MODEL, "--no-serve")
    _save(seed=5)
    Path("net.pth").rename("other.pth")
    _save(seed=4)
    line = fails(capsys, "open", "mine", *MODEL, *change, "--no-serve")
    assert says in line
    assert "--run" in line


def test_names_cannot_steer_the_terminal(here: Path, capsys: Capture) -> None:
    for number in range(4):
        folder = here / "odd" / f"a\x1b[2J{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        (here / "photos" / "train" / "red" / f"00{number}.png").rename(folder / f"{number}.png")
    (here / "odd" / "a\x1b[2J0" / "broken\x1b[2J.png").write_bytes(b"none")
    xai("open", "mine", "--data", "odd", "--test-only", "--no-serve")
    told = capsys.readouterr()
    assert "\x1b[2J" not in told.out + told.err
    assert "\\x1b[2J" in told.err


def test_another_folder_or_none_is_told(here: Path, capsys: Capture) -> None:
    assert "no study is here, and no pictures" in fails(capsys, "open", "mine", "--no-serve")
    xai("open", "mine", "--data", "photos", "--no-serve")
    write_pictures(here / "others", per_class=3)
    assert "another study is here" in fails(capsys, "open", "mine", "--data", "others", "--no-serve")


def test_a_port_that_is_taken_is_told_before_the_work(here: Path, capsys: Capture) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        line = fails(capsys, "open", "mine", "--data", "photos", "--port", str(taken.getsockname()[1]))
    assert "cannot listen here" in line
    assert not (here / "mine").exists()
