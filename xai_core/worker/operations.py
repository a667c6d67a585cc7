"""What the warm process can be asked for: one entry each, from the request's values to steps of about a second."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from xai_core.errors import BadInput
from xai_core.pipeline.explain import Request, explain_steps
from xai_core.pipeline.load import Bench
from xai_core.pipeline.steps import Steps

Operation = Callable[[Bench, Mapping[str, Any]], Steps]


def explain(bench: Bench, message: Mapping[str, Any]) -> Steps:
    """Heatmaps into the study's store."""
    run = bench.study(Path(message["study"])).run(message["run"])
    methods = [(key, values) for key, values in message["methods"]]
    yield from explain_steps(bench, Request(run, message["rows"], message["targets"], methods, message["weights"]))


OPERATIONS: dict[str, Operation] = {"explain": explain}


def steps(bench: Bench, message: Mapping[str, Any]) -> Steps:
    """The steps that a request asks for; like everything else, what is wrong with it is raised by the first one.

    Raises:
        BadInput: there is no such operation.
    """
    operation = OPERATIONS.get(message["op"])
    if operation is None:
        remedy = f"The worker knows {', '.join(OPERATIONS)}; restart the dashboard where it is older than the page."
        raise BadInput("the worker does not know this operation", value=message["op"], remedy=remedy)
    yield from operation(bench, message)
