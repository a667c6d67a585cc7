"""Which split a word or the name of a folder says."""

from __future__ import annotations

import re

from xai_core.types import Split

_SPLIT_WORDS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}
SET_WORD = "set|data|dataset|split|images|imgs|pictures"
_SPLIT_WORD = re.compile(f"({'|'.join(sorted(_SPLIT_WORDS, key=len, reverse=True))})(?:{SET_WORD})?")


def split_named(word: str) -> Split | None:
    """The split that a word of any case means; None where it means none."""
    return _SPLIT_WORDS.get(word.strip().casefold())


def said(name: str) -> tuple[str, str] | None:
    """The word for a split in a folder's name, and what else it says; None where no word or several are there."""
    words = re.findall(r"[^\W\d_]+|\d+", name.casefold())
    hits = [match.group(1) for word in words if (match := _SPLIT_WORD.fullmatch(word))]
    if len(hits) != 1:
        return None
    rest = [word for word in words if not _SPLIT_WORD.fullmatch(word) and not re.fullmatch(SET_WORD, word)]
    return hits[0], " ".join(rest)


def meant(word: str, words: list[str]) -> Split:
    """`eval` is the test, unless a test lies beside it and no validation does."""
    others = {_SPLIT_WORDS[other] for other in words if not other.startswith("eval")}
    if word.startswith("eval") and "test" in others and "validation" not in others:
        return "validation"
    return _SPLIT_WORDS[word]
