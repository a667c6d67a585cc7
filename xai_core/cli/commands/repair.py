"""`xai repair`: learn a run's last layer again, so that groups count alike; it becomes a run of its own."""

from __future__ import annotations

import argparse
import shlex
from typing import Any

from xai_core.cli.background import background_argument, begun
from xai_core.cli.command import (
    Command,
    device_argument,
    in_force,
    long_work,
    open_study,
    run_argument,
    seed,
    study_argument,
)
from xai_core.cli.flags import parameters_of


def _configure(parser: argparse.ArgumentParser) -> None:
    study_argument(parser)
    run_argument(parser)
    parser.add_argument("--method", required=True, metavar="KEY", help="xai list repairs: dfr, groupdro, jtt, retrain")
    parser.add_argument("--into", metavar="NAME", help="name of the new run (default: RUN-METHOD)")
    words = "a fact, tag:NAME, mask-size, errors or clusters of the run; default: what xai groups said"
    parser.add_argument("--groups", metavar="SPEC", help=words)
    parser.add_argument("--split", default="validation", help="what is learned from: validation (default) or train")
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="of every draw (default 0)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY.NAME=VALUE", help="the method's parameter")
    device_argument(parser)
    background_argument(parser)


def _run(args: argparse.Namespace) -> dict[str, Any]:
    from xai_core.jobs.operations import REPAIR, Work
    from xai_core.jobs.repairing import made
    from xai_core.jobs.values import record
    from xai_core.pipeline.repair import RepairWanted, existing_repair

    study, arguments = open_study(args), _arguments(args)
    if args.background:
        return begun(args, "repair", arguments)
    wanted = record(RepairWanted, arguments)
    REPAIR.check(study, wanted)
    before = existing_repair(study, wanted) is not None
    with long_work("repairing", quiet=before) as (progress, cancel):
        REPAIR.run(study, wanted, Work(in_force(args), progress, cancel))
    run = study.run(wanted.into)
    words = ["--baseline", wanted.run, "--candidate", run.name]
    line = shlex.join(["xai", "compare", str(args.study), *words])
    return {"study": study.name, **made(run), "existed": before, "splits": _by_split(study, run.name), "next": line}


def _arguments(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "run": args.run_name,
        "into": f"{args.run_name}-{args.method}" if args.into is None else args.into,
        "method": args.method,
        "params": parameters_of(args.method, args.set),
        "groups": args.groups or "",
        "split": args.split,
        "seed": args.seed,
    }


def _by_split(study: Any, name: str) -> dict[str, Any]:
    """How good it is, and on its worst group, on each split that it predicted."""
    from xai_core.answers.runs import by_split
    from xai_core.answers.scope import Scope
    from xai_core.answers.worst_group import group_answer

    run = study.run(name)
    found: dict[str, Any] = by_split(run)
    for split, one in found.items():
        answer = group_answer(Scope(run, split))
        if answer is not None:
            one["worst_group"] = answer.as_json()["sentence"]
    return found


def _show(result: dict[str, Any]) -> str:
    from xai_core.answers.runs import by_split_lines

    about, seconds = result["repair"], f"{result['seconds']:.1f} s"
    by = f", groups by {about['groups']}" if about["groups"] else ""
    lines = [f"{result['run']}: {about['method']} on the last layer of {result['parent']}{by}, {seconds}"]
    if result["existed"]:
        lines = [f"{result['run']} is there already, made just so ({about['method']} of {result['parent']}{by})"]
    for split, one in result["splits"].items():
        seen = "  ← learned from" if split == about["split"] else ""
        (line,) = by_split_lines({split: one})
        lines.append(f"{line}{seen}")
        if "worst_group" in one and not seen:
            lines.append(f"    {one['worst_group']}")
    lines += [f"  {note}" for note in result["notes"]]
    return "\n".join([*lines, f"Next: {result['next']}"])


COMMAND = Command("repair", "learn a run's last layer again, for groups; it becomes a run", _configure, _run, _show)
