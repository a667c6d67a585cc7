"""How alike two maps are: one file per similarity."""

from xai_core.similarities.base import SIMILARITIES, Similarity, similarity

__all__ = ["SIMILARITIES", "Similarity", "similarity"]
