"""Questions that take heatmaps, asked of a page and of a command: the same samples, numbers and words."""

from __future__ import annotations

import html
import shutil
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from numpy.typing import NDArray

from dashboard.frame.context import Services, Studies, use_services
from dashboard.heat.evidence import legend_notes
from dashboard.widgets import cell_gallery, class_maps
from tests.conftest import ROOT
from tests.dashboard.fakes import FakeWorker
from tests.dashboard.pages import opened, words
from tests.dashboard.test_sanity import cascade_of
from tests.tiny_study import fails, xai, xai_json
from xai_core.answers.maps import columns
from xai_core.answers.sanity import as_json, checked, samples
from xai_core.answers.sanity import text as said_text
from xai_core.answers.scope import Scope
from xai_core.store.study import Study
from xai_core.triage.looks import LOOKS, MEANING, Look

Capture = pytest.CaptureFixture[str]
CELL = ("Dress", "Skirt")


@pytest.fixture(scope="module")
def garments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled study; its pictures stay where they are."""
    study = tmp_path_factory.mktemp("demo") / "garments"
    study.mkdir()
    for each in (ROOT / "assets" / "demo" / "garments").iterdir():
        if each.name == "runs":
            shutil.copytree(each, study / each.name)
        else:
            (study / each.name).symlink_to(each)
    return study


@pytest.fixture
def demo(garments: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """It is served by a worker that never answers, and commands compute nothing: both speak of what is stored."""
    services = Services(Studies([garments]), FakeWorker())
    use_services(services)
    monkeypatch.setattr("xai_core.cli.filling._missing", lambda _: False)
    yield services
    use_services(None)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> dict[str, go.Figure]:
    """What pages draw, by key."""
    drawn: dict[str, go.Figure] = {}
    for widget in (class_maps,):

        def noted(figure: go.Figure, *, key: str, show: Any = widget.plot, **more: Any) -> None:
            drawn[key] = figure
            show(figure, key=key, **more)

        monkeypatch.setattr(widget, "plot", noted)
    return drawn


def shown(page: str, **query: str) -> str:
    """What a page says, as a person reads it."""
    return readable(words(opened(page, **query)))


def readable(text: str) -> str:
    return html.unescape(text).replace("\N{NO-BREAK SPACE}", " ").replace("\\", "").replace("**", "")


def index(study: Study, *names: str) -> list[str]:
    return [str(study.class_names.index(name)) for name in names]


def said(capsys: Capture, *asked: str | Path) -> tuple[dict[str, Any], str]:
    """A command's answer as JSON and as text."""
    result = xai_json(capsys, *asked)
    xai(*asked)
    return result, capsys.readouterr().out


def test_compare(demo: Services, garments: Path, capsys: Capture) -> None:
    command = ["compare", garments, "--baseline", "baseline", "--candidate", "top-biased-crop"]
    result, text = said(capsys, *command)
    page = shown("compare", run="top-biased-crop", other="baseline")
    for sentence in [result["counted"], *result["sentences"], *result["caveats"], *result["cell"]["flows"]]:
        assert sentence in page
        assert sentence in text
    chosen = "Chosen for you: the largest confusion of the baseline"
    assert chosen in page
    assert chosen in text
    for name, count in result["transitions"].items():
        assert name == "n" or f"{name.capitalize()}</span><b>{count:,}</b>" in page
    assert f"<em>{result['cell']['head']}</em>" in page
    parts = result["scenarios"]
    for entry in (parts["sentence"], parts["note"], *(word for part in parts["parts"] for word in part["line"])):
        assert entry in page
        assert entry in text


def test_movement(demo: Services, garments: Path, capsys: Capture) -> None:
    study = Study.open(garments)
    true, predicted = index(study, *CELL)
    command = ["compare", garments, "--baseline", "baseline", "--candidate", "top-biased-crop"]
    result, text = said(capsys, *command, "--cell", ":".join(CELL), "--method", "gradcam")
    page = shown("compare", run="top-biased-crop", other="baseline", method="gradcam", true=true, predicted=predicted)
    moved = result["movement"]
    assert sum(line["n"] for line in moved["transitions"]) > 0
    for sentence in (moved["title"], moved["counted"]):
        assert sentence in page
        assert sentence in text
    for line in moved["transitions"]:
        assert f"{line['name']}</span><b>{line['words']}</b>" in page
        assert line["bounds"] in page
        assert f"{line['name']}: {line['words']} ({line['bounds']})" in text
    assert len(moved["most_moved"]) == min(10, sum(line["n"] for line in moved["transitions"]))
    for entry in (moved["about"], *(word for one in moved["most_moved"] for word in one["line"])):
        assert entry in page
        assert entry in text


def test_aggregate(demo: Services, garments: Path, capsys: Capture, figures: dict[str, go.Figure]) -> None:
    study = Study.open(garments)
    true, predicted = index(study, *CELL)
    command = ["aggregate", garments, "--run", "baseline", "--method", "gradcam", "--cell", ":".join(CELL)]
    result, text = said(capsys, *command)
    page = shown("class-heatmaps", run="baseline", method="gradcam", true=true, predicted=predicted)
    assert len(result["sentences"]) >= 4
    for sentence in result["sentences"]:
        assert sentence in page
        assert sentence in text
    for title, down, across, n in result["centres"]:
        assert f"{title}</th><td>{down}</td><td>{across}</td><td>{n}</td>" in page.replace(' class="number"', "")
        assert f"{down} from the top, {across} from the left" in text
    groups = result["groups"].values()
    means = [trace.z for trace in figures["means"].data if trace.type == "heatmap"]
    assert len(means) == 3
    for drawn, group in zip(means, groups, strict=True):
        np.testing.assert_allclose(np.sort(np.ravel(drawn)), np.sort(np.ravel(group["mean"])), atol=1e-5)
    profiles = {trace.name: trace.x for trace in figures["profiles"].data if trace.name}
    for group in groups:
        drawn = next(values for name, values in profiles.items() if name.startswith(group["title"]))
        np.testing.assert_allclose(np.sort(drawn), np.sort(group["profile"]["value"]), atol=1e-5)


def test_agreement(demo: Services, garments: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    study = Study.open(garments)
    true, predicted = index(study, *CELL)
    methods = "gradcam,lrp,ig"
    result, text = said(
        capsys, "agreement", garments, "--run", "baseline", "--methods", methods, "--cell", ":".join(CELL)
    )
    cards: list[NDArray[np.int64]] = []
    gallery = cell_gallery.gallery

    def noted(context: Any, rows: NDArray[np.int64], *more: Any, **named: Any) -> int | None:
        cards.append(rows)
        return gallery(context, rows, *more, **named)

    monkeypatch.setattr(cell_gallery, "gallery", noted)
    page = shown("confusion", run="baseline", methods=methods, true=true, predicted=predicted, sort="disagreement")
    assert result["sentences"]
    for sentence in result["sentences"]:
        assert sentence in page
        assert sentence in text
    ids = study.samples["id"].iloc[cards[-1]].tolist()
    assert ids == [sample["id"] for sample in result["samples"]]
    assert len(ids) == 14


@pytest.mark.parametrize("look", LOOKS)
def test_full_colour(
    look: Look, demo: Services, garments: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number and the sentence beside the colours are the command's, however maps are drawn."""
    true, predicted = index(Study.open(garments), *CELL)
    command = ["show", garments, "cell", "--cell", ":".join(CELL), "--run", "baseline", "--methods", "gradcam,lrp"]
    result, text = said(capsys, *command, "--look", look)
    seen: list[Any] = []
    gallery = cell_gallery.gallery

    def noted(*asked: Any, **named: Any) -> int | None:
        seen.append(asked)
        return gallery(*asked, **named)

    monkeypatch.setattr(cell_gallery, "gallery", noted)
    opened("confusion", run="baseline", methods="gradcam,lrp", true=true, predicted=predicted, look=look)
    context, _, _, panels = seen[-1]
    assert [[p.facts.scale for p in of_method] for of_method in panels] == [
        [one["full_colour"] for one in of_method] for of_method in result["maps"].values()
    ]
    assert ("99th percentile" in result["full_colour"]) == (look in ("heat", "alone"))
    assert (result["full_colour"] == "") == (look == "outline")
    assert legend_notes(context, chain(*panels)) == [part for part in (MEANING[look], result["full_colour"]) if part]
    assert result["full_colour"] in text


@pytest.mark.usefixtures("demo")
def test_sanity(garments: Path) -> None:
    """Verdicts, numbers of pictures and words of the command are those of the page, from the same store."""
    run = Study.open(garments).run("top-biased-crop")
    cascade_of(run, "gradcam", {(2, 2): 0.9, (1, 2): 0.5, (0, 2): 0.1})
    found = checked(run, columns(run, ["gradcam"], {}))
    page = shown("sanity", run="top-biased-crop", methods="gradcam")
    result = as_json(Scope(run, "test"), samples(Scope(run, "test")), found)
    for one in result["methods"].values():
        assert one["sentence"] in page
        assert one["words"] in page
        assert one["sentence"] in said_text(result)
    assert result["no_ranking"] in page


def test_with_nothing_to_explain_no_store_is_made(served: Services, capsys: Capture) -> None:
    run = served.studies["pets"].run("net").path
    net = [served.studies["pets"].path, "--run", "net"]
    result = xai_json(capsys, "aggregate", *net, "--method", "gradcam", "--cell", "cat:T-shirt/top", "--split", "train")
    assert [group["total"] for group in result["groups"].values()] == [0, 0, 0]
    assert "no samples to explain" in fails(capsys, "sanity", *net, "--methods", "gradcam", "--cell", "cat:T-shirt/top")
    assert "no samples" in fails(capsys, "agreement", *net, "--methods", "gradcam,lrp", "--cell", "cat:T-shirt/top")
    assert not (run / "explanations").exists()
    assert not (run / "sanity").exists()


def test_commands_name_the_defaults_of_the_pages(capsys: Capture) -> None:
    from xai_core.answers import groups, movement
    from xai_core.answers import sanity as check
    from xai_core.cli.main import parser

    defaults = {"aggregate": groups.LIMIT, "sanity": check.SAMPLES, "compare": movement.MEASURED_UP_TO}
    for name, number in defaults.items():
        with pytest.raises(SystemExit):
            parser().parse_args([name, "--help"])
        assert f"(default {number})" in " ".join(capsys.readouterr().out.split())
