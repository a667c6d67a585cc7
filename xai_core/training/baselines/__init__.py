"""Classical baselines: one file each."""

from xai_core.training.baselines.base import BASELINES, Baseline, BaselineParams, Estimator, baseline

__all__ = ["BASELINES", "Baseline", "BaselineParams", "Estimator", "baseline"]
