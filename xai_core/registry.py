"""One mechanism by which members of a family are found: a file in the family's package registers itself."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from xai_core.errors import NotFound
from xai_core.types import Card


class HasCard(Protocol):
    """Anything with a card."""

    @property
    def card(self) -> Card:
        """What the member says of itself."""
        ...


T = TypeVar("T", bound=HasCard)


class Registry(Generic[T]):
    """Members of one family by key, discovered when first asked for.

    Discovery imports every module of the package, so a member's module imports heavy libraries (torch, captum,
    shap) inside its functions: listing a family must stay instant, and the dashboard must not load torch.

    Args:
        what: the singular name used in errors ("explainer").
        package: the package whose modules hold the members.
    """

    def __init__(self, what: str, package: str) -> None:
        self.what = what
        self._package = package
        self._members: dict[str, T] = {}
        self._discovered = False

    def add(self, member: T) -> T:
        """Register a member; two with one key are a programming error."""
        key = member.card.key
        if key in self._members:
            raise ValueError(f"two {self.what}s are called {key!r}")
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

    def _discover(self) -> None:
        if self._discovered:
            return
        self._discovered = True
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self._package}.{module.name}")
