"""Who gets an answer: what asks by a name of the server's own, from a page of its own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from dashboard.access import KnownHosts
from dashboard.main import SecurityHeaders, front
from xai_core.errors import BadParameter
from xai_core.hosts import Host, allowed_hosts, parsed

OWN = "127.0.0.1:8501"


class Behind:
    """What stands for Streamlit: remembers what reached it, and answers."""

    def __init__(self) -> None:
        self.seen: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(scope)
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
        else:
            await send({"type": "websocket.accept"})


def asked(
    *headers: tuple[str, str],
    kind: str = "http",
    path: str = "/",
    allow: str = "",
    address: str = "127.0.0.1",
    **more: Any,
) -> tuple[list[Message], Behind]:
    """What a request with these headers is answered, and what reached the inside."""
    scheme = {"http": "http", "websocket": "ws"}[kind]
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    scope = {"type": kind, "scheme": scheme, "path": path, "headers": raw, "server": ("127.0.0.1", 8501)} | more
    said: list[Message] = []
    behind = Behind()

    async def send(message: Message) -> None:
        said.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    asyncio.run(KnownHosts(behind, address=address, allowed=allowed_hosts(allow))(scope, receive, send))
    return said, behind


def answered(*headers: tuple[str, str], **more: Any) -> bool:
    """Whether the request reaches the inside; the refusal is plain text."""
    said, behind = asked(*headers, **more)
    if behind.seen:
        return True
    assert said[0]["type"].endswith("http.response.start")
    assert said[0]["status"] in (400, 403, 404)
    assert dict(said[0]["headers"])[b"content-type"].startswith(b"text/plain")
    return False


KINDS = pytest.mark.parametrize("kind", ["http", "websocket"])


@KINDS
@pytest.mark.parametrize(
    "host",
    [
        OWN,
        "localhost:8501",
        "LocalHost:8501",
        "localhost.:8501",
        "[::1]:8501",
        "[0:0::1]",
        "127.0.0.1",
        "127.1.2.3:8501",
        "localhost:9000",
    ],  # a port forwarded by ssh or a container
)
def test_loopback_names_are_answered(kind: str, host: str) -> None:
    assert answered(("host", host), kind=kind)
    assert answered(("host", host), ("origin", f"http://{host}"), kind=kind)


@KINDS
@pytest.mark.parametrize(
    "host",
    [
        "evil.example:8501",
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil-localhost",
        "xlocalhost",
        "192.0.2.7:8501",
        "[2001:db8::1]:8501",
        "",
        " ",
        "localhost:8501:8501",
        "localhost:",
        "localhost:99999",
        "localhost:x",
        "user@localhost",
        "localhost/path",
        "localhost\\evil",
        "[::1",
        "::1",
        "[1]",
        "<b>evil</b>",
        "a,localhost",
        "é",
        "2130706433",
        "0x7f.1",
        "." * 9,
        "a" * 300,
    ],
)
def test_any_other_name_is_refused(kind: str, host: str) -> None:
    assert not answered(("host", host), kind=kind)
    assert not answered(("host", host), ("origin", f"http://{host}"), kind=kind)


@KINDS
def test_one_host_must_be_named_and_that_of_a_proxy_does_not_count(kind: str) -> None:
    assert not answered(kind=kind)
    assert not answered(("host", OWN), ("host", OWN), kind=kind)
    assert not answered(("host", "evil.example"), ("x-forwarded-host", OWN), kind=kind)
    _said, behind = asked(("host", OWN), ("x-forwarded-host", "evil.example"), kind=kind)
    assert dict(behind.seen[0]["headers"])[b"host"] == OWN.encode()


@KINDS
@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://evil.example:8501",
        "http://127.0.0.1:9999",
        "http://127.0.0.1",
        "http://localhost:8501",
        "https://127.0.0.1:8501",
        "null",
        "",
        "file://",
        "chrome-extension://abc",
        "http://127.0.0.1:8501/x",
        "127.0.0.1:8501",
        "http://127.0.0.1:8501@evil.example",
        "http://evil.example:8501#127.0.0.1:8501",
        "http://[",
        "http://a:b@127.0.0.1:8501",
    ],
)
def test_pages_of_other_addresses_are_refused(kind: str, origin: str) -> None:
    assert not answered(("host", OWN), ("origin", origin), kind=kind)


@KINDS
def test_an_origin_twice_is_refused(kind: str) -> None:
    own = ("origin", f"http://{OWN}")
    assert answered(("host", OWN), own, kind=kind)
    assert not answered(("host", OWN), own, own, kind=kind)


@KINDS
def test_the_list_allows_a_name_or_a_name_with_its_port(kind: str) -> None:
    assert answered(("host", "lab.example"), kind=kind, allow="lab.example")
    assert answered(("host", "lab.example:1234"), kind=kind, allow="Lab.Example.")
    assert not answered(("host", "lab.example:1234"), kind=kind, allow="lab.example:443")
    assert not answered(("host", "x.lab.example"), kind=kind, allow="lab.example")
    assert answered(
        ("host", "lab.example"), ("origin", "https://lab.example"), kind=kind, allow="a.example, lab.example"
    )
    assert answered(("host", OWN), ("origin", "https://lab.example"), kind=kind, allow="lab.example:443")
    assert not answered(("host", OWN), ("origin", "https://lab.example:8443"), kind=kind, allow="lab.example:443")


@KINDS
def test_the_address_it_listens_on_and_the_one_that_was_reached_are_its_own(kind: str) -> None:
    assert answered(("host", "labbox:8501"), kind=kind, address="labbox")
    assert answered(("host", "192.0.2.7:8501"), kind=kind, address="0.0.0.0", server=("192.0.2.7", 8501))
    assert answered(("host", "192.0.2.7:8501"), kind=kind, address="::", server=("::ffff:192.0.2.7", 8501))
    assert not answered(("host", "labbox:8501"), kind=kind, address="0.0.0.0", server=("192.0.2.7", 8501))


def test_what_passes_names_one_host_and_the_origin_that_fits() -> None:
    for host, origin in [("LOCALHOST:8501", "http://localhost:8501"), ("localhost", "https://lab.example")]:
        _, behind = asked(("host", host), ("origin", origin), kind="websocket", allow="lab.example")
        inside = dict(behind.seen[0]["headers"])
        assert inside[b"origin"] == b"http://" + inside[b"host"] == f"http://{host.lower()}".encode()


def test_the_refusal_says_how_to_allow_the_name() -> None:
    said, _ = asked(("host", "lab.example:80"))
    assert b"--allow-host lab.example:80" in said[1]["body"]


def test_figures_about_all_sessions_are_closed() -> None:
    assert not answered(("host", OWN), path="/_stcore/metrics")
    assert not answered(("host", OWN), path="/_stcore/metrics/")
    assert answered(("host", OWN), path="/_stcore/health")


@pytest.mark.parametrize("text", ["http://lab.example", "lab.example/x", "a b", "*", "x:y", "a@b", "-x,"])
def test_a_name_to_allow_is_checked(text: str) -> None:
    with pytest.raises(BadParameter, match="not the name of a host"):
        allowed_hosts(text)


def test_hosts_are_written_as_browsers_write_them() -> None:
    assert str(parsed("[::0001]:80")) == "[::1]:80"
    assert parsed("[::ffff:127.0.0.1]") == Host("127.0.0.1")


@pytest.mark.parametrize("query", [b"", b"study=a&next=//evil.example", b"//evil.example", b"\r\nx: y", b"%0d%0ax"])
def test_the_first_page_is_on_this_server_whatever_the_request_called_it(query: bytes) -> None:
    from starlette.requests import Request

    headers = [(b"host", b"evil.example")]
    scope = {"type": "http", "method": "GET", "path": "/overview", "query_string": query, "headers": headers}
    location = front(Request(scope)).headers["location"]
    assert location == "/" or location.startswith("/?")
    assert "\n" not in location


def test_pages_connect_to_the_host_they_came_from() -> None:
    said: list[Message] = []

    async def send(message: Message) -> None:
        said.append(message)

    async def receive() -> Message:
        raise AssertionError

    for host in (OWN, "evil.example; script-src *"):
        scope = {"type": "http", "scheme": "http", "path": "/", "headers": [(b"host", host.encode())]}
        asyncio.run(SecurityHeaders(Behind())(scope, receive, send))
    first, second = (dict(message["headers"])[b"content-security-policy"].decode() for message in said)
    assert f"connect-src 'self' ws://{OWN} wss://{OWN} blob: data:;" in first
    assert "connect-src 'self' blob: data:;" in second
    assert "evil" not in second
