"""Is the part with most evidence the one that counts most? (after Hesse et al. 2023, FunnyBirds)"""

from __future__ import annotations

import numpy as np

from xai_core.metrics.base import MetricInput, metric
from xai_core.metrics.evidence_on_parts import OnParts, PartParams, judged
from xai_core.types import Card, Scores


@metric(
    Card(
        key="top-part",
        title="Top part",
        summary="Is the part with most evidence the one that truly counts most: the one without which, drawn again, "
        "the explained output loses most?",
        blind_spot="One part goes at a time: parts that count only together, or stand in for each other, are not seen. "
        "All parts but the first. Large parts gather much evidence by chance: compare with random maps.",
        paper="Hesse, Schaub-Meyer and Roth 2023, FunnyBirds: A Synthetic Vision Dataset for a Part-Based Analysis of "
        "Explainable AI Methods (the single deletion protocol)",
        needs=frozenset({"parts"}),
        cost=15.0,
        direction=1,
        aspect="truth",
        unit="share of samples, 0…1",
        scale_free=True,
    ),
    PartParams,
)
def top_part(given: MetricInput, params: PartParams) -> Scores:
    """1 where the largest evidence is on the part of the largest importance, else 0; parts that tie share the 1.

    Beside it `parts`, how many there are to choose from. A sample that no part speaks for is not scored, nor is a map
    without evidence for any.
    """
    return judged(given, params, 2, _hit)


def _hit(one: OnParts) -> float | str:
    if one.importance.max() <= 0:
        return "no part speaks for what is explained"
    if one.evidence.max() <= 0:
        return "no evidence for any part"
    best = one.evidence == one.evidence.max()
    return float(np.mean(one.importance[best] == one.importance.max()))
