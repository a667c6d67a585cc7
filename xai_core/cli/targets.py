"""What is explained, as a command line names it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from xai_core.cli.command import class_index
from xai_core.errors import BadInput, NotFound
from xai_core.regions import CELL, CONFUSED, HOW_TO_WRITE, check_region, place_of
from xai_core.task import SEGMENTATION
from xai_core.types import TARGET_SPECS, Target

if TYPE_CHECKING:
    from xai_core.store.study import Study

TARGET_HELP = "predicted (default), true, difference or a class; of a segmenter also CLASS@REGION, as cable@missed"


def target_argument(parser: argparse.ArgumentParser) -> None:
    """Add what is explained."""
    parser.add_argument("--target", default="predicted", help=TARGET_HELP)


def target_of(study: Study, args: argparse.Namespace) -> str:
    """The same as `target_named`, of the command line's flag."""
    return target_named(study, args.target)


def target_named(study: Study, text: str) -> str:
    """One of TARGET_SPECS, or the key of what is named: a class, of a segmenter also CLASS@REGION or P-T@confused.

    Raises:
        NotFound: no such class.
        BadInput: no such region, or one that does not fit.
    """
    classes, at, region = text.rpartition("@")
    if study.info.task != SEGMENTATION or text in TARGET_SPECS or not at or text in study.class_names:
        return text if text in TARGET_SPECS else str(class_index(study, text))
    if not region:
        raise BadInput("no region behind the @", value=text, remedy=HOW_TO_WRITE)
    place = place_of(region)
    for index in place.at if place is not None and place.kind == CELL else ():
        class_index(study, str(index))
    positive, negative = _two_classes(study, classes) if region == CONFUSED else (class_index(study, classes), None)
    return check_region(Target(positive, negative, region)).key


def _two_classes(study: Study, text: str) -> tuple[int, int | None]:
    """Of `P-T` the indices, wherever the dash is that lies between two classes; of a single class that alone."""
    places = [place for place, letter in enumerate(text) if letter == "-"]
    for place in places:
        try:
            return class_index(study, text[:place]), class_index(study, text[place + 1 :])
        except NotFound:
            continue
    return class_index(study, text), None
