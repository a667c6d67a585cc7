"""How the suite is spread over processes: what one test of a file made, the next one finds."""

from __future__ import annotations

import pytest

seen: list[int] = []


@pytest.mark.parametrize("place", range(8))
def test_a_file_stays_in_one_process(place: int) -> None:
    seen.append(place)
    assert seen == list(range(seen[0], place + 1)), "others ran elsewhere, and make again what this file shares"
