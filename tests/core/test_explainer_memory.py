"""Thousands of explanations do not make the process grow: leaks of hooks and graphs are this field's known fault."""

from __future__ import annotations

import gc
import os
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from tests.oracles.models import Plain, model, pictures
from tests.oracles.table import OF_CLASSIFIERS, TABLE
from xai_core.explainers import ExplainerInput
from xai_core.explainers.engine.plan import explain
from xai_core.types import Target

STATM = Path("/proc/self/statm")
EXPLANATIONS = 5_000
GROWTH = 50 * 2**20
EVERY_MODEL = 50
"""Rounds with one model; then another one comes, so that copies kept of models are counted too."""


def resident() -> int:
    """Bytes."""
    gc.collect()
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not STATM.is_file(), reason="resident memory is read from Linux's /proc")
def test_five_thousand_explanations_do_not_grow_the_process() -> None:
    methods = [(key, TABLE[key].params) for key in OF_CLASSIFIERS]
    context, x = pictures(4, seed=9), pictures(1)

    def rounds(wanted: int) -> None:
        for number in range(wanted):
            if number % EVERY_MODEL == 0:
                classifier = replace(model(Plain), fingerprint=str(next(fingerprints)))
            target, seed = [Target(number % 5)], np.array([number])
            explain(ExplainerInput(classifier, x, target, seed, masks=x[:, 0] > 0, background=context), methods)

    fingerprints = count()
    rounds(EVERY_MODEL)
    before = resident()
    rounds(EXPLANATIONS // len(methods) + 1)
    assert resident() - before < GROWTH
