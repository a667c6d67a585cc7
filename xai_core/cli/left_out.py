"""Samples and methods that a long command had to leave out: how it tells of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

SHOWN = 5
ASKED_AGAIN = "nothing is stored of them; the same command asks again"


def as_json(reasons: Mapping[str, str]) -> list[dict[str, str]]:
    """One record a sample."""
    return [{"id": name, "reason": reason} for name, reason in reasons.items()]


def lines(left_out: Sequence[Mapping[str, str]], note: str) -> list[str]:
    """For people: how many, the note, and the first few with their reasons; nothing where there are none."""
    if not left_out:
        return []
    shown = [f"    {each['id']}: {each['reason']}" for each in left_out[:SHOWN]]
    more = [f"    and {len(left_out) - SHOWN} more; all with --json"] if len(left_out) > SHOWN else []
    return [f"  {len(left_out)} left out, {note}", *shown, *more]


def methods(reasons: Mapping[str, str]) -> list[str]:
    """For people: a line for each reason, with the methods that were left out for it."""
    by_reason: dict[str, list[str]] = {}
    for key, reason in reasons.items():
        by_reason.setdefault(reason, []).append(key)
    return [f"  left out {', '.join(keys)}: {reason}" for reason, keys in by_reason.items()]
