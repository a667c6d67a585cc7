"""What commands that answer from stored maps do first: compute the maps that are still missing, and no other."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xai_core.cli.command import in_force, long_work
from xai_core.errors import NotApplicable

if TYPE_CHECKING:
    from xai_core.answers.maps import Column
    from xai_core.answers.scope import Rows
    from xai_core.store.run import Run

LOG = logging.getLogger("xai")
Methods = Sequence[tuple[str, Mapping[str, Any]]]
"""Keys of explainers with the parameters given for them: see `command.settings`."""


@dataclass(frozen=True)
class Wanted:
    """Maps that an answer speaks of: `rows` in the order of importance, what they explain, and of which model."""

    run: Run
    rows: Rows
    spec: str
    methods: Methods
    weights: str = "trained"


def columns_of(run: Run, methods: Methods, weights: str = "trained") -> list[Column]:
    """The methods with the place of their maps.

    Raises:
        NotFound, BadParameter: an unknown method or parameter.
        NotApplicable: the run has no model, or a method cannot be used with it.
    """
    from xai_core.answers.maps import columns, params_of
    from xai_core.explainers import EXPLAINERS
    from xai_core.store.obstacles import obstacle

    params = {key: params_of(EXPLAINERS[key], values) for key, values in methods}
    if not run.info.fingerprint:
        raise NotApplicable("a run without a model", value=run.name, remedy="Choose a run that has a model.")
    for key, chosen in params.items():
        if reason := obstacle(run, EXPLAINERS[key], chosen):
            raise NotApplicable("a method that cannot be used here", value=key, remedy=reason.capitalize())
    return columns(run, list(params), dict(methods), weights=weights)


def fill(args: argparse.Namespace, wanted: Sequence[Wanted], title: str = "explaining") -> None:
    """Compute what is missing of these maps, with a bar of progress; where nothing is, no model is loaded.

    Raises:
        NotFound: an unknown layer; nothing is computed then.
    """
    wanted = [one for one in wanted if _missing(one)]
    settings = in_force(args)
    if not wanted:
        return
    from xai_core.pipeline.explain import Request, check_methods, explain_steps
    from xai_core.pipeline.load import Bench
    from xai_core.pipeline.steps import noted

    bench = Bench(settings.device)
    requests = [Request(one.run, one.rows.tolist(), one.spec, one.methods, one.weights) for one in wanted]
    for request in requests:
        check_methods(bench, request)
    every, before = sum(len(one.rows) * len(one.methods) for one in wanted), 0
    with long_work(title) as (progress, cancel):
        for request in requests:
            left_out: dict[str, str] = {}
            for done, _ in noted(explain_steps(bench, request), len(request.rows), left_out):
                progress(before + done, every, "maps")
                cancel.check()
            for name, reason in left_out.items():  # the answer counts them among the missing
                LOG.warning("left out %s: %s", name, reason)
            before += len(request.rows) * len(request.methods)


def _missing(one: Wanted) -> bool:
    from xai_core.answers.maps import target_keys
    from xai_core.store.maps import MISSING

    if not len(one.rows):
        return False
    keys, columns = target_keys(one.run, one.rows, one.spec), columns_of(one.run, one.methods, one.weights)
    stores = [column.maps for column in columns]
    return any(store is None or (store.state(one.rows, keys) == MISSING).any() for store in stores)
