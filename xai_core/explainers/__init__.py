"""Explainers: one file per method family. `explain` in `plan` runs any of them; `EXPLAINERS` lists them."""

from xai_core.explainers.base import EXPLAINERS, Context, Explainer, cam_method, explainer

__all__ = ["EXPLAINERS", "Context", "Explainer", "cam_method", "explainer"]
