"""Heatmaps on a page: which are there, where their tiles lie, how they are coloured."""
