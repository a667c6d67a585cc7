"""`--background`: the same command as a job, which goes on when the terminal is closed."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xai_core.settings import load as load_settings

JOB = "job"
"""In the result of a command: the id of the job that it has begun instead of doing the work."""


def background_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--background`."""
    parser.add_argument(
        "--background", action="store_true", help="as a job of the study, which outlives this terminal; see xai jobs"
    )


def begun(args: argparse.Namespace, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Begin the job; the command's result. Raises as `Jobs.start`."""
    from xai_core.jobs.manage import Jobs

    jobs = Jobs(args.study)
    job = jobs.start(operation, arguments, load_settings({"device": args.device}))
    return {JOB: job.id, "title": job.title, "study": str(jobs.study), "follow": jobs.command("follow", job.id)}


def show(result: Mapping[str, Any]) -> str:
    """For people."""
    return f"{result['title']}: begun as {result[JOB]}\nFollow it: {result['follow']}"


def absolute(path: Path | str) -> str:
    """A file as a job finds it, which has another working folder."""
    return str(Path(path).resolve())
