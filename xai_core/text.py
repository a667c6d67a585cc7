"""Names that look the same are the same: how texts from files, folders and the command line are compared."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from xai_core.errors import BadParameter


def nfc(text: str) -> str:
    """Accents composed: a Mac stores `é` in two characters."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def plain_name(text: str) -> str:
    """A name as it is shown and compared: accents composed, each run of blanks one blank, and none at its ends."""
    return " ".join(nfc(text).split())


def places(names: Iterable[str]) -> dict[str, int]:
    """Where each name stands in a list, by itself and, where that is no other's, by its composed form.

    Look a name up as it is, then as `nfc` writes it.
    """
    exact = {name: place for place, name in enumerate(names)}
    composed = Counter(map(nfc, exact))
    return {nfc(name): place for name, place in exact.items() if composed[nfc(name)] == 1} | exact


def comma_list(text: str) -> list[str]:
    """`a,b` → `["a", "b"]`; blanks around entries are dropped. `"a,b",c` names an entry with a comma.

    Raises:
        BadParameter: not such a list.
    """
    try:
        parts = next(csv.reader([" ".join(text.splitlines())], skipinitialspace=True), [])
    except csv.Error as error:
        raise BadParameter("not a list", value=text, remedy=f"Write A,B ({error}).") from None
    return [part.strip() for part in parts if part.strip()]


def comma_text(entries: Sequence[str]) -> str:
    """The list that `comma_list` reads: entries with a comma or a quotation mark are quoted."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(entries)
    return text.getvalue()


def counted(number: int, one: str, many: str = "") -> str:
    """`1 file`, `2 files`, `1,200 pictures`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first names of a list: `a, b, c, …`."""
    return ", ".join([*names[:most], *(["…"] if len(names) > most else [])])


def joined(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([*([", ".join(names[:-1])] if names[:-1] else []), *names[-1:]])
