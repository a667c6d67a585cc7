"""How good a map is: one file per metric."""

from xai_core.metrics.base import METRICS, Metric, MetricInput, ModelInput, SampleParts, metric, score

__all__ = ["METRICS", "Metric", "MetricInput", "ModelInput", "SampleParts", "metric", "score"]
