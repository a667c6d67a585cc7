"""The dashboard in the background of a program."""

from __future__ import annotations

import atexit
import contextlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from xai_core.errors import BadInput

SECONDS = 60.0
"""So long the dashboard may take to answer."""


class Served:
    """A dashboard on a study, until `stop` or this process ends.

    Attributes:
        address: where it is.
    """

    def __init__(self, study: Path, port: int = 0) -> None:
        """Begin, and wait until it answers; `port` 0 takes any that is free. Raises BadInput where it does not."""
        at = port or _free_port()
        command = [sys.executable, "-m", "xai_core", "serve", str(study), "--port", str(at)]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the dashboard runs)
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        atexit.register(self.stop)
        self.address = f"http://127.0.0.1:{at}"
        _wait(self.address, self._process, self._log)

    def stop(self) -> None:
        """End it; nothing where it has ended."""
        if not self._log.closed:
            self._process.terminate()
            self._process.wait()
            self._log.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(address: str, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    for _ in _until(SECONDS):
        if process.poll() is not None:
            log.seek(0)
            said = log.read().decode(errors="replace").strip().splitlines()
            why = said[-1] if said else f"exit {process.returncode}"
            raise BadInput("the dashboard did not start", value=why, remedy="Start it yourself with xai serve.")
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as reply:
            if reply.status == 200:
                return
    raise BadInput("the dashboard does not answer", value=address, remedy="Start it yourself with xai serve.")


def _until(seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(0.2)
