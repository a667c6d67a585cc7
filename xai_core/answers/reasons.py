"""Why maps are refused, counted, and how that is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

_SHOWN = 3
"""Reasons that are listed for people; `--json` gives all."""


def counted_reasons(refusals: Sequence[str | None]) -> dict[str, int]:
    """Why maps are refused, and how many of them for each reason; the most frequent first."""
    return dict(Counter(reason for reason in refusals if reason).most_common())


def reason_lines(reasons: Mapping[str, int]) -> list[str]:
    """The most frequent reasons, a line each."""
    lines = [f"{count} × {reason}" for reason, count in list(reasons.items())[:_SHOWN]]
    return lines + ([f"and {len(reasons) - _SHOWN} more reasons; all with --json"] if len(reasons) > _SHOWN else [])
