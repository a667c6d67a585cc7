"""Text of users is shown, never interpreted: the helpers, every call that takes Markdown, and pages full of it."""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.text import escaped, plain, searched, visible
from tests.conftest import ROOT

FILES = sorted((ROOT / "dashboard").rglob("*.py"))
TAKES_MARKDOWN = frozenset(
    re.findall(
        r"\w+",
        "markdown caption warning error info success title header subheader button form_submit_button download_button "
        "link_button checkbox toggle radio selectbox multiselect segmented_control pills slider select_slider metric "
        "number_input text_input text_area expander popover toast status tabs write page_link badge spinner latex "
        "chat_message date_input time_input file_uploader color_picker feedback camera_input audio_input exception",
    )
)
"""Methods of Streamlit whose first argument, options or `help` may be Markdown."""
OPTIONS_ARE_MARKDOWN = frozenset({"radio", "segmented_control", "pills", "tabs"})
WORDS = ("label", "body", "help", "icon", "delta")
NUMERIC = re.compile(r"[,%bcdeEfFgGn]$")


class Module:
    """One file of the dashboard, and which of its expressions are Markdown of our own making."""

    def __init__(self, path: Path) -> None:
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.constants = {
            target.id
            for node in self.tree.body
            if isinstance(node, ast.Assign) and all(map(_literal, _leaves(node.value)))
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        self.locals: dict[str, list[ast.expr]] = {}

    def functions(self) -> Iterator[ast.FunctionDef]:
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef))

    def safe(self, node: ast.expr | None) -> bool:
        """Whether nothing foreign can reach this expression but through `plain`."""
        match node:
            case None | ast.Constant():
                return True
            case ast.JoinedStr():
                return all(self._part(part) for part in node.values)
            case ast.Call():
                return self._call(node)
            case ast.IfExp():
                return self.safe(node.body) and self.safe(node.orelse)
            case ast.BinOp():
                return self.safe(node.left) and self.safe(node.right)
            case ast.List() | ast.Tuple():
                return all(map(self.safe, node.elts))
            case ast.Starred():
                return self.safe(node.value)
            case ast.ListComp() | ast.GeneratorExp():
                return self.safe(node.elt)
            case ast.Lambda():
                return self.safe(node.body)
            case ast.Attribute():  # a constant of a page's module, or a look-up in one of this module
                return node.attr.isupper() or (node.attr == "__getitem__" and self.safe(node.value))
            case ast.Subscript():
                return self.safe(node.value)
            case ast.Name():
                return node.id in self.constants or (
                    node.id in self.locals and all(map(self.safe, self.locals[node.id]))
                )
        return False

    def _part(self, part: ast.expr) -> bool:
        if not isinstance(part, ast.FormattedValue):
            return True
        spec = part.format_spec
        last = spec.values[-1] if isinstance(spec, ast.JoinedStr) else None
        number = isinstance(last, ast.Constant) and NUMERIC.search(str(last.value)) is not None
        return number or self.safe(part.value)

    def _call(self, node: ast.Call) -> bool:
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name in ("len", "plain") or name in MAKERS:
            return True
        if name == "Markdown" or name == "join":
            return all(map(self.safe, node.args))
        if name == "get" and isinstance(node.func, ast.Attribute):
            return self.safe(node.func.value) and all(map(self.safe, node.args[1:]))
        return False

    def enter(self, function: ast.FunctionDef) -> None:
        """Remember what is assigned to the names of a function."""
        self.locals = {}
        for node in ast.walk(function):
            for name, value in _assigned(node):
                self.locals.setdefault(name, []).append(value)


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Names and what becomes of them: by assignment, also of several at once, by `+=`, by `append`."""
    match node:
        case ast.Assign(targets=targets, value=value):
            names = [each for target in targets for each in getattr(target, "elts", [target])]
            yield from ((name.id, value) for name in names if isinstance(name, ast.Name))
        case ast.AugAssign(target=ast.Name(id=name), value=value):
            yield name, value
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="append"), args=[value]):
            yield name, value


def _literal(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant)


def _leaves(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.Dict():
            for value in node.values:
                yield from _leaves(value)
        case ast.Tuple() | ast.List():
            for value in node.elts:
                yield from _leaves(value)
        case _:
            yield node


def _returns_markdown(function: ast.FunctionDef) -> bool:
    return isinstance(function.returns, ast.Name) and function.returns.id == "Markdown"


MAKERS = {f.name for path in FILES for f in Module(path).functions() if _returns_markdown(f)}
"""Functions that make Markdown; what they return is checked too."""


def _of_streamlit(call: ast.Call) -> str | None:
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in TAKES_MARKDOWN:
        return None
    base = call.func.value
    return None if isinstance(base, ast.Name) and base.id in ("LOG", "logging") else call.func.attr


def _interpreted(call: ast.Call, name: str) -> Iterator[ast.expr]:
    """The arguments that Streamlit may read as Markdown."""
    yield from call.args[:1]
    given = {word.arg: word.value for word in call.keywords}
    yield from (given[word] for word in WORDS if word in given)
    if name in OPTIONS_ARE_MARKDOWN:
        if "format_func" in given:
            yield given["format_func"]
        else:
            yield from call.args[1:2]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_foreign_reaches_markdown_but_through_plain(path: Path) -> None:
    module, wrong = Module(path), []
    for function in module.functions():
        module.enter(function)
        for node in ast.walk(function):
            if isinstance(node, ast.Return) and _returns_markdown(function) and path.name != "text.py":
                wrong += [] if module.safe(node.value) else [node]
            if isinstance(node, ast.Call) and (name := _of_streamlit(node)):
                wrong += [each for each in _interpreted(node, name) if not module.safe(each)]
            if isinstance(node, ast.keyword) and node.arg == "help" and not module.safe(node.value):
                wrong.append(node.value)
    assert not wrong, [f"{path.name}:{node.lineno}: {ast.unparse(node)}" for node in wrong]


@pytest.mark.parametrize(
    ("line", "fine"),
    [
        ("st.caption(f'A {name} b')", False),
        ("st.caption(name)", False),
        ("st.caption('A ' + name)", False),
        ("left.button(' → '.join(names))", False),
        ("st.segmented_control('A', names)", False),
        ("st.segmented_control('A', ['x'], format_func=words.__getitem__)", False),
        ("st.selectbox('A', names, help=f'{name}')", False),
        ("text('A', help=name)", False),
        ("st.caption(f'A {plain(name)} {len(names):,} {share:.1f} {OURS[name]}')", True),
        ("st.segmented_control('A', names, format_func=lambda name: plain(name))", True),
        ("st.selectbox('A', names, format_func=str)", True),
    ],
)
def test_the_walk_over_the_calls_sees_them(line: str, fine: bool, tmp_path: Path) -> None:
    file = tmp_path / "page.py"
    file.write_text(f"OURS = {{'a': 'b'}}\ndef draw(name, names, words, share, st, left):\n    {line}\n")
    if fine:
        test_nothing_foreign_reaches_markdown_but_through_plain(file)
    else:
        with pytest.raises(AssertionError):
            test_nothing_foreign_reaches_markdown_but_through_plain(file)


def test_what_steers_is_shown_by_its_number_and_the_rest_as_it_is() -> None:
    assert visible("a\u202egnp.exe") == "a[U+202E]gnp.exe"
    assert visible("ad\u200bmin\ufeff\x1b[31m") == "ad[U+200B]min[U+FEFF][U+001B][31m"
    assert visible("two\r\nlines\t ") == "two  lines  "
    for text in (
        "T-shirt/top",
        "Übergröße",
        "日本語 ",
        "می\u200cخواهم",
        "👩\u200d🔬",
        "a\u00a0b",
        "e\u0301",
        "“a” – b…",
    ):
        assert visible(text) == text
    assert visible("a\u200cb") == "a[U+200C]b"
    assert visible(7) == "7"


@pytest.mark.parametrize("name", ["a->b", "T:shirt", "caf\u00e9", "Straße", "x\u202ey"])
def test_a_name_is_found_as_it_is_copied_from_a_page(name: str) -> None:
    copied = plain(name).replace("\\", "")
    for text in (copied, name.upper(), name, unicodedata.normalize("NFD", name)):
        assert searched(text) == searched(name)


def test_html_and_attributes_hold_text_only() -> None:
    assert escaped("<b title='\"'>&\u202e") == "&lt;b title=&#x27;&quot;&#x27;&gt;&amp;[U+202E]"


@pytest.mark.parametrize("text", ["T-shirt/top", "Ankle boot (left)", "a.b, c; d/e", "10 %", "Übergröße!", "日本語"])
def test_usual_names_stay_as_they_are_in_markdown(text: str) -> None:
    assert plain(text) == text


@pytest.mark.parametrize("text", ["$10$", "__x__", "[a](b)", "![a](b)", "`a`", "*a*", "~~a~~", "<b>a", "&lt;", "a\\"])
def test_every_mark_in_markdown_is_escaped(text: str) -> None:
    assert not re.search(r"[\\`*_\[\]<>$~&]", re.sub(r"\\.", "", plain(text)))


@pytest.mark.parametrize("text", ["# a", "- a", "-", "+ a", "1. a", "12) a", "> a", "=", "| a"])
def test_no_text_begins_a_block(text: str) -> None:
    assert "\\" in plain(text)[:4]


@pytest.mark.parametrize(
    "text",
    [
        *(":material/home:", ":red[a]", ":+1:", "https://a.example", "www.a.example", "a@b.example"),
        *("a -> b", "a <- b", "a -- b", "a >= b"),
    ],
)
def test_what_streamlit_replaces_after_reading_is_parted(text: str) -> None:
    assert "\u2060" in plain(text)
    assert re.sub(r"\\(?=\W)|\u2060", "", plain(text)) == text
