"""The table of explanation quality: what it says of planted scores, and what it does not claim."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.dashboard.fakes import add_run, make_study
from xai_core.answers.controls import Against, control_keys, is_test, not_better
from xai_core.answers.method_quality import MethodQuality, against_controls, method_quality
from xai_core.answers.quality_choice import needed, samples, usable_metrics, with_controls
from xai_core.answers.quality_words import as_json, beaten, table, text
from xai_core.answers.scope import Scope
from xai_core.explainers import EXPLAINERS
from xai_core.metrics import METRICS, Metric, MetricInput
from xai_core.params import NoParams
from xai_core.store.run import Run
from xai_core.types import Card, Scores

METHODS = ("gradcam", "lrp", "ig", "saliency")
COUNT = 60
CARDS = {
    "gain": Card("gain", "Gain", "Rises.", "All else.", direction=1, unit="share, 0…1", aspect="faithfulness"),
    "loss": Card("loss", "Loss", "Falls.", "All else.", direction=-1, unit="share, 0…1", aspect="faithfulness"),
    "shake": Card("shake", "Shake", "Moves.", "All else.", direction=-1, unit="length", aspect="robustness"),
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose study has no masks, and three metrics that are never asked."""
    _ = METRICS.keys()

    def never(_given: MetricInput, _params: NoParams) -> Scores:
        raise AssertionError("scores are read")

    for key, card in CARDS.items():
        monkeypatch.setitem(METRICS._members, key, Metric(card, NoParams, never))
    return add_run(make_study(tmp_path / "pets", samples=COUNT), "net")


def put(run: Run, metric: str, method: str, values: Any, **more: Any) -> None:
    rows = run.study.rows("test")
    store = run.scores((metric, NoParams()), (method, EXPLAINERS[method].params()), create=True)
    assert store is not None
    keys = [target.key for target in run.targets(rows, "predicted")]
    store.put(rows, keys, Scores(np.asarray(values, np.float32), **more))


def planted(run: Run, metric: str, means: Mapping[str, float], spread: float = 0.1) -> None:
    """Scores that differ by sample alike for all methods, and a little by method."""
    hard = np.random.default_rng(0).normal(size=COUNT)
    for place, (method, mean) in enumerate(means.items(), start=1):
        put(run, metric, method, mean + 0.3 * hard + spread * np.random.default_rng(place).normal(size=COUNT))


def asked(run: Run, *metrics: str, methods: tuple[str, ...] = METHODS) -> MethodQuality:
    named = [(key, {}) for key in with_controls(run, methods)]
    return method_quality(
        Scope(run, "test"), run.study.rows("test"), "predicted", named, [(key, {}) for key in metrics]
    )


def ranks(found: MethodQuality, metric: str) -> dict[str, tuple[int, int] | None]:
    return {card.key: found.cells[metric, card.key].rank for card in found.methods}


def test_ranks_part_where_paired_differences_do_and_follow_the_direction(run: Run) -> None:
    means = {"gradcam": 0.9, "lrp": 0.5, "ig": 0.5, "saliency": 0.2, "random": 0.1}
    planted(run, "gain", means)
    planted(run, "loss", means)
    found = asked(run, "gain", "loss", "shake")
    assert ranks(found, "gain") == {
        "gradcam": (1, 1), "lrp": (2, 3), "ig": (2, 3), "saliency": (4, 4), **dict.fromkeys(control_keys(run))
    }  # fmt: skip
    assert [ranks(found, "loss")[key] for key in METHODS] == [(4, 4), (2, 3), (2, 3), (1, 1)]
    assert found.cells["gain", "gradcam"].best
    assert not found.cells["gain", "lrp"].best
    assert found.tried == 12
    shared = found.cells["gain", "lrp"]
    assert shared.high - shared.low > 0.1, "unpaired, their intervals would overlap with others"
    assert set(ranks(found, "shake").values()) == {None}
    assert found.cells["shake", "lrp"].missing == COUNT
    assert found.missing == COUNT * (3 * 7 - 2 * 5)


def test_a_control_is_beaten_or_not_and_the_sentence_says_so(run: Run) -> None:
    planted(run, "loss", {"gradcam": 0.2, "lrp": 0.6, "ig": 0.9, "random": 0.6, "edges": 0.6, "centre": 0.8})
    found = asked(run, "loss")
    told = {(one.method.key, one.control.key): one.outcome for one in found.against}
    assert [told["gradcam", key] for key in ("random", "edges", "centre")] == ["better"] * 3
    assert [told["lrp", key] for key in ("random", "edges", "centre")] == ["cannot be told", "cannot be told", "better"]
    assert [told["ig", key] for key in ("random", "edges", "centre")] == ["worse"] * 3
    assert beaten(found, EXPLAINERS["gradcam"].card) == []
    (line,) = beaten(found, EXPLAINERS["lrp"].card)
    assert line.startswith("Loss: not better than ")
    assert "Random (difference " in line
    assert ", n = 60)" in line
    assert "Centre" not in line
    assert beaten(found, EXPLAINERS["ig"].card)[0].startswith("Loss: worse than ")


def test_the_badge_gets_the_same_as_the_table(run: Run) -> None:
    planted(run, "gain", {"gradcam": 0.5, "lrp": 0.4, "random": 0.48, "edges": 0.2})
    planted(run, "loss", {"gradcam": 0.5, "lrp": 0.4, "random": 0.48, "edges": 0.9})
    found = asked(run, "gain", "loss")
    metrics: list[tuple[str, Mapping[str, Any]]] = [("gain", {}), ("loss", {})]
    alone = against_controls(run, run.study.rows("test"), "predicted", ("gradcam", {}), metrics)
    assert alone == [one for one in found.against if one.method.key == "gradcam"]
    assert len(alone) == 4


def test_what_knows_nothing_is_no_test_where_that_is_an_advantage() -> None:
    mask = frozenset({"mask"})
    object_, noise = (
        Card(key, key, "", "", needs=needs, control=True) for key, needs in (("o", mask), ("n", frozenset[str]()))
    )
    on_object = Card("epg", "EPG", "", "", direction=1, aspect="localisation", needs=mask)
    assert is_test(on_object, noise)
    assert not is_test(on_object, object_)
    assert is_test(CARDS["gain"], object_)
    assert not is_test(CARDS["shake"], noise)


def test_a_method_that_knows_nothing_is_rarely_called_better_or_worse() -> None:
    """In at most 5 % of cases by any of 4 metrics against any of 3 controls."""
    from xai_core.answers.controls import against
    from xai_core.answers.scored import Scored

    cards = [Card(key, key, "", "", control=key != "method") for key in ("method", "random", "edges", "centre")]
    metrics = [Card(key, key, "", "", direction=1, aspect="faithfulness") for key in "abcd"]
    told = 0
    for case in range(200):
        rng = np.random.default_rng(case)
        values = rng.normal(size=(40, 1, 4)) + rng.standard_t(5, size=(40, 4, 4))
        found = [
            Scored(metric, card, values[:, place, column], {}, 0, {})
            for column, metric in enumerate(metrics)
            for place, card in enumerate(cards)
        ]
        outcomes = {one.outcome for one in against(found, "method", seed=0)}
        told += outcomes != {"cannot be told"}
    assert told <= 10


def test_methods_that_are_one_map_count_once(run: Run) -> None:
    maps = np.random.default_rng(0).random((COUNT, 4, 4)).astype(np.float32)
    maps[3] = 0  # a rectified map may be empty, of both
    rows = run.study.rows("test")
    keys = [target.key for target in run.targets(rows, "predicted")]
    for place, method in enumerate(("gradcam", "hirescam", "xgradcam", "layercam")):
        store = run.maps(method, EXPLAINERS[method].params(), create=True)
        assert store is not None
        store.put(rows, keys, maps if place < 3 else maps[::-1], {}, [None] * COUNT)
    planted(run, "gain", {"gradcam": 0.5, "layercam": 0.3})
    planted(run, "gain", {"hirescam": 0.5})
    found = asked(run, "gain", methods=("gradcam", "hirescam", "xgradcam", "layercam"))
    assert found.twins == {"hirescam": "gradcam", "xgradcam": "gradcam"}
    assert found.tried == 1
    assert found.cells["gain", "gradcam"].rank == found.cells["gain", "hirescam"].rank == (1, 1)
    assert [card.key for card in found.counted if not card.control] == ["gradcam", "layercam"]
    first = next(pair.titles for pair in found.methods_agree)
    assert first == ("Grad-CAM", "LayerCAM")
    assert "HiResCAM gives the same maps here as Grad-CAM: they count once." in as_json(found)["sentences"]


def test_metrics_that_contradict_each_other_are_told_and_not_averaged(run: Run) -> None:
    planted(run, "gain", {"gradcam": 0.9, "lrp": 0.6, "ig": 0.3, "saliency": 0.1})
    planted(run, "loss", {"gradcam": 0.9, "lrp": 0.6, "ig": 0.3, "saliency": 0.1})
    planted(run, "shake", {"gradcam": 0.1, "lrp": 0.1, "ig": 0.1, "saliency": 0.1})
    found = asked(run, "gain", "loss", "shake")
    by_keys = {tuple(card.key for card in pair.metrics): pair for pair in found.metrics_agree}
    opposed = by_keys["gain", "loss"]
    assert (opposed.tau, opposed.methods) == (-1, 4)
    assert opposed.high < 0
    assert opposed.conflict
    assert ("Grad-CAM", "Layer-wise relevance propagation") in opposed.reversed
    assert opposed.sentence.endswith("; and 3 more; Loss the reverse.")
    assert not by_keys["gain", "shake"].conflict
    assert by_keys["gain", "shake"].low < 0 < by_keys["gain", "shake"].high
    assert "1 pair of metrics orders some methods the other way round" in as_json(found)["sentences"][0]


def test_rank_agreement_needs_three_methods(run: Run) -> None:
    planted(run, "gain", {"gradcam": 0.9, "lrp": 0.6})
    planted(run, "loss", {"gradcam": 0.9, "lrp": 0.6})
    assert asked(run, "gain", "loss").metrics_agree == []


def test_curves_have_bands_and_samples_that_are_not_scored_are_counted(run: Run) -> None:
    values = np.linspace(0, 1, COUNT, dtype=np.float32)
    curves = np.stack([values, 1 - values, values / 2], axis=1)
    reasons = [None] * (COUNT - 2) + ["no evidence"] * 2
    values[-2:], curves[-2:] = np.nan, np.nan
    put(run, "gain", "gradcam", values, reasons=tuple(reasons), curves=curves)
    cell = asked(run, "gain").cells["gain", "gradcam"]
    assert (cell.n, cell.not_scored, dict(cell.reasons)) == (COUNT - 2, 2, {"no evidence": 2})
    assert cell.curve is not None
    np.testing.assert_allclose(cell.curve.value, curves[:-2].mean(axis=0), rtol=1e-6)
    assert (cell.curve.low < cell.curve.value).all()
    assert (cell.curve.value < cell.curve.high).all()


def test_an_empty_table_says_so_and_claims_nothing(run: Run) -> None:
    found = asked(run, "gain", "loss")
    assert found.missing == COUNT * 2 * 7
    assert (found.against, found.metrics_agree, found.tried) == ([], [], 0)
    assert needed(found).seconds is None
    assert "how long it takes is not known" in needed(found).sentence
    result = as_json(found)
    assert all(each["mean"] is None for each in result["scores"])
    assert text(result)
    assert len(table(found)) == 14


def test_the_same_samples_are_drawn_every_time(run: Run) -> None:
    scope = Scope(run, "test")
    some, again = samples(scope, limit=10), samples(scope, limit=10)
    assert some.rows.tolist() == again.rows.tolist()
    assert some.sentence == "10 of 60 test samples, drawn by the study's seed"
    assert samples(scope).sentence == "All 60 test samples"
    assert set(some.rows) <= set(samples(scope, limit=30).rows)


def test_metrics_of_masks_apply_only_where_there_are_masks(run: Run) -> None:
    assert "energy-pointing-game" not in usable_metrics(run)
    assert "gain" in usable_metrics(run)
    assert "object" not in control_keys(run)
    assert set(control_keys(run)) == {"random", "edges", "centre"}


def test_too_few_samples_are_no_verdict(run: Run) -> None:
    gain, card = CARDS["gain"], EXPLAINERS["gradcam"].card
    few = Against(gain, card, EXPLAINERS["random"].card, 0.1, float("nan"), float("nan"), 3, "cannot be told")
    assert not_better([few]) == []
