"""The tables of `docs/import.md`, and what its lines are run on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.conftest import ROOT
from xai_core.models.preprocess import Preprocess

PAGE = (ROOT / "docs" / "import.md").read_text(encoding="utf-8")
CLASSES = ("cat", "dog")
KNOWN = "--size 32 --mean 0.5,0.5,0.5 --std 0.5,0.5,0.5 --classes cat,dog"
INPUT = Preprocess(32, 32, 3, (0.5,) * 3, (0.5,) * 3)


def lines_of(section: str, title: str = "what you have | what you say") -> dict[str, str]:
    """A table of the page: what stands in the second column by what stands in the first."""
    table = PAGE.split(f"## {section}\n", 1)[1].split(f"| {title} |", 1)[1].split("\n\n", 1)[0]
    cells = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    assert all(len(pair) == 2 for pair in cells)
    return dict(cells)


def line(lines: Mapping[str, str], about: str) -> str:
    """The code of the one line that is about this."""
    (found,) = [second for first, second in lines.items() if about in first]
    return re.sub(r"\bknown$", KNOWN, found.strip("`"))


def covered(lines: Mapping[str, str], cases: Mapping[str, Any]) -> None:
    """Each line has exactly one case, and each case exactly one line."""
    assert sorted(sum(about in first for first in lines) for about in cases) == [1] * len(cases)
    assert len(lines) == len(cases)


def picture(number: int, side: int = 40) -> Image.Image:
    """Noise of its own, as no two pictures are the same, around a dark (even) or bright (odd) middle."""
    pixels = np.random.default_rng(number).integers(0, 255, (side, side, 3)).astype(np.uint8)
    pixels[side // 4 : -side // 4, side // 4 : -side // 4] = 200 if number % 2 else 30
    return Image.fromarray(pixels)


def put(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(number).save(path)


def folders(root: Path, *, each: int = 8, names: tuple[str, str] = CLASSES) -> None:
    for number in range(2 * each):
        put(root / names[number % 2] / f"{number // 2}.png", number)
