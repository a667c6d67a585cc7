"""The examples that the how-tos print, run as they are printed."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from tests.conftest import ROOT
from xai_core.registry import HasCard, Registry

T = TypeVar("T", bound=HasCard)


@contextmanager
def example(page: str, family: Registry[T], folder: Path, *, number: int = 0) -> Iterator[T]:
    """Within, the member that a Python block of `docs/how-to/<page>.md` adds to its family.

    Args:
        folder: where the block becomes a file.
        number: of the block, from 0.
    """
    before = set(family.keys())
    try:
        with printed(page, folder, number=number):
            (key,) = set(family.keys()) - before
            yield family[key]
    finally:
        for key in set(family.keys()) - before:
            del family._members[key]


@contextmanager
def printed(page: str, folder: Path, *, number: int = 0) -> Iterator[ModuleType]:
    """Within, a Python block of `docs/how-to/<page>.md` as a module. Arguments as of `example`."""
    text = (ROOT / "docs" / "how-to" / f"{page}.md").read_text(encoding="utf-8")
    block = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[number]
    name = f"how_to_{page.replace('-', '_')}_{number}"
    path = folder / f"{name}.py"
    path.write_text(block, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules[name]
