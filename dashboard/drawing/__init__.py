"""Pixels for the browser: tiles by sealed addresses, and the colours of heatmaps. Knows no page."""
