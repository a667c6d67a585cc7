"""`xai annotate`: what in the annotation of the training pictures should a person look at, and what do they decide?"""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING, Any

from xai_core.cli import left_out
from xai_core.cli.command import (
    Command,
    device_argument,
    in_force,
    long_work,
    open_study,
    path,
    settings,
    settings_argument,
    some,
    study_argument,
)
from xai_core.errors import BadParameter
from xai_core.label_maps import REVIEWED

if TYPE_CHECKING:
    from xai_core.answers.annotations import AnnotationsAnswer
    from xai_core.store.journal import Change, Entry
    from xai_core.store.study import Study
    from xai_core.store.versions import Version


def _configure(parser: argparse.ArgumentParser) -> None:
    study_argument(parser)
    parser.add_argument("--run", dest="run_name", metavar="NAME", help="whose predictions make the proposals")
    words = "whose heatmaps are their evidence (default hirescam; xai list explainers)"
    parser.add_argument("--method", default="hirescam", metavar="KEY", help=words)
    settings_argument(parser)
    words = f"version of the annotation that decisions are part of (default {REVIEWED}); of --out also original"
    parser.add_argument("--version", default=REVIEWED, metavar="NAME", help=words)
    parser.add_argument("--accept", type=some, default=[], metavar="ID,ID", help="proposals that are right")
    parser.add_argument("--reject", type=some, default=[], metavar="ID,ID", help="proposals that are not")
    parser.add_argument(
        "--relabel",
        action="append",
        default=[],
        metavar="ID=CLASS",
        help="proposals that are another class, or `ignore`: nothing is learned from these pixels",
    )
    words = "all undecided ones of a kind: enlarge, perplexed or missing"
    parser.add_argument("--accept-all", metavar="KIND", help=words)
    parser.add_argument("--undo", action="store_true", help="take back what was decided last, all at once")
    parser.add_argument("--by", metavar="NAME", help="who decides (default: the name that you are logged in by)")
    parser.add_argument("--list", action="store_true", help="compute nothing: list what is there")
    parser.add_argument("--out", type=path, metavar="FILE.json", help="write the version as a file of COCO")
    parser.add_argument("--form", default="polygons", metavar="FORM", help="of --out: polygons (default) or rle")
    parser.add_argument(
        "--in", dest="edited", type=path, metavar="FILE.json", help="take a file of COCO into the version"
    )
    parser.add_argument(
        "--crowds",
        choices=("ignored", "objects"),
        default="ignored",
        help="of --in: what annotations with iscrowd 1 are (default ignored)",
    )
    device_argument(parser)


def _run(args: argparse.Namespace) -> dict[str, Any]:
    from xai_core.store import annotated
    from xai_core.store.versions import is_original

    study = open_study(args)
    annotated.need(study.path, study.info)
    decides = bool(args.accept or args.reject or args.relabel or args.accept_all)
    asked = [decides, args.undo, args.out is not None, args.edited is not None]
    if sum(asked) > 1:
        remedy = "Decide, --undo, --out or --in: one after the other."
        raise BadParameter("one thing at a time", value=f"{sum(asked)} asked for", remedy=remedy)
    if is_original(args.version) and args.out is None:
        remedy = "Name another: a version lies beside it."
        raise BadParameter("the original annotation is not changed", value=args.version, remedy=remedy)
    if args.out is not None:
        return _out(args, study)
    if args.edited is not None:
        return _in(args, study)
    if args.undo:
        return _undo(args, study)
    return _proposals(args, study, decides=decides)


def _out(args: argparse.Namespace, study: Study) -> dict[str, Any]:
    from dataclasses import asdict

    from xai_core.store.coco_exchange import write_coco

    with long_work("writing") as (progress, cancel):
        wrote = write_coco(study, args.version, args.out, args.form, progress, cancel)
    return {"version": args.version, "out": str(args.out)} | asdict(wrote)


def _in(args: argparse.Namespace, study: Study) -> dict[str, Any]:
    from dataclasses import asdict

    from xai_core.store.coco_exchange import read_changes
    from xai_core.store.versions import versions

    with long_work("reading") as (progress, cancel):
        told = read_changes(study, args.version, args.edited, _person(args), progress, cancel, args.crowds)
    found = {"version": args.version, "in": str(args.edited)} | asdict(told)
    return found | ({"next": _train_line(args, study)} if args.version in versions(study) else {})


def _undo(args: argparse.Namespace, study: Study) -> dict[str, Any]:
    from xai_core.store.versions import version

    undone = version(study, args.version).undo(_person(args))
    return {"version": args.version, "undone": [_written(study, one) for one in undone]}


def _proposals(args: argparse.Namespace, study: Study, *, decides: bool) -> dict[str, Any]:
    from xai_core.answers.annotations import proposed
    from xai_core.store.versions import Version

    if args.run_name is None:
        remedy = "Give --run NAME; or --undo, --out FILE or --in FILE, which need none."
        raise BadParameter("whose predictions?", remedy=remedy)
    run = study.run(args.run_name)
    ((method, values),) = settings(args, [args.method])
    found = proposed(run, method, args.version, dict(values))
    unread: dict[str, str] = {}
    if not args.list and not decides:
        _compute(args, found, dict(values), unread)
        found = proposed(run, method, args.version, dict(values))
    written: tuple[Change, ...] = ()
    if decides:
        entries = _decisions(args, found, Version(study, args.version))
        if entries:
            written = Version(study, args.version).record(entries, _person(args))
        found = proposed(run, method, args.version, dict(values))
    told = {"decided": [_written(study, one) for one in written], "left_out": left_out.as_json(unread)}
    return found.as_json() | told | {"next": _train_line(args, study)}


def _compute(
    args: argparse.Namespace, found: AnnotationsAnswer, values: dict[str, Any], unread: dict[str, str]
) -> None:
    from xai_core.pipeline.load import Bench
    from xai_core.pipeline.propose import propose_steps
    from xai_core.pipeline.steps import noted

    bench = Bench(in_force(args).device)
    with long_work("proposing") as (progress, cancel):
        for done, total in noted(propose_steps(bench, found.run, found.method, values), found.of, unread):
            progress(done, total, "steps")
            cancel.check()


def _decisions(args: argparse.Namespace, found: AnnotationsAnswer, version: Version) -> list[Entry]:
    """One act of all that is decided at once. Raises BadParameter where one proposal is decided twice."""
    from xai_core.store import deciding
    from xai_core.triage.proposals import KINDS

    relabelled = dict(_assigned(text) for text in args.relabel)
    if args.accept_all and args.accept_all not in KINDS:
        remedy = f"Choose from {', '.join(KINDS)}."
        raise BadParameter("no kind of proposal", value=args.accept_all, remedy=remedy)
    every = [one.proposal for one in found.open if one.proposal.kind == args.accept_all]
    named = [*args.accept, *args.reject, *relabelled]
    twice = next((one for one in named if named.count(one) > 1), None)
    if twice or len(relabelled) < len(args.relabel):
        value = twice or ", ".join(args.relabel)
        raise BadParameter("one proposal is decided twice", value=value, remedy="Decide each once.")
    accepted = [*found.named(args.accept), *(one for one in every if one.id not in named)]
    entries = [deciding.accept(version, one) for one in accepted]
    entries += [deciding.reject(one) for one in found.named(args.reject)]
    for one, name in zip(found.named(relabelled), relabelled.values(), strict=True):
        entries.append(deciding.relabel(version, one, deciding.label_named(version.study, name)))
    return entries


def _assigned(text: str) -> tuple[str, str]:
    name, equals, label = text.partition("=")
    if not (equals and name and label):
        raise BadParameter("not a proposal and its class", value=text, remedy="Write ID=CLASS.")
    return name, label


def _person(args: argparse.Namespace) -> str:
    """Who decides: who is named, else who is logged in."""
    import getpass

    if args.by is not None:
        return str(args.by)
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        raise BadParameter("who decides?", remedy="Give --by NAME.") from None


def _written(study: Study, one: Change) -> dict[str, Any]:
    about = {"number": one.number, "what": one.what, "proposal": one.proposal, "kind": one.kind, "pixels": one.pixels}
    return about | {"sample": str(study.samples["id"].iat[one.row]), "by": one.by, "at": one.at}


def _train_line(args: argparse.Namespace, study: Study) -> str:
    """Like the run that was named, else like the newest."""
    from xai_core.answers.segments import newest_segmenter

    newest = None if args.run_name else newest_segmenter(study)
    parent = args.run_name or ("" if newest is None else newest.name)
    words = ["xai", "train", str(args.study), "--run", f"{parent or 'run'}-{args.version}"]
    words += ["--parent", parent] if parent else ["--arch", "small_unet"]
    return shlex.join([*words, "--annotations", args.version, "--predict"])


def _show(result: dict[str, Any]) -> str:
    if "out" in result:
        run_lengths = f", {result['run_lengths']:,} as run lengths" if result["run_lengths"] else ""
        many = f"{result['pictures']:,} pictures, {result['annotations']:,} annotations{run_lengths}"
        return f"{result['out']}: {many}, of the annotation {result['version']}"
    if "in" in result:
        lines = [f"{result['version']}: {result['changed']:,} of {result['pictures']:,} pictures changed"]
        following = [f"Next: {result['next']}"] if "next" in result else ["Nothing to keep: no version is made."]
        return "\n".join([*lines, *(f"  {note}" for note in result["notes"]), *following])
    if "undone" in result:
        return "\n".join([f"{result['version']}: taken back", *_lines(result["undone"])])
    decided = [f"{result['version']}: decided", *_lines(result["decided"])] if result["decided"] else []
    missing = left_out.lines(result["left_out"], left_out.ASKED_AGAIN)
    return "\n".join([*decided, *result["lines"], *missing, f"Next: {result['next']}"])


def _lines(written: list[dict[str, Any]]) -> list[str]:
    return [f"  {each['what']} {each['proposal'] or each['kind']} on {each['sample']}" for each in written]


COMMAND = Command(
    "annotate", "propose changes of the annotation, decide on them, COCO out and in", _configure, _run, _show
)
