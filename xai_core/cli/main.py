"""`xai`: finds the commands, runs one, prints its result or one line of error."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import logging
import os
import pkgutil
import sys
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from xai_core import __version__
from xai_core.cli import background, commands
from xai_core.cli.command import Command, all_printable, look_elsewhere
from xai_core.errors import BadInput, BadParameter, Cancelled, XaiError, printable
from xai_core.files import finite, state_folder, told

FAILED, FAULT, CANCELLED, UNREAD = 1, 70, 130, 141
"""A user's mistake, a fault of ours, stopped, and nobody reads the output any more: the last as for other programs."""

DEBUG_VARIABLE, FAULTS_FILE, _MOST_BYTES = "XAI_DEBUG", "faults.log", 1_000_000


class _Parser(argparse.ArgumentParser):
    """A mistake in the flags is a mistake like any other: one line, exit status 1."""

    def error(self, message: str) -> NoReturn:
        raise BadParameter(message, remedy=f"See {self.prog} --help.")

    def _print_message(self, message: str, *_: Any) -> None:
        _print(message.removesuffix("\n"))


class _Lines(logging.Formatter):
    """Names in what is logged cannot steer the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(printable, super().format(record).split("\n")))


def all_commands() -> list[Command]:
    """Every command, by the name of its file."""
    modules = pkgutil.iter_modules(commands.__path__)
    return [importlib.import_module(f"{commands.__name__}.{module.name}").COMMAND for module in modules]


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = _Parser(
        prog="xai",
        description="Find out why an image classifier or segmenter is wrong, whether the explanation can be trusted, "
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
    """Run one command and return the exit status.

    0, 1 (a user's mistake), 70 (a fault of ours), 130 (stopped) or 141 (nobody reads the output). Whatever goes wrong
    is told in one line.
    """
    _prepare_streams()
    try:
        try:
            args = parser().parse_args(argv)
        except SystemExit as ended:  # after --help
            return int(ended.code or 0)
        with contextlib.redirect_stdout(sys.stderr):  # what code of the user's prints: the result is for programs, too
            look_elsewhere(args)
            result = args.chosen.run(args)
        show = background.show if background.JOB in result else args.chosen.show
        _print(json.dumps(finite(result), allow_nan=False) if args.json else show(all_printable(result)))
    except BrokenPipeError:
        return UNREAD
    except (Cancelled, KeyboardInterrupt):
        _say("stopped; what was finished is kept, the same command goes on from there.")
        return CANCELLED
    except XaiError as error:
        _say(error)
        return FAILED
    except (Exception, SystemExit) as error:  # nobody's code but the parser's may end the command without a word
        return _unexpected(error)
    return 0


def _prepare_streams() -> None:
    """What a stream's encoding lacks is written out; a stream that is closed takes everything and keeps nothing."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)


def _print(text: str) -> None:
    """Write to standard output, to the end.

    Raises:
        BrokenPipeError: nobody reads it.
        BadInput, StorageFull: it cannot be written.
    """
    try:
        print(text, flush=True)
    except OSError as error:
        with contextlib.suppress(OSError, ValueError):  # or Python tries again when it ends, and complains
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        remedy = f"{error.strerror or error}: send it elsewhere, or free some space."
        raise BadInput("the result cannot be written to standard output", remedy=remedy) from None


def _say(text: object) -> None:
    with contextlib.suppress(OSError):
        print(f"xai: {text}", file=sys.stderr, flush=True)


def _unexpected(error: Exception | SystemExit) -> int:
    """One line, and the whole of it where we can find it again."""
    where = _logged(error)
    known = told(error)
    if known is None:
        _say(XaiError("a fault of ours, not of yours", value=f"{type(error).__name__}: {error}", remedy=where))
        return FAULT
    _say(known)
    return FAILED


def _logged(error: Exception | SystemExit) -> str:
    """Keep the traceback, or show it where that is asked for; returns where it is."""
    text = "".join(traceback.format_exception(error))
    if os.environ.get(DEBUG_VARIABLE):
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
        return "Please report it with the lines above."
    try:
        path = state_folder() / FAULTS_FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        full = path.exists() and path.stat().st_size > _MOST_BYTES
        with path.open("w" if full else "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{datetime.now(UTC).isoformat()} {sys.argv!r}\n{text}\n")
    except (OSError, XaiError):
        return f"Please run it again with {DEBUG_VARIABLE}=1 and report what it shows."
    return f"Please report it with the end of {path}."
