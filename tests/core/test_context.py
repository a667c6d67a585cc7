"""Evidence by its distance: the metric and the answer, on maps whose shares are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.core.test_regions import run  # noqa: F401  (a fixture)
from tests.tiny_study import xai_json
from xai_core.answers.context import context
from xai_core.answers.maps import columns
from xai_core.answers.scope import Scope
from xai_core.explainers import EXPLAINERS
from xai_core.metrics import METRICS, MetricInput, score
from xai_core.metrics.context_share import ContextParams
from xai_core.metrics.distances import beyond, distances
from xai_core.pipeline.explain import Request, explain_steps
from xai_core.pipeline.load import Bench
from xai_core.pipeline.score import ScoreRequest, score_steps
from xai_core.store.run import Run
from xai_core.triage.context import EDGES, banded, in_bands
from xai_core.types import Array, Card, Scores, Target

CARD = Card("toy", "Toy", "Drawn by a test.", "Everything.")
SIDE = 40
REGION = np.zeros((SIDE, SIDE), bool)
REGION[:, 4:6] = True
"""A wire at the left: distances are columns. 5, 10, 20 and 40 % of the shorter side are 2, 4, 8 and 16 pixels."""


def asked(maps: Array, distance: float = 0.05, mask: np.ndarray = REGION) -> Scores:
    count = len(maps)
    masks = np.repeat(mask[None], count, 0)
    of = MetricInput(maps, CARD, [Target(1)] * count, np.zeros(count, np.int64), masks, np.ones(count, bool))
    return score(METRICS["context-share"], of, ContextParams(distance))


def column(*at: int) -> np.ndarray:
    """`(1, 40, 40)`: evidence in these columns alone."""
    made = np.zeros((1, SIDE, SIDE), np.float32)
    made[..., list(at)] = 1
    return made


@pytest.mark.parametrize(
    ("map_", "distance", "share"),
    [
        (column(4, 5), 0.0, 0.0),
        (column(4, 7), 0.0, 0.5),
        (column(4, 7), 0.05, 0.0),  # two pixels away, as far as counts as the region's
        (column(4, 8), 0.05, 0.5),
        (column(30), 0.5, 1.0),
        (column(25), 0.5, 0.0),
        (column(4) - column(30), 0.0, 0.0),  # evidence against is not looked at
    ],
)
def test_the_share_of_what_lies_farther(map_: Array, distance: float, share: float) -> None:
    assert asked(map_, distance).values[0] == pytest.approx(share)


def test_beside_it_stand_what_a_constant_map_would_give_and_the_share_outside() -> None:
    found = asked(column(4, 7, 30), 0.05)
    assert found.beside["area"][0] == pytest.approx((SIDE - 6) / SIDE)
    assert found.beside["outside"][0] == pytest.approx(2 / 3)
    assert found.curves is not None
    np.testing.assert_allclose(found.curves[0], [2 / 3] + [1 / 3] * 12 + [0] * 8, atol=1e-6)


def test_what_is_not_scored() -> None:
    assert asked(-column(30)).reasons == ("no positive evidence",)
    near = np.ones((SIDE, SIDE), bool)
    near[0, 0] = False
    assert asked(column(30), mask=near).reasons == ("the region and what is near it are everywhere",)


@given(arrays(np.float32, (2, 9, 12), elements=st.floats(0, 1, width=32)), arrays(bool, (9, 12)))
def test_at_no_distance_it_is_what_the_energy_based_pointing_game_leaves(maps: Array, mask: np.ndarray) -> None:
    of = MetricInput(maps, CARD, [Target(0)] * 2, np.zeros(2, np.int64), np.stack([mask] * 2), np.ones(2, bool))
    energy, found = score(METRICS["energy-pointing-game"], of), score(METRICS["context-share"], of, ContextParams(0.0))
    np.testing.assert_allclose(found.values, 1 - energy.values, atol=1e-6)
    assert found.reasons == energy.reasons
    if found.curves is not None:
        assert (np.diff(found.curves[np.isfinite(found.values)]) <= 1e-6).all(), "farther is never more"


@given(arrays(bool, (7, 11)))
def test_distances_are_to_the_nearest_in_shorter_sides(mask: np.ndarray) -> None:
    found, on = distances(mask), np.argwhere(mask)
    for place in np.ndindex(*mask.shape):
        nearest = np.sqrt(((on - place) ** 2).sum(1)).min() if len(on) else np.inf
        assert found[place] == pytest.approx(nearest / 7)


@pytest.mark.parametrize(("at", "band"), [(4, 0), (7, 1), (9, 2), (13, 3), (21, 4), (22, 5)])
def test_a_cue_falls_into_the_band_of_its_distance(at: int, band: int) -> None:
    shares = in_bands(beyond(column(at)[0], distances(REGION), EDGES)[None])
    assert shares[0].tolist() == [float(number == band) for number in range(6)]


def test_a_map_that_is_the_same_everywhere_has_as_much_evidence_as_area() -> None:
    distance = distances(REGION)
    area = in_bands(beyond(np.ones(REGION.shape), distance, EDGES)[None])
    assert area[0] * SIDE == pytest.approx([2, 4, 4, 4, 8, 18])
    found = banded(np.repeat(area, 5, 0), np.repeat(area, 5, 0), 0)
    for values in (found.times.value, found.times.low, found.times.high):
        np.testing.assert_allclose(values, 1)


def test_a_ratio_is_of_means_and_unknown_where_no_picture_reaches() -> None:
    shares, areas = np.array([[0.5, 0.5, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0.2, 0.8, 0], [0.4, 0.6, 0], [1, 0, 0]])
    found = banded(shares, areas, 0)
    np.testing.assert_allclose(found.times.value, [0.5 / (1.6 / 3), 0.5 / (1.4 / 3), np.nan])
    assert np.isnan(found.times.low[2])
    assert found.share.n == 3


METHODS = [(key, {}) for key in ("gradcam", "region", "random")]


def test_the_answer_says_what_the_metric_says(run: Run) -> None:  # noqa: F811
    rows = np.arange(8)
    request = ScoreRequest(run, rows.tolist(), "true", METHODS, [("context-share", {"distance": 0.0})])
    list(score_steps(Bench("cpu"), request))
    found = context(Scope(run, "all"), rows, "true", columns(run, [key for key, _ in METHODS], {}))
    assert [each.card.key for each in found.methods] == ["gradcam", "region", "random"]
    keys = [target.key for target in run.targets(rows, "true")]
    for each in found.methods:
        store = run.scores(
            ("context-share", ContextParams(0.0)),
            (each.card.key, (each.card and None) or EXPLAINERS[each.card.key].params()),
        )
        assert store is not None
        scores = store.get(rows, keys).values
        assert each.n == np.isfinite(scores).sum() > 2
        assert each.outside[0] == pytest.approx(np.nanmean(scores), abs=1e-6)
    region = found.methods[1]
    assert region.outside[0] == pytest.approx(0, abs=1e-6)
    (gradcam,) = found.believable
    against = {one.control.key: one.difference for one in gradcam.against}
    assert against["region"] == pytest.approx(gradcam.outside[0], abs=1e-6)
    assert gradcam.card.title in found.sentences[0]


def test_the_command_says_what_is_missing_and_how_it_comes(
    run: Run,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    list(explain_steps(Bench("cpu"), Request(run, [0, 1], "1@true", [("hirescam", {})])))
    words = ("show", run.study.path, "context", "--run", "unet", "--split", "all", "--target", "red@true")
    found = xai_json(capsys, *words, "--methods", "hirescam")
    (hirescam,) = [each for each in found["methods"] if each["method"] == "hirescam"]
    assert hirescam["n"] + hirescam["without_evidence"] <= 2
    assert hirescam["share"][0] == pytest.approx(1 - hirescam["outside"]["value"], abs=1e-5)
    assert sum(hirescam["share"]) == pytest.approx(1, abs=1e-5)
    assert sum(hirescam["area"]) == pytest.approx(1, abs=1e-5)
    assert "--target 1@true" in found["command"]
    nothing = xai_json(capsys, *words, "--methods", "saliency")
    assert "saliency" not in [each["method"] for each in nothing["methods"]]
