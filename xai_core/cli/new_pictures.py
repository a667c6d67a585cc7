"""`xai predict --images`: pictures from outside the study, into a table and heatmaps of the user's own."""

from __future__ import annotations

import argparse
import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from xai_core.cli import left_out
from xai_core.cli.command import class_index, in_force, long_work, open_run, path, settings, settings_argument, some
from xai_core.errors import BadInput, BadParameter
from xai_core.text import counted

if TYPE_CHECKING:
    from xai_core.pipeline.new_pictures import Given, Methods, NewPicture
    from xai_core.store.run import Run

LOG = logging.getLogger("xai")
NO_EVIDENCE = "the map is without evidence"
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_STEM = 40
_ONLY = {"out": "--out", "methods": "--methods", "heatmaps": "--heatmaps", "target": "--target", "set": "--set"}
_NEVER = {"splits": "--splits", "limit": "--limit", "background": "--background"}


def pictures_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is asked of pictures from outside the study."""
    kinds = "PNG, JPEG and WebP files of at most 20 MB, also in its folders"
    parser.add_argument("--images", type=path, metavar="FOLDER", help=f"pictures that are not of the study: {kinds}")
    parser.add_argument("--out", type=path, metavar="FILE.csv", help="of --images: a new table instead of the output")
    parser.add_argument("--methods", type=some, metavar="A,B", help="of --images: heatmaps too; xai list explainers")
    parser.add_argument("--heatmaps", type=path, metavar="FOLDER", help="a new folder for them, as PNG")
    parser.add_argument("--target", help="what heatmaps of --images explain: predicted (default) or a class")
    settings_argument(parser)


def check_words(args: argparse.Namespace) -> None:
    """Raise BadParameter for words that have no meaning together."""
    wrong = _NEVER if args.images is not None else _ONLY
    for name, flag in wrong.items():
        if getattr(args, name):
            remedy = "Leave one of them out." if args.images is not None else "Add --images FOLDER, or leave it out."
            raise BadParameter(f"{flag} {'beside' if args.images is not None else 'without'} --images", remedy=remedy)
    if bool(args.methods) != (args.heatmaps is not None):
        raise BadParameter("half of what heatmaps take", remedy="Give --methods A,B and --heatmaps FOLDER together.")
    if not args.methods and (args.target or args.set):
        raise BadParameter("a setting of heatmaps without any", remedy="Give --methods and --heatmaps as well.")


def predict_pictures(args: argparse.Namespace) -> dict[str, Any]:
    """Predict the pictures of a folder, and explain them where that is asked for; all is written, or nothing."""
    run = open_run(args)
    methods, target = settings(args, args.methods or []), _target(run, args)
    _check_places(args, run)
    given, notes, unread = found_in(args.images)
    from xai_core.pipeline.load import Bench
    from xai_core.pipeline.new_pictures import ask_pictures, check_picture_methods

    forced = in_force(args)
    bench = Bench(forced.device)
    check_picture_methods(bench, run, methods)
    made = _Made(run, methods, target, args.heatmaps)
    with made.folder() as folder, long_work("predicting") as (progress, cancel):
        done = 0
        for batch in ask_pictures(bench, run, given, unread, batch_size=forced.batch_size):
            cancel.check()
            made.add(bench, batch, folder)
            done = min(len(given), done + forced.batch_size)
            progress(done, len(given), "pictures")
        if not made.pictures:
            first, reason = next(iter(unread.items()))
            raise BadInput("no picture could be predicted", value=first, remedy=f"The first says: {reason}")
        result = made.result(notes, unread) | {"out": str(args.out) if args.out else None}
        if args.out:
            from xai_core.answers.new_pictures import table
            from xai_core.files import write_atomic
            from xai_core.tables import csv_bytes

            write_atomic(args.out, csv_bytes(table(result["pictures"])))
    return result


def found_in(folder: Path) -> tuple[list[Given], list[str], dict[str, str]]:
    """Files of a folder by their paths in it, what is told of others, and why some cannot be read, by path.

    Raises BadInput where there is none, or no such folder.
    """
    from xai_core.datasets.walk import LeftOut, walk
    from xai_core.pipeline.new_pictures import Given

    if folder.exists() and not folder.is_dir():
        raise BadInput("not a folder", value=folder, remedy="Give the folder that the pictures lie in.")
    left, root = LeftOut(), folder.resolve()
    names = sorted(walk(root, left).below())
    if not names:
        raise BadInput("no pictures are in this folder", value=folder, remedy="Give a folder with PNG, JPEG or WebP.")
    return [Given(name, root / name) for name in names], left.notes(), dict(left.unreadable)


class _Made:
    """What came of the pictures so far: rows of the table, and heatmaps in their folder."""

    def __init__(self, run: Run, methods: Methods, target: str, heatmaps: Path | None) -> None:
        self.run, self.methods, self.target, self.heatmaps = run, methods, target, heatmaps
        self.pictures: list[dict[str, Any]] = []
        self.refused: list[dict[str, str]] = []

    @contextmanager
    def folder(self) -> Iterator[Path | None]:
        """Where heatmaps go while they are made."""
        if self.heatmaps is None:
            yield None
            return
        from xai_core.store.files import new_folder

        with new_folder(self.heatmaps, "folder") as folder:
            yield folder

    def add(self, bench: Any, batch: Sequence[NewPicture], folder: Path | None) -> None:
        """A batch of predicted pictures."""
        from xai_core.answers.new_pictures import line

        first = len(self.pictures)
        self.pictures += [
            line(each.name, self.run.study.class_names, each.probabilities, each.regions) for each in batch
        ]
        if folder is not None and batch:
            self._draw(bench, batch, self.pictures[first:], first, folder)

    def _draw(self, bench: Any, batch: Sequence[NewPicture], rows: list[dict[str, Any]], first: int, to: Path) -> None:
        from xai_core.drawing.overlay import overlay
        from xai_core.explainers import EXPLAINERS
        from xai_core.files import storage_errors
        from xai_core.params import build
        from xai_core.pipeline.new_pictures import explain_pictures

        found = explain_pictures(bench, self.run, batch, self.methods, self.target)
        for (key, values), made in zip(self.methods, found, strict=True):
            explainer = EXPLAINERS[key]
            signed = explainer.card_for(build(explainer.params, values)).signed
            for place, (each, row) in enumerate(zip(batch, rows, strict=True)):
                drawn = overlay(each.picture, self.run.info.preprocess, made.maps[place], signed=signed)
                heatmaps = row.setdefault("heatmaps", {})
                heatmaps[key] = None if drawn is None else file_name(first + place + 1, each.name, key)
                if drawn is None:
                    reason = made.refusals[place] or NO_EVIDENCE
                    self.refused.append({"file": each.name, "method": key, "reason": reason})
                    continue
                with storage_errors(to):
                    drawn.save(to / heatmaps[key], "PNG")

    def result(self, notes: Sequence[str], unread: dict[str, str]) -> dict[str, Any]:
        """The command's answer."""
        about = {"study": self.run.study.name, "run": self.run.name, "target": self.target if self.methods else None}
        told = {"refused": self.refused, "left_out": left_out.as_json(unread), "notes": list(notes)}
        where = {"heatmaps": str(self.heatmaps) if self.heatmaps else None}
        return about | {"pictures": self.pictures} | told | where


def file_name(number: int, name: str, method: str) -> str:
    """How a heatmap's file is called: its picture's line of the table, what of its name is safe, and the method."""
    stem = _UNSAFE.sub("_", PurePosixPath(name).stem)[:_STEM]
    return f"{number:04d}-{stem}-{method}.png"


def show_pictures(result: dict[str, Any]) -> str:
    """The table itself, what else there is to say beside it; or that it was written."""
    from xai_core.answers.new_pictures import table
    from xai_core.tables import csv_bytes

    told = list(result["notes"])
    told += left_out.lines(result["left_out"], "which could not be read or predicted")
    told += [f"  no heatmap of {each['file']} by {each['method']}: {each['reason']}" for each in result["refused"][:5]]
    if len(result["refused"]) > left_out.SHOWN:
        told.append(f"  and {len(result['refused']) - left_out.SHOWN} more without; all with --json")
    if result["out"] is None:
        for line in told:
            LOG.warning("%s", line.strip())
        return csv_bytes(table(result["pictures"])).decode().removesuffix("\n")
    many = counted(len(result["pictures"]), "picture")
    return "\n".join([f"{result['run']}: {many} predicted, in {result['out']}", *told])


def _target(run: Run, args: argparse.Namespace) -> str:
    """`predicted`, or the index of the class that is named."""
    if args.target in (None, "predicted"):
        return "predicted"
    if args.target in ("true", "difference") and args.target not in run.study.class_names:
        remedy = "Choose predicted, or name a class."
        raise BadParameter("nobody knows the true class of these pictures", value=args.target, remedy=remedy)
    return str(class_index(run.study, args.target))


def _check_places(args: argparse.Namespace, run: Run) -> None:
    """Raise BadParameter or BadInput, before the work, for what cannot be written, and what is nobody's to write in."""
    from xai_core.store.files import check_new

    for file, what in ((args.out, "table"), (args.heatmaps, "heatmaps")):
        if file is None:
            continue
        if os.path.lexists(file):
            raise BadParameter("something is here already", value=file, remedy=f"Choose another place for the {what}.")
        real = Path(os.path.realpath(file))
        for folder, of in ((run.study.path, "the study"), (args.images, "the pictures")):
            if real.is_relative_to(os.path.realpath(folder)):
                raise BadParameter(f"in the folder of {of}", value=file, remedy=f"Choose another place for the {what}.")
        check_new(file, what)
    if args.out is not None and not Path(os.path.abspath(args.out)).parent.is_dir():
        raise BadInput("no such folder", value=args.out.parent, remedy="Make it first.")
    if args.out is not None and args.heatmaps is not None:
        out, heatmaps = Path(os.path.realpath(args.out)), Path(os.path.realpath(args.heatmaps))
        if out.is_relative_to(heatmaps) or heatmaps.is_relative_to(out):
            raise BadParameter("the table and the heatmaps in one place", value=args.out, remedy="Name two places.")
