"""The examples that the how-tos print, run as they are printed."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tests.conftest import ROOT
from xai_core.registry import HasCard, Registry

T = TypeVar("T", bound=HasCard)


@contextmanager
def example(page: str, family: Registry[T], folder: Path) -> Iterator[T]:
    """Within, the member that the first Python block of `docs/how-to/<page>.md` adds to its family.

    Args:
        folder: an empty one, where the block becomes a file.
    """
    text = (ROOT / "docs" / "how-to" / f"{page}.md").read_text(encoding="utf-8")
    block = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert block, f"{page} prints no example"
    before, name = set(family.keys()), f"how_to_{page.replace('-', '_')}"
    path = folder / f"{name}.py"
    path.write_text(block[1], encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        (key,) = set(family.keys()) - before
        yield family[key]
    finally:
        del sys.modules[name]
        for key in set(family.keys()) - before:
            del family._members[key]
