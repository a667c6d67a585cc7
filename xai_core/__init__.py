"""The library below Second Look: studies, models, explanations and their checks. It knows no dashboard."""

__version__ = "0.1.0"
