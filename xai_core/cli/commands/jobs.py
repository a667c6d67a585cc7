"""`xai jobs`: what runs in the background of a study, and what became of it."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

from xai_core.cli.command import Command, long_work, study_argument
from xai_core.errors import BadInput, BadParameter, Cancelled, XaiError
from xai_core.words import seconds_left

if TYPE_CHECKING:
    from xai_core.jobs.manage import Jobs
    from xai_core.jobs.record import StoredJob

ACTIONS = {
    "list": "all jobs, newest first",
    "show": "one with its arguments and the end of its log",
    "follow": "wait for its end",
    "stop": "ask it to end; what is finished is kept",
    "resume": "go on after a stop, a failure or a kill",
    "remove": "forget it; what it stored stays",
}
SECONDS_BETWEEN_LOOKS = 0.5
_SHOWN = 20
"""Lines of the log that are shown to people; --json has more."""


def _configure(parser: argparse.ArgumentParser) -> None:
    study_argument(parser)
    words = "; ".join(f"{name}: {what}" for name, what in ACTIONS.items())
    parser.add_argument("action", nargs="?", default="list", choices=ACTIONS, metavar="ACTION", help=words)
    parser.add_argument("id", nargs="?", metavar="ID", help="the job; `xai jobs STUDY` names them")
    parser.add_argument("--kill", action="store_true", help="with stop: end its processes at once")


def _run(args: argparse.Namespace) -> dict[str, Any]:
    from xai_core.jobs.manage import Jobs

    if (args.action == "list") != (args.id is None):
        remedy = f"Write xai jobs STUDY {args.action}{'' if args.id else ' ID'}; xai jobs STUDY names them."
        raise BadParameter("a list names no job" if args.id else "no job is named", value=args.id, remedy=remedy)
    if args.kill and args.action != "stop":
        raise BadParameter("--kill goes with stop", remedy="Write xai jobs STUDY stop ID --kill.")
    jobs = Jobs(args.study)
    if args.action == "list":
        return {"study": jobs.study.name, "jobs": [job.as_dict() for job in jobs.all()]}
    return _one(jobs, args)


def _one(jobs: Jobs, args: argparse.Namespace) -> dict[str, Any]:
    """What an action on one job comes to."""
    if args.action == "remove":
        jobs.remove(args.id)
        return {"removed": args.id}
    if args.action == "stop":
        job = jobs.stop(args.id, kill=args.kill)
    elif args.action == "resume":
        job = jobs.resume(args.id)
    elif args.action == "follow":
        job = _followed(jobs, args.id)
    else:
        job = jobs.job(args.id)
    result = job.as_dict() | {"follow": jobs.command("follow", job.id)}
    return result | {"last_lines": jobs.log(job.id)} if args.action == "show" else result


def _followed(jobs: Jobs, name: str) -> StoredJob:
    """The job when it has ended.

    Raises:
        BadInput: it did not end well.
        Cancelled: it was stopped, or nobody wants to follow any more.
    """
    with long_work(jobs.job(name).title) as (progress, cancel):
        while (job := jobs.job(name)).open:
            progress(job.done, job.total, job.standing.unit)
            if cancel.cancelled:
                raise BadInput(
                    "no longer followed; the job goes on", value=name, remedy=f"End it: {jobs.command('stop', name)}."
                )
            time.sleep(SECONDS_BETWEEN_LOOKS)
        progress(job.done, job.total, job.standing.unit)
    if job.state == "stopped":
        raise Cancelled
    if job.state != "done":
        remedy = f"See {jobs.command('show', name)}, and {jobs.command('resume', name)} goes on."
        problem = "this job is damaged" if job.state == "damaged" else f"this job {job.state}"
        raise XaiError(problem, value=(job.error or "").rstrip("."), remedy=remedy)
    return job


def _show(result: dict[str, Any]) -> str:
    from xai_core.jobs.record import OPEN

    if "removed" in result:
        return f"{result['removed']}: removed; what it stored stays"
    if "jobs" in result:
        return "\n".join(_lines(result["jobs"])) or f"{result['study']}: no jobs"
    lines = _lines([result])
    if "last_lines" in result:
        lines += [f"  {name}: {value}" for name, value in result.get("arguments", {}).items()]
        lines += [f"  log: {result['log']}", *(f"    {line}" for line in result["last_lines"][-_SHOWN:])]
    if result["state"] in OPEN:
        lines.append(f"Follow it: {result['follow']}")
    return "\n".join(lines)


def _lines(jobs: list[dict[str, Any]]) -> list[str]:
    lines = []
    width = max((len(job["id"]) for job in jobs), default=0)
    for job in jobs:
        far = f"  {job['done']} of {job['total']} {job['unit']}" if job["total"] else ""
        if job["seconds_left"] is not None:
            far += f", {seconds_left(job['seconds_left'])}"
        lines.append(f"{job['id']:<{width}}  {job['state']:<8}  {job.get('title', '')}{far}")
        if job["error"]:
            lines.append(f"  {job['error']}")
    return lines


COMMAND = Command("jobs", "what runs in the background: see, follow, stop, resume", _configure, _run, _show)
