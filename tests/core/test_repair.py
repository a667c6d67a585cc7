"""Repairs of a last layer: against plain writings of the papers, and on a problem with a planted shortcut."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from tests.tiny_study import fails, xai, xai_json
from xai_core.errors import BadInput, Cancelled, NotApplicable
from xai_core.models.build import classifier as build_classifier
from xai_core.models.build import fresh_module
from xai_core.models.head import head_of
from xai_core.models.preprocess import Preprocess
from xai_core.models.weights import fingerprint, save_weights
from xai_core.params import build
from xai_core.pipeline.features import features_of
from xai_core.pipeline.load import load_classifier
from xai_core.pipeline.predict import predict
from xai_core.pipeline.repair import RepairWanted, repair_run
from xai_core.store.features import FeatureFiles
from xai_core.store.run import RunInfo
from xai_core.store.study import Study
from xai_core.training.last_layer import Descent, Scaler, descend, losses_and_residuals
from xai_core.training.repairs import REPAIRS, RepairInput, RepairOutput
from xai_core.training.repairs.base import cut_to_smallest, predicted, worst_accuracy
from xai_core.training.repairs.dfr import STRENGTHS
from xai_core.training.repairs.groupdro import GroupWeights
from xai_core.types import CancelToken, silent

Capture = pytest.CaptureFixture[str]


def planted(seed: int, n: int = 1200, agree: float = 0.97, classes: int = 2) -> tuple[NDArray, NDArray, NDArray]:
    """Features whose first `classes` columns are a shortcut, strong and clean, and the next the class, weak and noisy.

    The shortcut says the label in a share `agree` of samples, else the next class. Groups: class × whether it does.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    agrees = rng.random(n) < agree
    says = np.where(agrees, labels, (labels + 1) % classes)
    shortcut = 3.0 * np.eye(classes)[says] + rng.normal(0, 0.3, (n, classes))
    core = 1.5 * np.eye(classes)[labels] + rng.normal(0, 0.6, (n, classes))
    noise = rng.normal(0, 1, (n, 6))
    return np.concatenate([shortcut, core, noise], axis=1), labels, 2 * labels + ~agrees


def given(seed: int = 0, classes: int = 2, n: int = 1200) -> RepairInput:
    features, labels, groups = planted(seed, n, classes=classes)
    biased = descend(features, labels, classes, lambda x: np.full(len(x), 1 / len(x)), Descent(200, 0.1, 0), silent)
    names = tuple(f"group {group}" for group in range(2 * classes))
    return RepairInput(features, labels, groups, names, classes, *biased, seed)


def repaired(method: str, of: RepairInput, **values: object) -> RepairOutput:
    member = REPAIRS[method]
    output: RepairOutput = member.compute(of, build(member.params, values))
    return output


def worst_elsewhere(weight: NDArray, bias: NDArray, classes: int = 2) -> float:
    """On samples that nobody learned from, of which the shortcut says nothing."""
    features, labels, groups = planted(99, 4000, agree=0.5, classes=classes)
    return worst_accuracy(features, labels, groups, weight, bias)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_planted_shortcut_is_repaired_and_by_plain_retraining_it_is_not(classes: int) -> None:
    of = given(classes=classes)
    erm = (of.weight, of.bias), _layer(repaired("retrain", of))
    before, again = (worst_elsewhere(*layer, classes) for layer in erm)
    dfr, dro = (worst_elsewhere(*_layer(repaired(method, of)), classes) for method in ("dfr", "groupdro"))
    assert max(before, again) < 0.75
    assert min(dfr, dro) > 0.85


def test_just_train_twice_gets_more_of_the_models_own_mistakes_right_and_says_where_there_are_none() -> None:
    of = given()
    output = repaired("jtt", of, upweight=100.0)
    right = predicted(of.features, output.weight, output.bias) == of.labels
    assert output.chosen["mistakes"] == of.wrong.sum() > 5
    assert right[of.wrong].mean() > 0.7
    fine = replace(of, labels=predicted(of.features, of.weight, of.bias))
    once, again = repaired("jtt", fine), repaired("retrain", fine)
    np.testing.assert_allclose(once.weight, again.weight)
    assert "makes no mistake" in once.notes[0]


def _layer(output: RepairOutput) -> tuple[NDArray, NDArray]:
    return output.weight, output.bias


@pytest.mark.parametrize("method", REPAIRS.keys())
def test_the_same_seed_gives_the_same_layer(method: str) -> None:
    of, few = given(n=300), {"refits": 2} if method == "dfr" else {"steps": 20}
    one, other = (repaired(method, of, **few) for _ in range(2))
    assert np.array_equal(one.weight, other.weight)
    assert np.array_equal(one.bias, other.bias)
    assert one.weight.shape == of.weight.shape
    assert one.chosen == other.chosen
    json.dumps(one.chosen)


def test_dfr_is_what_the_papers_script_does_written_plainly() -> None:
    """Two classes, as in the script: halves of validation choose C, refits on balanced draws are averaged."""
    of, refits = given(n=500), 3
    rng = np.random.default_rng(of.seed)
    members = [np.flatnonzero(of.groups == group) for group in range(4)]
    halves: tuple[list[int], list[int]] = ([], [])
    for group in members:
        order = rng.permutation(group)
        halves[0].extend(order[0::2])
        halves[1].extend(order[1::2])
    learned, judged = map(np.array, halves)
    smallest = min((of.groups[learned] == group).sum() for group in range(4))
    balanced: list[int] = []
    for group in range(4):
        balanced.extend(learned[rng.permutation(np.flatnonzero(of.groups[learned] == group))[:smallest]])
    scaler = StandardScaler().fit(of.features[balanced])
    worst = {}
    for c in STRENGTHS:
        model = _script_model(c).fit(scaler.transform(of.features[balanced]), of.labels[balanced])
        right = model.predict(scaler.transform(of.features[judged])) == of.labels[judged]
        worst[c] = min(right[of.groups[judged] == group].mean() for group in range(4))
    best = max(STRENGTHS, key=lambda c: worst[c])
    scaler = StandardScaler().fit(of.features)
    coefficients, intercepts = [], []
    for _ in range(refits):
        some: list[int] = []
        for group in members:
            some.extend(rng.permutation(group)[: min(map(len, members))])
        model = _script_model(best).fit(scaler.transform(of.features[some]), of.labels[some])
        coefficients.append(model.coef_[0])
        intercepts.append(model.intercept_[0])
    found = repaired("dfr", of, refits=refits)
    assert found.chosen["c"] == best
    assert found.chosen["worst_group_by_c"] == {f"{c:g}": share for c, share in worst.items()}
    plain = scaler.transform(of.features) @ np.mean(coefficients, axis=0) + np.mean(intercepts)
    logits = of.features @ found.weight.T + found.bias
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], plain, atol=1e-9)


def _script_model(c: float) -> LogisticRegression:
    return LogisticRegression(l1_ratio=1.0, C=c, solver="liblinear", max_iter=500, random_state=0)


def test_the_weights_of_groups_by_hand() -> None:
    """Two groups with mean losses 1 and 3, step size ln 2: the second weighs e^(2 ln 2) = 4 times as much."""
    share = GroupWeights(np.array([0, 0, 1]), float(np.log(2)))
    weights = share(np.array([0.5, 1.5, 3.0]))
    np.testing.assert_allclose(share.q, [0.2, 0.8])
    np.testing.assert_allclose(weights, [0.1, 0.1, 0.8])
    np.testing.assert_allclose(share(np.array([1.0, 1.0, 1.0])).sum(), 1)
    np.testing.assert_allclose(share.q, [0.2, 0.8], err_msg="equal losses move nothing")


def test_descent_is_adam_on_the_gradient_of_the_weighted_loss() -> None:
    features, labels, _ = planted(1, 60, classes=3)
    layer = torch.zeros(3, features.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    x = torch.from_numpy(np.column_stack([features, np.ones(60)]))
    shares = np.random.default_rng(0).dirichlet(np.ones(60))
    first, second = torch.zeros_like(layer), torch.zeros_like(layer)
    for step in range(1, 6):
        terms = torch.nn.functional.cross_entropy(x @ layer.T, torch.from_numpy(labels), reduction="none")
        loss = (torch.from_numpy(shares) * terms).sum() + 0.5 * 0.01 * layer[:, :-1].square().sum()
        (gradient,) = torch.autograd.grad(loss, layer)
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        with torch.no_grad():
            layer -= 0.05 * (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
    weight, bias = descend(features, labels, 3, lambda _: shares, Descent(5, 0.05, 0.01), silent)
    np.testing.assert_allclose(np.column_stack([weight, bias]), layer.detach().numpy(), atol=1e-10)
    losses, _ = losses_and_residuals(features, labels, np.zeros((3, features.shape[1])), np.zeros(3))
    np.testing.assert_allclose(losses, np.log(3))


def test_a_scaler_folds_into_the_layer_and_leaves_a_dead_feature_alone() -> None:
    rng = np.random.default_rng(0)
    features = np.column_stack([rng.normal(5, 3, 40), np.full(40, 7.0)])
    scaler, weight, bias = Scaler.of(features), rng.normal(size=(3, 2)), rng.normal(size=3)
    plain = scaler.folded(weight, bias)
    np.testing.assert_allclose(features @ plain[0].T + plain[1], scaler(features) @ weight.T + bias)
    np.testing.assert_allclose(scaler(features)[:, 0], StandardScaler().fit_transform(features)[:, 0])


def test_groups_are_cut_to_the_smallest() -> None:
    groups = np.repeat([0, 1, 2], [50, 7, 20])
    places = cut_to_smallest(groups, np.random.default_rng(0), 3)
    assert np.bincount(groups[places]).tolist() == [7, 7, 7]
    assert len(set(places.tolist())) == 21


def test_a_group_that_cannot_be_learned_from_is_named() -> None:
    of = given(n=300)
    few = np.flatnonzero(of.groups == 3)[2:]
    kept = np.setdiff1d(np.arange(300), few)
    small = RepairInput(of.features[kept], of.labels[kept], of.groups[kept], of.names, 2, of.weight, of.bias)
    with pytest.raises(BadInput, match="too few samples of a group: group 3: 2"):
        repaired("dfr", small)


def test_fits_that_do_not_converge_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xai_core.training.repairs.dfr._ROUNDS", 1)
    output = repaired("dfr", given(classes=3), refits=2, c=1.0)
    assert output.notes == ("2 of 2 fits stopped after 1 rounds, before they had converged.",)


def test_a_class_without_samples_is_never_said() -> None:
    of = given(n=300)
    weight, bias = np.vstack([of.weight, of.weight[:1]]), np.append(of.bias, 5.0)
    three = RepairInput(of.features, of.labels, of.groups, of.names, 3, weight, bias)
    output = repaired("dfr", three, refits=2, c=0.1)
    assert set(predicted(of.features, output.weight, output.bias)) == {0, 1}


SIDE = 32
GREY = Preprocess(SIDE, SIDE, 3, (0.5,) * 3, (0.25,) * 3)


def write_table(folder: Path, per_group: int = 6) -> Path:
    """Pictures of two classes in two cameras, and a table that knows the camera."""
    rng, lines = np.random.default_rng(0), ["path,label,split,camera"]
    folder.mkdir(parents=True)
    for split in ("train", "validation", "test"):
        for label, grey in (("dark", 60), ("light", 190)):
            for camera, tint in (("A", -30), ("B", 30)):
                for number in range(per_group):
                    name = f"{split}-{label}-{camera}-{number}.png"
                    pixels = np.clip(grey + tint + rng.normal(0, 25, (SIDE, SIDE, 3)), 0, 255)
                    Image.fromarray(pixels.astype(np.uint8)).save(folder / name)
                    lines.append(f"{name},{label},{split},{camera}")
    (folder / "labels.csv").write_text("\n".join(lines))
    return folder / "labels.csv"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A model that learned nothing, as it came from its builder, and its predictions."""
    folder = tmp_path_factory.mktemp("repair")
    xai("new", folder / "cameras", "--data", write_table(folder / "pictures"), "--dataset", "table")
    made, module = Study.open(folder / "cameras"), fresh_module("small_cnn", 2, GREY)
    about = {"architecture": "small_cnn", "preprocess": GREY.as_dict(), "cam_layer": "features"}
    with made.new_run("base", RunInfo(fingerprint=fingerprint(module, "small_cnn", GREY), **about)) as run:
        save_weights(module, run.weights)
    base = made.run("base")
    predict(base, load_classifier(base, device="cpu"), ["train", "validation", "test"])
    return made


def test_a_repaired_run_is_a_run_like_any_other(study: Study, capsys: Capture) -> None:
    words = ["repair", study.path, "--run", "base", "--method", "dfr", "--groups", "camera", "--set", "dfr.refits=3"]
    made = xai_json(capsys, *words)
    run = study.run("base-dfr")
    assert made["repair"]["groups"] == "camera"
    assert made["repair"]["params"] == {"refits": 3, "c": 0.0}
    assert run.info.parent == "base"
    assert run.info.fingerprint != study.run("base").info.fingerprint
    assert run.predictions is not None
    np.testing.assert_array_equal(run.predictions.rows, study.rows())
    model = load_classifier(run, device="cpu")
    with torch.no_grad():
        pixels = np.stack([GREY.pixels(study.picture(row)) for row in range(8)])
        x = torch.from_numpy(model.preprocess.normalise(pixels))
        np.testing.assert_allclose(
            model.logits(x).softmax(1), run.predictions.at(np.arange(8)).probabilities, atol=1e-5
        )
    assert xai_json(capsys, *words)["existed"], "the same again does nothing"
    assert "is another" in fails(capsys, *words, "--seed", "1")
    compared = xai_json(capsys, "compare", study.path, "--baseline", "base", "--candidate", "base-dfr")
    assert compared["n"] == 24


def test_features_are_the_input_of_the_last_layer_and_are_computed_once(study: Study) -> None:
    run = study.run("base")
    head, calls = head_of(load_classifier(run, device="cpu")), []
    rows = study.rows("test")
    found = features_of(run, head, rows).at(rows[:3])
    with torch.no_grad():
        x = torch.from_numpy(
            head.classifier.preprocess.normalise(np.stack([GREY.pixels(study.picture(r)) for r in rows[:3]]))
        )
        np.testing.assert_allclose(head.layer(torch.from_numpy(found)), head.classifier.logits(x), atol=1e-5)
    features_of(run, head, rows, progress=lambda done, total, what: calls.append(done))
    assert not calls


def test_stopped_features_go_on_and_damage_is_computed_again(study: Study, tmp_path: Path) -> None:
    run, token, rows = study.run("base"), CancelToken(), study.rows("train")
    head = head_of(load_classifier(run, device="cpu"))
    files = FeatureFiles(run, head.name)
    for part in files.path.glob("*"):
        part.unlink()
    with pytest.raises(Cancelled):
        features_of(run, head, rows, batch_size=8, cancel=token, progress=lambda *_: token.cancel())
    kept = files.read()
    assert kept is not None
    assert kept.rows.tolist() == rows[:8].tolist()
    whole = features_of(run, head, rows, batch_size=8)
    assert whole.rows.tolist() == rows.tolist()
    np.testing.assert_array_equal(whole.at(rows[:8]), kept.values)
    for part in files.path.glob("*"):
        part.write_bytes(part.read_bytes()[:-9] + b"damaged!!")
    assert files.read() is None
    np.testing.assert_array_equal(features_of(run, head, rows, batch_size=8).values, whole.values)


def test_what_cannot_be_repaired_is_told_in_one_line(study: Study, capsys: Capture) -> None:
    words = ["repair", study.path, "--run", "base", "--method"]
    assert "dfr needs groups" in fails(capsys, *words, "dfr")
    assert "the test is not for learning" in fails(capsys, *words, "jtt", "--split", "test")
    assert "Did you mean dfr?" in fails(capsys, *words, "dfrr")
    assert "Did you mean camera?" in fails(capsys, *words, "dfr", "--groups", "camra")
    assert "--set for something not chosen" in fails(capsys, *words, "jtt", "--set", "dfr.c=1")
    assert "not a name for a run" in fails(capsys, *words, "jtt", "--into", "../x")
    assert not any(name.startswith("base-j") for name in study.runs())


@pytest.mark.parametrize(("method", "groups"), [("jtt", "errors"), ("groupdro", "clusters"), ("retrain", "")])
def test_groups_may_be_inferred(study: Study, method: str, groups: str) -> None:
    wanted = RepairWanted("base", f"inferred-{method}", method, {"steps": 5}, groups)
    run = repair_run(study, wanted, device="cpu")
    assert run.info.provenance["repair"]["groups"] == (f"{groups}:base" if groups else "")
    assert repair_run(study, wanted, device="cpu").info.created == run.info.created


def test_a_job_repairs_too(study: Study) -> None:
    from xai_core.jobs.operations import OPERATIONS, Work
    from xai_core.jobs.values import record

    operation = OPERATIONS["repair"]
    wanted = record(operation.params, {"run": "base", "into": "by-job", "method": "jtt", "params": {"steps": 3}})
    operation.check(study, wanted)
    assert operation.title(wanted) == "Repair of base: Just train twice"
    assert operation.run(study, wanted, Work())["run"] == "by-job"


def test_a_model_without_a_linear_end_is_refused() -> None:
    made = build_classifier("squeezenet1_1", ("a", "b"), Preprocess(64, 64, 3, (0.5,) * 3, (0.5,) * 3), None)
    with pytest.raises(NotApplicable, match="no linear last layer"):
        head_of(made)


@pytest.mark.parametrize(("architecture", "size"), [("small_resnet", 32), ("small_cnn", 32)])
def test_the_last_layer_is_found_by_what_it_gives(architecture: str, size: int) -> None:
    made = build_classifier(architecture, ("a", "b", "c"), Preprocess(size, size, 3, (0.5,) * 3, (0.5,) * 3), None)
    head = head_of(made)
    x = torch.rand(4, 3, size, size)
    features = head.features(x)
    assert features.shape[0] == 4
    assert features.shape[1] == head.layer.in_features
    weight, bias = head.of_classes()
    with torch.no_grad():
        np.testing.assert_allclose(features @ weight.T + bias, made.logits(x), atol=1e-5)
        head.replaced(2 * weight, 2 * bias)
        np.testing.assert_allclose(2 * (features @ weight.T + bias), made.logits(x), atol=1e-5)
