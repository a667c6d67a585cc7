"""A list of classes: their ids, which folders are called by, and their names for people."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xai_core.errors import BadInput, NotFound
from xai_core.text import counted, listed, plain_name

_LARGEST = 16 * 2**20
Entry = tuple[str, str]
"""The id of a class and its name for people; the same text twice where the list has one of them."""


@dataclass(frozen=True)
class Named:
    """The classes of a data folder that a list names, in the list's order.

    Attributes:
        folders: as they are called. names: for people, each once.
        notes: what a person should know, one sentence each.
    """

    folders: tuple[str, ...]
    names: tuple[str, ...]
    notes: tuple[str, ...]


def named(path: Path, folders: Sequence[str]) -> Named:
    """The folders that a list of classes names, by id or by name.

    The file is JSON (a list of names, `{id: name}`, or `{index: [id, name]}`) or text with one class a line: a name, or
    an id and a name behind a tab, comma, semicolon or blank; whichever reading finds most of the folders.

    Raises:
        NotFound: no such file.
        BadInput: not such a list, or it names none of the folders, or one twice.
    """
    text = _text(path)
    readings = [_from_json(text, path.name)] if path.suffix.lower() == ".json" else [way(text) for way in _WAYS]
    known = {plain_name(folder): folder for folder in folders}
    entries = max(readings, key=lambda found: len(_found(found, known)))
    found = _found(entries, known)
    if not found:
        first = " or ".join(dict.fromkeys(entries[0])) if entries else "nothing"
        remedy = f"It names {first} first, and the folders are called {listed(sorted(folders))}."
        raise BadInput("the list of classes names none of the folders", value=path.name, remedy=remedy)
    twice = [folder for folder, many in Counter(folder for folder, _ in found).items() if many > 1]
    if twice:
        raise BadInput("the list of classes names a class twice", value=twice[0], remedy="Name each class once.")
    return Named(tuple(folder for folder, _ in found), _distinct(found), _notes(path.name, found, entries, folders))


def in_order(path: Path) -> tuple[str, ...]:
    """All names of a list for people, in its order, for classes that are known by their numbers.

    Of text a line is a name. Raises as `named`.
    """
    text = _text(path)
    entries = _from_json(text, path.name) if path.suffix.lower() == ".json" else _by_line(text)
    return tuple(name for _, name in entries)


def all_entries(path: Path, known: Iterable[str]) -> tuple[Entry, ...]:
    """All classes of a list, in its order, by the reading that finds most of the `known` ids or names.

    Raises as `named`.
    """
    text, ours = _text(path), set(map(plain_name, known))
    readings = [_from_json(text, path.name)] if path.suffix.lower() == ".json" else [way(text) for way in _WAYS]
    return tuple(max(readings, key=lambda entries: sum(bool(ours & set(entry)) for entry in entries)))


def _found(entries: Iterable[Entry], known: Mapping[str, str]) -> list[Entry]:
    """The folder and the name of each class that has a folder."""
    return [(known[key], name) for id_, name in entries for key in dict.fromkeys((id_, name)) if key in known]


def _distinct(found: Sequence[Entry]) -> tuple[str, ...]:
    """ImageNet has two kinds of crane: names that come twice have their ids behind them."""
    often = Counter(name for _, name in found)
    return tuple(name if often[name] == 1 else f"{name} ({folder})" for folder, name in found)


def _notes(file: str, found: Sequence[Entry], entries: Sequence[Entry], folders: Sequence[str]) -> tuple[str, ...]:
    notes = []
    other = [(folder, name) for folder, name in found if plain_name(folder) != name]
    if other:
        folder, name = other[0]
        notes.append(f"Classes have their names from {file}, such as {name} for {folder}.")
    if len(entries) > len(found):
        has = counted(len(entries) - len(found), "class", "classes")
        notes.append(f"{has} of {file} without a folder or pictures: no class of this study.")
    unnamed = sorted(set(folders) - {folder for folder, _ in found})
    if unnamed:
        notes.append(
            f"{counted(len(unnamed), 'folder is', 'folders are')} not in {file} and left out: {listed(unnamed)}."
        )
    return tuple(notes)


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            raise NotFound("no such file", value=path.name, remedy="Give the path of a list of classes.")
        if path.stat().st_size > _LARGEST:
            raise BadInput("this is no list of classes", value=path.name, remedy="It is larger than 16 MiB.")
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        remedy = f"Check that it can be read: {reason}."
        raise BadInput("the list of classes cannot be read", value=path.name, remedy=remedy) from None
    if "\0" in text:
        raise BadInput("this is no list of classes", value=path.name, remedy="Give text or JSON, one class an entry.")
    return text


def _from_json(text: str, file: str) -> list[Entry]:
    try:
        values = json.loads(text)
        pairs = [(key, values[key]) for key in _in_order(values)] if isinstance(values, dict) else values
        return [_entry(pair) for pair in pairs]
    except (ValueError, TypeError, RecursionError):
        remedy = 'Write ["tench", …], {"n01440764": "tench", …} or {"0": ["n01440764", "tench"], …}.'
        raise BadInput("this is no list of classes", value=file, remedy=remedy) from None


def _in_order(values: Mapping[str, Any]) -> list[str]:
    """Indices by their number, ids as they come."""
    return sorted(values, key=int) if all(key.isdecimal() and len(key) < 10 for key in values) else list(values)


def _entry(pair: Any) -> Entry:
    """Of `name`, `(id, name)` or `(index, (id, name))`."""
    parts = list(pair) if isinstance(pair, list | tuple) else [pair]
    if len(parts) == 2 and isinstance(parts[1], list | tuple):
        parts = list(parts[1])
    if not 1 <= len(parts) <= 2 or not all(isinstance(part, str) and plain_name(part) for part in parts):
        raise ValueError("no names")
    return plain_name(parts[0]), plain_name(parts[-1])


def _by_line(text: str) -> list[Entry]:
    return [(name, name) for line in text.splitlines() if (name := plain_name(line))]


def _separated(by: str) -> Callable[[str], list[Entry]]:
    def read(text: str) -> list[Entry]:
        entries = []
        try:
            for cells in csv.reader(io.StringIO(text), delimiter=by, skipinitialspace=True):
                parts = [plain_name(cell) for cell in cells]
                if any(parts):
                    entries.append((parts[0], parts[1] if len(parts) > 1 and parts[1] else parts[0]))
        except csv.Error:
            return []
        return entries

    return read


def _by_blank(text: str) -> list[Entry]:
    lines = [plain_name(line).partition(" ") for line in text.splitlines() if line.strip()]
    return [(first, rest or first) for first, _, rest in lines]


_WAYS = (_by_line, _separated("\t"), _separated(","), _separated(";"), _by_blank)
"""How a line may be read. Of readings that find the same folders the first is taken."""
