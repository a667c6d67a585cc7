"""Calls into Python code of the user's own. Whatever happens there becomes one line, and nothing else is disturbed."""

from __future__ import annotations

import dis
import io
import logging
import os
import socket
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from types import TracebackType
from typing import Any, NoReturn

import torch

from xai_core.errors import BadInput, Cancelled, XaiError

LOG = logging.getLogger("xai.own_code")
REPAIR = "Correct the function and try again."
MEMORY = "Take smaller batches (batch_size in xai.toml, or XAI_BATCH_SIZE), a smaller size, or another device."
DEVICE = "Let the code use its input's device (x.device), not a fixed one."

_told: set[str] = set()


@contextmanager
def user_code(name: str, problem: str = "failed", remedy: str = REPAIR) -> Iterator[None]:
    """Within, code of the user's runs: `name` is what it is called in messages.

    What it prints goes to standard error, what it warns of becomes one line, told once. It finds no arguments of our
    command line, and nothing on standard input: a worker's requests come from there. Other models share this process:
    the working folder is put back, and what it sets for all of torch (precision, device, gradients).

    Raises:
        BadInput: it raised anything, or called `sys.exit`. Ctrl-C and errors of our own pass as they are.
    """
    try:
        with redirect_stdout(sys.stderr), warnings.catch_warnings(), _process_as_before():
            warnings.showwarning = _one_line  # type: ignore[assignment]
            with _set(sys, argv=[name], stdin=io.StringIO("")):
                yield
    except (XaiError, Cancelled, GeneratorExit):
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and not _raised_by_code(error.__traceback__):
            raise
        raise BadInput(f"{name} {problem}", value=_said(error), remedy=_remedy(error, remedy)) from error


@contextmanager
def no_network(name: str) -> Iterator[None]:
    """Within, nothing is fetched: weights come from the file that a person named.

    Raises BadInput in the code that tries to, with the host that it wanted.
    """

    def refuse(host: object, *_: Any, **__: Any) -> NoReturn:
        remedy = "Let it build the model without pretrained weights, and give the weights as a file (--weights)."
        raise BadInput(f"{name} wants to fetch something from the network", value=host, remedy=remedy)

    def connect(self: socket.socket, address: Any, *_: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            refuse(address[0])
        return plain(self, address)

    plain = socket.socket.connect
    with _set(socket, getaddrinfo=refuse), _set(socket.socket, connect=connect):
        yield


@contextmanager
def _process_as_before() -> Iterator[None]:
    dtype, device, gradients = torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled()
    precision, exact = torch.get_float32_matmul_precision(), torch.get_deterministic_debug_mode()
    folder = os.getcwd()
    try:
        yield
    finally:
        if os.getcwd() != folder:
            os.chdir(folder)
        if torch.get_float32_matmul_precision() != precision:
            torch.set_float32_matmul_precision(precision)
        if torch.get_deterministic_debug_mode() != exact:
            torch.set_deterministic_debug_mode(exact)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(gradients)
        if torch.get_default_device() != device:
            torch.set_default_device(None if device.type == "cpu" else device)


@contextmanager
def _set(owner: Any, **values: object) -> Iterator[None]:
    before = {name: getattr(owner, name) for name in values}
    try:
        for name, value in values.items():
            setattr(owner, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)


def _said(error: BaseException) -> str:
    """Type and words of an error; of a report with tracebacks inside, as torch's wrappers make, the last line."""
    if isinstance(error, SystemExit):
        return f"it called sys.exit({error.code!r})"
    try:
        text = str(error)
    except Exception:  # an exception class of the user's own
        text = ""
    if "Traceback" in text:
        text = text.strip().splitlines()[-1]
    if type(error) is RuntimeError and text:  # torch's, for nearly everything
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _remedy(error: BaseException, otherwise: str) -> str:
    text = _said(error).lower()
    if "out of memory" in text or "can't allocate memory" in text or isinstance(error, MemoryError):
        return MEMORY
    return DEVICE if "cuda" in text or "nvidia" in text or "same device" in text else otherwise


def _raised_by_code(trace: TracebackType | None) -> bool:
    """Whether a `raise` stands where the error came from: Ctrl-C arrives at other instructions."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and dis.opname[trace.tb_frame.f_code.co_code[trace.tb_lasti]] == "RAISE_VARARGS"


def _one_line(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    text = f"{category.__name__}: {' '.join(str(message).split())}"
    if text not in _told:
        _told.add(text)
        LOG.warning("%s", text[:300])
