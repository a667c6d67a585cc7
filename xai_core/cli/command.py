"""The contract of a command, and what several of them ask for in the same way.

Modules of commands import heavy libraries inside `run` only: `xai --help` must be instant.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from xai_core.errors import BadInput, BadParameter, NotFound, one_line, printable
from xai_core.params import assignments
from xai_core.settings import Settings
from xai_core.settings import load as load_settings
from xai_core.text import comma_list, plain_name
from xai_core.types import CancelToken, Progress

if TYPE_CHECKING:
    from xai_core.store.facts import Condition
    from xai_core.store.run import Run
    from xai_core.store.study import Study

LARGEST_INPUT = 4096
"""Pixels of a side that a model may be said to take: beyond, one picture would fill the memory."""


@dataclass(frozen=True)
class Command:
    """A command: `run` returns a JSON-able object, `show` turns it into lines for people."""

    name: str
    help: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], dict[str, Any]]
    show: Callable[[dict[str, Any]], str]


def study_argument(parser: argparse.ArgumentParser, *, made: bool = True) -> None:
    """Add the positional study folder; `made` where it is there already, and its pictures may lie elsewhere."""
    parser.add_argument("study", type=path, metavar="STUDY", help="the study's folder")
    if made:
        elsewhere_argument(parser)


def elsewhere_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--data`; `look_elsewhere` obeys it."""
    words = "where the study's pictures lie now, this time; xai move says it for good"
    parser.add_argument("--data", dest="elsewhere", type=path, metavar="FOLDER", help=words)


def look_elsewhere(args: argparse.Namespace) -> None:
    """What `--data` says, for this process and all that it starts.

    Raises:
        BadInput: other pictures are there, or none.
        BadParameter: there are several studies.
    """
    folder = getattr(args, "elsewhere", None)
    if folder is None:
        return
    from xai_core.store.data_folder import use
    from xai_core.store.study import Study

    studies = getattr(args, "studies", None) or [args.study]
    if len(studies) > 1:
        remedy = "Say it for good, for each study: xai move STUDY --data FOLDER."
        raise BadParameter("--data is for one study", value=folder, remedy=remedy)
    use(Study.open(studies[0]), folder)


def run_argument(parser: argparse.ArgumentParser) -> None:
    """Add the required name of a run."""
    parser.add_argument("--run", dest="run_name", required=True, metavar="NAME", help="name of the run")


def path(text: str) -> Path:
    """A path that the system takes, whether or not something is there; an argparse type.

    Every path of the command line goes through here: what is too long, goes in circles or may not be looked at is
    told before anything is done.
    """
    if not text:
        raise argparse.ArgumentTypeError("nothing is named")
    try:
        os.stat(os.path.abspath(text))
    except (FileNotFoundError, NotADirectoryError) as error:
        if error.filename is None:  # `abspath` asks for the working folder
            raise argparse.ArgumentTypeError("the working folder is gone: change to another") from None
    except (OSError, ValueError) as error:
        reason = "no path" if isinstance(error, UnicodeError) else getattr(error, "strerror", None) or str(error)
        raise argparse.ArgumentTypeError(f"{reason}: {one_line(PurePath(text))}") from None
    return Path(text)


def open_study(args: argparse.Namespace) -> Study:
    """The study that the command line names."""
    from xai_core.store.study import Study

    return Study.open(args.study)


def open_run(args: argparse.Namespace) -> Run:
    """The run that the command line names."""
    return open_study(args).run(args.run_name)


def next_command(name: str, args: argparse.Namespace) -> str:
    """The line that does the next thing with the same run: paths as they were given, quoted for a shell."""
    return shlex.join(["xai", name, str(args.study), "--run", args.run_name])


def need_predictions(run: Run, study: Path) -> None:
    """Raise BadInput where the run said nothing yet; `study` is its folder as the command line names it."""
    if not run.has_predictions:
        line = shlex.join(["xai", "predict", str(study), "--run", run.name])
        raise BadInput("this run has no predictions yet", value=run.name, remedy=f"Run this first: {line}.")


def some(text: str) -> list[str]:
    """A comma list with at least one entry, each once; an argparse type."""
    found = list(dict.fromkeys(comma_list(text)))
    if not found:
        raise argparse.ArgumentTypeError("nothing is named")
    return found


def numbers(text: str) -> tuple[float, ...]:
    """`0.5,0.5,0.5` → three floats; an argparse type."""
    found = tuple(float(part) for part in comma_list(text))
    if not found:
        raise argparse.ArgumentTypeError("no number is given")
    if not all(map(math.isfinite, found)):
        raise argparse.ArgumentTypeError(f"{text} is not finite")
    return found


def count(text: str) -> int:
    """A whole number from 1; an argparse type."""
    return _whole(text, 1, 2**31 - 1)


def at_least_none(text: str) -> int:
    """A whole number from 0 on, of pictures or samples; an argparse type."""
    return _whole(text, 0, 2**31 - 1)


def seed(text: str) -> int:
    """A whole number from 0; an argparse type."""
    return _whole(text, 0, 2**63 - 1)


def pixels(text: str) -> int:
    """The side of a model's input; an argparse type."""
    return _whole(text, 1, LARGEST_INPUT)


def sides(text: str) -> int | tuple[int, int]:
    """`224`, or `320x256` for height and width; an argparse type."""
    found = [pixels(side) for side in text.lower().replace("×", "x").split("x", 1)]
    return found[0] if len(found) == 1 else (found[0], found[1])


def colour(text: str) -> tuple[int, ...]:
    """`114` or `124,116,104`; an argparse type."""
    found = numbers(text)
    if not all(value.is_integer() and 0 <= value <= 255 for value in found):
        raise argparse.ArgumentTypeError(f"{text} is not one or three whole numbers from 0 to 255")
    return tuple(map(int, found))


def share(text: str) -> float:
    """A part of a whole, above 0 and up to 1; an argparse type."""
    found = numbers(text)
    if len(found) != 1 or not 0 < found[0] <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share above 0 and up to 1")
    return found[0]


def port(text: str) -> int:
    """A port to listen on; an argparse type."""
    return _whole(text, 1, 65535)


def _whole(text: str, least: int, most: int) -> int:
    if len(text) > len(str(most)) or not text.isdecimal() or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from {least} to {most}")
    return int(text)


def in_force(args: argparse.Namespace) -> Settings:
    """The settings for work with a model: `--device` of the command line, and torch is told how many threads."""
    settings = load_settings({"device": args.device})
    if settings.threads:
        import torch

        torch.set_num_threads(settings.threads)
    return settings


def class_index(study: Study, name: str) -> int:
    """A class by its name, by the id that the data has for it or, where neither is known, by its index.

    Raises:
        NotFound: neither; the nearest names are given.
    """
    for known in (study.class_names, study.class_ids):
        for names in (list(known), [plain_name(one) for one in known]):
            for asked in (name, plain_name(name)):
                if asked in names:
                    return names.index(asked)
    if name.isdecimal() and len(name) < 10 and int(name) < len(study.class_names):  # Python reads no endless numbers
        return int(name)
    raise NotFound.among("class", name, study.class_names)


def settings_argument(parser: argparse.ArgumentParser) -> None:
    """`--set`: parameters of methods; `settings` reads them."""
    parser.add_argument("--set", action="append", default=[], metavar="METHOD.NAME=VALUE", help="a method's parameter")


def settings(args: argparse.Namespace, methods: Sequence[str]) -> list[tuple[str, Mapping[str, Any]]]:
    """Each method with the parameters given for it.

    Raises:
        BadParameter: a parameter of a method that is not asked for.
    """
    given = assignments(args.set)
    unknown = set(given) - set(methods)
    if unknown:
        raise BadParameter("--set for a method not asked for", value=unknown.pop(), remedy="Ask for it as well.")
    return [(key, given.get(key, {})) for key in methods]


def methods_argument(parser: argparse.ArgumentParser) -> None:
    """Add the required list of methods."""
    parser.add_argument("--methods", type=some, required=True, metavar="A,B", help="xai list explainers")


def device_argument(parser: argparse.ArgumentParser) -> None:
    """Add where the model runs; see `in_force`."""
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N")


def cell_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a split, and the two ways of naming a cell of its confusion matrix."""
    parser.add_argument("--split", default="test", help="train, validation or test (default)")
    parser.add_argument("--cell", metavar="TRUE:PREDICTED", help="a cell of the confusion matrix, by names or indices")
    parser.add_argument("--true", dest="true_class", metavar="CLASS", help="the cell's true class, for names with a :")
    parser.add_argument("--predicted", dest="predicted_class", metavar="CLASS", help="the cell's predicted class")
    parser.add_argument("--where", action="append", metavar="FACT=VALUE", help=WHERE)


WHERE = "only samples of which this fact holds, as camera=A; several times: all of them"


def conditions(study: Study, args: argparse.Namespace) -> tuple[Condition, ...]:
    """The facts that the command line asks for. Raises NotFound for a fact or a value that no sample has."""
    return tuple(study.facts.condition(text) for text in args.where or ())


def cell(study: Study, args: argparse.Namespace) -> tuple[int, int] | None:
    """The cell that the command line names, or None.

    Raises:
        BadParameter: half a cell, or a name with a `:` that cannot be told apart.
    """
    if args.true_class is not None and args.predicted_class is not None:
        return class_index(study, args.true_class), class_index(study, args.predicted_class)
    if args.true_class is not None or args.predicted_class is not None:
        raise BadParameter("half a cell", remedy="Give --true and --predicted together, or --cell TRUE:PREDICTED.")
    if args.cell is None:
        return None
    parts = args.cell.split(":")
    if len(parts) != 2:
        raise BadParameter("not a cell", value=args.cell, remedy="Write TRUE:PREDICTED, or use --true and --predicted.")
    return class_index(study, parts[0]), class_index(study, parts[1])


def all_printable(value: Any) -> Any:
    """A command's result with every text as it may be shown; what `--json` gives stays exact."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {all_printable(key): all_printable(item) for key, item in value.items()}
    return [all_printable(item) for item in value] if isinstance(value, (list, tuple)) else value


class _Beside:
    """Standard error as the progress bar sees it: that it is full or closed must not stop the work."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


@contextlib.contextmanager
def long_work(title: str, *, quiet: bool = False) -> Iterator[tuple[Progress, CancelToken]]:
    """A progress bar on standard error, and a token that Ctrl-C and SIGTERM set."""
    token = CancelToken()
    bar: tqdm[Any] = tqdm(desc=title, file=_Beside(), disable=quiet, dynamic_ncols=True, leave=True)

    def progress(done: int, total: int, what: str) -> None:
        bar.unit, bar.total = f" {what}", total
        bar.update(done - bar.n)

    handlers = {number: signal.signal(number, lambda *_: token.cancel()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield progress, token
    finally:
        bar.close()
        for number, handler in handlers.items():
            signal.signal(number, handler)
