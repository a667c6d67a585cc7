"""`xai`: finds the commands, runs one, prints its result or one line of error."""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import pkgutil
import sys
from collections.abc import Sequence
from typing import NoReturn

from xai_core import __version__
from xai_core.cli import commands
from xai_core.cli.command import Command
from xai_core.errors import BadParameter, Cancelled, XaiError
from xai_core.files import finite

FAILED, CANCELLED = 1, 130


class _Parser(argparse.ArgumentParser):
    """A mistake in the flags is a mistake like any other: one line, exit status 1."""

    def error(self, message: str) -> NoReturn:
        raise BadParameter(message, remedy=f"See {self.prog} --help.")


def all_commands() -> list[Command]:
    """Every command, by the name of its file."""
    modules = pkgutil.iter_modules(commands.__path__)
    return [importlib.import_module(f"{commands.__name__}.{module.name}").COMMAND for module in modules]


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = _Parser(
        prog="xai",
        description="Find out why an image classifier is wrong, whether the explanation can be trusted, "
        "and whether the fix worked.",
    )
    top.add_argument("--version", action="version", version=f"xai {__version__}")
    sub = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in all_commands():
        child = sub.add_parser(command.name, help=command.help, description=command.help)
        command.configure(child)
        child.add_argument("--json", action="store_true", help="print one JSON object on standard output")
        child.set_defaults(chosen=command)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status: 0, 1 (a user's mistake) or 130 (cancelled)."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        args = parser().parse_args(argv)
        result = args.chosen.run(args)
    except XaiError as error:
        print(f"xai: {error}", file=sys.stderr)
        return FAILED
    except (Cancelled, KeyboardInterrupt):
        print("xai: stopped; what was finished is kept, the same command goes on from there.", file=sys.stderr)
        return CANCELLED
    print(json.dumps(finite(result), ensure_ascii=False, allow_nan=False) if args.json else args.chosen.show(result))
    return 0
