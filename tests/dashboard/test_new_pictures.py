"""The page New pictures: what the command says of them, progress and failures, and that nothing stays."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from dashboard.frame.context import Services, Studies, services, use_services
from dashboard.frame.uploads import Uploads
from tests.dashboard.fakes import FakeWorker, add_run
from tests.dashboard.pages import opened, words, worker
from tests.dashboard.test_both_ways import component, text
from tests.tiny_study import unlearned, xai_json
from xai_core.answers.new_pictures import MOST
from xai_core.drawing.seen import map_layer
from xai_core.explainers import EXPLAINERS
from xai_core.pipeline import new_pictures
from xai_core.store.new_pictures import NewPictures
from xai_core.store.study import Study

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unlearned(tmp_path_factory.mktemp("page"))


@pytest.fixture
def served(path: Path) -> Iterator[Services]:
    found = Services(Studies([path]), FakeWorker())
    use_services(found)
    yield found
    found.uploads.end()
    use_services(None)


def as_png(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(seed: int, mode: str = "RGB") -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (20, 32, 3)).astype(np.uint8)).convert(mode)


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return as_png(noise(1), "JPEG", exif=exif)


def given() -> dict[str, bytes]:
    """As people have them: turned by EXIF, half transparent, a grey of 16 bits, two frames."""
    clear = noise(2, "RGBA")
    clear.putalpha(120)
    grey = Image.fromarray(np.arange(640, dtype=np.uint16).reshape(20, 32) * 90)
    frames = as_png(noise(3), "WEBP", save_all=True, append_images=[noise(4)], lossless=True)
    return {"turned.jpg": turned(), "clear.png": as_png(clear), "grey.png": as_png(grey), "<b>two.webp": frames}


def dropped(app: AppTest, files: dict[str, bytes]) -> AppTest:
    """The page after somebody has dropped files."""
    kinds = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}
    app.file_uploader[0].set_value([(name, data, kinds[name.rsplit(".")[-1]]) for name, data in files.items()])
    return again(app)


def again(app: AppTest) -> AppTest:
    app.run()
    assert not app.exception
    return app


def worked(served: Services, app: AppTest) -> AppTest:
    """The page after the worker has done what it was asked last."""
    worker(served).looked(list(worker(served).asked)[-1])
    return again(app)


def lines_of(app: AppTest) -> list[str]:
    table = next(str(each.value) for each in app.get("html") if "new-pictures" in str(each.value))
    return table.split("<tr>")[2:]


def test_a_dropped_picture_gets_what_the_command_says(
    served: Services, path: Path, tmp_path: Path, capsys: Capture
) -> None:
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    files, methods = given(), "gradcam,saliency,edges"
    (tmp_path / "images").mkdir()
    for name, data in files.items():
        (tmp_path / "images" / name).write_bytes(data)
    heatmaps = ["--methods", methods, "--heatmaps", tmp_path / "maps"]
    asked = xai_json(capsys, "predict", path, "--run", "baseline", "--images", tmp_path / "images", *heatmaps)
    app = dropped(opened("new-pictures", methods=methods, target="true"), files)
    assert "Predictions" in words(app)
    app = worked(served, worked(served, app))
    said = {each["file"]: each for each in asked["pictures"]}
    assert set(said) == set(files)
    found = next(iter(served.uploads._of.values()))
    kept = NewPictures(found.folder, Study.open(path).run("baseline"))
    for number, name, _ in found.pictures:
        one = kept.said(number)
        assert one is not None
        assert list(said[name]["probabilities"].values()) == pytest.approx(one.probabilities.tolist(), abs=1e-6)
    shown, rows = text(app), component(app, "heat_grid")["rows"]
    for row, name in zip(rows, files, strict=True):
        assert row["title"][0]["text"] == name
        assert row["title"][2]["text"] == said[name]["predicted"]
        assert f"{100 * said[name]['confidence']:.1f} %" in shown
        drawn = [cell["caption"] for cell in row["cells"] if cell["frames"][0].get("heat")]
        made = [EXPLAINERS[key].card.title for key, file in said[name]["heatmaps"].items() if file]
        assert set(made) <= set(drawn), "what the command left without a file has no evidence anywhere"
    assert "<b>two" not in words(app)
    assert "--images FOLDER" in words(app)
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before, "the study is as it was"
    assert all(served.tiles.draw(cell["base"].rsplit("/", 1)[-1]) for row in rows for cell in row["cells"])


def test_maps_of_dropped_pictures_are_those_of_the_command(served: Services, path: Path) -> None:
    app = dropped(opened("new-pictures", methods="saliency"), {"a.png": as_png(noise(7))})
    worked(served, worked(served, app))
    from xai_core.pipeline.load import Bench

    run, bench = Study.open(path).run("baseline"), Bench("cpu")
    found = next(iter(served.uploads._of.values()))
    [[picture]] = new_pictures.ask_pictures(bench, run, [new_pictures.Given("a.png", found.pictures[0][2])], {})
    [made] = new_pictures.explain_pictures(bench, run, [picture], [("saliency", {})], "predicted")
    explainer = EXPLAINERS["saliency"]
    kept = NewPictures(found.folder, run).maps("saliency", explainer.params())
    assert kept is not None
    stored = kept.get([found.pictures[0][0]], [new_pictures.target_of(picture, "predicted").key]).maps[0]
    assert stored == pytest.approx(made.maps[0], abs=float(np.abs(made.maps[0]).max()) * 2**-11)
    assert map_layer(stored, signed=False, scale=1.0, seen=(32, 20)).mode == "RGBA"


def test_another_method_class_or_run_asks_for_what_is_missing_alone(served: Services) -> None:
    app = dropped(opened("new-pictures", methods="saliency"), {"a.png": as_png(noise(7))})
    worked(served, worked(served, app))
    asked = worker(served).asked
    assert [[key for key, _ in each["methods"]] for each in asked.values()] == [[], ["saliency"]]
    app.multiselect(key="select.methods").set_value(["saliency", "edges"])
    worked(served, again(app))
    assert len(asked) == 3
    names = ["dark blue", "green", "red"]
    said = component(app, "heat_grid")["rows"][0]["title"][2]["text"]
    other = (names.index(said) + 1) % 3
    app.selectbox(key="select.target").set_value(str(other))
    app = worked(served, again(app))
    assert len(asked) == 4
    assert asked["job3"]["target"] == str(other)
    assert component(app, "heat_grid")["rows"][0]["note"] == f"Evidence for {names[other]}"


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("notes.png", b"hello", "either PNG, JPEG nor WebP"),
        ("cut.png", as_png(noise(1))[:60], "cut.png"),
        ("huge.png", as_png(Image.new("1", (12_500, 12_500))), "too large"),
        ("large.png", as_png(noise(1)) + bytes(new_pictures.MOST_MB * 2**20), "too large: large.png, 20.0 MB"),
    ],
)
def test_what_cannot_be_read_is_told_in_a_line_and_costs_no_other(
    served: Services, name: str, data: bytes, says: str
) -> None:
    app = dropped(opened("new-pictures", methods="edges"), {name: data, "fine.png": as_png(noise(5))})
    app = worked(served, app)
    assert says in text(app)
    assert len(lines_of(app)) == 1


def test_pictures_are_removed_one_by_one_and_with_the_session(served: Services, tmp_path: Path) -> None:
    app = dropped(opened("new-pictures", methods="edges"), {"a.png": as_png(noise(1)), "b.png": as_png(noise(2))})
    app = worked(served, worked(served, app))
    tile = component(app, "heat_grid")["rows"][0]["cells"][0]["base"].rsplit("/", 1)[-1]
    [(session, found)] = served.uploads._of.items()
    number, _, file = found.pictures[0]
    app.file_uploader[0].set_value([("b.png", as_png(noise(seed)), "image/png") for seed in (2, 3)])
    app = again(app)
    assert not file.exists()
    assert not list(found.folder.glob(f"*/{number}.*"))
    assert [name for _, name, _ in found.pictures] == ["b.png", "b.png (2)"]
    assert len(lines_of(worked(served, app))) == 2
    served.uploads._sessions._connected[session] = lambda: False
    served.uploads._sessions._seen[session] -= 60
    served.uploads.sweep(served.tiles.forget)
    assert not found.folder.exists()
    assert served.tiles.draw(tile) is None
    asked = len(worker(served).asked)
    again(app)  # the browser came back, and lists them still
    assert len(worker(served).asked) == asked + 1
    assert next(iter(served.uploads._of.values())).folder != found.folder


def test_a_killed_servers_pictures_go_with_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "second-look-pictures-left").mkdir()
    first, second = Uploads(), Uploads()
    kept = first.of("somebody", lambda: True).folder
    second.of("somebody", lambda: True)
    assert kept.is_dir(), "another server that lives keeps its own"
    assert not (tmp_path / "second-look-pictures-left").exists()
    first.end()
    second.end()
    assert list(tmp_path.iterdir()) == []


def test_more_than_a_page_takes_is_told(served: Services) -> None:
    files = {f"{place}.png": as_png(Image.new("L", (4, 4), place)) for place in range(MOST + 2)}
    app = dropped(opened("new-pictures"), files)
    assert "2 left out" in words(app)
    assert len(worker(served).asked["job0"]["pictures"]) == MOST


def test_a_stop_a_failure_and_another_try(served: Services) -> None:
    app = dropped(opened("new-pictures"), {"a.png": as_png(noise(1))})
    next(button for button in app.button if button.label == "Stop").click()
    app = again(app)
    assert "Stopped before all was there" in words(app)
    app.button(key="maps.again").click()
    app = again(app)
    worker(served).fail("job1", "the weights are <damaged>")
    assert "weights are &lt;damaged" in words(again(app))


def test_maps_on_request_wait_for_a_click_and_predictions_do_not(served: Services) -> None:
    served.on_request = True
    app = worked(served, dropped(opened("new-pictures", methods="edges"), {"a.png": as_png(noise(1))}))
    assert len(worker(served).asked) == 1
    assert "1 heatmap of this page is not computed yet" in words(app)
    app.button(key="maps.compute").click()
    again(app)
    assert len(worker(served).asked) == 2


def test_a_run_without_a_model_says_so(served: Services) -> None:
    add_run(services().studies["colours"], "table", model=False)
    app = opened("new-pictures", run="table")
    assert "no model to ask" in words(app)
    assert not app.file_uploader
