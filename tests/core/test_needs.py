"""What a card asks for is there: in every family, and with masks in every path that a method runs on."""

from __future__ import annotations

import importlib
import io
import json
import shutil
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.run_info import rewrite
from tests.tiny_study import SIDE, fails, write_pictures, xai, xai_json
from xai_core.answers.maps import columns
from xai_core.errors import BadInput, LeftOut, NotApplicable
from xai_core.explainers import EXPLAINERS, ExplainerInput, cam_method
from xai_core.explainers.base import Explainer
from xai_core.metrics import METRICS
from xai_core.models.preprocess import Preprocess
from xai_core.needs import NEEDS
from xai_core.params import NoParams, build, specs
from xai_core.pipeline.explain import Request, explain_steps
from xai_core.pipeline.load import Bench
from xai_core.pipeline.places import NO_MASK
from xai_core.registry import FAMILIES, family
from xai_core.store.maps import MISSING, REFUSED, STORED
from xai_core.store.obstacles import obstacle, out_of_reach
from xai_core.store.run import Run
from xai_core.store.study import Study
from xai_core.types import Card, Explanation
from xai_core.worker.server import Server

NEEDS_MASK = Card("toy", "Mask itself", "The mask.", "All else.", needs=frozenset({"mask"}), class_specific=False)


def cards() -> Iterator[tuple[str, Card]]:
    """Of every member of every family, and what single parameters make of it."""
    for name in FAMILIES:
        for member in family(name):
            yield name, member.card
            if isinstance(member, Explainer):
                choices = [(spec.name, choice) for spec in specs(member.params) for choice in spec.choices or ()]
                yield from ((name, member.card_for(build(member.params, {key: value}))) for key, value in choices)


def test_every_need_has_a_provider() -> None:
    for name, card in cards():
        for need in card.needs:
            assert need in NEEDS, f"{card.key} needs {need}, which nobody knows"
            assert name in NEEDS[need].providers, f"nobody hands {need} to {name}, but {card.key} needs it"


def test_every_provider_is_there_and_needed() -> None:
    declared = {(name, need) for name, card in cards() for need in card.needs}
    for need, entry in NEEDS.items():
        for name, provider in entry.providers.items():
            assert name in FAMILIES
            module, _, path = provider.partition(":")
            assert callable(reduce(getattr, path.split("."), importlib.import_module(module)))
            assert (name, need) in declared, f"{need} of {name}"


def test_a_formula_cannot_need_what_it_does_not_see() -> None:
    card = Card("never", "", "", "", needs=frozenset({"cam_layer", "mask"}))
    with pytest.raises(ValueError, match="never: a formula sees activations and gradients, but no mask"):
        cam_method(card)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study `bare` without masks, and `colours`, where half of the test pictures have one."""
    folder = tmp_path_factory.mktemp("needs")
    pictures = write_pictures(folder / "pictures", per_class=6)
    new_study(folder / "bare", pictures)
    for number, path in enumerate(sorted((pictures / "test").rglob("*.png"))[::2]):
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[: 4 + number, 3:20] = 255
        Image.fromarray(mask).save(path.with_name(f"{path.stem}_mask.png"))
    new_study(folder / "colours", pictures)
    return folder


def new_study(path: Path, pictures: Path) -> None:
    xai("new", path, "--dataset", "image-folder", "--data", pictures)
    xai("train", path, "--run", "net", "--arch", "small_cnn", "--epochs", "1", "--batch-size", "8", "--size", "28")
    xai("predict", path, "--run", "net")


@pytest.fixture
def study(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A copy of it, with a method that shows the mask it gets."""

    def show(given: ExplainerInput, _params: NoParams) -> Explanation:
        assert given.masks is not None
        assert len(given.masks) == len(given.x)
        return Explanation(given.masks.float().cpu().numpy())

    EXPLAINERS.keys()
    monkeypatch.setitem(EXPLAINERS._members, "toy", Explainer(NEEDS_MASK, NoParams, run=show))
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return Study.open(tmp_path / "colours")


def check(run: Run) -> None:
    """Every test picture has its own mask as its map, or a reason."""
    rows, preprocess = run.study.rows("test"), Preprocess.from_dict(run.info.preprocess or {})
    maps = run.maps("toy", NoParams())
    assert maps is not None
    stored = maps.get(rows, [target.key for target in run.targets(rows, "predicted")])
    have = run.study.samples["has_mask"].to_numpy()[rows]
    assert 0 < have.sum() < len(rows)
    np.testing.assert_array_equal(stored.state, np.where(have, STORED, REFUSED))
    for place, row in enumerate(rows.tolist()):
        mask = run.study.mask(row)
        if mask is None:
            assert stored.refusals[place] == NO_MASK
        else:
            np.testing.assert_array_equal(stored.maps[place] > 0, preprocess.mask(mask))


def test_masks_arrive_by_the_command(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    said = xai_json(capsys, "explain", study.path, "--run", "net", "--methods", "toy,random", "--split", "test")
    count = len(study.rows("test"))
    refused = said["methods"]["toy"]["refused"]
    assert said["methods"]["toy"] == {"stored": count - refused, "refused": refused, "reasons": {NO_MASK: refused}}
    assert said["methods"]["random"] == {"stored": count, "refused": 0}
    check(study.run("net"))


def test_masks_arrive_by_the_pipeline_for_rows_in_any_order(study: Study) -> None:
    rows = study.rows("test")[::-1].tolist()
    list(explain_steps(Bench("cpu"), Request(study.run("net"), rows, "predicted", [("toy", {})])))
    check(study.run("net"))


def test_masks_arrive_by_the_worker(study: Study) -> None:
    events = io.StringIO()
    server = Server(events, device="cpu")
    rows = study.rows("test").tolist()
    message = {"op": "explain", "id": "a", "urgent": True, "study": str(study.path), "run": "net", "rows": rows}
    server._take({**message, "targets": ["predicted"], "methods": [["toy", {}]], "weights": "trained"})
    while server._open:
        work = server._next()
        assert work is not None
        server._step(work)
    assert json.loads(events.getvalue().splitlines()[-1])["event"] == "done"
    check(study.run("net"))


def test_samples_without_a_mask_alone_are_refused_too(study: Study) -> None:
    run, rows = study.run("net"), study.rows("test")
    row = int(rows[~study.samples["has_mask"].to_numpy()[rows]][0])
    list(explain_steps(Bench("cpu"), Request(run, [row], "predicted", [("toy", {})])))
    maps = run.maps("toy", NoParams())
    assert maps is not None
    assert maps.get([row], [run.targets([row], "predicted")[0].key]).refusals == [NO_MASK]


def test_a_mask_that_cannot_be_read_costs_no_other(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    run, rows, plain = study.run("net"), study.rows("test"), Study.mask
    row = int(rows[study.samples["has_mask"].to_numpy()[rows]][0])

    def mask(self: Study, asked: int) -> Any:
        if asked == row:
            raise BadInput("not a picture", value="mask.png", remedy="Replace it.")
        return plain(self, asked)

    monkeypatch.setattr(Study, "mask", mask)
    with pytest.raises(LeftOut, match="1 sample cannot be read and has no heatmaps") as told:
        list(explain_steps(Bench("cpu"), Request(run, rows.tolist(), "predicted", [("toy", {})])))
    assert list(told.value.reasons) == [study.samples["id"][row]]
    maps = run.maps("toy", NoParams())
    assert maps is not None
    missing = maps.state(rows, [target.key for target in run.targets(rows, "predicted")]) == MISSING
    assert rows[missing].tolist() == [row]


def test_an_edited_mask_makes_maps_stale(study: Study) -> None:
    run, rows = study.run("net"), study.rows("test").tolist()
    for key in ("toy", "random"):
        list(explain_steps(Bench("cpu"), Request(run, rows, "predicted", [(key, {})])))
    mask = next(study.data.rglob("*_mask.png"))
    Image.fromarray(255 - np.asarray(Image.open(mask))).save(mask)
    run = Study.open(study.path).run("net")
    assert run.maps("toy", NoParams()) is None
    assert run.maps("random", NoParams()) is not None


def test_without_any_mask_command_worker_and_page_say_the_same(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Study.open(study.path.with_name("bare")).run("net")
    assert obstacle(run, EXPLAINERS["toy"]) == "the study has no masks."
    assert [column.card.key for column in columns(run, ["toy", "random"], {})] == ["random"]
    explain = ["explain", run.study.path, "--run", "net", "--split", "test", "--methods"]
    error = fails(capsys, *explain, "toy")
    assert error == "xai: the study has no masks: bare. Mask itself cannot do without: choose another method."
    told = xai_json(capsys, *explain, "toy,edges")
    assert told["methods_left_out"] == {"toy": "the study has no masks."}
    assert list(told["methods"]) == ["edges"]
    rows = run.study.rows("test").tolist()
    with pytest.raises(NotApplicable, match="the study has no masks"):
        list(explain_steps(Bench("cpu"), Request(run, rows, "predicted", [("toy", {}), ("random", {})])))
    assert run.maps("toy", NoParams()) is None
    assert run.maps("random", NoParams()) is not None


def test_a_layer_that_is_asked_for_needs_no_declared_one(study: Study) -> None:
    run = study.run("net")
    rewrite(run, cam_layer="")
    gradcam, smoothgrad = EXPLAINERS["gradcam"], EXPLAINERS["smoothgrad"]
    assert obstacle(run, gradcam) == (
        "this run's model declares no layer for class activation maps. "
        "Name one of its layers with --set METHOD.layer=NAME: features.8, features.4, features.0, …."
    )
    assert obstacle(run, gradcam, gradcam.params(layer="features")) is None
    assert obstacle(run, smoothgrad) is None
    assert obstacle(run, smoothgrad, smoothgrad.params(method="gradcam")) == obstacle(run, gradcam)


def test_pictures_that_cannot_be_drawn_again_have_no_truth(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--run", "net", "--methods", "random", "--split", "test", "--metrics", "sparseness,part-ranking")
    error = fails(capsys, "score", study.path, *asked)
    assert error == (
        "xai: the study's pictures cannot be drawn again without a part: colours. "
        "Ranking of parts cannot do without: choose another metric."
    )
    assert out_of_reach(study, METRICS["part-ranking"]) is not None
    assert out_of_reach(study, METRICS["sparseness"]) is None
    assert study.run("net").maps("random", NoParams()) is None, "told before anything is computed"
