"""One mechanism by which members of a family are found: a file in the family's package registers itself.

Other packages add members without touching this one: an entry point of the group `second_look.FAMILY` names a module
that registers them (`docs/how-to/members-from-your-package.md`).
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from threading import RLock
from typing import Any, Generic, Protocol, TypeVar

from xai_core.errors import NotFound
from xai_core.types import Card

LOG = logging.getLogger("xai.registry")

FAMILIES: Mapping[str, str] = {
    "architectures": "xai_core.models.architectures",
    "augmentations": "xai_core.training.augmentations",
    "baselines": "xai_core.training.baselines",
    "datasets": "xai_core.datasets",
    "explainers": "xai_core.explainers",
    "exports": "xai_core.exports",
    "losses": "xai_core.training.losses",
    "metrics": "xai_core.metrics",
    "recipes": "xai_core.recipes",
    "repairs": "xai_core.training.repairs",
    "similarities": "xai_core.similarities",
}
"""Every family and the package of its members, which gives its registry under the family's name in capitals."""


def family(name: str) -> Registry[Any]:
    """The registry of a family. Raises NotFound for an unknown one."""
    if name not in FAMILIES:
        raise NotFound.among("family", name, FAMILIES)
    found: Registry[Any] = getattr(importlib.import_module(FAMILIES[name]), name.upper())
    return found


class HasCard(Protocol):
    """Anything with a card."""

    @property
    def card(self) -> Card:
        """What the member says of itself."""
        ...


T = TypeVar("T", bound=HasCard)


class Registry(Generic[T]):
    """Members of one family by key, discovered when first asked for.

    Discovery imports every module of the package and of the entry points, so a member's module imports heavy libraries
    (torch, captum, shap) inside its functions: listing a family must stay instant, and the dashboard must not load
    torch. An entry point that fails takes nothing but its own members away: it is told in the log and in `problems`.

    Args:
        what: the singular name used in errors ("explainer").
        package: the package whose modules hold the members.
    """

    def __init__(self, what: str, package: str) -> None:
        self.what = what
        self._package = package
        self._members: dict[str, T] = {}
        self._discovered = self._discovering = False
        self._lock = RLock()
        self._problems: list[str] = []

    def add(self, member: T) -> T:
        """Register a member; two with one key are a programming error."""
        key = member.card.key
        if key in self._members:
            raise ValueError(f"two members of one key: {self.what} {key!r}")
        self._members[key] = member
        return member

    def __getitem__(self, key: str) -> T:
        self._discover()
        if key not in self._members:
            raise NotFound.among(self.what, key, self.keys())
        return self._members[key]

    def __contains__(self, key: object) -> bool:
        self._discover()
        return key in self._members

    def __iter__(self) -> Iterator[T]:
        """Members, cheap ones first, then by key."""
        self._discover()
        return iter(sorted(self._members.values(), key=lambda m: (m.card.cost, m.card.key)))

    def keys(self) -> list[str]:
        """Keys in the order of iteration."""
        return [member.card.key for member in self]

    @property
    def problems(self) -> list[str]:
        """Of members from other packages that could not be had: one line each."""
        self._discover()
        return list(self._problems)

    def _discover(self) -> None:
        if self._discovered:
            return
        with self._lock:  # a second thread must not find half of them
            if self._discovering:  # done meanwhile, or a member's module asks while it is imported
                return
            self._discovering = True
            try:
                self._import_all()
            except BaseException:
                self._discovering = False
                raise
            self._discovered = True

    def _import_all(self) -> None:
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self._package}.{module.name}")
        for point in sorted(entry_points(group=f"second_look.{self._package.rpartition('.')[2]}")):
            self._load(point)

    def _load(self, point: EntryPoint) -> None:
        try:
            point.load()
        except Exception as error:  # somebody else's code
            owner = point.dist.name if point.dist else "an installed package"
            reason = " ".join(str(error).split()) or type(error).__name__
            self._problems.append(f"{owner} gives no {self.what} {point.name!r}: {reason}")
            LOG.warning("%s", self._problems[-1])
