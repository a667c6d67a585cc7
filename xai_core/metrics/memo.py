"""What metrics of one pass share: each asks much the same of the same pictures and maps."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


class Memo:
    """What was worked out of N samples, for whoever asks next. It lives as long as the record that holds it."""

    def __init__(self) -> None:
        self._found: dict[Hashable, Any] = {}

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, made once for each key. The key names all that it depends on beside the samples."""
        if key not in self._found:
            self._found[key] = make()
        found: T = self._found[key]
        return found

    def part(self, rows: NDArray[np.int64], count: int) -> Memo:
        """That of some of the `count` samples: itself where these are all in their order, else one for those rows."""
        if np.array_equal(rows, np.arange(count)):
            return self
        return self.get(("rows", rows.tobytes()), Memo)


class _Remembers(Protocol):
    @property
    def memo(self) -> Memo: ...


R = TypeVar("R", bound=_Remembers)


def shared(record: R, memo: Memo) -> R:
    """The record itself, from now on with a memo that others of the same samples use too.

    No constructor takes one: a record made from another by `replace`, with other maps, must not know the old ones'.
    """
    object.__setattr__(record, "memo", memo)
    return record
