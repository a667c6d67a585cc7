"""The running server: who gets in; it asks nothing of the world, and leaves nothing when it is killed."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.serving import free_port, wait_until_healthy
from tests.dashboard.fakes import make_study

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Outside:
    """A proxy that everything would have to go through that is not of this machine; notes who comes."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._note, daemon=True).start()

    def _note(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listening.accept()
                with caller:
                    self.calls.append(caller.recv(200))

    def close(self) -> None:
        self._listening.close()


@contextlib.contextmanager
def serving(
    study: Path, outside: Outside, *more: str, host: str = "127.0.0.1"
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`xai serve`, behind a proxy that sees every call to another machine."""
    port = free_port()
    command = [sys.executable, "-m", "xai_core", "serve", str(study), "--port", str(port), "--device", "cpu", *more]
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), outside.address)
    environment = os.environ | proxies | {"no_proxy": "", "NO_PROXY": ""}
    log = study.parent / f"log-{port}.txt"
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=environment)
        try:
            with pytest.MonkeyPatch.context() as patch:
                for name in proxies:
                    patch.delenv(name, raising=False)
                wait_until_healthy(f"http://{host}:{port}", process, 120)
            yield process, port
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("server") / "pets").path


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    found = Outside()
    yield found
    found.close()


@pytest.fixture(scope="module")
def port(study: Path, outside: Outside) -> Iterator[int]:
    with serving(study, outside, "--allow-host", "lab.example:443") as (_, port):
        yield port


def fetched(port: int, path: str = "/", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body; `Host` is given by hand."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest("GET", path, skip_host=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body


def shaken(port: int, host: str, origin: str = "") -> int:
    """The status that answers a WebSocket's handshake: 101 lets it in."""
    lines = ["GET /_stcore/stream HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade"]
    lines += ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"]
    lines += [f"Origin: {origin}"] if origin else []
    with socket.create_connection(("127.0.0.1", port), timeout=30) as wire:
        wire.sendall("\r\n".join([*lines, "", ""]).encode())
        return int(wire.recv(64).split()[1])


def test_only_its_own_names_are_answered(port: int) -> None:
    own = f"127.0.0.1:{port}"
    assert fetched(port, Host=own)[0] == 200
    assert fetched(port, Host=f"localhost:{port}")[0] == 200
    status, headers, body = fetched(port, Host=f"evil.example:{port}")
    assert (status, headers["content-type"]) == (403, "text/plain; charset=utf-8")
    assert b"--allow-host" in body
    assert headers["x-content-type-options"] == "nosniff"
    assert fetched(port)[0] == 400
    assert fetched(port, Host="lab.example")[0] == 200
    assert fetched(port, "/_stcore/metrics", Host=own)[0] == 404
    policy = fetched(port, Host=own)[1]["content-security-policy"]
    assert f"ws://{own}" in policy
    assert "ws: " not in policy


def test_only_its_own_pages_may_connect(port: int, outside: Outside) -> None:
    own = f"127.0.0.1:{port}"
    assert shaken(port, own, f"http://{own}") == 101
    assert shaken(port, own) == 101
    assert shaken(port, f"LOCALHOST.:{port}", f"http://localhost:{port}") == 101
    assert shaken(port, own, "https://lab.example") == 101
    began = time.monotonic()
    for origin in (
        "http://evil.example",
        "http://127.0.0.1:9999",
        f"https://{own}",
        "null",
        f"http://localhost:{port}",
    ):
        assert shaken(port, own, origin) == 403, origin
    assert shaken(port, f"evil.example:{port}", f"http://evil.example:{port}") == 403
    assert time.monotonic() - began < 10
    assert not outside.calls


def test_no_redirect_leads_away(port: int) -> None:
    own = f"127.0.0.1:{port}"
    for path in (
        "/overview", "/overview?study=a&next=//evil.example", "/overview/", "//evil.example/",
        "//evil.example/overview", "/%5Cevil.example/", "/tiles/x/", "/confusion/", "/overview?%0d%0aSet-Cookie:x=y",
    ):  # fmt: skip
        status, headers, _ = fetched(port, path, Host=own)
        assert status < 500, path
        location = headers.get("location", "/")
        assert location.startswith("/"), (path, location)
        assert not location.startswith(("//", "/\\")), (path, location)
        assert "set-cookie" not in location.lower() or "%0" in location.lower()
    assert fetched(port, "/overview?study=a", Host=own)[1]["location"] == "/?study=a"


def test_listening_to_the_network_is_warned_of_and_asks_nobody_outside(study: Path, outside: Outside) -> None:
    with serving(study, outside, "--address", "0.0.0.0") as (_, port):
        assert fetched(port, Host=f"127.0.0.1:{port}")[0] == 200
        assert fetched(port, Host=f"evil.example:{port}")[0] == 403
        said = (study.parent / f"log-{port}.txt").read_text()
    assert sum("no login" in line for line in said.splitlines()) == 1
    assert not outside.calls


def test_it_listens_on_the_loopback_of_ipv6(study: Path, outside: Outside) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    with serving(study, outside, "--address", "::1", host="[::1]") as (_, port):
        assert f"http://[::1]:{port}" in (study.parent / f"log-{port}.txt").read_text()


def children(of: int) -> list[int]:
    """Processes below one, near ones first."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(of)], capture_output=True, text=True, check=False)
    own = [int(pid) for pid in found.stdout.split()]
    return [*own, *(each for pid in own for each in children(pid))]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")
@pytest.mark.parametrize("who", ["xai serve", "server"])
def test_nothing_is_left_of_a_server_that_is_killed(study: Path, outside: Outside, who: str) -> None:
    with serving(study, outside) as (process, _):
        below = children(process.pid)
        deadline = time.monotonic() + 30
        while len(below) < 2 and time.monotonic() < deadline:
            below = children(process.pid)
        os.kill(process.pid if who == "xai serve" else below[0], signal.SIGKILL)
        deadline = time.monotonic() + 20
        while any(map(alive, below)) and time.monotonic() < deadline:
            time.sleep(0.1)
        left = [pid for pid in below if alive(pid)]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
    assert not left


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be counted does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
