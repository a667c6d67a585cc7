"""Plotly figures from tables and arrays; no Streamlit here. Each takes a `Theme` and is drawn with `theme=None`."""
