"""What augmentations that go by a run's heatmaps ask for."""

from __future__ import annotations

from dataclasses import dataclass

from xai_core.params import param


@dataclass(frozen=True)
class EvidenceParams:
    """Whose heatmaps: every card that needs `evidence` or `cell_evidence` has these parameters."""

    run: str = param("", help="run whose heatmaps are meant; empty: the parent")
    method: str = param("gradcam", help="explanation method of the heatmaps")


@dataclass(frozen=True)
class CellEvidenceParams(EvidenceParams):
    """The mean heatmap of one cell of a run's confusion matrix; never the test split's, which is to stay unseen."""

    true: str = param("", help="true class of the cell; empty: every mistake")
    predicted: str = param("", help="predicted class of the cell; empty: every mistake")
    split: str = param("validation", help="split whose mistakes are meant", choices=("validation", "train"))
