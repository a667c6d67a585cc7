"""The example of docs/how-to/add-a-dataset.md works as printed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.how_to import example
from xai_core.datasets import DATASETS, DatasetMember
from xai_core.datasets.base import SAMPLE_COLUMNS
from xai_core.errors import BadInput
from xai_core.params import build


@pytest.fixture
def member(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatasetMember]:
    with example("add-a-dataset", DATASETS, tmp_path_factory.mktemp("how-to")) as member:
        yield member


def test_the_example_reads_its_folder(member: DatasetMember, tmp_path: Path) -> None:
    lines = ["file,class"]
    for number in range(20):
        Image.new("L", (5, 4), number).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{'cat' if number % 2 else 'dog'}")
    lines += ["gone.png,cat", "../outside.png,cat"]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    data = member.make(tmp_path, build(member.params, {"held_out": 0.2}))
    found = data.scan(0)
    assert tuple(found.samples.columns) == SAMPLE_COLUMNS
    assert found.class_names == ("cat", "dog")
    assert found.samples["split"].value_counts().to_dict() == {"train": 12, "validation": 4, "test": 4}
    assert [path for path, _ in found.unreadable] == ["gone.png", "../outside.png"]
    np.testing.assert_array_equal(data.picture({"path": "7.png", "index": -1}), np.full((4, 5), 7))


def test_the_example_says_what_is_wrong(member: DatasetMember, tmp_path: Path) -> None:
    for content in ("", "picture,label\na,b\n"):
        (tmp_path / "labels.csv").write_text(content)
        with pytest.raises(BadInput, match=r"no usable labels\.csv"):
            member.make(tmp_path, member.params()).scan(0)
