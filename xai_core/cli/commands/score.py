"""`xai score`: which method should be believed here, by metrics that need no eye?"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from xai_core.cli import left_out
from xai_core.cli.background import background_argument, begun
from xai_core.cli.command import (
    Command,
    device_argument,
    in_force,
    long_work,
    open_run,
    run_argument,
    settings,
    settings_argument,
    some,
    study_argument,
)
from xai_core.cli.samples import (
    about_samples,
    counted_samples,
    every_sample,
    for_a_job,
    not_none,
    samples_arguments,
    scope_of,
)
from xai_core.cli.targets import target_argument, target_of

ALL = "all"


def _configure(parser: argparse.ArgumentParser) -> None:
    study_argument(parser)
    run_argument(parser)
    parser.add_argument("--methods", type=some, metavar="A,B", help="xai list explainers; all that apply if left out")
    parser.add_argument(
        "--metrics", type=some, metavar="A,B", help="xai list metrics; all that apply and know a better end if left out"
    )
    samples_arguments(parser)
    target_argument(parser)
    settings_argument(parser)
    device_argument(parser)
    background_argument(parser)


def _run(args: argparse.Namespace) -> dict[str, Any]:
    from xai_core.answers.controls import control_keys, usable_methods
    from xai_core.answers.quality_choice import LIMIT, usable_metrics, usual_metrics

    run = open_run(args)
    of_methods = list(dict.fromkeys([*(_named(args.methods) or usable_methods(run)), *control_keys(run)]))
    of_metrics = _named(args.metrics) or (usable_metrics if args.metrics else usual_metrics)(run)
    given = dict(settings(args, [*of_methods, *of_metrics]))
    methods, metrics = ([(key, given[key]) for key in keys] for keys in (of_methods, of_metrics))
    if args.limit is None and args.ids is None:
        args.limit = LIMIT
    if args.background:
        return begun(args, "score", for_a_job(run, args, methods) | {"metrics": metrics})
    from xai_core.answers.method_quality import method_quality
    from xai_core.answers.quality_words import as_json
    from xai_core.pipeline.load import Bench
    from xai_core.pipeline.score import ScoreRequest, score_steps
    from xai_core.pipeline.steps import noted
    from xai_core.triage.ordering import at_most

    scope, target = scope_of(run, args), target_of(run.study, args)
    every = every_sample(scope, args)
    rows = not_none(at_most(every, args.limit, run.study.info.seed))
    bench, unread = Bench(in_force(args).device), dict[str, str]()
    with long_work("scoring") as (progress, cancel):
        steps = score_steps(bench, ScoreRequest(run, rows.tolist(), target, methods, metrics))
        for done, total in noted(steps, len(rows), unread):
            progress(done, total, "maps and scores")
            cancel.check()
    told = about_samples(scope, rows) | {"of": len(every), "left_out": left_out.as_json(unread)}
    return as_json(method_quality(scope, rows, target, methods, metrics)) | told


def _named(keys: Sequence[str] | None) -> Sequence[str]:
    """None of them for `all` that apply, as where none is named."""
    return [] if keys is None or list(keys) == [ALL] else keys


def _show(result: Mapping[str, Any]) -> str:
    from xai_core.answers.quality_words import text

    drawn = f" of {result['of']:,}, drawn by the study's seed" if result["of"] > result["samples"] else ""
    lines = [f"{result['run']}: heatmaps of {counted_samples(result)}{drawn}, target {result['target']}", text(result)]
    return "\n".join([*lines, *left_out.lines(result["left_out"], left_out.ASKED_AGAIN)])


COMMAND = Command("score", "which method to believe, by metrics with intervals over samples", _configure, _run, _show)
