"""`xai show`: what the pages show, in text or as JSON. It reads what is stored and computes no map."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xai_core.cli.command import (
    WHERE,
    Command,
    cell,
    conditions,
    count,
    open_study,
    some,
    study_argument,
)
from xai_core.cli.targets import TARGET_HELP, target_named
from xai_core.errors import BadParameter, NotFound
from xai_core.params import assignments
from xai_core.text import nfc, places
from xai_core.types import ALL_SPLITS

if TYPE_CHECKING:
    from xai_core.answers.question import Asked, Question
    from xai_core.store.study import Study


OTHERS = {
    "aggregate": "xai aggregate STUDY --run NAME --method KEY --cell TRUE:PREDICTED",
    "sanity": "xai sanity STUDY --run NAME --methods A,B",
    "compare": "xai compare STUDY --baseline NAME --candidate NAME",
    "agreement": "xai agreement STUDY --run NAME --methods A,B --cell TRUE:PREDICTED",
    "scores": "xai score STUDY --run NAME",
}
"""What is not asked here, because maps may have to be computed first or two runs are needed: the line that asks it."""


def _configure(parser: argparse.ArgumentParser) -> None:
    study_argument(parser)
    words = (
        "overview, confusion, cell, sample, context, of a segmenter segments; commands of their own answer "
        + ", ".join(OTHERS)
    )
    parser.add_argument("question", metavar="QUESTION", help=words)
    for flags in _FLAGS.values():
        for add in flags:
            add(parser)


def _flag(*names: str, **options: Any) -> Callable[[argparse.ArgumentParser], argparse.Action]:
    return lambda parser: parser.add_argument(*names, **options)


_FLAGS: dict[str, list[Callable[[argparse.ArgumentParser], argparse.Action]]] = {
    "run": [_flag("--run", dest="run_name", metavar="NAME", help="default: the newest run with predictions")],
    "split": [_flag("--split", choices=ALL_SPLITS, help="default: the first of test, validation, train with any")],
    "where": [_flag("--where", action="append", metavar="FACT=VALUE", help=WHERE)],
    "cell": [
        _flag("--cell", metavar="TRUE:PREDICTED", help="a cell of the confusion matrix, by names or indices"),
        _flag("--true", dest="true_class", metavar="CLASS", help="the cell's true class, for names with a :"),
        _flag("--predicted", dest="predicted_class", metavar="CLASS", help="the cell's predicted class"),
    ],
    "sample": [_flag("--sample", metavar="ID", help="a sample by its id, or by its row number")],
    "methods": [
        _flag("--methods", type=some, metavar="A,B", help="whose maps; as on a page where not given"),
        _flag("--layer", metavar="NAME", help="for class activation maps; default: the model's own"),
        _flag("--set", action="append", metavar="METHOD.NAME=VALUE", help="a method's parameter"),
    ],
    "target": [_flag("--target", help=f"what maps explain: {TARGET_HELP}")],
    "scale": [_flag("--scale", choices=("each", "shared"), help="full colour: of each map (default), or of all")],
    "look": [
        _flag("--look", choices=("heat", "cells", "outline", "alone"), help="as what maps are drawn; default: heat")
    ],
    "sort": [_flag("--sort", metavar="ORDER", help="confidence (default), margin, loss or disagreement")],
    "page": [_flag("--page", type=count, metavar="N", help="of the samples of a cell")],
    "rates": [
        _flag(
            "--rates",
            choices=("count", "true", "predicted", "pictures"),
            help="what cells show; default: count, of segments true. pictures: in how many there is such a pixel",
        )
    ],
}
"""Of each choice that a question may leave open, its flags. What is not given is as on a page."""


def _run(args: argparse.Namespace) -> dict[str, Any]:
    from xai_core.answers.question import questions

    known = questions()
    if args.question in OTHERS:
        line = OTHERS[args.question].replace("STUDY", shlex.quote(str(args.study)), 1)
        raise BadParameter("a command of its own answers this", value=args.question, remedy=f"Run {line}.")
    if args.question not in known:
        raise NotFound.among("question", args.question, [*known, *OTHERS])
    question = known[args.question]
    _check_flags(args, question)
    answer = question.answer(_asked(open_study(args), args))
    return {"question": question.name, **answer.as_json(), "lines": answer.text().split("\n")}


def _check_flags(args: argparse.Namespace, question: Question) -> None:
    """Refuse a flag that would change nothing: who gave it expects that it does."""
    for choice, flags in _FLAGS.items():
        for add in flags if choice not in question.choices else []:
            action = add(argparse.ArgumentParser(add_help=False))
            if getattr(args, action.dest) is not None:
                used = ", ".join(f"--{name}" for name in question.choices)
                problem = f"a flag that the question {question.name} does not use"
                raise BadParameter(problem, value=action.option_strings[0], remedy=f"It uses {used}.")


def _asked(study: Study, args: argparse.Namespace) -> Asked:
    from xai_core.answers.question import Asked

    target = None if args.target is None else target_named(study, args.target)
    given = {
        "run": study.run(args.run_name) if args.run_name else None,
        "split": args.split,
        "where": conditions(study, args) or None,
        "cell": cell(study, args),
        "sample": None if args.sample is None else _sample(study, args.sample),
        "methods": _methods(args.methods) if args.methods else None,
        "settings": assignments(args.set) if args.set else None,
        "layer": args.layer,
        "target": target,
        "scale": {"each": "per image"}.get(args.scale, args.scale),
        "look": args.look,
        "sort": _sort(args.sort) if args.sort else None,
        "page": args.page,
        "rates": args.rates,
    }
    return Asked(study, **{name: value for name, value in given.items() if value is not None})


def _methods(keys: list[str]) -> tuple[str, ...]:
    from xai_core.explainers import EXPLAINERS

    return tuple(EXPLAINERS[key].card.key for key in keys)


def _sort(name: str) -> str:
    from xai_core.answers.cell import SORTS

    if name not in SORTS:
        raise NotFound.among("sort order", name, SORTS)
    return name


def _sample(study: Study, name: str) -> int:
    """The row of a sample by its id or, where no sample has that id, by its row number."""
    position = places(study.samples["id"].astype(str))
    for asked in (name, nfc(name)):
        if asked in position:
            return position[asked]
    if name.isdecimal() and len(name) < 10 and int(name) < len(study.samples):
        return int(name)
    raise NotFound.among("sample", name, position)


def _show(result: dict[str, Any]) -> str:
    return "\n".join(result["lines"])


COMMAND = Command("show", "what the pages show, in a terminal or as JSON", _configure, _run, _show)
