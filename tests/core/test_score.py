"""Scores of a run's maps: made step by step, once, from masks as they are now; and what a command says of them."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.tiny_study import fails, xai, xai_json
from xai_core.answers.controls import control_keys
from xai_core.answers.method_quality import Cell, cells
from xai_core.datasets import DATASETS
from xai_core.errors import NotApplicable, NotFound, XaiError
from xai_core.explainers import EXPLAINERS
from xai_core.jobs.operations import OPERATIONS, Work
from xai_core.jobs.values import record
from xai_core.metrics import METRICS, Metric, MetricInput
from xai_core.models.preprocess import Preprocess
from xai_core.params import NoParams, as_dict, build
from xai_core.pipeline import score as scoring
from xai_core.pipeline.load import Bench
from xai_core.pipeline.score import ScoreRequest, score_steps
from xai_core.settings import Settings
from xai_core.store.maps import MISSING, REFUSED, STORED
from xai_core.store.run import Run, RunInfo
from xai_core.store.study import Study
from xai_core.triage.intervals import bootstrap_mean
from xai_core.types import Card, Scores

SIDE, EACH = 32, 8
POINTING, SPARSENESS = "energy-pointing-game", "sparseness"
INPUT = Preprocess(SIDE, SIDE, 1, (0.5,), (0.5,))


def box(path: Path, size: int) -> None:
    """A mask in the upper left corner."""
    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
    mask[:size, :size] = 255
    Image.fromarray(mask).save(path)


def written(folder: Path) -> Study:
    """Two classes of test pictures; of each class five have masks, and the mask of its third is everywhere."""
    data, rng = folder / "data", np.random.default_rng(0)
    for split, name in product(("train", "test"), ("a", "b")):
        target = data / split / name
        target.mkdir(parents=True)
        for number in range(EACH):
            Image.fromarray(rng.integers(0, 255, (SIDE, SIDE), np.uint8)).save(target / f"{number}.png")
            if split == "test" and number < 5:
                box(target / f"{number}_mask.png", SIDE if number == 2 else 4 + 2 * number)
    member = DATASETS["image-folder"]
    params = build(member.params, {})
    scan = member.make(data, params).scan(0)
    return Study.create(folder / "study", dataset="image-folder", params=as_dict(params), data=data, seed=3, scan=scan)


def predicted(run: Run) -> None:
    """Every other sample is right."""
    count = len(run.study.labels)
    run.write_predictions(range(count), np.tile([[0.9, 0.1], [0.2, 0.8]], (count // 2, 1)))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Predictions and maps of a model that is nowhere: whoever asks for it fails."""
    info = RunInfo(architecture="small_cnn", fingerprint="f" * 64, preprocess=INPUT.as_dict(), cam_layer="x")
    made = written(tmp_path).add_run("run", info)
    predicted(made)
    explained(made, "gradcam", 1)
    explained(made, "lrp", 2)
    for seed, control in enumerate(control_keys(made), start=3):
        explained(made, control, seed)
    return made


def explained(run: Run, method: str, seed: int) -> None:
    """Maps of noise for the predicted classes; the last one is refused."""
    rows = rows_of(run)
    maps = np.random.default_rng(seed).standard_normal((len(rows), 4, 4)).astype(np.float32)
    store = run.maps(method, EXPLAINERS[method].params(), create=True)
    assert store is not None
    store.put(rows, keys_of(run), maps, {}, [None] * (len(rows) - 1) + ["not conserved"])


def rows_of(run: Run) -> np.ndarray[Any, np.dtype[np.int64]]:
    return run.study.rows("test")


def keys_of(run: Run) -> list[str]:
    return [target.key for target in run.targets(rows_of(run), "predicted")]


def request(run: Run, *metrics: str, methods: tuple[str, ...] = ("gradcam", "lrp")) -> ScoreRequest:
    named = [(key, {}) for key in metrics or (POINTING, SPARSENESS)]
    return ScoreRequest(run, rows_of(run).tolist(), "predicted", [(key, {}) for key in methods], named)


def scored(run: Run, *metrics: str, methods: tuple[str, ...] = ("gradcam", "lrp")) -> list[tuple[int, int]]:
    return list(score_steps(Bench("cpu"), request(run, *metrics, methods=methods)))


def stored(run: Run, metric: str = POINTING, method: str = "gradcam") -> Any:
    params = METRICS[metric].params(), EXPLAINERS[method].params()
    store = run.scores((metric, params[0]), (method, params[1]))
    return None if store is None else store.get(rows_of(run), keys_of(run))


def summary(run: Run, metric: str = POINTING) -> Cell:
    (found,) = cells(run, rows_of(run), "predicted", [("gradcam", {})], [(metric, {})])
    return found


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Which metric was asked for how many maps, from now on."""
    calls: list[tuple[str, int]] = []
    plain = scoring.score

    def noted(member: Metric, given: MetricInput, params: Any) -> Scores:
        calls.append((member.card.key, len(given.maps)))
        return plain(member, given, params)

    monkeypatch.setattr(scoring, "score", noted)
    return calls


def test_scores_are_those_of_the_stored_maps_and_masks(run: Run) -> None:
    steps = scored(run)
    assert steps[0] == (0, 64)
    assert steps[-1] == (64, 64)
    found, rows = stored(run), rows_of(run)
    maps = run.maps("gradcam", EXPLAINERS["gradcam"].params())
    assert maps is not None
    positive = np.maximum(maps.get(rows, keys_of(run)).maps, 0)
    for place, row in enumerate(rows[:-1].tolist()):
        mask = run.study.mask(row)
        if mask is None or mask.all():
            assert found.state[place] == REFUSED
            assert found.reasons[place] == ("no mask" if mask is None else "the mask is everywhere")
            continue
        large = np.asarray(
            Image.fromarray(positive[place]).resize((SIDE, SIDE), Image.Resampling.BILINEAR), dtype=np.float64
        )
        np.testing.assert_allclose(found.values[place], large[mask].sum() / large.sum(), rtol=1e-4)
        assert found.beside["mask_area"][place] == np.float32(mask.mean())
    assert found.reasons[-1] == "the map was refused: not conserved"


def test_what_is_scored_is_not_scored_again(run: Run, asked: list[tuple[str, int]]) -> None:
    scored(run, POINTING)
    assert asked == [(POINTING, 16), (POINTING, 16)]
    asked.clear()
    assert scored(run) == [(32, 64), (48, 64), (64, 64)]
    assert asked == [(SPARSENESS, 16), (SPARSENESS, 16)]
    assert scored(run) == [(64, 64)]


def test_a_stopped_one_keeps_its_steps_and_goes_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "MOST_PIXELS", SIDE * SIDE * 5)
    steps = score_steps(Bench("cpu"), request(run, SPARSENESS))
    assert [next(steps) for _ in range(4)] == [(0, 32), (5, 32), (10, 32), (15, 32)]
    steps.close()
    assert (stored(run, SPARSENESS).state == STORED).sum() == 10
    assert scored(run, SPARSENESS)[0] == (15, 32)
    assert (stored(run, SPARSENESS).state == STORED).sum() == 15


def test_an_edited_mask_makes_scores_stale_that_read_masks(run: Run) -> None:
    scored(run)
    before = stored(run).values
    box(run.study.data / "test" / "a" / "0_mask.png", 9)
    again = Study.open(run.study.path).run("run")
    assert stored(again) is None
    assert summary(again).missing == 16
    assert (stored(again, SPARSENESS).state == STORED).sum() == 15
    scored(again)
    changed = np.flatnonzero(stored(again).values != before)
    assert [again.study.samples["id"].iat[rows_of(again)[place]] for place in changed if before[place] >= 0] == [
        "test/a/0.png"
    ]


def test_a_mask_that_is_edited_meanwhile_is_not_stored_as_the_new_one(run: Run) -> None:
    """Nor are those that were read before it."""
    steps = score_steps(Bench("cpu"), request(run, POINTING))
    next(steps)
    box(run.study.data / "test" / "a" / "0_mask.png", 9)
    assert list(steps)[-1] == (32, 32)
    assert stored(Study.open(run.study.path).run("run")) is None


def test_a_mask_that_cannot_be_read_costs_no_other(run: Run) -> None:
    (run.study.data / "test" / "b" / "1_mask.png").write_bytes(b"no picture")
    again = Study.open(run.study.path).run("run")
    scored(again, POINTING)
    found = stored(again)
    (place,) = np.flatnonzero(again.study.samples["id"].to_numpy()[rows_of(again)] == "test/b/1.png")
    assert "1_mask.png" in found.reasons[place]
    assert (found.state == STORED).sum() == 7


def test_scoring_stored_maps_and_reading_scores_load_no_torch(run: Run) -> None:
    code = """
import sys
from pathlib import Path
from xai_core.answers.method_quality import cells
from xai_core.pipeline.load import Bench
from xai_core.pipeline.score import ScoreRequest, score_steps
from xai_core.store.study import Study
run = Study.open(Path(sys.argv[1])).run("run")
rows, methods, metrics = run.study.rows("test"), [("gradcam", {})], [("energy-pointing-game", {}), ("sparseness", {})]
steps = list(score_steps(Bench(), ScoreRequest(run, rows.tolist(), "predicted", methods, metrics)))
print(steps[-1], cells(run, rows, "predicted", methods, metrics)[0].n)
assert not {"torch", "captum", "shap"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code, run.study.path], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "(32, 32) 8", done.stderr


def test_a_summary_counts_everybody_once(run: Run) -> None:
    scored(run)
    found, values = summary(run), stored(run).values
    assert found.reasons == {"no mask": 5, "the mask is everywhere": 2, "the map was refused: not conserved": 1}
    assert (found.n, found.not_scored, found.missing) == (8, 8, 0)
    estimate = bootstrap_mean(values[np.isfinite(values)], seed=3)
    np.testing.assert_allclose((found.mean, found.low, found.high), (estimate.value, estimate.low, estimate.high))
    assert found.low < found.mean < found.high
    assert set(found.beside) == {"mask_area"}
    assert summary(run, SPARSENESS).n == 15


def test_a_run_without_a_model_has_none(run: Run) -> None:
    other = run.study.add_run("table", RunInfo())
    predicted(other)
    with pytest.raises(NotApplicable, match="without a model"):
        scored(other)
    assert summary(other).missing == 16


def test_the_command_prints_the_same_as_the_answer(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    words = (
        "score",
        run.study.path,
        "--run",
        "run",
        "--methods",
        "gradcam,lrp",
        "--metrics",
        f"{POINTING},{SPARSENESS}",
    )
    result = xai_json(capsys, *words)
    assert [(each["metric"], each["method"]) for each in result["scores"]] == [
        (metric, method) for metric in (POINTING, SPARSENESS) for method in ("gradcam", "lrp", *control_keys(run))
    ]
    assert [each["control"] for each in result["scores"][:6]] == [False, False, True, True, True, True]
    found, told = summary(run), result["scores"][0]
    assert (told["mean"], told["low"], told["high"], told["n"]) == (
        *(round(value, 6) for value in (found.mean, found.low, found.high)),
        8,
    )
    assert told["reasons"] == found.reasons
    capsys.readouterr()
    xai(*words)
    text = capsys.readouterr().out
    assert "Energy-based pointing game (share, 0…1; higher is better)" in text
    assert f"{found.mean:.3f}  {found.low:.3f} to {found.high:.3f}" in text
    assert "5 × no mask" in text
    assert "mask area" in text


def test_what_is_not_named_is_all_that_applies_and_200_samples(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from xai_core.answers import controls, quality_choice

    monkeypatch.setattr(controls, "usable_methods", lambda _run: ["gradcam", "lrp"])
    monkeypatch.setattr(controls, "control_keys", lambda _run: ["edges"])
    monkeypatch.setattr(quality_choice, "usual_metrics", lambda _run: [SPARSENESS])
    monkeypatch.setattr(quality_choice, "LIMIT", 6)
    words = ("score", run.study.path, "--run", "run")
    result = xai_json(capsys, *words)
    assert [each["method"] for each in result["scores"]] == ["gradcam", "lrp", "edges"]
    assert (result["samples"], result["of"]) == (6, 16)
    xai(*words)
    assert "heatmaps of 6 samples of 16, drawn by the study's seed" in capsys.readouterr().out
    assert xai_json(capsys, *words, "--limit", "20")["samples"] == 16


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--metrics", "sparsenes"], "Did you mean sparseness"),
        (["--metrics", "sparseness", "--methods", "gradcm"], "gradcam"),
        (["--metrics", "sparseness", "--set", "sparseness.side=-1"], "side is out of range"),
        (["--metrics", "sparseness", "--set", "energy-pointing-game.x=1"], "not asked for"),
        (["--metrics", "sparseness", "--cell", "a:c"], "no class of this name"),
        (["--metrics", ","], "nothing is named"),
    ],
)
def test_a_mistake_is_one_line(run: Run, capsys: pytest.CaptureFixture[str], words: list[str], told: str) -> None:
    methods = [] if "--methods" in words else ["--methods", "gradcam"]
    assert told in fails(capsys, "score", run.study.path, "--run", "run", *methods, *words)
    assert not (run.path / "scores").exists()


def test_scoring_as_a_job_is_checked_at_once_and_does_the_same(run: Run) -> None:
    job = OPERATIONS["score"]
    words = {"run": "run", "methods": [["gradcam", {}]], "metrics": [[SPARSENESS, {"side": "0"}], [POINTING, {}]]}
    for wrong, told in (
        ({"metrics": []}, "no metric is named"),
        ({"metrics": [["sparsenes", {}]]}, "no metric of this name|Did you mean sparseness"),
        ({"metrics": [[SPARSENESS, {"sid": 1}]]}, "no parameter"),
        ({"methods": []}, "no method is named"),
    ):
        with pytest.raises(XaiError, match=told):
            job.check(run.study, record(job.params, words | wrong))
    arguments = record(job.params, words)
    job.check(run.study, arguments)
    seen: list[tuple[int, int]] = []
    work = Work(Settings(device="cpu"), lambda done, total, _: seen.append((done, total)))
    assert job.run(run.study, arguments, work) == {"samples": 16, "scores": 32, "left_out": 0, "such_as": {}}
    assert seen[0] == (0, 32)
    assert seen[-1] == (32, 32)
    assert summary(run).n == 8
    assert job.title(arguments) == f"Scores of run: {SPARSENESS}, {POINTING} of gradcam (test samples)"


def test_parameters_are_kept_apart(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("score", run.study.path, "--run", "run", "--methods", "gradcam", "--metrics", SPARSENESS)
    plain, coarse = xai_json(capsys, *words), xai_json(capsys, *words, "--set", "sparseness.side=2")
    assert plain["scores"][0]["mean"] > coarse["scores"][0]["mean"]
    assert len(list((run.path / "scores").glob("sparseness-*"))) == 2


def test_no_key_is_a_method_and_a_metric() -> None:
    """`--set KEY.NAME=VALUE` means one of them."""
    assert not set(METRICS.keys()) & set(EXPLAINERS.keys())


@pytest.fixture
def real(tmp_path: Path) -> Run:
    """A run with a small model, untrained."""
    from xai_core.models.build import fresh_module
    from xai_core.models.weights import fingerprint, save_weights

    study, module = written(tmp_path), fresh_module("small_cnn", 2, INPUT)
    about = {"architecture": "small_cnn", "preprocess": INPUT.as_dict(), "cam_layer": "features"}
    with study.new_run("run", RunInfo(fingerprint=fingerprint(module, "small_cnn", INPUT), **about)) as made:
        save_weights(module, made.weights)
        predicted(made)
    return study.run("run")


def test_maps_that_are_missing_are_made_first_also_where_a_layer_is_not_there(real: Run) -> None:
    wanted = replace(request(real, SPARSENESS), methods=[("gradcam", {"layer": "nope"}), ("edges", {})])
    with pytest.raises(NotFound, match="nope"):
        list(score_steps(Bench("cpu"), wanted))
    assert (stored(real, SPARSENESS, "edges").state == STORED).all()
    maps = real.maps("edges", EXPLAINERS["edges"].params())
    assert maps is not None
    assert maps.count() == 16


def stability(given: MetricInput, _params: NoParams) -> Scores:
    """How far maps of the same method move on inputs with a little noise; 0 where they do not."""
    import torch

    model = given.model
    assert not model.classifier.module.training
    noise = torch.from_numpy(
        np.stack([np.random.default_rng(s).standard_normal(model.x[0].shape) for s in given.seeds])
    )
    places = np.arange(len(given.maps))
    again = model.explain(model.classifier, model.x + noise.to(model.x) * 0.01, places).maps
    still = model.explain(model.classifier, model.x, places).maps
    np.testing.assert_allclose(still, given.maps, atol=2e-3 * np.abs(given.maps).max())  # as stored: float16
    logits = (model.classifier.logits(model.x) * model.weights).flatten(1).sum(1)
    values = np.linalg.norm((again - still).reshape(len(places), -1), axis=1)
    return Scores(values.astype(np.float32), beside={"logit": logits.detach().cpu().numpy()})


@pytest.fixture
def stable(monkeypatch: pytest.MonkeyPatch) -> Callable[[frozenset[str]], None]:
    """A metric that runs the model, for one test."""

    def register(needs: frozenset[str]) -> None:
        card = Card("stability", "Stability", "Moves little.", "Everything.", needs=needs, direction=-1, unit="length")
        _ = METRICS.keys()
        monkeypatch.setitem(METRICS._members, "stability", Metric(card, NoParams, stability))

    return register


@pytest.mark.parametrize("method", ["gradcam", "random", pytest.param("shap", marks=pytest.mark.slow)])
def test_a_metric_that_runs_the_model_gets_it_and_can_explain_again(
    real: Run, stable: Callable[[frozenset[str]], None], method: str
) -> None:
    stable(frozenset({"model", "mask"}))
    bench = Bench("cpu")
    before = {name: value.clone() for name, value in bench.classifier(real).module.state_dict().items()}
    list(score_steps(bench, request(real, "stability", methods=(method,))))
    found = stored(real, "stability", method)
    assert (found.state == STORED).sum() == 8
    assert np.isfinite(found.beside["logit"]).sum() == 8
    assert (found.values[found.state == STORED] == 0).all() == (method == "random")
    classifier = bench.classifier(real)
    assert all(parameter.requires_grad for parameter in classifier.module.parameters())
    assert all((value == before[name]).all() for name, value in classifier.module.state_dict().items())


def test_a_killed_one_leaves_nothing_wrong_and_the_same_command_goes_on(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed without a word in the middle of its steps; afterwards all is as if nothing had happened."""
    words = ("score", str(run.study.path), "--run", "run", "--methods", "gradcam,lrp", "--metrics", SPARSENESS)
    code = f"""
import os, signal
from xai_core.cli.main import main
from xai_core.pipeline import score
score.MOST_PIXELS = {SIDE * SIDE * 5}
plain, calls = score.Pair.put, []
def put(pair, *given):
    calls.append(plain(pair, *given))
    if len(calls) == 8:
        os.kill(os.getpid(), signal.SIGKILL)
score.Pair.put = put
main({list(words)!r})
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (stored(run, SPARSENESS).state != MISSING).sum() == 10
    result = xai_json(capsys, *words)
    assert all(each["missing"] == 0 and each["n"] == 15 for each in result["scores"])
    shutil.rmtree(run.path / "scores")
    assert xai_json(capsys, *words)["scores"] == result["scores"]


def test_scores_survive_a_copy(run: Run, tmp_path: Path) -> None:
    scored(run)
    shutil.copytree(run.study.path, tmp_path / "copy")
    there = Study.open(tmp_path / "copy").run("run")
    assert (stored(there, SPARSENESS).state == STORED).sum() == 15
