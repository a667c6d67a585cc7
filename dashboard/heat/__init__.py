"""Heatmaps on a page: which are there, what is asked for, how a grid and a sheet of them are laid out."""
