"""Pictures from outside the study: predicted and explained as its own, into a table and heatmaps, and never into it."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.tiny_study import fails, unlearned, xai, xai_json
from xai_core.cli.main import CANCELLED, main
from xai_core.pipeline import new_pictures, predict_work
from xai_core.store.study import Study
from xai_core.types import Cancelled

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unlearned(tmp_path_factory.mktemp("new_pictures"))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    return tmp_path / "images"


def _noise(mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> Image.Image:
    bands = len(Image.new(mode, (1, 1)).getbands())
    pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], bands)).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if bands == 1 else pixels, mode)


def _words(study: Path, images: Path, *more: str | Path) -> list[str | Path]:
    return ["predict", study, "--run", "baseline", "--images", images, *more]


def _everything(folder: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".sqlite-shm", ".sqlite-wal")
    }


def test_the_studys_own_pictures_get_the_predictions_that_are_stored(study: Path, capsys: Capture) -> None:
    before = _everything(study)
    opened = Study.open(study)
    stored = opened.run("baseline").predictions
    assert stored is not None
    result = xai_json(capsys, *_words(study, opened.data))
    by_file = {each["file"]: each for each in result["pictures"]}
    assert set(by_file) == set(opened.samples["path"])
    for row, path in enumerate(opened.samples["path"]):
        found = list(by_file[path]["probabilities"].values())
        np.testing.assert_allclose(found, stored.probabilities[row], atol=1e-5)
        assert by_file[path]["predicted"] == opened.class_names[stored.predicted[row]]
        assert by_file[path]["confidence"] == max(found)
    assert _everything(study) == before, "nothing is written into the study"


def test_the_table_is_the_result_and_safe_for_spreadsheets(
    study: Path, images: Path, tmp_path: Path, capsys: Capture
) -> None:
    for name in ('=HYPERLINK("x").png', "@sum.png", 'two\nlines, "quoted".png', "\x1b[31m.png", "ü.png"):
        _noise().save(images / name)
    (images / "sub").mkdir()
    _noise("L").save(images / "sub" / "+1.webp")
    xai(*_words(study, images, "--out", tmp_path / "t.csv"))
    capsys.readouterr()
    lines = list(csv.DictReader(io.StringIO((tmp_path / "t.csv").read_bytes().decode(), newline="")))
    assert {line["file"] for line in lines} == {
        '\'=HYPERLINK("x").png',
        "'@sum.png",
        'two\nlines, "quoted".png',
        "\x1b[31m.png",
        "ü.png",
        "sub/+1.webp",
    }
    assert list(lines[0]) == ["file", "predicted", "confidence", "p_dark blue", "p_green", "p_red"]
    assert sum(float(lines[0][f"p_{name}"]) for name in ("dark blue", "green", "red")) == pytest.approx(1, abs=1e-4)
    xai(*_words(study, images))
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) == 7
    assert "\x1b" not in shown, "a terminal is not steered"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "t.csv"]


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "CMYK", "I;16"])
def test_pictures_of_any_mode_are_predicted(study: Path, images: Path, capsys: Capture, mode: str) -> None:
    picture = _noise("L").convert("I").point(lambda value: value * 200).convert("I;16") if mode == "I;16" else None
    (picture or _noise().convert(mode)).save(images / ("x.jpg" if mode == "CMYK" else "x.png"))
    result = xai_json(capsys, *_words(study, images))
    assert len(result["pictures"]) == 1, result["left_out"]


def _bomb(path: Path) -> None:
    Image.new("1", (12_500, 12_500)).save(path)


def _large(path: Path) -> None:
    _noise().save(path)
    with path.open("ab") as file:
        file.truncate(new_pictures.MOST_MB * 2**20 + 1)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty.png": (Path.touch, "neither PNG, JPEG nor WebP"),
    "notes.txt": (lambda path: path.write_text("hello"), "neither PNG, JPEG nor WebP"),
    "tiff.png": (lambda path: _noise().save(path, "TIFF"), "neither PNG, JPEG nor WebP"),
    "cut.png": (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 40), "cannot be decoded|not a picture"),
    "huge.png": (_bomb, "too large"),
    "large.png": (_large, "too large: large.png, 20.0 MB"),
}


def test_what_cannot_be_read_is_named_and_costs_no_other(study: Path, images: Path, capsys: Capture) -> None:
    for name, (make, _) in BROKEN.items():
        make(images / name)
    os.mkfifo(images / "pipe.png")
    (images / "out.png").symlink_to(study / "study.json")
    _noise().save(images / "fine.png")
    result = xai_json(capsys, *_words(study, images))
    assert [each["file"] for each in result["pictures"]] == ["fine.png"]
    reasons = {each["id"]: each["reason"] for each in result["left_out"]}
    assert set(reasons) == set(BROKEN)
    for name, (_, reason) in BROKEN.items():
        assert any(part in reasons[name] for part in reason.split("|")), reasons[name]
    assert len(result["notes"]) == 2
    xai(*_words(study, images, "--out", images.parent / "t.csv"))
    assert "6 left out, which could not be read or predicted" in capsys.readouterr().out


def test_a_model_that_fails_on_one_picture_costs_no_other(
    study: Path, images: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = predict_work.probabilities_of

    def failing(task: Any, classifier: Any, pixels: list[Any]) -> Any:
        if any(each.max() == 0 for each in pixels):
            raise ZeroDivisionError("black")
        return plain(task, classifier, pixels)

    monkeypatch.setattr(new_pictures, "probabilities_of", failing)
    Image.new("RGB", (9, 9)).save(images / "black.png")
    _noise().save(images / "fine.png")
    result = xai_json(capsys, *_words(study, images))
    assert [each["file"] for each in result["pictures"]] == ["fine.png"]
    assert "black" in result["left_out"][0]["reason"]


def test_heatmaps_are_pictures_under_names_that_lead_nowhere(
    study: Path, images: Path, tmp_path: Path, capsys: Capture
) -> None:
    before = _everything(study)
    for name in ("x\\..\\y.png", "-rf $(x).png", "n" * 200 + ".png"):
        _noise().save(images / name)
    heatmaps = tmp_path / "maps"
    words = ["--methods", "saliency,edges,shap", "--set", "shap.samples=4", "--heatmaps", heatmaps, "--target", "red"]
    result = xai_json(capsys, *_words(study, images, *words, "--out", tmp_path / "t.csv"))
    named = [name for each in result["pictures"] for name in each["heatmaps"].values() if name]
    assert sorted(named) == sorted(path.name for path in heatmaps.iterdir())
    assert len(named) + len(result["refused"]) == 9
    assert all(len(name) < 70 and name[:4].isdigit() and "/" not in name and "\\" not in name for name in named)
    for path in heatmaps.iterdir():
        with Image.open(path) as drawn:
            assert drawn.size == (448, 336), "what the model sees"
            assert len(drawn.getcolors(2**20) or []) > 10
    lines = list(csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text())))
    assert {line["heatmap_edges"] for line in lines} <= set(named)
    assert _everything(study) == before, "nothing is written into the study"


def test_a_stopped_command_leaves_nothing(
    study: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> Any:
        raise Cancelled

    _noise().save(images / "x.png")
    monkeypatch.setattr(new_pictures, "explain_pictures", stop)
    words = ["--methods", "edges", "--heatmaps", tmp_path / "maps", "--out", tmp_path / "t.csv"]
    assert main([str(word) for word in _words(study, images, *words)]) == CANCELLED
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--out", "{study}/t.csv"], "in the folder of the study"),
        (["--out", "{images}/t.csv"], "in the folder of the pictures"),
        (["--out", "{tmp}/link/t.csv"], "in the folder of the study"),
        (["--out", "{tmp}/there.csv"], "something is here already"),
        (["--out", "{tmp}/none/t.csv"], "no such folder"),
        (["--methods", "edges", "--heatmaps", "{tmp}"], "something is here already"),
        (["--methods", "edges", "--heatmaps", "{study}/runs/x"], "in the folder of the study"),
        (["--methods", "edges", "--heatmaps", "{tmp}/m", "--out", "{tmp}/m"], "in one place"),
        (["--methods", "edges"], "half of what heatmaps take"),
        (["--heatmaps", "{tmp}/m"], "half of what heatmaps take"),
        (["--target", "red"], "a setting of heatmaps without any"),
        (["--methods", "edges", "--heatmaps", "{tmp}/m", "--target", "true"], "nobody knows the true class"),
        (["--methods", "edges", "--heatmaps", "{tmp}/m", "--target", "blue"], "Did you mean dark blue?"),
        (["--methods", "object", "--heatmaps", "{tmp}/m"], "no masks"),
        (["--methods", "nope", "--heatmaps", "{tmp}/m"], "explainer"),
        (["--methods", "gradcam", "--heatmaps", "{tmp}/m", "--set", "gradcam.layer=x"], "layer"),
        (["--splits", "test"], "--splits beside --images"),
        (["--limit", "3"], "--limit beside --images"),
        (["--background"], "--background beside --images"),
    ],
)
def test_words_that_cannot_be(
    study: Path, images: Path, tmp_path: Path, capsys: Capture, words: list[str], says: str
) -> None:
    _noise().save(images / "x.png")
    (tmp_path / "link").symlink_to(study)
    (tmp_path / "there.csv").write_text("mine")
    before = _everything(tmp_path)
    places = {"study": study, "images": images, "tmp": tmp_path}
    line = fails(capsys, *_words(study, images, *(word.format(**places) for word in words)))
    assert any(part in line for part in says.split("|")), line
    assert _everything(tmp_path) == before


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("empty", "no pictures are in this folder"),
        ("none", "no such data folder"),
        ("file", "not a folder"),
        ("broken", "no picture could be predicted"),
    ],
)
def test_folders_without_a_picture(study: Path, tmp_path: Path, capsys: Capture, kind: str, says: str) -> None:
    folder = tmp_path / kind
    if kind in ("empty", "broken"):
        folder.mkdir()
    if kind == "broken":
        (folder / "x.png").write_text("none")
    if kind == "file":
        folder.touch()
    out = tmp_path / "t.csv"
    assert says in fails(capsys, *_words(study, folder, "--out", out))
    assert not out.exists()


def test_words_for_pictures_alone_need_a_folder(study: Path, tmp_path: Path, capsys: Capture) -> None:
    line = fails(capsys, "predict", study, "--run", "baseline", "--out", tmp_path / "t.csv")
    assert "--out without --images" in line
