"""Whose turn it is: work is shared between people, not between requests."""

from __future__ import annotations

from collections.abc import Collection, Iterable

HEAD_START = 2.0
"""Seconds by which somebody who had nothing to be done until now goes before the others: short work is done at once."""


class Turns:
    """Counts the seconds of work that everybody had. Next is who had least of those that wait.

    Who comes (back) has no more to their credit than the head start: nobody can save up and keep the others waiting.
    """

    def __init__(self) -> None:
        self._had: dict[str, float] = {}

    def arrive(self, owner: str, waiting: Collection[str]) -> None:
        """Somebody asks; `waiting` are those who have open work already."""
        if owner in waiting:
            return
        floor = min((self._had[other] for other in waiting), default=0.0) - HEAD_START
        remembered = self._had.items() if waiting else ()
        self._had = {other: had for other, had in remembered if other in waiting or had > floor}
        self._had[owner] = self._had.get(owner, floor)

    def charge(self, owners: Collection[str], seconds: float) -> None:
        """Work was done for these people, who share it."""
        for owner in owners:
            self._had[owner] = self._had.get(owner, 0.0) + seconds / len(owners)

    def had(self, owners: Iterable[str]) -> float:
        """Of people who wait for the same: the least that one of them had."""
        return min(self._had.get(owner, 0.0) for owner in owners)
