from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.frame.context import Services, Studies, use_services
from tests.dashboard.fakes import FakeWorker, add_run, make_study


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Services]:
    """One study with three runs: `alone` (predictions only), `untested` (no predictions), `net`; a fake worker."""
    study = make_study(tmp_path / "pets")
    add_run(study, "alone", model=False)
    add_run(study, "untested", predictions=False)
    add_run(study, "net")
    services = Services(Studies([study.path]), FakeWorker())
    use_services(services)
    yield services
    use_services(None)
