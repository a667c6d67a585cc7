"""A running dashboard and a browser on it, for the browser tests, the benchmarks and the screenshots."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Playwright, Response

READY = ".xai-ready"
"""A marker that the app emits at the end of each full run."""


def free_port() -> int:
    """A port on the loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def dashboard(studies: Sequence[Path], *, seconds: float = 90) -> Iterator[str]:
    """`xai serve` on these studies; yields its address once it answers, ends it afterwards."""
    port = free_port()
    command = [sys.executable, "-m", "xai_core", "serve", *map(str, studies), "--port", str(port)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"XAI_THREADS": "2"})
        try:
            wait_until_healthy(f"http://127.0.0.1:{port}", process, seconds)
            yield f"http://127.0.0.1:{port}"
        except Exception:
            log.seek(0)
            sys.stderr.write(log.read().decode(errors="replace"))
            raise
        finally:
            process.terminate()
            process.wait(20)


def wait_until_healthy(address: str, process: subprocess.Popen[bytes], seconds: float) -> None:
    """Poll the server's health; raise TimeoutError when it ended or took too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as reply:
            if reply.status == 200:
                return
        time.sleep(0.1)
    raise TimeoutError(f"the dashboard did not answer (exit status {process.poll()})")


def launch(playwright: Playwright, chromium: str) -> Browser:
    """A headless Chromium; as root it needs --no-sandbox."""
    args = ["--no-sandbox"] if os.geteuid() == 0 else []
    return playwright.chromium.launch(executable_path=chromium, args=args)


PROBING = re.compile(r"/[a-z-]+/_stcore/(health|host-config)$")
"""On a deep link Streamlit's own front end first asks for these below the page, is told 404, and goes on."""
OVERTAKEN = re.compile(r"Bad delta path index \d+ \(should be between")
"""What Streamlit's front end says where a part that draws itself anew was overtaken by a run of the whole page.

That run draws it then: seen once in seven visits on a busy machine. A page that stays broken lacks what comes next."""


class Watch:
    """What a page must not do: print console errors, fail, or ask another machine for anything."""

    def __init__(self, page: Page, address: str) -> None:
        self.problems: list[str] = []
        self.overtaken: set[str] = set()
        page.on("console", self._said)
        page.on("pageerror", self._failed)
        page.on("request", lambda r: self._seen(r.url, address))
        page.on("response", self._answered)

    def _said(self, message: ConsoleMessage) -> None:
        known = PROBING.search(message.location.get("url", ""))
        if message.type == "error" and not known and not self._overtaken("console", message.text):
            self.problems.append(f"console: {message.text}")

    def _failed(self, error: Error) -> None:
        if not self._overtaken("page error", str(error)):
            self.problems.append(f"page error: {error}")

    def _overtaken(self, kind: str, text: str) -> bool:
        """Whether it is that, for the first time: a page that says it again and again is broken."""
        if not OVERTAKEN.search(text) or kind in self.overtaken:
            return False
        self.overtaken.add(kind)
        return True

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and not PROBING.search(response.url):
            self.problems.append(f"{response.status} {response.url}")

    def _seen(self, url: str, address: str) -> None:
        own = (address, address.replace("http", "ws"), "data:", "blob:", "about:")
        if not url.startswith(own):
            self.problems.append(f"request to another machine: {url}")


def ready(page: Page, *, seconds: float = 60) -> None:
    """Wait until the app has finished a run."""
    page.wait_for_selector(READY, state="attached", timeout=seconds * 1000)
    page.wait_for_function("!document.querySelector('[data-testid=\"stStatusWidget\"]')", timeout=seconds * 1000)
