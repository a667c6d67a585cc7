"""Tables as people have them: CSV from Python, from Excel in any country, from a Mac, and Parquet. One reader each,
and one form: text, cell by cell. And tables as people take them away: CSV that a spreadsheet opens without harm."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xai_core.errors import BadInput, NotFound
from xai_core.text import listed, plain_name

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_DELIMITERS = (",", ";", "\t", "|")
_LOOKED_AT = 50
"""Lines that decide which of them is the delimiter."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True)
class Table:
    """A table as text.

    Attributes:
        name: of the file, for errors.
        columns: the header, as `plain_name` writes it.
        rows: the cells, without blanks around them; each row as long as the header.
        lines: the line of the file on which each row ends, from 1; of Parquet, which has none, the row.
        left_out: columns that cannot be written as text: lists, structures, bytes.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    left_out: tuple[str, ...] = ()

    def places(self, column: str) -> list[int]:
        """Where the columns of this name are."""
        return [place for place, name in enumerate(self.columns) if name == plain_name(column)]

    def place(self, column: str) -> int:
        """Where the first column of this name is. Raises BadInput where there is none."""
        found = self.places(column)
        if not found:
            remedy = f"The table has {listed(self.columns, 8)}."
            raise BadInput("the table has no such column", value=column, remedy=remedy)
        return found[0]

    def column(self, place: int) -> list[str]:
        """The cells of the column at a place."""
        return [row[place] for row in self.rows]


def read_table(path: Path) -> Table:
    """The table in a CSV file with a header line.

    UTF-8 or UTF-16 (with its mark), else Windows' Latin text; separated by comma, semicolon, tab or bar, whichever
    gives whole rows; Excel's `sep=` line is obeyed. Every cell stays text: nothing is taken for a number, a date or a
    missing value. Lines without any content are passed by.

    Raises:
        NotFound: no such file.
        BadInput: not a table; the first line that does not fit is told.
    """
    try:
        if not path.is_file():
            raise NotFound("no such file", value=path, remedy="Give the path of a CSV file.")
        text = _decoded(path.read_bytes(), path.name)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        remedy = f"Check that it can be opened: {reason}."
        raise BadInput("the table cannot be read", value=path.name, remedy=remedy) from None
    given, text, skipped = _announced(text)
    records = _records(text, given or _delimiter(text), path.name)
    if not records:
        raise BadInput("the table is empty", value=path.name, remedy="Give a header line, and one line per sample.")
    (_, header), *body = records
    columns = tuple(map(plain_name, header))
    width = _width(columns, body)
    for line, cells in body:
        if (len(cells) != len(columns) and any(cells[width:])) or len(cells) < width:
            value = f"{path.name}, line {line + skipped}: {len(cells)} cells for {len(columns)} columns"
            raise BadInput("a line does not fit the header", value=value, remedy="Give each line one cell per column.")
    if not body:
        raise BadInput("the table has no lines", value=path.name, remedy="Give one line per sample.")
    rows = tuple(tuple(cells[:width]) for _, cells in body)
    return Table(path.name, columns[:width], rows, tuple(line + skipped for line, _ in body))


def read_any_table(path: Path) -> Table:
    """The table in a CSV or a Parquet file, told apart by how the file begins. Raises as `read_table`."""
    parquet = False
    with suppress(OSError):  # which `read_table` tells of
        if path.is_file():
            with path.open("rb") as stream:
                parquet = stream.read(4) == b"PAR1"
    return _read_parquet(path) if parquet else read_table(path)


def _read_parquet(path: Path) -> Table:
    """Numbers, yes and no, dates and text as they are written; a gap is the empty text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # one thread, and no `pq.read_table`: see `xai_core.store.files.read_table`
        found = pq.ParquetFile(pa.BufferReader(path.read_bytes())).read(use_threads=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BadInput("not a Parquet table", value=path.name, remedy=f"Save it anew: {error}.") from None
    texts = {plain_name(name): _texts(found.column(place)) for place, name in enumerate(found.column_names)}
    kept = {name: cells for name, cells in texts.items() if cells is not None}
    if not found.num_rows or not kept:
        raise BadInput("the table has no lines", value=path.name, remedy="Give one line per sample.")
    rows = tuple(zip(*kept.values(), strict=True))
    return Table(path.name, tuple(kept), rows, tuple(range(1, len(rows) + 1)), tuple(texts.keys() - kept.keys()))


def _texts(column: pa.ChunkedArray) -> list[str] | None:
    """The cells as text; None of what is no text, number, date, yes or no."""
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return None
    try:
        cells = column.cast(kind).cast(pa.string()).to_pylist()
    except (pa.ArrowException, UnicodeDecodeError):
        return None
    gaps = ("nan",) if pa.types.is_floating(kind) else ()
    return ["" if cell is None or cell in gaps else " ".join(cell.split()) for cell in cells]


def csv_bytes(table: pd.DataFrame) -> bytes:
    """The table as CSV, UTF-8 with a header: no text in it is one that a spreadsheet takes for a formula.

    Names may come from anybody. Numbers have six digits; yes and no are written as people write them.
    """
    written = table.copy()
    for name in written.select_dtypes(exclude="number").columns:
        written[name] = [_harmless(value) for value in written[name]]
    written.columns = [_harmless(name) for name in written.columns]
    return written.to_csv(index=False, float_format="%.6g").encode("utf-8", "backslashreplace")


def _harmless(value: Any) -> Any:
    """Text that a spreadsheet does not take for a formula; yes and no as people write them."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def number(cell: str) -> float:
    """The number in a cell, with a decimal point or comma; NaN where there is none."""
    text = cell.replace(",", ".") if cell.count(",") == 1 and "." not in cell else cell
    if "_" in text:  # Python's own way of writing numbers, and no table's
        return float("nan")
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _decoded(data: bytes, name: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings: tuple[str, ...] = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "cp1252")
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise BadInput("not a CSV table", value=name, remedy="Save it as CSV in UTF-8 with a header line.")


def _announced(text: str) -> tuple[str | None, str, int]:
    """Excel's first line `sep=;`: the delimiter, the text behind it, and how many lines that skips."""
    first, _, rest = text.partition("\n")
    announced = first.strip().removeprefix("sep=")
    if first.lower().startswith("sep=") and (len(announced) == 1 or first.startswith("sep=\t")):
        return announced or "\t", rest, 1
    return None, text, 0


def _delimiter(text: str) -> str:
    """The one that gives most columns among those that give every line as many cells as the header, if any does."""
    start = "".join(text.splitlines(keepends=True)[:_LOOKED_AT])

    def fit(delimiter: str) -> tuple[bool, int]:
        try:
            rows = [row for row in csv.reader(io.StringIO(start, newline=""), delimiter=delimiter) if any(row)]
        except csv.Error:
            return False, 0
        width = len(rows[0]) if rows else 0
        return width > 1 and all(len(row) == width for row in rows), width

    return max(_DELIMITERS, key=fit)


def _records(text: str, delimiter: str, name: str) -> list[tuple[int, list[str]]]:
    """Lines with any content: the number of each, and its cells."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    records = []
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                records.append((reader.line_num, stripped))
    except csv.Error as error:
        value = f"{name}, line {reader.line_num} ({error})"
        raise BadInput(
            "not a CSV table", value=value, remedy="Close every quotation mark, and quote whole cells."
        ) from None
    return records


def _width(columns: Sequence[str], body: Sequence[tuple[int, Sequence[str]]]) -> int:
    """Columns up to the last that has a name or content: Excel writes empty ones behind the table."""
    width = len(columns)
    while width and not columns[width - 1] and not any(len(cells) >= width and cells[width - 1] for _, cells in body):
        width -= 1
    return width
