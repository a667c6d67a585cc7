"""Facts of samples, as a table brought them (camera, site, sex, batch): a file of their own beside the sample table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from xai_core.errors import BadInput, NotFound
from xai_core.files import damaged
from xai_core.store import files
from xai_core.store.samples import DIGEST
from xai_core.tables import number
from xai_core.text import nfc, places

FACTS_FILE = "facts.parquet"
GAP = "not known"
"""How a sample without a value is shown; it is asked for by the empty text."""

Value = str | float | bool | None
Kind = Literal["text", "number", "yes/no"]
_KINDS: dict[pa.DataType, Kind] = {pa.string(): "text", pa.float64(): "number", pa.bool_(): "yes/no"}
_YES, _NO = ("yes", "true"), ("no", "false")


@dataclass(frozen=True)
class Condition:
    """A fact and the value that samples must have. `text` is how it is asked for: `camera=A`."""

    name: str
    value: Value

    @property
    def text(self) -> str:
        """`NAME=VALUE`, which `Facts.condition` reads."""
        return f"{self.name}={'' if self.value is None else said(self.value)}"

    @property
    def words(self) -> str:
        """For sentences: `camera = A`."""
        return f"{self.name} {'is ' + GAP if self.value is None else '= ' + said(self.value)}"


def said(value: Value) -> str:
    """A value in words: `yes`, `54`, `A`; `GAP` where there is none."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return GAP
    return value if isinstance(value, str) else f"{value:.15g}"


class Facts:
    """A table with a line for each sample, by row number; without columns where nothing is known."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    @property
    def names(self) -> tuple[str, ...]:
        """Of the facts, in the order in which they came."""
        return tuple(self._table.column_names)

    def kind(self, name: str) -> Kind:
        """What the values of a fact are."""
        return _KINDS[self._table.schema.field(name).type]

    def of(self, row: int) -> dict[str, Value]:
        """All facts of a sample; None for what is not known of it."""
        return self._table.slice(row, 1).to_pylist()[0] if self.names else {}

    def columns(self, rows: Sequence[int] | NDArray[np.int64]) -> dict[str, list[Value]]:
        """All facts of several samples, by name."""
        taken = self._table.take(pa.array(np.asarray(rows, np.int64))) if self.names else self._table
        return {name: taken[name].to_pylist() for name in self.names}

    def values(self, name: str) -> list[tuple[Value, int]]:
        """What values a fact has, and of how many samples: the most frequent first."""
        if name not in self._values:
            counts = pc.value_counts(self._table[name].combine_chunks()).to_pylist()
            found = [(one["values"], int(one["counts"])) for one in counts]
            self._values[name] = sorted(found, key=lambda one: (one[0] is None, -one[1], one[0]))
        return self._values[name]

    @cached_property
    def _values(self) -> dict[str, list[tuple[Value, int]]]:
        return {}

    def condition(self, text: str) -> Condition:
        """What `NAME=VALUE` asks for; `NAME=` for the samples of which it is not known.

        Raises:
            NotFound: no such fact, or no sample has this value.
            BadInput: the study has no facts, or this is no condition.
        """
        if not self.names:
            remedy = "A study of a table has them: xai new STUDY --dataset table."
            raise BadInput("this study has no facts of its samples", value=text, remedy=remedy)
        if "=" not in text:
            raise BadInput("not a condition", value=text, remedy="Write FACT=VALUE, as in camera=A.")
        known = places(self.names)
        cuts = [place for place, letter in enumerate(text) if letter == "="]
        for cut in cuts:  # a name may hold the sign, too
            name, value = text[:cut].strip(), text[cut + 1 :].strip()
            for asked in (name, nfc(name)):
                if asked in known:
                    return self._checked(self.names[known[asked]], value)
        raise NotFound.among("fact", text[: cuts[0]], self.names)

    def _checked(self, name: str, text: str) -> Condition:
        value, known = self._read(name, text), [value for value, _ in self.values(name)]
        if value not in known:
            raise NotFound.among(f"value of {name}", text, [said(one) for one in known])
        return Condition(name, value)

    def _read(self, name: str, text: str) -> Value:
        if not text:
            return None
        kind = self.kind(name)
        if kind == "yes/no":
            return True if text.casefold() in _YES else False if text.casefold() in _NO else text
        if kind == "number":
            value = number(text)
            return text if np.isnan(value) else value
        if pc.any(pc.equal(self._table[name], text)).as_py():
            return text
        return nfc(text)

    def hold(self, conditions: Sequence[Condition]) -> NDArray[np.bool_]:
        """`(n,)`: for which samples all of them hold."""
        every = np.ones(len(self._table), dtype=bool)
        for one in conditions:
            column = self._table[one.name]
            found = pc.is_null(column) if one.value is None else pc.fill_null(pc.equal(column, one.value), False)
            every &= found.to_numpy()
        return every


def write(folder: Path, table: pa.Table, digest: str, count: int) -> None:
    """Keep the facts of the samples of the table with this digest.

    Raises:
        BadInput: not one line for each sample, or columns that are no text, number, yes or no.
    """
    problem = _broken(table, count)
    if problem:
        raise BadInput("the facts cannot be stored", value=problem, remedy="Correct the data or its dataset.")
    files.write_table(folder / FACTS_FILE, table, {DIGEST: digest})


def read(folder: Path, digest: str, count: int) -> Facts:
    """The facts of a study; none where it has no such file (it was made of no table, or by an earlier version).

    Raises:
        BadInput: the file is damaged, or about other samples.
    """
    path = folder / FACTS_FILE
    if files.signature(path) is None:
        return Facts(pa.table({}))
    table = files.read_table(path, None)
    problem = _broken(table, count)
    told = (table.schema.metadata or {}).get(DIGEST.encode())
    if not problem and told not in (None, digest.encode()):
        problem = "it is about other samples"
    if problem:
        raise damaged(path, problem)
    return Facts(table.replace_schema_metadata(None))


def _broken(table: pa.Table, count: int) -> str:
    if len(table) != count:
        return f"{len(table)} lines for {count} samples"
    if len(set(table.column_names)) < len(table.column_names):
        return "two facts of one name"
    odd = [field.name for field in table.schema if field.type not in _KINDS]
    return f"a fact that is no text, number, yes or no: {odd[0]}" if odd else ""
