"""Every error that a user can cause. The tree:

XaiError                  a user's mistake: problem, value and remedy in one line
├── BadInput              a file, table or picture that cannot be used as it is
│   └── LeftOut           some samples of many could not be read; all else is done
├── BadParameter          an option or parameter outside what it accepts
├── NotFound              a name that is not among the known ones
├── NotApplicable         a method that does not hold for this model or data
├── UnsafeFile            a file that would run code, or is not what it claims to be
├── NewerSchema           a study written by a newer version
└── StorageFull           the disk has no room left; what was finished is kept
Cancelled                 not an error: the user stopped the work
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import islice
from pathlib import PurePath

_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
"""What a terminal acts on instead of showing it: control characters, what turns the direction of writing, what has no
width; and halves of characters, which cannot be written. What joins letters and emoji is no part of it."""

_PROBLEM, _VALUE, _NAME, _REMEDY = 300, 200, 120, 900
"""At most so many letters of each part of an error are shown."""

_COMPARED = 10_000
"""Known names that a wrong one is compared with: a study may have a million samples, and each costs microseconds."""


def printable(text: str) -> str:
    """The text with everything written out that is not to be seen: an escape character becomes `\\x1b`.

    What a file, a class or a folder is called may come from anybody, and must neither steer a terminal nor hide.
    """
    return _HIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def one_line(value: object, most: int = _VALUE) -> str:
    """A value in one printable line of at most `most` letters; of a path the middle is left out, of others the end."""
    text = printable(" ".join(str(value).split()))
    if len(text) <= most:
        return text
    kept = most // 2 if isinstance(value, PurePath) else 0
    return text[: most - kept - 1] + "…" + text[len(text) - kept :]


class XaiError(Exception):
    """A user's mistake.

    Args:
        problem: what is wrong, one clause without a full stop.
        value: the offending value, shown as given (shortened beyond 200 characters).
        remedy: what to do about it, one sentence.

    Each may hold names from anywhere: what is shown is `one_line` of it.
    """

    def __init__(self, problem: str, *, value: object = None, remedy: str) -> None:
        self.problem = one_line(problem, _PROBLEM)
        self.value = value
        self.remedy = one_line(remedy, _REMEDY)
        super().__init__(self.problem)

    def __str__(self) -> str:
        shown = "" if self.value is None else f": {one_line(self.value)}"
        stop = "" if self.problem.endswith("?") and not shown else "."
        return f"{self.problem}{shown}{stop} {self.remedy}"


class BadInput(XaiError):
    """A file, table or picture that cannot be used as it is."""


class LeftOut(BadInput):
    """Samples that could not be read, told when all else is done.

    Args:
        reasons: by the id of the sample.
        what: of what the others have, in the plural.
    """

    def __init__(self, reasons: Mapping[str, str], what: str) -> None:
        self.reasons = dict(reasons)
        first, reason = next(iter(self.reasons.items()))
        count = len(self.reasons)
        problem = "1 sample cannot be read and has" if count == 1 else f"{count:,} samples cannot be read and have"
        remedy = reason[:1].upper() + reason[1:]
        super().__init__(f"{problem} no {what}", value=first if count == 1 else f"such as {first}", remedy=remedy)


class BadParameter(XaiError):
    """An option or parameter outside what it accepts."""


class NotFound(XaiError):
    """A name that is not among the known ones."""

    @classmethod
    def among(cls, what: str, value: str, known: Iterable[str]) -> NotFound:
        """The error for `value` missing from `known`, with the nearest names as the remedy."""
        names = list(islice(known, _COMPARED))
        near = get_close_matches(value[:_NAME], names, n=3, cutoff=0.5)
        if near:
            remedy = f"Did you mean {' or '.join(one_line(name, _NAME) for name in near)}?"
        elif names:
            shown = ", ".join(one_line(name, _NAME) for name in names[:20])
            remedy = f"Known: {shown}{', …' if len(names) > 20 else ''}."
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
