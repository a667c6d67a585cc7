"""The library below Second Look: studies, models, explanations and their checks. It knows no dashboard.

`import xai_core as xai` offers `xai.study`, `xai.open_study` and what they return; see `xai_core.notebook`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xai_core.notebook import Maps, Run, Study, open_study, study

__version__ = "0.1.0"
__all__ = ["Maps", "Run", "Study", "open_study", "study"]


def __getattr__(name: str) -> Any:
    """From `xai_core.notebook`, when it is asked for: the command starts without it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from xai_core import notebook

    return getattr(notebook, name)
