"""Checks of whether an explanation depends on what the model learned."""
