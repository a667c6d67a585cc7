"""Text of users (names, tags, notes, what a link says) on a page: shown letter by letter, never interpreted.

Streamlit takes Markdown in labels, captions and messages, with links, pictures, formulas, colours and icons. Whatever
is not written in this program goes through `plain` there, through `escaped` in HTML and figures, and through `visible`
where text is text. `tests/dashboard/test_text.py` walks over all calls and holds that.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import NewType

from xai_core.text import nfc

Markdown = NewType("Markdown", str)
"""Text made for Streamlit's Markdown: words of this program, and other text through `plain`."""

_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0")
_JOINERS = "\u200c\u200d"
_MARKS = re.compile(r"[\\`*_\[\]<>$~&{}]|^[-+#=|]")
_NUMBERED = re.compile(r"^(\d+)([.)])")
_REPLACED = re.compile(r"^(?= )|:(?=\S)|www(?=\.)|@|-(?=[->])|<(?=[-=])|[>~](?==)", re.IGNORECASE)
_WORD_JOINER = "\u2060"


def visible(text: object) -> str:
    """Text on one line, with characters that steer instead of showing (controls, other directions) by their number.

    A name cannot pass for another one by what nobody sees. Joiners between letters of scripts that need them stay.
    """
    shown = str(text)
    if shown.isascii() and shown.isprintable():
        return shown
    return "".join(_shown(shown, place) for place in range(len(shown)))


def escaped(text: object) -> str:
    """Visible text for HTML, also within attributes, and for figures, which read some of it."""
    return html.escape(visible(text))


def plain(text: object) -> Markdown:
    """Visible text for Markdown, which shows it as it is.

    After Markdown is read Streamlit still replaces some sequences, however they were escaped: addresses by links,
    `:material/…:` by icons, `->` by an arrow. A word joiner, which has no width, parts these.
    """
    parted = _REPLACED.sub(lambda found: found[0] + _WORD_JOINER, visible(text))
    return Markdown(_NUMBERED.sub(r"\1\\\2", _MARKS.sub(lambda found: "\\" + found[0], parted)))


def searched(text: object) -> str:
    """Text as names are searched by: as it is shown, accents composed, in any case.

    Without the word joiners of `plain`, which are copied along with a name.
    """
    return nfc(visible(str(text).replace(_WORD_JOINER, ""))).casefold()


def _shown(text: str, place: int) -> str:
    letter = text[place]
    if letter in "\t\n\r":
        return " "
    if letter in _JOINERS and 0 < place < len(text) - 1 and not (text[place - 1] + text[place + 1]).isascii():
        return letter
    hidden = unicodedata.category(letter) in _HIDDEN or letter in _FILLERS
    return f"[U+{ord(letter):04X}]" if hidden else letter
