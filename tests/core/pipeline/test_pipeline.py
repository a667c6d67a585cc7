"""The work over a study folder, where something else happens meanwhile: runs replaced, disks full, others as fast."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests import tiny_study
from tests.core.pipeline.cases import explained, stored
from tests.run_info import rewrite
from tests.tiny_study import fails, xai, xai_json
from xai_core.answers.speed import Pace, pace
from xai_core.cli.main import main
from xai_core.errors import BadInput, BadParameter, NotApplicable, NotFound
from xai_core.explainers import EXPLAINERS
from xai_core.explainers.base import BACKGROUND
from xai_core.params import NoParams
from xai_core.pipeline import explain as explaining
from xai_core.pipeline import predict as predicting
from xai_core.pipeline import predict_work, steps
from xai_core.pipeline.explain import Request, explain_steps
from xai_core.pipeline.load import Bench, load_classifier
from xai_core.store import layers
from xai_core.store.files import read_json
from xai_core.store.maps import MapStore
from xai_core.store.study import Study


def test_a_picture_that_cannot_be_read_costs_no_other(
    study: Study, gone: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = study.rows("test")
    name = str(study.samples["id"][rows[1]])
    words = ["explain", study.path, "--run", "baseline", "--methods", "gradcam,saliency"]
    gone.add(name)
    said = xai_json(capsys, *words, "--split", "test")
    assert {state["stored"] for state in said["methods"].values()} == {len(rows) - 1}
    assert [each["id"] for each in said["left_out"]] == [name]
    assert "no such picture" in said["left_out"][0]["reason"]
    assert "1 sample cannot be read and has no heatmaps" in fails(capsys, *words, "--ids", name)
    gone.clear()
    said = xai_json(capsys, *words, "--split", "test")
    assert {state["stored"] for state in said["methods"].values()} == {len(rows)}
    assert said["left_out"] == []


def test_a_background_picture_that_cannot_be_read_costs_no_other_method(study: Study, gone: set[str]) -> None:
    run, rows = study.run("baseline"), study.rows("test")[:3]
    gone |= set(study.samples["id"][study.background(500)])
    with pytest.raises(NotApplicable, match="a training picture cannot be read"):
        explained(run, rows, ("shap", {"samples": 4}), ("gradcam", {}))
    assert np.isfinite(stored(run, rows, "gradcam")).all()


def test_a_method_asked_for_twice_has_two_backgrounds(study: Study) -> None:
    run, rows = study.run("baseline"), study.rows("test")[:1]
    one, other = {"samples": 4, "background": 12}, {"samples": 4, "background": 5}
    explained(run, rows, ("shap", one), ("shap", other))
    together = stored(run, rows, "shap", **other)
    shutil.rmtree(run.path / "explanations")
    explained(run, rows, ("shap", other))
    np.testing.assert_array_equal(together, stored(run, rows, "shap", **other))


def test_a_store_tells_what_filled_it(study: Study) -> None:
    run = study.run("baseline")
    explained(run, study.rows("test")[:1], ("edges", {}))
    [manifest] = (run.path / "explanations").glob("edges-*/manifest.json")
    made_with = read_json(manifest)["made_with"]
    assert made_with["device"] == "cpu"
    assert 0 <= made_with["seconds_per_map"] < 60
    assert 0 < made_with["seconds_per_forward"] < 60
    found = pace(run.maps("edges", NoParams()))
    assert found == Pace(made_with["seconds_per_map"], made_with["seconds_per_forward"])
    assert found.forwards == made_with["seconds_per_map"] / made_with["seconds_per_forward"]
    assert pace(run.maps("random", NoParams())) is None
    assert Pace(1.0, None).forwards is None


def test_a_method_without_a_parameter_for_it_gets_a_background(study: Study) -> None:
    run, bench = study.run("baseline"), Bench("cpu")
    method = replace(EXPLAINERS["shap"], params=NoParams, background=None)
    wanted = explaining.Wanted(method, NoParams(), MapStore(study.path))
    background = explaining.background_of(bench, study, bench.classifier(run), [wanted])
    assert len(background) == BACKGROUND


def test_several_targets_of_a_sample_share_its_picture_and_its_pass(study: Study) -> None:
    run, bench = study.run("baseline"), Bench("cpu")
    rows, specs = study.rows("test")[:3].tolist(), ("predicted", "true", "difference", "0")
    asked, forwards, read = [("gradcam", {}), ("hirescam", {})], list[int](), list[int]()
    bench.classifier(run).module.register_forward_hook(lambda _, given, __: forwards.append(len(given[0])))
    with pytest.MonkeyPatch.context() as patch:
        plain = explaining.read
        patch.setattr(explaining, "read", lambda *given: (read.extend(given[2]), plain(*given))[1])
        patch.setattr(explaining, "seconds_of_a_forward", lambda _: None)  # which would be forwards of its own
        steps = list(explain_steps(bench, Request(run, rows, specs, asked)))
    assert forwards == [3], "one forward of three pictures, whatever is asked of them"
    assert sorted(read) == rows
    pairs = {(row, target.key) for spec in specs for row, target in zip(rows, run.targets(rows, spec), strict=True)}
    assert steps[-1] == (2 * len(pairs), 2 * len(pairs)), "what two targets mean alike is made once"
    maps = run.maps("gradcam", EXPLAINERS["gradcam"].params())
    assert maps is not None
    rows_of, keys = zip(*sorted(pairs), strict=True)
    together = maps.get(rows_of, keys)
    assert not any(together.refusals)
    shutil.rmtree(maps.path)
    for spec in specs:
        list(explain_steps(Bench("cpu"), Request(run, rows, spec, asked[:1])))
    apart = run.maps("gradcam", EXPLAINERS["gradcam"].params())
    assert apart is not None
    near = 2e-3 * float(np.abs(together.maps).max())
    np.testing.assert_allclose(apart.get(rows_of, keys).maps, together.maps, atol=near)


def test_a_wrong_layer_fails_after_the_other_methods_or_at_once_where_asked(study: Study) -> None:
    run, bench, rows = study.run("baseline"), Bench("cpu"), study.rows("test")[:2]
    request = explaining.Request(run, rows.tolist(), "predicted", [("gradcam", {"layer": "nope"}), ("lrp", {})])
    with pytest.raises(NotFound, match="nope"):
        explaining.check_methods(bench, request)
    seen = []
    with pytest.raises(NotFound, match="nope"):
        seen.extend(explaining.explain_steps(bench, request))
    assert seen == [(0, 4), (2, 4)]
    maps = run.maps("lrp", EXPLAINERS["lrp"].params())
    assert maps is not None
    assert maps.count() == 2


def test_a_study_stays_open_until_another_lies_there(study: Study, tmp_path: Path) -> None:
    bench = Bench("cpu")
    assert bench.study(study.path) is bench.study(study.path)
    kept = bench.study(study.path)
    study.path.rename(tmp_path / "elsewhere")
    with pytest.raises(NotFound):
        bench.study(study.path)
    shutil.copytree(tmp_path / "elsewhere", study.path)
    assert bench.study(study.path) is not kept


def test_a_run_imported_again_with_another_layer_is_loaded_again(study: Study) -> None:
    run, bench = study.run("baseline"), Bench("cpu")
    assert bench.classifier(run).cam_layer == "block3"
    rewrite(run, cam_layer="block2")
    assert bench.classifier(run).cam_layer == "block2"


def test_damaged_runs_get_one_line(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    run = study.run("baseline")
    info = run.info
    assert info.preprocess is not None
    for broken in ({}, info.preprocess | {"mean": [0.5]}, info.preprocess | {"fit": "stretch"}):
        rewrite(run, preprocess=broken)
        assert "not a preprocessing" in fails(capsys, "predict", study.path, "--run", "baseline")
    rewrite(run, preprocess=info.preprocess)
    for changes in ({"augmentations": [1]}, {"augmentations": {"flip": 5}}, {"architecture": 3}, {"loss_params": 3}):
        rewrite(run, training=info.training | changes)
        line = fails(capsys, "train", study.path, "--run", "child", "--parent", "baseline")
        assert "not a training configuration" in line
    run.weights.write_bytes(b"\x08\0\0\0\0\0\0\0{broken}")
    with pytest.raises(BadInput, match="damaged"):
        layers.convolutional_layers(run)


def test_two_predictions_at_once_agree(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    run = study.run("baseline")
    classifier = load_classifier(run, device="cpu")
    expected = run.predictions
    assert expected is not None
    (run.path / "predictions.parquet").unlink()
    plain = predict_work.probabilities_of

    def with_another(*given: Any) -> NDArray[np.float32]:
        monkeypatch.setattr(predict_work, "probabilities_of", plain)
        predicting.predict(Study.open(study.path).run("baseline"), classifier, ["test"])
        return plain(*given)

    monkeypatch.setattr(predict_work, "probabilities_of", with_another)
    predicting.predict(run, classifier, ["test", "validation", "train"])
    found = run.predictions
    assert found is not None
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-6)


def test_a_request_for_what_is_not_there_leaves_nothing_in_the_study(study: Study) -> None:
    run, rows = study.run("baseline"), study.rows("test")[:2].tolist()
    before = sorted(study.path.rglob("*"))
    for target, weights, method in (
        ("predicted", "trained", ("gradcam", {"layer": "__class__"})),
        ("predicted", "trained", ("gradcam", {"layer": "gone"})),
        ("predicted", "randomised:7", ("gradcam", {"layer": "gone"})),
        ("predicted", "randomised:x", ("gradcam", {})),
        ("77", "trained", ("gradcam", {})),
        ("__class__", "trained", ("gradcam", {})),
    ):
        with pytest.raises((NotFound, BadParameter)):
            list(explain_steps(Bench("cpu"), Request(run, rows, target, [method], weights)))
    assert sorted(study.path.rglob("*")) == before


def test_a_rotten_map_is_said_and_made_again(study: Study, caplog: pytest.LogCaptureFixture) -> None:
    run, rows = study.run("baseline"), study.rows("test")[:4]
    explained(run, rows, ("gradcam", {}))
    right = stored(run, rows, "gradcam")
    [records] = (run.path / "explanations").glob("gradcam-*/maps.bin")
    data = bytearray(records.read_bytes())
    data[len(data) // 2] ^= 16
    records.write_bytes(data)
    assert np.isnan(stored(run, rows, "gradcam")).any(axis=(1, 2)).sum() == 1
    assert "damaged and count as missing" in caplog.text
    explained(run, rows, ("gradcam", {}))
    np.testing.assert_allclose(stored(run, rows, "gradcam"), right, rtol=1e-3, atol=1e-9)


def test_samples_without_a_prediction_are_left_out_and_said(study: Study, caplog: pytest.LogCaptureFixture) -> None:
    run = study.run("baseline")
    predictions, rows = run.predictions, study.rows("test")
    assert predictions is not None
    kept = predictions.rows != rows[3]
    run.write_predictions(predictions.rows[kept], predictions.probabilities[kept])
    xai("explain", study.path, "--run", "baseline", "--methods", "edges", "--limit", "5")
    assert f"1 of 18 samples have no prediction and are left out, such as {study.samples['id'][rows[3]]}" in caplog.text
    maps = run.maps("edges", NoParams())
    assert maps is not None
    assert maps.count() == 5


def test_a_scan_can_be_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tiny_study.write_pictures(tmp_path / "data")
    monkeypatch.setattr("xai_core.cli.command.tqdm.update", lambda *_: os.kill(os.getpid(), signal.SIGINT))
    assert main(["new", str(tmp_path / "s"), "--dataset", "image-folder", "--data", str(data)]) == 130
    assert not (tmp_path / "s").exists()


def test_classes_with_commas_and_no_samples(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tiny_study.write_pictures(tmp_path / "data", per_class=3)
    for split in data.iterdir():
        (split / "red").rename(split / "red, or nearly")
    shutil.rmtree(data / "test" / "green")
    xai("new", tmp_path / "s", "--dataset", "image-folder", "--data", data)
    for run in ("a", "b"):
        xai("train", tmp_path / "s", "--run", run, "--arch", "small_cnn", "--epochs", "1")
        xai("predict", tmp_path / "s", "--run", run, "--splits", "test")
    words = ["compare", tmp_path / "s", "--baseline", "a", "--candidate", "b", "--true", "green"]
    result = xai_json(capsys, *words, "--predicted", "red, or nearly")
    assert result["cell"]["difference"] is None, "no samples, no number, and no traceback"
    run = Study.open(tmp_path / "s").run("a")
    assert run.info.preprocess is not None
    words = ["import", tmp_path / "s", "--run", "c", "--arch", "small_cnn", "--weights", run.weights, "--size", "32"]
    for flag in ("mean", "std"):
        words += [f"--{flag}", ",".join(map(str, run.info.preprocess[flag]))]
    xai(*words, "--classes", 'dark blue, green, "red, or nearly"')


def test_a_cell_on_the_diagonal_is_better_when_it_grows(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    rows, labels = study.rows("test"), study.labels
    for name, shift in (("worse", 1), ("better", 0)):
        run = study.add_run(name, replace(study.run("baseline").info, fingerprint="", architecture=""))
        run.write_predictions(rows, np.eye(3, dtype=np.float32)[(labels[rows] + shift) % 3])
    words = ["compare", study.path, "--baseline", "worse", "--candidate", "better", "--cell", "red:red"]
    assert "red recognised improved" in xai_json(capsys, *words)["sentences"][1]


def test_steps_grow_while_they_are_short_and_shrink_where_they_are_long() -> None:
    target = steps.SECONDS_PER_STEP
    assert steps.next_size(32, 0.2 * target) == 64
    assert steps.next_size(32, target) == 32
    assert steps.next_size(32, 3 * target) == 16
    assert steps.next_size(1, 3 * target) == 1
    assert steps.next_size(steps.MOST_ROWS, 0.0) == steps.MOST_ROWS
