"""Does the evidence rank the parts of a picture as their true importance does? (Hesse et al. 2023, FunnyBirds)"""

from __future__ import annotations

from xai_core.metrics.base import MetricInput, metric
from xai_core.metrics.evidence_on_parts import OnParts, PartParams, judged
from xai_core.types import Card, Scores

FEWEST = 3
"""Of two parts a rank correlation is −1 or 1."""


@metric(
    Card(
        key="part-ranking",
        title="Ranking of parts",
        summary="Does the evidence rank a picture's parts as they count for the model? The truth is known: the picture "
        "is drawn again without each part, and what the explained output loses is the part's importance.",
        blind_spot="One part goes at a time: parts that count only together, or stand in for each other, are not seen. "
        "Where in a part the evidence lies does not matter. Some pictures without a part are unlike any that the model "
        "was trained on.",
        paper="Hesse, Schaub-Meyer and Roth 2023, FunnyBirds: A Synthetic Vision Dataset for a Part-Based Analysis of "
        "Explainable AI Methods (the single deletion protocol)",
        needs=frozenset({"parts"}),
        cost=15.0,
        direction=1,
        aspect="truth",
        unit="Spearman's rank correlation, −1…1; 0 by chance",
        scale_free=True,
    ),
    PartParams,
)
def part_ranking(given: MetricInput, params: PartParams) -> Scores:
    """Spearman's rank correlation over the parts of a sample, of evidence with importance; ties get mean ranks.

    Beside it `parts`, how many were ranked.
    """
    return judged(given, params, FEWEST, _correlation)


def _correlation(one: OnParts) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(one.evidence, one.importance).statistic)
