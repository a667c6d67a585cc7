"""Explainers: one file per method family. `explain` in `engine.plan` runs any of them; `EXPLAINERS` lists them."""

from xai_core.explainers.base import EXPLAINERS, Explainer, ExplainerInput, cam_method, explainer

__all__ = ["EXPLAINERS", "Explainer", "ExplainerInput", "cam_method", "explainer"]
