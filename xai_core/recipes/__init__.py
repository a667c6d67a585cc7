"""Studies after a paper, from the data to the tables by one command: one file per recipe."""

from xai_core.recipes.base import RECIPES, Asked, Recipe, Step

__all__ = ["RECIPES", "Asked", "Recipe", "Step"]
