"""Metrics of maps: one file per metric. `SIMILARITIES` lists those that compare two maps."""

from xai_core.metrics.base import SIMILARITIES, Similarity, similarity

__all__ = ["SIMILARITIES", "Similarity", "similarity"]
