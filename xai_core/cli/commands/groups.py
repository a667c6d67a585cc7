"""`xai groups`: by what samples are grouped beside their classes; worst-group accuracy is about these groups."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from xai_core.cli.command import Command, open_study, study_argument

if TYPE_CHECKING:
    from xai_core.store.study import Study
    from xai_core.store.subgroups import Grouping

NONE = "none"


def _configure(parser: argparse.ArgumentParser) -> None:
    study_argument(parser)
    words = "a fact, tag:NAME, mask-size or clusters:RUN; none for no groups. Without it: the groups as they are"
    parser.add_argument("--by", metavar="SPEC", help=words)


def _run(args: argparse.Namespace) -> dict[str, Any]:
    study = open_study(args)
    if args.by == NONE:
        study.group_by(None)
    elif args.by is not None:
        study.group_by(_made(study, args.by))
    grouping = study.grouping
    return {
        "study": study.name,
        "by": grouping.by if grouping else "",
        **(_counted(study, grouping) if grouping else {}),
    }


def _made(study: Study, spec: str) -> Grouping:
    from xai_core.errors import BadParameter
    from xai_core.pipeline.grouping import CLUSTERS, ERRORS, grouping, of_run

    kind, name = of_run(spec)
    if kind == ERRORS:
        remedy = "A run is never right where it is wrong: it says nothing of runs. xai repair takes them."
        raise BadParameter("errors are no groups to measure by", value=spec, remedy=remedy)
    if kind == CLUSTERS and name:
        from xai_core.store.features import stored_features

        run = study.run(name)
        return grouping(study, spec, run, stored_features(run))
    return grouping(study, spec)


def _counted(study: Study, grouping: Grouping) -> dict[str, Any]:
    from xai_core.answers.worst_group import group_counts

    return group_counts(study, grouping)


def _show(result: dict[str, Any]) -> str:
    from xai_core.answers.lines import table
    from xai_core.types import SPLITS

    if not result["by"]:
        return f"{result['study']}: samples are grouped by nothing; say by what with --by."
    lines = [("group", *SPLITS)]
    lines += [(each["group"], *(f"{each[split]:,}" for split in SPLITS)) for each in result["groups"]]
    return "\n".join([f"{result['study']}: groups by {result['by']}", table(lines, right=(1, 2, 3)), *result["notes"]])


COMMAND = Command("groups", "by what samples are grouped, for accuracy on the worst group", _configure, _run, _show)
