"""Verdicts on similarities whose answer is known, and how often a null method is called distinguishable."""

from __future__ import annotations

import numpy as np
import pytest

from xai_core.answers.cascade import Cascade
from xai_core.answers.sanity import verdict
from xai_core.sanity.verdict import LEAST, MEASURES, Evidence, decide, two_way
from xai_core.types import Array

STAGES = ("stem", "block", "head")
DOWN = [(2, 2), (1, 2), (0, 2)]


def like(rng: np.random.Generator, mean: float, *shape: int, spread: float = 0.05) -> Array:
    return mean + spread * rng.standard_normal((*shape, len(MEASURES)))


def evidence(
    *steps: float, repeat: float = 1.0, other: float = 0.1, n: int = 24, seeds: int = 3, noise: float = 0.05
) -> Evidence:
    """Similarities around these means; a repeat of 1 is exact, as of a method that draws nothing."""
    rng = np.random.default_rng(0)
    again = np.ones((seeds, n, len(MEASURES))) if repeat == 1 else like(rng, repeat, seeds, n, spread=noise)
    random = {each: like(rng, mean, seeds, n, spread=noise) for each, mean in zip(DOWN, steps, strict=True)}
    return Evidence(STAGES, again, like(rng, other, n), random)


def said(found: Evidence) -> tuple[str, str | None, str]:
    result = verdict(Cascade(found, decide(found), np.arange(found.repeat.shape[1])))
    return result.kind, result.since, result.sentence


def test_a_method_that_changes_passes_from_the_layer_on_where_it_does() -> None:
    kind, since, sentence = said(evidence(0.6, 0.3, 0.1))
    assert (kind, since) == ("passes", "head")
    assert "from head on to the output" in sentence
    kind, since, sentence = said(evidence(1.0, 0.4, 0.1, noise=0.02))
    assert (kind, since) == ("passes", "block")
    assert "from the picture" not in sentence


def test_what_is_left_of_the_picture_is_told() -> None:
    kind, _, sentence = said(evidence(0.6, 0.4, 0.35))
    assert kind == "passes"
    assert "some of what they show comes from the picture" in sentence
    kind, _, sentence = said(evidence(0.9, 0.85, 0.8))
    assert kind == "undecided"
    assert "much of what they show comes from the picture" in sentence


def test_a_method_that_ignores_the_model_fails() -> None:
    same = evidence(0, 0, 0)
    still = Evidence(STAGES, same.repeat, same.other, dict.fromkeys(DOWN, np.ones_like(same.repeat)))
    assert said(still)[0::2] == (
        "fails",
        "The same map whatever the weights: it shows nothing of what the model learned.",
    )
    kind, since, sentence = said(evidence(0.8, 0.8, 0.8, repeat=0.8))
    assert (kind, since) == ("fails", "")
    assert "Not distinguishable from a method that ignores the model" in sentence


def test_noise_is_recognised() -> None:
    kind, _, sentence = said(evidence(0.0, 0.0, 0.0, repeat=0.001, other=0.0))
    assert kind == "fails"
    assert sentence.startswith("Noise")
    rng = np.random.default_rng(1)
    again, other = like(rng, 0, 3, 24), like(rng, 0, 24)
    drawn = Evidence(STAGES, again, other, dict.fromkeys(DOWN, again))
    assert said(drawn)[2].startswith("Noise"), "the same draw whatever the weights is noise too"


def test_the_same_map_of_every_picture_is_no_noise() -> None:
    ones = np.ones((3, 24, len(MEASURES)))
    assert "whatever the weights" in said(Evidence(STAGES, ones, ones[0], dict.fromkeys(DOWN, ones)))[2]


@pytest.mark.parametrize(("n", "seeds", "words"), [(7, 3, "Too few samples"), (24, 1, "Too few random models")])
def test_too_few_to_say(n: int, seeds: int, words: str) -> None:
    kind, _, sentence = said(evidence(0.6, 0.3, 0.1, n=n, seeds=seeds))
    assert kind == "undecided"
    assert sentence.startswith(words)


def test_constant_maps_count_for_nothing() -> None:
    found = evidence(0.6, 0.3, 0.1, n=LEAST + 1)
    found.full[0, :2] = np.nan
    assert said(found)[2].startswith(f"Too few samples to say: {LEAST - 1}")


def test_a_sequence_ends_at_the_first_step_that_is_not_distinguishable() -> None:
    """Where the head alone differs by chance, nothing is said of it."""
    found = evidence(0.3, 1.0, 0.1)
    found.random[1, 2][:] = 1.0
    assert decide(found).since == 0


def null(rng: np.random.Generator, n: int, seeds: int, *, skewed: bool, by_seed: float) -> Evidence:
    """A method that ignores the model and draws: any two of its maps are as alike, whatever the weights."""
    ability = rng.standard_normal((1, n, 1))

    def drawn() -> Array:
        noise = rng.standard_normal((seeds, n, 1)) + 0.5 * rng.standard_normal((seeds, n, len(MEASURES)))
        level = ability + noise + by_seed * rng.standard_normal((seeds, 1, 1))
        return 1 - 0.03 * np.exp(level) if skewed else 0.6 + 0.1 * level

    return Evidence(STAGES, drawn(), like(rng, 0.1, n), {each: drawn() for each in DOWN})


@pytest.mark.parametrize("skewed", [False, True])
@pytest.mark.parametrize(("n", "seeds", "by_seed"), [(24, 3, 0.0), (24, 3, 1.0), (8, 2, 0.0), (100, 5, 0.0)])
def test_a_null_method_is_seldom_called_distinguishable(n: int, seeds: int, by_seed: float, *, skewed: bool) -> None:
    rng = np.random.default_rng(3)
    found = [decide(null(rng, n, seeds, skewed=skewed, by_seed=by_seed)) for _ in range(200)]
    assert sum(one.since is not None for one in found) <= 10, "at most 5 % of 200"
    assert all(one.kind != "passes" for one in found)


def test_intervals_over_samples_and_seeds_hold_the_truth() -> None:
    """Of 400 draws with both kinds of chance, at least 95 % hold the mean that they were drawn around."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(400):
        values = 0.3 + 0.1 * rng.standard_normal((1, 20)) + 0.05 * rng.standard_normal((4, 1))
        found = two_way(values + 0.1 * rng.standard_normal((4, 20)))
        held += found.low <= 0.3 <= found.high
    assert held >= 0.95 * 400


def test_intervals_need_two_samples_and_two_seeds() -> None:
    assert np.isnan(two_way(np.ones((1, 9))).low)
    assert np.isnan(two_way(np.ones((3, 1))).low)
    assert two_way(np.ones((3, 9))).low == 1.0
    assert two_way(np.full((2, 0), np.nan)).n == 0
