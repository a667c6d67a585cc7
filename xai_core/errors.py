"""Every error that a user can cause. The tree:

XaiError                  a user's mistake: problem, value and remedy in one line
├── BadInput              a file, table or picture that cannot be used as it is
├── BadParameter          an option or parameter outside what it accepts
├── NotFound              a name that is not among the known ones
├── NotApplicable         a method that does not hold for this model or data
├── UnsafeFile            a file that would run code, or is not what it claims to be
├── NewerSchema           a study written by a newer version
└── StorageFull           the disk has no room left; what was finished is kept
Cancelled                 not an error: the user stopped the work
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class XaiError(Exception):
    """A user's mistake.

    Args:
        problem: what is wrong, one clause without a full stop.
        value: the offending value, shown as given (shortened beyond 200 characters).
        remedy: what to do about it, one sentence.
    """

    def __init__(self, problem: str, *, value: object = None, remedy: str) -> None:
        self.problem = problem
        self.value = value
        self.remedy = remedy
        super().__init__(problem)

    def __str__(self) -> str:
        shown = "" if self.value is None else f": {_one_line(self.value)}"
        return f"{self.problem}{shown}. {self.remedy}"


class BadInput(XaiError):
    """A file, table or picture that cannot be used as it is."""


class BadParameter(XaiError):
    """An option or parameter outside what it accepts."""


class NotFound(XaiError):
    """A name that is not among the known ones."""

    @classmethod
    def among(cls, what: str, value: str, known: Iterable[str]) -> NotFound:
        """The error for `value` missing from `known`, with the nearest names as the remedy."""
        names = list(known)
        near = get_close_matches(value, names, n=3, cutoff=0.5)
        if near:
            remedy = f"Did you mean {' or '.join(near)}?"
        elif names:
            remedy = f"Known: {', '.join(names[:20])}{', …' if len(names) > 20 else ''}."
        else:
            remedy = "There are none yet."
        return cls(f"no {what} of this name", value=value, remedy=remedy)


class NotApplicable(XaiError):
    """A method that does not hold for this model or data: nothing is drawn rather than a wrong map."""


class UnsafeFile(XaiError):
    """A file that would run code, or is not what it claims to be."""


class NewerSchema(XaiError):
    """A study written by a newer version of the project."""


class StorageFull(XaiError):
    """The disk has no room left; rows that were finished are kept."""


class Cancelled(Exception):
    """The user stopped the work; what was finished is kept."""


def _one_line(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 200 else text[:197] + "…"
