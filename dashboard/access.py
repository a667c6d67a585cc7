"""Who may ask: requests to this server by a name of its own, from pages of its own. Checked before Streamlit sees them.

A web page that somebody visits can make the browser ask any server of this machine. It betrays itself by the `Host`
that it asked for (its own name, pointed here: DNS rebinding) or by its `Origin`. Streamlit compares the two with each
other only, and asks a machine outside what its own address is where they differ.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from xai_core.hosts import Host, of_address, parsed, shortest

CLOSED = frozenset({"/_stcore/metrics"})
"""Paths of Streamlit's that nobody needs: they tell of all sessions."""

_PORTS = {"http": 80, "https": 443}
_PLAIN = {"ws": "http", "wss": "https", "http": "http", "https": "https"}


class Refusal(Exception):
    """Why a request is not answered; `text` is for people."""

    def __init__(self, text: str, status: int = 403) -> None:
        super().__init__(text)
        self.text, self.status = text, status


class KnownHosts:
    """Lets through what asks for loopback, the address it was started with or came in on, or an allowed host.

    What passes carries one `Host`, and an `Origin` (where it has one) that fits to it: Streamlit finds nothing to ask.
    Ports of a `Host` are not compared with the server's, so that forwarded ports work; an `Origin` must have the same
    as the `Host`. `X-Forwarded-Host` means nothing here.
    """

    def __init__(self, app: ASGIApp, *, address: str, allowed: AbstractSet[Host]) -> None:
        self._app, self._allowed = app, allowed
        own = of_address(address)
        self._own = own.name if own else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it in plain text."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            checked = self._checked(scope)
        except Refusal as refusal:
            # Of a WebSocket too: uvicorn answers the handshake with it.
            answer = PlainTextResponse(refusal.text, refusal.status, {"cache-control": "no-store"})
            await answer(scope, receive, send)
            return
        await self._app(checked, receive, send)

    def _checked(self, scope: Scope) -> Scope:
        host = self._host(scope)
        headers = Headers(scope=scope).mutablecopy()
        headers["host"] = str(host)
        if self._from_here(scope, host):
            headers["origin"] = f"{_PLAIN[scope['scheme']]}://{host}"
        if scope["path"].rstrip("/") in CLOSED:
            raise Refusal("Not found.", 404)
        return {**scope, "headers": headers.raw}

    def _host(self, scope: Scope) -> Host:
        given = Headers(scope=scope).getlist("host")
        host = parsed(given[0]) if len(given) == 1 else None
        if host is None:
            raise Refusal("A request must name one host, as NAME or NAME:PORT.", 400)
        if not (host.loopback or host.name in (self._own, _came_in_on(scope)) or self._allows(host)):
            raise Refusal(
                f"This dashboard does not answer to the name {host.name}. If it is yours, start the dashboard with\n\n"
                f"    xai serve STUDY --allow-host {host}\n"
            )
        return host

    def _from_here(self, scope: Scope, host: Host) -> bool:
        """Whether the request names an origin; raises a Refusal where it is none of ours."""
        given = Headers(scope=scope).getlist("origin")
        if not given:
            return False
        scheme, origin = _origin(given[0]) if len(given) == 1 else ("", None)
        same = scheme == _PLAIN[scope["scheme"]] and origin is not None and _same(origin, host, scheme)
        if not same and (origin is None or not self._allows(origin, scheme)):
            raise Refusal("This dashboard answers only to its own pages, not to those of another address.")
        return True

    def _allows(self, host: Host, scheme: str = "") -> bool:
        """Whether the host is on the list; an entry without a port means any, a host without one the usual one."""
        usual = [_PORTS[scheme]] if scheme else _PORTS.values()
        ports = {None, *([host.port] if host.port else usual)}
        return any(Host(host.name, port) in self._allowed for port in ports)


def authority(scope: Scope) -> str:
    """What a checked request names as its host; "" where that is nothing usable."""
    host = parsed(Headers(scope=scope).get("host", ""))
    return str(host) if host else ""


def _origin(text: str) -> tuple[str, Host | None]:
    """Scheme and host of `http://NAME:PORT`; no host for anything else, `null` for one."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return "", None
    bare = not (parts.path or parts.query or parts.fragment)
    return parts.scheme, parsed(parts.netloc) if bare and parts.scheme in _PORTS else None


def _same(one: Host, other: Host, scheme: str) -> bool:
    """Whether both mean one host and port."""
    usual = _PORTS[scheme]
    return (one.name, one.port or usual) == (other.name, other.port or usual)


def _came_in_on(scope: Scope) -> str:
    """This machine's address that the client reached; nobody else's page can have it as its own."""
    server = scope.get("server")
    try:
        return shortest(server[0]) if server else ""
    except ValueError:
        return ""
