"""Which samples the command line names, and what of them is explained: by ids, by a cell, or a whole split."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xai_core.cli.command import cell, cell_arguments, conditions, count, need_predictions
from xai_core.cli.targets import target_of
from xai_core.errors import BadInput, BadParameter, NotFound
from xai_core.text import comma_list, counted, nfc, places
from xai_core.triage.ordering import at_most
from xai_core.words import SPLIT_WORDS

if TYPE_CHECKING:
    from xai_core.answers.scope import Rows, Scope
    from xai_core.store.run import Run
    from xai_core.triage.confusion import Cell

LOG = logging.getLogger("xai")


def samples_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a cell, ids and a limit."""
    cell_arguments(parser)
    ids_argument(parser)
    parser.add_argument("--limit", type=count, metavar="N", help="only N of them, drawn by the study's seed")


def ids_argument(parser: argparse.ArgumentParser) -> None:
    """Add ids."""
    parser.add_argument("--ids", metavar="A,B", help="samples by id instead of a cell or a whole split")


def scope_of(run: Run, args: argparse.Namespace) -> Scope:
    """The run on the split that the command line names.

    Raises:
        BadInput: the run has no predictions yet.
        BadParameter: no such split.
    """
    from xai_core.answers.scope import Scope

    if args.split not in SPLIT_WORDS:
        raise BadParameter("not a split", value=args.split, remedy=f"Choose from {', '.join(SPLIT_WORDS)}.")
    need_predictions(run, args.study)
    return Scope(run, args.split, conditions(run.study, args))


def every_sample(scope: Scope, args: argparse.Namespace) -> Rows:
    """The samples that are named, those without a prediction left out with a word: ids, else a cell, else the split."""
    if args.ids is not None:
        if scope.where:
            raise BadParameter("samples by id and by a fact", value=args.ids, remedy="Give --ids or --where.")
        return _with_predictions(scope, by_id(scope.run, args.ids))
    chosen = cell(scope.study, args)
    return scope.cell(*chosen) if chosen else _with_predictions(scope, scope.rows)


def limited(scope: Scope, args: argparse.Namespace) -> Rows:
    """The samples that are named; with a limit so many of them, drawn by the study's seed, as `xai predict` does."""
    return at_most(every_sample(scope, args), args.limit, scope.study.info.seed)


def about_samples(scope: Scope, rows: Rows) -> dict[str, Any]:
    """How many samples an answer speaks of, and by which facts they were chosen, for its JSON form."""
    from xai_core.answers.scope import where_words

    return {"samples": len(rows), "where": where_words(scope.where).strip()}


def counted_samples(result: Mapping[str, Any]) -> str:
    """The same in words: `12 samples where camera = Leica`."""
    return " ".join(filter(None, [counted(result["samples"], "sample"), result["where"]]))


def some_samples(scope: Scope, args: argparse.Namespace) -> Rows:
    """Those that are named, up to the limit. Raises BadInput where there are none."""
    return not_none(limited(scope, args))


def not_none(rows: Rows) -> Rows:
    """The same rows. Raises BadInput where there are none."""
    if not len(rows):
        raise BadInput("no samples", remedy="Choose another cell or split.")
    return rows


def confusion(scope: Scope, args: argparse.Namespace) -> Cell:
    """The cell that the command line names, off the diagonal.

    Raises:
        BadParameter: there is none, or it is on the diagonal.
    """
    chosen = cell(scope.study, args)
    if chosen is None or chosen[0] == chosen[1]:
        raise BadParameter("which confusion?", remedy="Name a cell off the diagonal: --cell TRUE:PREDICTED.")
    return chosen


def for_a_job(run: Run, args: argparse.Namespace, methods: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """The samples, target and methods that the command line names, as a job takes them."""
    rows = by_id(run, args.ids).tolist() if args.ids is not None else []
    words = {"run": run.name, "methods": methods, "target": target_of(run.study, args), "limit": args.limit}
    where = [one.text for one in conditions(run.study, args)]
    words |= {"where": where} if where else {}
    return words | {"split": args.split, "cell": cell(run.study, args), "rows": rows}


def by_id(run: Run, text: str) -> Rows:
    """Row numbers of a list of ids. Raises BadParameter for an empty one, and NotFound."""
    position = places(run.study.samples["id"].astype(str))
    ids = [text] if text in position else comma_list(text)  # a single id may hold a comma
    ids = [name if name in position else nfc(name) for name in ids]
    if not ids:
        raise BadParameter("no sample is named", value=text, remedy="Give --ids A,B, or leave it out.")
    for name in ids:
        if name not in position:
            raise NotFound.among("sample", name, position)
    return np.array([position[name] for name in ids], dtype=np.int64)


def _with_predictions(scope: Scope, rows: Rows) -> Rows:
    from xai_core.store.targets import predicted_rows

    known = predicted_rows(scope.run, rows)
    if len(known) < len(rows):
        missing = rows[~np.isin(rows, known)]
        first = scope.study.samples["id"].iat[missing[0]]
        LOG.warning("%d of %d samples have no prediction and are left out, such as %s", len(missing), len(rows), first)
    return known
