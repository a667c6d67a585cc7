"""`xai demo`: open the dashboard on the bundled demo study, or make that study again."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import uuid
from pathlib import Path
from typing import Any

from xai_core.cli.command import Command, long_work
from xai_core.cli.commands.serve import ROOT, serve
from xai_core.errors import BadParameter, NotFound
from xai_core.settings import load as load_settings

BUNDLE = ROOT / "assets" / "demo" / "garments"


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, help="default 8501")
    parser.add_argument("--address", help="default 127.0.0.1: this machine only")
    parser.add_argument("--rebuild", action="store_true", help="draw, train and explain everything again (minutes)")
    parser.add_argument("--into", type=Path, metavar="FOLDER", help="with --rebuild: there instead of the bundled one")
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
    """
    from xai_core.store.study import Study

    if not BUNDLE.is_dir():
        remedy = "Make it with xai demo --rebuild, or run from a checkout of the project."
        raise NotFound("the demo study is not bundled here", value=BUNDLE, remedy=remedy)
    bundled = Study.open(BUNDLE)
    identity = "-".join(
        [bundled.info.samples_digest[:8], *(bundled.run(n).info.fingerprint[:8] for n in bundled.runs())]
    )
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "second-look" / identity
    copy = cache / BUNDLE.name
    if not copy.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        half = cache / f".{uuid.uuid4().hex}"
        shutil.copytree(BUNDLE, half)
        try:
            half.rename(copy)
        except OSError:  # another process was faster
            shutil.rmtree(half)
    return copy


def _rebuild(args: argparse.Namespace) -> dict[str, Any]:
    from xai_core.pipeline.demo import NAME, Recipe, check_same, facts, rebuild
    from xai_core.store.study import Study

    into = args.into / NAME if args.into else BUNDLE
    fresh = into.with_name(f"{NAME}.rebuilt")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.parent.mkdir(parents=True, exist_ok=True)
    study = rebuild(fresh, Recipe(), long_work)
    result: dict[str, Any] = {"study": str(into), "runs": facts(study)}
    if args.check:
        result |= check_same(study, Study.open(BUNDLE))
    shutil.rmtree(into, ignore_errors=True)
    fresh.rename(into)
    print(f"xai: the demo study is in {into}", file=sys.stderr)
    return result


def _show(result: dict[str, Any]) -> str:
    if "runs" not in result:
        return "stopped"
    return "\n".join(
        f"{name}: accuracy {run['accuracy']:.1%} of {run['n']}, "
        f"{run['dress_as_skirt']} of {run['dresses']} dresses taken for skirts "
        f"({run['tight_dress_as_skirt']} of the {run['tight_dresses']} framed tightly), "
        f"{run['skirt_as_dress']} of {run['skirts']} skirts for dresses"
        for name, run in result["runs"].items()
    )


COMMAND = Command("demo", "open the dashboard on the bundled demo study", _configure, _run, _show)
