"""`xai score`: how good are a run's heatmaps, by metrics that need no eye?"""

from __future__ import annotations

import argparse
from typing import Any

from xai_core.cli import left_out
from xai_core.cli.background import background_argument, begun
from xai_core.cli.command import (
    Command,
    device_argument,
    in_force,
    long_work,
    methods_argument,
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
    for_a_job,
    samples_arguments,
    scope_of,
    some_samples,
    target_argument,
    target_of,
)
from xai_core.types import TARGET_SPECS
from xai_core.words import NO_NUMBER, reading


def _configure(parser: argparse.ArgumentParser) -> None:
    study_argument(parser)
    run_argument(parser)
    methods_argument(parser)
    parser.add_argument("--metrics", type=some, required=True, metavar="A,B", help="xai list metrics")
    samples_arguments(parser)
    target_argument(parser)
    settings_argument(parser)
    device_argument(parser)
    background_argument(parser)


def _run(args: argparse.Namespace) -> dict[str, Any]:
    run = open_run(args)
    given = dict(settings(args, [*args.methods, *args.metrics]))
    methods, metrics = ([(key, given[key]) for key in keys] for keys in (args.methods, args.metrics))
    target = target_of(run.study, args)
    if args.background:
        return begun(args, "score", for_a_job(run, args, methods) | {"metrics": metrics})
    from xai_core.answers.scores import as_json, summaries
    from xai_core.pipeline.load import Bench
    from xai_core.pipeline.score import ScoreRequest, score_steps
    from xai_core.pipeline.steps import noted

    scope = scope_of(run, args)
    rows = some_samples(scope, args)
    request = ScoreRequest(run, rows.tolist(), target, methods, metrics)
    bench = Bench(in_force(args).device)
    unread: dict[str, str] = {}
    with long_work("scoring") as (progress, cancel):
        for done, total in noted(score_steps(bench, request), len(rows), unread):
            progress(done, total, "maps and scores")
            cancel.check()
    found = summaries(run, rows, target, methods, metrics)
    return {
        "study": run.study.name,
        "run": run.name,
        **about_samples(scope, rows),
        "target": target if target in TARGET_SPECS else run.study.class_names[int(target)],
        "seed": run.study.info.seed,
        "scores": [as_json(summary) for summary in found],
        "left_out": left_out.as_json(unread),
        "cards": {summary.metric.key: _about(summary.metric) for summary in found},
    }


def _about(card: Any) -> dict[str, Any]:
    return {"title": card.title, "reading": reading(card.unit, card.direction), "blind_spot": card.blind_spot}


def _show(result: dict[str, Any]) -> str:
    lines = [f"{result['run']}: heatmaps of {counted_samples(result)}, target {result['target']}"]
    width = max(len("method"), *(len(each["method"]) for each in result["scores"]))
    for key, card in result["cards"].items():
        lines += ["", f"{card['title']} ({card['reading']})"]
        lines.append(f"  {'method':<{width}}  {'mean':>7}  {'95 % interval':<18} {'n':>6}  not scored")
        for each in result["scores"]:
            if each["metric"] == key:
                lines += _lines(each, width)
        lines.append(f"  Does not show: {card['blind_spot']}")
    lines += left_out.lines(result["left_out"], left_out.ASKED_AGAIN)
    return "\n".join(lines)


def _lines(each: dict[str, Any], width: int) -> list[str]:
    from xai_core.answers.reasons import reason_lines

    interval = "" if each["low"] is None else f"{_shown(each['low'])} to {_shown(each['high'])}"
    line = (
        f"  {each['method']:<{width}}  {_shown(each['mean']):>7}  {interval:<18} {each['n']:>6}  {each['not_scored']}"
    )
    line += f", {each['missing']} missing" if each["missing"] else ""
    line += "".join(f"  ({name.replace('_', ' ')} {_shown(value)})" for name, value in each["beside"].items())
    return [line, *(f"  {'':<{width}}  {reason}" for reason in reason_lines(each["reasons"]))]


def _shown(value: float | None) -> str:
    return NO_NUMBER if value is None else f"{value:.3f}".replace("-", "−")


COMMAND = Command("score", "how good are heatmaps, by metrics with intervals over samples", _configure, _run, _show)
