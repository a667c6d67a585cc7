"""`xai demo`: open the dashboard on the bundled demo study, or make that study again."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xai_core.cli.command import Command, long_work, path, port
from xai_core.cli.commands.serve import serve
from xai_core.errors import BadParameter
from xai_core.files import storage_errors
from xai_core.settings import ON_REQUEST
from xai_core.settings import load as load_settings
from xai_core.words import percent


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
    from xai_core.demo.bundle import working_copy

    settings = load_settings({"port": args.port, "address": args.address, "compute": ON_REQUEST})
    return serve([working_copy()], settings)


def _rebuild(args: argparse.Namespace) -> dict[str, Any]:
    from xai_core.demo import bundle
    from xai_core.demo.recipe import NAME, Recipe, check_same, facts, rebuild

    into = args.into / NAME if args.into else bundle.replaceable()
    if args.into and os.path.lexists(into):
        raise BadParameter("something is here already", value=into, remedy="Choose another folder, or remove it first.")
    with _scratch(into.parent, f".{NAME}-rebuilt-") as scratch:
        study = rebuild(scratch / NAME, Recipe(), long_work)
        result: dict[str, Any] = {"study": str(into), "runs": facts(study)}
        if args.check:
            result |= check_same(study, bundle.bundled())
        with storage_errors(into):
            result["former"] = None if args.into else bundle.set_aside()
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


def _show(result: dict[str, Any]) -> str:
    if "runs" not in result:
        return "stopped"
    lines = [f"The demo study is in {result['study']}"]
    if result["former"]:
        lines.append(f"The former one is kept in {result['former']}")
    lines += (
        f"{name}: accuracy {percent(run['accuracy'])} of {run['n']}, "
        f"{run['dress_as_skirt']} of {run['dresses']} dresses taken for skirts "
        f"({run['tight_dress_as_skirt']} of the {run['tight_dresses']} framed tightly), "
        f"{run['skirt_as_dress']} of {run['skirts']} skirts for dresses"
        for name, run in result["runs"].items()
    )
    return "\n".join(lines)


COMMAND = Command("demo", "open the dashboard on the bundled demo study", _configure, _run, _show)
