"""`xai demo`: open the dashboard on the bundled demo study, or make that study again."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xai_core.cli.command import Command, long_work, path, port
from xai_core.cli.commands.serve import ROOT, serve
from xai_core.errors import BadInput, BadParameter, NotFound
from xai_core.files import cache_folder, storage_errors
from xai_core.settings import load as load_settings
from xai_core.store.files import new_folder

BUNDLE = ROOT / "assets" / "demo" / "garments"


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=port, help="default 8501")
    parser.add_argument("--address", help="default 127.0.0.1: this machine only")
    parser.add_argument("--rebuild", action="store_true", help="draw, train and explain everything again (minutes)")
    parser.add_argument("--into", type=path, metavar="FOLDER", help="with --rebuild: there instead of the bundled one")
    parser.add_argument("--check", action="store_true", help="with --rebuild: compare with the bundled study")


def _run(args: argparse.Namespace) -> dict[str, Any]:
    if args.rebuild:
        return _rebuild(args)
    if args.into or args.check:
        raise BadParameter("--into and --check go with --rebuild", remedy="Add --rebuild.")
    settings = load_settings({"port": args.port, "address": args.address})
    return serve([working_copy()], settings)


def working_copy() -> Path:
    """A copy of the bundled study in the user's cache: what is computed in it leaves the bundle as it is.

    Raises:
        NotFound: there is no bundled study here.
        BadInput, StorageFull: the cache cannot be written; nothing is left behind.
    """
    from xai_core.store.study import Study

    if not BUNDLE.is_dir():
        remedy = "Make it with xai demo --rebuild, or run from a checkout of the project."
        raise NotFound("the demo study is not bundled here", value=BUNDLE, remedy=remedy)
    bundled = Study.open(BUNDLE)
    identity = "-".join(
        [bundled.info.samples_digest[:8], *(bundled.run(n).info.fingerprint[:8] for n in bundled.runs())]
    )
    copy = cache_folder() / identity / BUNDLE.name
    if not copy.is_dir():
        try:
            with new_folder(copy, "copy of the demo") as half, storage_errors(copy):
                shutil.copytree(BUNDLE, half, copy_function=_copied, dirs_exist_ok=True)
        except BadInput as error:
            remedy = f"Set XDG_CACHE_HOME to a folder that you may write to ({error.value})."
            raise BadInput("no place for a copy of the demo", value=copy, remedy=remedy) from None
        except BadParameter:
            if not copy.is_dir():  # else another process was faster
                raise
    _add_new_maps(copy)
    return copy


def _add_new_maps(copy: Path) -> None:
    """Bring heatmaps of methods that changed since into a copy that somebody may have written tags and notes in."""
    for bundled in BUNDLE.glob("runs/*/explanations/*"):
        store = copy / bundled.relative_to(BUNDLE)
        if not store.is_dir():
            with contextlib.suppress(BadParameter), new_folder(store, "copy") as half:  # another process was faster
                shutil.copytree(bundled, half, copy_function=_copied, dirs_exist_ok=True)


def _copied(source: str, target: str) -> str:
    with storage_errors(Path(target)):  # or `copytree` goes on with the next file and loses the reason
        return shutil.copyfile(source, target)


def _rebuild(args: argparse.Namespace) -> dict[str, Any]:
    from xai_core.pipeline.demo import NAME, Recipe, check_same, facts, rebuild
    from xai_core.store.study import Study

    into = args.into / NAME if args.into else BUNDLE
    if args.into and os.path.lexists(into):
        raise BadParameter("something is here already", value=into, remedy="Choose another folder, or remove it first.")
    with _scratch(into.parent, f".{NAME}-rebuilt-") as scratch:
        study = rebuild(scratch / NAME, Recipe(), long_work)
        result: dict[str, Any] = {"study": str(into), "runs": facts(study)}
        if args.check:
            result |= check_same(study, Study.open(BUNDLE))
        with storage_errors(into):
            result["former"] = _set_aside(into) if into == BUNDLE else None
            study.path.rename(into)
    return result


@contextlib.contextmanager
def _scratch(beside: Path, prefix: str) -> Iterator[Path]:
    """A new folder that is gone afterwards, on the disk where its content will stay."""
    with storage_errors(beside):
        beside.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=prefix, dir=beside))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _set_aside(study: Path) -> str | None:
    """Move a study out of the way, whole: somebody may have worked in it. Returns where it is, None where none was."""
    if not os.path.lexists(study):
        return None
    former = ROOT / "build" / f"demo-{uuid.uuid4().hex[:8]}"
    former.parent.mkdir(exist_ok=True)
    study.rename(former)
    return str(former)


def _show(result: dict[str, Any]) -> str:
    if "runs" not in result:
        return "stopped"
    lines = [f"The demo study is in {result['study']}"]
    if result["former"]:
        lines.append(f"The former one is kept in {result['former']}")
    lines += (
        f"{name}: accuracy {run['accuracy']:.1%} of {run['n']}, "
        f"{run['dress_as_skirt']} of {run['dresses']} dresses taken for skirts "
        f"({run['tight_dress_as_skirt']} of the {run['tight_dresses']} framed tightly), "
        f"{run['skirt_as_dress']} of {run['skirts']} skirts for dresses"
        for name, run in result["runs"].items()
    )
    return "\n".join(lines)


COMMAND = Command("demo", "open the dashboard on the bundled demo study", _configure, _run, _show)
