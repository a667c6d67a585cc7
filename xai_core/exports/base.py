"""The contract of a format that models are exported to."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from xai_core.errors import XaiError
from xai_core.registry import Registry
from xai_core.types import Array, Card

if TYPE_CHECKING:
    from torch import Tensor, nn

INPUT = "pictures"
"""How the input is called where a format has names."""

Make = Callable[["nn.Module", "Tensor", Sequence[str], bool], bytes]
"""`(module, x (N, C, H, W), names of its outputs, whether any N) -> file`. The module gives a tuple of tensors."""

Ask = Callable[[Array], Sequence[Array]]
"""`x (N, C, H, W) float32 -> outputs`, each `(N, …)`, on one thread. Raises anything for an N it cannot take."""


@dataclass(frozen=True)
class Format:
    """A registered format.

    Attributes:
        card: what it is; its `blind_spot` says what a reader of the file must do without.
        suffix: of its files, with the dot.
        make: a model as the bytes of a file. Raises anything where the format has no words for the model.
        open: the bytes as something that can be asked, by the format's own runtime.
        packages: what both need, as Python imports it, beside torch.
        extra: of second-look, with which these are installed.
        batches: whether one file can take any number of pictures at once.
    """

    card: Card
    suffix: str
    make: Make
    open: Callable[[bytes], Ask]
    packages: tuple[str, ...] = ()
    extra: str = ""
    batches: bool = True

    def check_installed(self) -> None:
        """Raise XaiError where a package that it needs is not there, or does not load beside this torch."""
        for package in self.packages:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # theirs, about themselves
                    importlib.import_module(package)
            except Exception as error:
                remedy = f"pip install 'second-look[{self.extra}]'"
                if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == package:
                    problem = f"{package} is not installed"
                    raise XaiError(problem, value=f"--to {self.card.key}", remedy=f"Install it: {remedy}.") from None
                raise XaiError(f"{package} does not load here", value=error, remedy=f"Try {remedy}.") from None

    def versions(self) -> dict[str, str]:
        """Of the packages that it needs, and of torch."""
        return {package: version(package) for package in ("torch", *self.packages)}


EXPORTS: Registry[Format] = Registry("export format", "xai_core.exports")
