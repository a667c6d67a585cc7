"""Where did the fix work? Accuracy of two runs by class, tag, fact, size of the object and group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xai_core.answers.lines import table
from xai_core.answers.scope import Rows
from xai_core.errors import XaiError
from xai_core.store.attributes import FACT, MASK_SIZE, by_fact, by_mask_size, by_tag
from xai_core.store.study import Study
from xai_core.store.subgroups import TAG, UNKNOWN, Grouping
from xai_core.triage.scenarios import PartChange, part_changes
from xai_core.triage.subgroups import LEAST
from xai_core.words import percent, percent_range, points, points_range

SHOWN = 15
"""Parts listed in a terminal and on a page."""
MOST_MASKS = 1000
"""With more masks among the samples, their sizes are asked for by `xai groups --by mask-size` alone."""
HEADS = ("Samples", "n", "Before", "After", "Points", "Interval", "p")


@dataclass(frozen=True)
class Part:
    """Some of the samples: `kind` is what they were chosen by, `name` what they are called."""

    kind: str
    name: str
    found: PartChange

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        change, found = self.found.change, self.found
        sides = {
            "before": {"right": change.before, "accuracy": change.before / change.n, "interval": list(found.before)},
            "after": {"right": change.after, "accuracy": change.after / change.n, "interval": list(found.after)},
        }
        numbers = {name: getattr(change, name) for name in ("difference", "low", "high", "p")}
        about = {"by": self.kind, "samples": self.name, "n": change.n, "counted": found.counted, "sure": found.sure}
        return about | sides | numbers | {"line": list(self.line)}

    @property
    def line(self) -> tuple[str, ...]:
        """As HEADS name it."""
        change, found = self.found.change, self.found
        before = f"{percent(change.before / change.n)} ({percent_range(*found.before)})"
        after = f"{percent(change.after / change.n)} ({percent_range(*found.after)})"
        if not found.counted:
            return self.name, f"{change.n:,}", before, after, f"fewer than {LEAST}", "", ""
        interval = points_range(change.low, change.high)
        return self.name, f"{change.n:,}", before, after, points(change.difference), interval, f"{change.p:.2g}"


@dataclass(frozen=True)
class Scenarios:
    """The answer: parts with samples, those that changed for sure first, then where the candidate is worst.

    `left_out`: why there are no parts by the size of the object where there are masks; "" where nothing is missing.
    """

    parts: tuple[Part, ...]
    left_out: str = ""

    @property
    def tried(self) -> int:
        """Parts of which something is said."""
        return sum(part.found.counted for part in self.parts)

    @property
    def sentence(self) -> str:
        """In how many parts accuracy changed, and in which."""
        if not self.tried:
            return f"Every part has fewer than {LEAST} samples, too few to say."
        sure = [part for part in self.parts if part.found.sure]
        better, worse = ([p.name for p in sure if (p.found.change.difference > 0) is up] for up in (True, False))
        claims = [_claim(better, "improved"), _claim(worse, "got worse")]
        said = "; ".join(filter(None, claims)) or "in none of them can a change be claimed"
        rest = self.tried - len(sure)
        more = f"; of the other {rest} no change can be claimed" if sure and rest else ""
        return f"Accuracy in {self.tried} parts of the samples: {said}{more}."

    @property
    def note(self) -> str:
        """What must be known beside the numbers."""
        words = (
            f"Beside each run: its own 95 % interval (Wilson). The change: Tango's interval and McNemar's p, both made "
            f"stricter because {self.tried} parts were tried (Bonferroni). Parts overlap."
        )
        hidden = len(self.parts) - SHOWN
        words += f" {hidden:,} more are in xai compare --json." if hidden > 0 else ""
        return f"{words} {self.left_out}".rstrip()

    @property
    def lines(self) -> list[tuple[str, ...]]:
        """The first SHOWN, as HEADS name them."""
        return [part.line for part in self.parts[:SHOWN]]

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        parts = [part.as_json() for part in self.parts]
        said = {"sentence": self.sentence, "tried": self.tried, "note": self.note, "left_out": self.left_out}
        return said | {"parts": parts}


def scenarios(study: Study, rows: Rows, before: NDArray[np.int64], after: NDArray[np.int64]) -> Scenarios:
    """Of `(n,)` samples and what both runs predict of them."""
    labels = study.labels[rows]
    sizes, left_out = _mask_sizes(study, rows)
    groupings = [*_groupings(study), *([] if sizes is None else [sizes])]
    named = [(kind, name, inside) for kind, name, inside in _named(study, rows, labels, groupings) if inside.any()]
    changes = part_changes(before == labels, after == labels, [inside for *_, inside in named])
    found = [Part(kind, name, change) for (kind, name, _), change in zip(named, changes, strict=True)]
    return Scenarios(tuple(sorted(found, key=_place)), left_out)


def text(result: Mapping[str, Any]) -> str:
    """The answer's JSON form as lines for people."""
    rows = [tuple(part["line"]) for part in result["parts"][:SHOWN]]
    return "\n".join([result["sentence"], table([HEADS, *rows], right=(1, 2, 3, 4, 5, 6)), result["note"]])


def _place(part: Part) -> tuple[bool, bool, float]:
    change = part.found.change
    return not part.found.sure, not part.found.counted, change.after / change.n


def _claim(names: list[str], word: str) -> str:
    return f"{word}: {', '.join(names[:SHOWN])}{' …' if len(names) > SHOWN else ''}" if names else ""


def _named(
    study: Study, rows: Rows, labels: Rows, groupings: Sequence[Grouping]
) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """What parts there are: what they are chosen by, their names, and who belongs to them."""
    for index, name in enumerate(study.class_names):
        yield "class", name, labels == index
    for grouping in groupings:
        codes = grouping.codes[rows]
        if len(np.unique(codes[codes != UNKNOWN])) < 2:
            continue
        for index, name in enumerate(grouping.names):
            yield grouping.by, name, codes == index


def _groupings(study: Study) -> Iterator[Grouping]:
    """The study's own, then its tags and facts; each once."""
    own = study.grouping
    if own is not None:
        yield own
    ways: list[tuple[str, Callable[[], Grouping]]] = []
    ways += [(f"{TAG}{tag}", partial(by_tag, study, tag)) for tag in study.annotations.known_tags()]
    ways += [(name, partial(by_fact, study, f"{FACT}{name}")) for name in study.facts.names]
    for key, make in ways:
        if own is not None and own.by in (key, f"{FACT}{key}"):
            continue
        with suppress(XaiError):  # a fact of too many values: no way to part samples
            yield make()


def _mask_sizes(study: Study, rows: Rows) -> tuple[Grouping | None, str]:
    """The size of the objects, where there are masks and it is not the study's own grouping; or why it is left out."""
    own, masks = study.grouping, int(study.samples["has_mask"].to_numpy()[rows].sum())
    if not masks or (own is not None and own.by == MASK_SIZE):
        return None, ""
    left_out = "Parts by the size of the object are left out"
    if masks > MOST_MASKS:
        why = f"{masks:,} of these samples have masks, and {MOST_MASKS:,} are read here at most"
        return None, f"{left_out}: {why}; xai groups --by {MASK_SIZE} makes them the study's groups."
    try:
        return by_mask_size(study, rows), ""
    except XaiError as error:
        return None, f"{left_out}: {error}"
