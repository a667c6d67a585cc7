"""A study of segmentation, open in the dashboard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dashboard.frame.context import Services, Studies, use_services
from tests.dashboard.fakes import FakeWorker
from tests.dashboard.segmenters import squares
from xai_core.store.study import Study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return squares(tmp_path_factory.mktemp("squares"))


@pytest.fixture(autouse=True)
def served(study: Study) -> Iterator[Services]:
    services = Services(Studies([study.path]), FakeWorker())
    use_services(services)
    yield services
    use_services(None)
