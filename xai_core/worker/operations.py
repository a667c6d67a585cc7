"""What the warm process can be asked for: one entry each, from the request's values to steps of about a second."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from xai_core.errors import BadInput
from xai_core.files import write_atomic
from xai_core.pipeline.explain import Request, explain_steps
from xai_core.pipeline.load import Bench
from xai_core.pipeline.steps import Steps

Operation = Callable[[Bench, Mapping[str, Any]], Steps]


def explain(bench: Bench, message: Mapping[str, Any]) -> Steps:
    """Heatmaps into the study's store."""
    run = bench.study(Path(message["study"])).run(message["run"])
    methods = [(key, values) for key, values in message["methods"]]
    yield from explain_steps(bench, Request(run, message["rows"], message["targets"], methods, message["weights"]))


def preview(bench: Bench, message: Mapping[str, Any]) -> Steps:
    """What augmentations make of a few pictures, as a PNG file at `into`."""
    from xai_core.pipeline.asked import Given
    from xai_core.pipeline.preview import preview as made
    from xai_core.training.config import TrainConfig

    yield 0, 1
    wanted, study = message["arguments"], bench.study(Path(message["study"]))
    mean, std = (tuple(wanted[name]) if wanted.get(name) else None for name in ("mean", "std"))
    given = Given(wanted.get("size"), mean, std, wanted.get("parent"), bench.device)
    found = made(study, TrainConfig.from_dict(wanted["config"]), given)
    buffer = io.BytesIO()
    found.sheet().save(buffer, "PNG")
    write_atomic(Path(message["into"]), buffer.getvalue())
    yield 1, 1


def look(bench: Bench, message: Mapping[str, Any]) -> Steps:
    """What a run says of pictures from outside the study, and their heatmaps, into a session's folder `into`."""
    from xai_core.pipeline.look import look_steps
    from xai_core.pipeline.new_pictures import Given
    from xai_core.store.new_pictures import NewPictures

    run = bench.study(Path(message["study"])).run(message["run"])
    given = {number: Given(name, Path(path)) for number, name, path in message["pictures"]}
    methods = [(key, values) for key, values in message["methods"]]
    yield from look_steps(bench, run, given, methods, message["target"], NewPictures(Path(message["into"]), run))


OPERATIONS: dict[str, Operation] = {"explain": explain, "look": look, "preview": preview}


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
