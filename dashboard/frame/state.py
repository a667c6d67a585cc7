"""What a person has selected, as one frozen record ⇄ URL. Pure: no streamlit, nothing is looked up here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any

from xai_core.answers.methods import DEFAULT_METHODS
from xai_core.answers.quality_choice import LIMIT
from xai_core.errors import BadInput, BadParameter
from xai_core.regions import check_region
from xai_core.text import comma_list, comma_text
from xai_core.triage.compare import TRANSITIONS
from xai_core.triage.looks import LOOKS
from xai_core.types import ALL_SPLITS, TARGET_SPECS, Target

RATES = ("count", "true", "predicted", "pictures")
ORDERS = ("given", "similar")
SORTS = ("confidence", "margin", "loss", "disagreement", "data")
NORMALISE = ("each", "shared")
TARGETS = TARGET_SPECS
PLACES = ("object", "picture")
LOOK_KEYS: tuple[str, ...] = tuple(LOOKS)
AMONG = ("cell", "class", "all")

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEY = re.compile(r"[a-z0-9][a-z0-9+_-]{0,63}")
_LAYER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.]{0,127}")
_SETTING = re.compile(r"[a-z0-9][a-z0-9+_-]{0,63}\.[a-z][a-z0-9_]{0,63}=[A-Za-z0-9._+-]{1,64}")
_LARGEST = 10**9
_LONGEST_TARGET = 64
_KEEP_PAGE = {"page", "sample", "methods", "normalise", "look", "method", "settings", "seed", "metrics", "count"}


def _text(text: str) -> str:
    """Any short text: it is only ever compared with the names that are served, which may hold any letter."""
    if not 0 < len(text) <= 255:
        raise ValueError(text)
    return text


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(text)
        return text

    return read


def _one_of(*allowed: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in allowed:
            raise ValueError(text)
        return text

    return read


def _whole(low: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 10 and low <= int(text) < _LARGEST):
            raise ValueError(text)
        return int(text)

    return read


def _keys(text: str) -> tuple[str, ...]:
    """`gradcam,lrp`; a lone `-` is the empty selection, which an absent entry could not say."""
    if text == "-":
        return ()
    names = tuple(dict.fromkeys(text.split(",")))
    if len(names) > 32 or not all(_KEY.fullmatch(name) for name in names):
        raise ValueError(text)
    return names


def _settings(text: str) -> tuple[str, ...]:
    """`ig.steps=100,shap.samples=20`."""
    entries = tuple(dict.fromkeys(text.split(",")))
    if len(entries) > 64 or not all(_SETTING.fullmatch(entry) for entry in entries):
        raise ValueError(text)
    return entries


def _conditions(text: str) -> tuple[str, ...]:
    """`camera=A,"site=Graz, Austria"`."""
    try:
        entries = tuple(dict.fromkeys(comma_list(text)))
    except BadParameter:
        raise ValueError(text) from None
    if not 0 < len(entries) <= 16 or not all("=" in entry and len(entry) <= 1000 for entry in entries):
        raise ValueError(text)
    return entries


def _write_keys(names: tuple[str, ...]) -> str:
    return ",".join(names) or "-"


def _target(text: str) -> str:
    """One of TARGET_SPECS, or the key of a target: a class, of a segmenter also with a region."""
    if text in TARGET_SPECS:
        return text
    if len(text) > _LONGEST_TARGET:
        raise ValueError(text)
    try:
        target = check_region(Target.parse(text))
    except BadInput:
        raise ValueError(text) from None
    if max(target.positive, target.negative or 0) >= _LARGEST:
        raise ValueError(text)
    return target.key


def _entry(default: Any, read: Callable[[str], Any], what: str, write: Callable[[Any], str] = str) -> Any:
    return field(default=default, metadata={"read": read, "write": write, "what": what})


@dataclass(frozen=True)
class Selection:
    """One view of the dashboard. Every field travels in the URL under its own name; defaults are left out.

    Attributes:
        study: name of a served study; "" for the first.
        run, other: names of the run looked at and of the one it is compared with; "" for the newest, for none.
        split: one of ALL_SPLITS; "" for the best one that has predictions.
        where: facts that must hold of the samples, as `camera=A`.
        true, predicted: the cell of the confusion matrix, class indices; both or neither.
        sample: row number in the study.
        methods: explainer keys, in the order of the columns.
        method: the one that a page about a single method shows; "" for the first of `methods`.
        settings: parameters of methods that are not at their defaults, as `ig.steps=100`.
        target: what maps explain: one of TARGETS, or the key of a target (`3`, of a segmenter also `3@missed`).
        layer: for class activation maps; "" for the one the architecture declares.
        normalise: `each` map by its own maximum, or `shared` by all maps of a method on the page.
        look: as what maps are drawn, one of LOOKS.
        rates: cells show the `count`, shares per `true` class or per `predicted` class; of segmenters also in how many
            `pictures` there is such a pixel.
        order: classes as `given`, or `similar` ones beside each other.
        sort: how a gallery is sorted.
        page: of the gallery, from 1.
        seed: of the randomised model that the sanity check compares with.
        among: which samples a comparison of two runs lists: of the `cell`, of its true `class`, or `all`.
        transition: what became of them between the runs, one of TRANSITIONS; "" for any.
        place: of a segmenter, mean heatmaps around the `object` that is explained, or as they lie in the `picture`.
        metrics: keys of those that judge heatmaps; () for all that apply.
        count: how many samples they judge at most.
        version: of the annotation, that decisions about proposals are part of; "" for the usual one.
    """

    study: str = _entry("", _text, "study")
    run: str = _entry("", _matching(_RUN), "run")
    other: str = _entry("", _matching(_RUN), "run to compare with")
    split: str = _entry("", _one_of(*ALL_SPLITS), "split")
    where: tuple[str, ...] = _entry((), _conditions, "choice of facts", comma_text)
    true: int | None = _entry(None, _whole(0), "true class")
    predicted: int | None = _entry(None, _whole(0), "predicted class")
    sample: int | None = _entry(None, _whole(0), "sample")
    methods: tuple[str, ...] = _entry(DEFAULT_METHODS, _keys, "list of methods", _write_keys)
    method: str = _entry("", _matching(_KEY), "method")
    settings: tuple[str, ...] = _entry((), _settings, "list of settings", ",".join)
    target: str = _entry("predicted", _target, "target")
    layer: str = _entry("", _matching(_LAYER), "layer")
    normalise: str = _entry("each", _one_of(*NORMALISE), "scale")
    look: str = _entry("heat", _one_of(*LOOK_KEYS), "way of drawing heatmaps")
    rates: str = _entry("count", _one_of(*RATES), "way of counting")
    order: str = _entry("given", _one_of(*ORDERS), "order of classes")
    sort: str = _entry("confidence", _one_of(*SORTS), "sort order")
    page: int = _entry(1, _whole(1), "page number")
    seed: int = _entry(0, _whole(0), "seed")
    among: str = _entry("cell", _one_of(*AMONG), "group of samples")
    transition: str = _entry("", _one_of(*TRANSITIONS), "transition")
    place: str = _entry(PLACES[0], _one_of(*PLACES), "place of mean heatmaps")
    metrics: tuple[str, ...] = _entry((), _keys, "list of metrics", _write_keys)
    count: int = _entry(LIMIT, _whole(1), "number of samples")
    version: str = _entry("", _matching(_RUN), "version of the annotation")

    def __post_init__(self) -> None:
        if (self.true is None) != (self.predicted is None):
            object.__setattr__(self, "true", None)
            object.__setattr__(self, "predicted", None)

    @property
    def cell(self) -> tuple[int, int] | None:
        """(true class, predicted class) of the selected cell."""
        return None if self.true is None or self.predicted is None else (self.true, self.predicted)

    @property
    def counting(self) -> str:
        """What a matrix of samples shows, each of which is a picture."""
        return "count" if self.rates == "pictures" else self.rates

    def changed(self, **changes: Any) -> Selection:
        """This selection with some fields changed, and what no longer makes sense after that reset."""
        changes = {name: value for name, value in changes.items() if getattr(self, name) != value}
        if "study" in changes:
            kept = {
                name: getattr(self, name)
                for name in ("methods", "target", "normalise", "look", "rates", "order", "sort")
            }
            return replace(Selection(**kept), **changes)
        if changes and not changes.keys() <= _KEEP_PAGE:
            changes.setdefault("page", 1)
        if changes.keys() & {"split", "where", "true", "predicted"}:
            changes.setdefault("sample", None)
        if "run" in changes and "layer" not in changes:
            changes["layer"] = ""
        return replace(self, **changes)


def to_query(selection: Selection) -> dict[str, str]:
    """The URL's query: only what differs from the defaults."""
    query = {}
    for entry in fields(selection):
        value = getattr(selection, entry.name)
        if value != entry.default:
            query[entry.name] = entry.metadata["write"](value)
    return query


def from_query(query: Mapping[str, str]) -> tuple[Selection, tuple[str, ...]]:
    """The selection that a query means, and one sentence for each value that means nothing. Never raises.

    Names that are no field are left alone: they are not ours.
    """
    values, notes = {}, []
    for entry in fields(Selection):
        if entry.name in query:
            value, note = _read(entry, query[entry.name])
            values[entry.name] = value
            notes += [note] if note else []
    return Selection(**values), tuple(notes)


def _read(entry: Field[Any], text: str) -> tuple[Any, str | None]:
    try:
        return entry.metadata["read"](text), None
    except ValueError:
        shown = text if len(text) <= 40 else text[:39] + "…"
        return entry.default, f"The link names no valid {entry.metadata['what']} (“{shown}”); it was left out."
