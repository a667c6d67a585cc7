"""The cascade of a run: stored once, resumed, killed, told; controls and planted methods get their verdicts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.tiny_study import fails, make, xai, xai_json
from xai_core.answers import sanity
from xai_core.answers.cascade import stored
from xai_core.answers.strip import strip
from xai_core.datasets import DATASETS
from xai_core.errors import BadInput
from xai_core.explainers import EXPLAINERS, ExplainerInput
from xai_core.explainers.base import explainer
from xai_core.models.build import fresh_module
from xai_core.models.preprocess import Preprocess
from xai_core.models.weights import fingerprint, save_weights
from xai_core.params import as_dict, build
from xai_core.pipeline.cascade import CascadeRequest, cascade_steps
from xai_core.pipeline.load import Bench
from xai_core.sanity.orders import ORDERS, ranges
from xai_core.sanity.verdict import MEASURES
from xai_core.store import cascade
from xai_core.store.likenesses import LikenessStore, State
from xai_core.store.recipes import related
from xai_core.store.run import Run, RunInfo
from xai_core.store.study import Study
from xai_core.types import Card, Explanation

SIDE, EACH = 32, 6
INPUT = Preprocess(SIDE, SIDE, 1, (0.5,), (0.5,))
STAGES = ["features.0 … 1", "features.4 … 5", "features.8 … 9", "head"]


def made(folder: Path) -> Study:
    """Two classes of noise with a bright blob."""
    data, rng = folder / "data", np.random.default_rng(0)
    for split, name in product(("train", "test"), ("a", "b")):
        target = data / split / name
        target.mkdir(parents=True)
        for number in range(EACH):
            pixels = rng.integers(0, 120, (SIDE, SIDE), np.uint8)
            top, left = rng.integers(0, SIDE - 12, 2)
            pixels[top : top + 12, left : left + 12] += 120
            Image.fromarray(pixels).save(target / f"{number}.png")
    member = DATASETS["image-folder"]
    params = build(member.params, {})
    scan = member.make(data, params).scan(0)
    return Study.create(folder / "study", dataset="image-folder", params=as_dict(params), data=data, seed=3, scan=scan)


def add(study: Study, name: str, seed: int, **training: Any) -> Run:
    """A small net with weights of its own."""
    module = fresh_module("small_cnn", 2, INPUT, seed=seed).eval()
    about = {"architecture": "small_cnn", "seed": seed, **training}
    key = fingerprint(module, "small_cnn", INPUT)
    info = RunInfo("small_cnn", INPUT.as_dict(), "features", key, training=about)
    with study.new_run(name, info) as run:
        save_weights(module, run.weights)
    run = study.run(name)
    count = len(study.labels)
    run.write_predictions(range(count), np.tile([[0.9, 0.1], [0.2, 0.8]], (count // 2, 1)))
    return run


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return made(tmp_path_factory.mktemp("cascade"))


@pytest.fixture
def run(study: Study) -> Iterator[Run]:
    yield add(study, "net", 0)
    import shutil

    for name in study.runs():
        shutil.rmtree(study.path / "runs" / name)


def asked(run: Run, *methods: str, **more: Any) -> CascadeRequest:
    rows = run.study.rows("test").tolist()
    return CascadeRequest(run, rows, [(key, {}) for key in methods], **more)


def filled(request: CascadeRequest) -> list[tuple[int, int]]:
    return list(cascade_steps(Bench("cpu"), request))


def lines(run: Run, key: str) -> Any:
    store = cascade.likenesses(run, key, EXPLAINERS[key].params())
    assert store is not None
    return store.every(len(MEASURES))


def verdict(run: Run, key: str) -> sanity.Verdict:
    return sanity.verdict_of(run, key, {})


class Calls:
    """Counts how often models are asked for maps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from xai_core.pipeline import cascade_maps

        self.count, before = 0, cascade_maps.explain

        def counted(*given: Any) -> Any:
            self.count += 1
            return before(*given)

        monkeypatch.setattr(cascade_maps, "explain", counted)


def test_a_cascade_is_stored_once_and_answers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    request = asked(run, "saliency", "edges", "random", seeds=(0, 1))
    steps = filled(request)
    states, controls = 1 + 2 + 2 * (4 + 3), 1 + 2 + 2
    total = 12 * (states + 2 * controls)
    assert steps[0] == (0, total)
    assert steps[-1] == (total, total)
    kept = lines(run, "saliency")
    assert len(kept.rows) == 12 * states
    assert len(lines(run, "edges").rows) == 12 * controls, "one random model shows that a control knows none"
    whole = [at for at, state in enumerate(kept.states) if state == State("random", "0-3", 1)]
    assert sorted(kept.rows[whole].tolist()) == request.rows
    calls = Calls(monkeypatch)
    assert filled(request)[-1] == steps[-1]
    assert calls.count == 0, "what is there is not computed again"
    filled(replace(request, seeds=(0, 1, 2)))
    assert calls.count == (1 + 8) + 2 * (1 + 2), "only another seed's maps, beside the trained model's"
    found = stored(run, "saliency", EXPLAINERS["saliency"].params())
    assert found is not None
    assert list(found.evidence.stages) == STAGES
    curve = found.curve("output-down", "ssim")
    assert curve is not None
    assert list(curve.names) == STAGES[::-1]
    assert {stick.name for stick in found.yardsticks("ssim")} == {
        "the same model asked again",
        "maps of other pictures",
    }
    assert (verdict(run, "edges").kind, verdict(run, "random").kind) == ("fails", "fails")
    assert "same map whatever the weights" in verdict(run, "edges").sentence
    assert verdict(run, "random").sentence.startswith("Noise")
    assert verdict(run, "saliency").n == 12
    assert verdict(run, "lrp") == sanity.UNCHECKED


@pytest.fixture
def planted() -> Iterator[str]:
    """A method that draws, depends on the picture, and never asks the model."""

    @explainer(Card(key="planted", title="Planted", summary="", blind_spot=""))
    def planted(given: ExplainerInput, params: Any) -> Explanation:
        noise = [np.random.default_rng(int(seed)).standard_normal((SIDE, SIDE)) for seed in given.seeds]
        maps = given.x.mean(1).numpy() + 0.3 * np.stack(noise)
        return Explanation(maps.astype(np.float32))

    yield "planted"
    del EXPLAINERS._members["planted"]


def test_a_planted_method_that_ignores_the_model_fails(run: Run, planted: str) -> None:
    filled(asked(run, planted, orders=("all",)))
    found = verdict(run, planted)
    assert found.kind == "fails"
    assert "whatever the weights" in found.sentence
    again = stored(run, planted, EXPLAINERS[planted].params())
    assert again is not None
    (ssim,) = [stick.value.mean for stick in again.yardsticks("ssim") if "again" in stick.name]
    assert 0.1 < ssim < 0.95, "it draws anew when it is asked again"


def test_copies_are_random_where_the_state_says(run: Run) -> None:
    """What is stored equals a comparison with a copy that was randomised by itself."""
    from xai_core.explainers.engine.plan import explain
    from xai_core.pipeline.load import inputs, load_classifier, seeds_of
    from xai_core.sanity.randomise import randomised
    from xai_core.similarities import SIMILARITIES

    filled(asked(run, "saliency", orders=ORDERS, seeds=(5,)))
    rows, classifier = run.study.rows("test"), load_classifier(run, device="cpu")
    kept = lines(run, "saliency")
    modules = [["features.0", "features.1"], ["features.4", "features.5"], ["features.8", "features.9"], ["head"]]

    def maps(of: Any) -> Any:
        given = ExplainerInput(
            of, inputs(run.study, of, rows), run.targets(rows, "predicted"), seeds_of(run.study, rows)
        )
        return explain(given, [("saliency", None)])[0].maps

    own = maps(classifier)
    for first, last in {each for order in ORDERS for each in ranges(order, 4)}:
        names = [name for stage in modules[first : last + 1] for name in stage]
        expected = SIMILARITIES["ssim"].compare(own, maps(randomised(classifier, 5, names)))
        state = State("random", f"{first}-{last}", 5)
        places = [at for at, each in enumerate(kept.states) if each == state]
        order = np.argsort(kept.rows[places])
        np.testing.assert_allclose(kept.values[places][order, MEASURES.index("ssim")], expected, atol=2e-3)


def test_statistics_are_part_of_what_is_stored(run: Run) -> None:
    filled(asked(run, "saliency", orders=("all",), seeds=(0,)))
    filled(asked(run, "saliency", orders=("all",), seeds=(0,), statistics="kept"))
    params = EXPLAINERS["saliency"].params()
    both = [cascade.likenesses(run, "saliency", params, statistics=each) for each in ("reset", "kept")]
    assert both[0] is not None
    assert both[1] is not None
    assert both[0].path != both[1].path


def test_models_trained_apart_and_on_random_labels_are_yardsticks(run: Run, study: Study) -> None:
    add(study, "twin", 1)
    add(study, "shuffled", 2, random_labels=True)
    add(study, "another", 3, epochs=9)
    filled(asked(run, "saliency", orders=("all",), seeds=(0, 1)))
    found = stored(run, "saliency", EXPLAINERS["saliency"].params())
    assert found is not None
    names = [stick.name for stick in found.yardsticks("cosine")]
    assert names[2:] == ["a model trained apart", "a model of random labels"]
    about = {state.about for state in lines(run, "saliency").states if state.kind == "run"}
    assert about == {study.run("twin").info.fingerprint[:8]}


def test_a_few_small_maps_are_kept(run: Run) -> None:
    filled(asked(run, "saliency", seeds=(0,)))
    from xai_core.answers.maps import columns

    found = strip(run, columns(run, ["saliency"], {})[0])
    assert found is not None
    assert list(found.names) == ["trained", *STAGES[::-1]]
    assert found.rows == run.study.rows("test")[:3].tolist()
    keys = found.keys(found.rows[0])
    assert found.column.maps is not None
    maps = found.column.maps.get([found.rows[0]] * len(keys), keys)
    assert maps.state.tolist() == [1] * len(keys)
    assert maps.maps.shape == (5, 32, 32)


def test_pictures_that_cannot_be_read_cost_no_other(run: Run, study: Study) -> None:
    from xai_core.errors import LeftOut

    rows = study.rows("test")
    file = study.path.parent / "data" / str(study.samples["path"].iat[int(rows[2])])
    before = file.read_bytes()
    try:
        file.write_bytes(b"no picture")
        with pytest.raises(LeftOut):
            filled(asked(run, "saliency", orders=("all",), seeds=(0, 1)))
    finally:
        file.write_bytes(before)
    assert verdict(run, "saliency").n == 11


def test_a_damaged_line_is_left_out_and_made_again(run: Run) -> None:
    import sqlite3

    request = asked(run, "saliency", orders=("all",), seeds=(0, 1))
    filled(request)
    store = cascade.likenesses(run, "saliency", EXPLAINERS["saliency"].params())
    assert store is not None
    count = len(lines(run, "saliency").rows)
    with sqlite3.connect(store.path / "index.sqlite") as index:
        index.execute(
            "UPDATE rows SET likeness = zeroblob(10) WHERE row = ? AND target LIKE '%repeat@1'", (request.rows[0],)
        )
        index.execute("INSERT INTO rows VALUES (1, 'nonsense', x'00', NULL, 0)")
    assert len(lines(run, "saliency").rows) == count - 1
    filled(request)
    assert len(lines(run, "saliency").rows) == count


def test_the_keys_of_states_come_back() -> None:
    for state in (State("random", "2-9", 7), State("repeat", seed=0), State("other", "31"), State("run", "0a1b2c3d")):
        assert State.parse(state.key("3-1")) == ("3-1", state)
    for text in ("", "3", "3~", "3~random:../@1", "3~else", "3~trained"):
        assert State.parse(text) is None


def test_a_single_sample_is_too_few(run: Run) -> None:
    request = asked(run, "saliency")
    with pytest.raises(BadInput, match="too few samples"):
        filled(replace(request, rows=request.rows[:1]))
    assert not (run.path / "cascade").exists()


_WORKER = """
import sys
from pathlib import Path
from xai_core.pipeline.cascade import CascadeRequest, cascade_steps
from xai_core.pipeline.load import Bench
from xai_core.store.study import Study
run = Study.open(Path(sys.argv[1])).run("net")
request = CascadeRequest(run, run.study.rows("test").tolist(), [("saliency", {})], ("all",), (0, 1, 2, 3))
for done, _ in cascade_steps(Bench("cpu"), request):
    print(done, flush=True)
"""


def test_a_killed_cascade_goes_on_where_it_was(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [sys.executable, "-c", _WORKER, str(run.study.path)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while int(process.stdout.readline()) < 12 * 4:
            time.sleep(0)
        os.kill(process.pid, signal.SIGKILL)
    there = len(lines(run, "saliency").rows)
    assert there >= 12 * 4
    request = asked(run, "saliency", orders=("all",), seeds=(0, 1, 2, 3))
    calls = Calls(monkeypatch)
    filled(request)
    assert calls.count <= 10 - there // 12, "what was stored is not computed again, but for the trained model's"
    whole = lines(run, "saliency")
    monkeypatch.undo()
    store = cascade.likenesses(run, "saliency", EXPLAINERS["saliency"].params())
    assert isinstance(store, LikenessStore)
    import shutil

    shutil.rmtree(store.path)
    filled(request)
    again = lines(run, "saliency")
    key = lambda found: [(row, str(state)) for row, state in zip(found.rows, found.states, strict=True)]  # noqa: E731
    assert sorted(key(whole)) == sorted(key(again))
    order = [np.lexsort([np.array([text for _, text in key(each)]), each.rows]) for each in (whole, again)]
    np.testing.assert_allclose(whole.values[order[0]], again.values[order[1]], atol=2e-3)


def test_the_command_tells_verdicts_and_mistakes(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sanity", run.study.path, "--run", "net", "--methods", "saliency"]
    result = xai_json(capsys, *words, "--orders", "all", "--seeds", "2")
    assert list(result["methods"]) == ["saliency", "edges", "random"]
    assert result["methods"]["edges"]["verdict"] == "fails"
    assert result["methods"]["saliency"]["measures"]["ssim"]["random"]["n"] == 12
    assert "This is no ranking" in result["no_ranking"]
    assert "NotFound" not in fails(capsys, *words, "--orders", "sideways")
    assert "no order of this name" in fails(capsys, *words, "--orders", "sideways")
    assert "too few samples" in fails(capsys, *words, "--limit", "1")
    assert "how many random models" in fails(capsys, *words, "--seeds", "1000")


def test_torch_is_not_needed_to_read(run: Run) -> None:
    filled(asked(run, "edges", orders=("all",), seeds=(0,)))
    check = (
        "import sys; from pathlib import Path; from xai_core.store.study import Study;"
        "from xai_core.answers.sanity import verdict_of;"
        f"run = Study.open(Path({str(run.study.path)!r})).run('net'); print(verdict_of(run, 'edges', {{}}).kind);"
        "assert not {'torch', 'skimage'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.strip() == "fails"


def test_random_labels_are_a_permutation_that_is_to_be_memorised(tmp_path: Path) -> None:
    made = make(tmp_path)
    xai("train", made.path, "--run", "shuffled", "--parent", "baseline", "--random-labels", "true", "--epochs", "2")
    shuffled = made.run("shuffled")
    assert shuffled.info.training["random_labels"] is True
    found = [(kind, other.name) for kind, other in related(made.run("baseline"))]
    assert found == [("labels", "shuffled")], "however long it took"
    assert related(shuffled) == [], "a model that memorised has nothing to be held against"
