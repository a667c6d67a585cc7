"""The server: `streamlit run dashboard/main.py` (which is what `xai serve` does)."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.access import KnownHosts, authority
from dashboard.frame.context import Services, services
from xai_core.errors import XaiError
from xai_core.hosts import allowed_hosts
from xai_core.settings import load
from xai_core.worker.parent import end_with

LOG = logging.getLogger("xai.dashboard")

FRONT = "overview"
"""URL of the first page; not asked of the pages, because importing them before Streamlit runs makes it complain."""

SECONDS_BETWEEN_SWEEPS = 2.0
SECONDS_TO_END = 5.0

_HEADERS = {
    # Everything comes from this server. Components and charts run as inline scripts, hence `unsafe-inline` and blobs.
    "content-security-policy": "; ".join(
        (
            "default-src 'self'",
            "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self' blob: data:",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "frame-ancestors 'self'",
        )
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}

_NOT_READABLE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="240" height="240" fill="#808a87" font-family="sans-serif">'
    '<path d="M96 74h48v38H96zM92 70v46h56V70zM90 122l60-58 4 4-60 58z" fill-rule="evenodd"/>'
    '<text x="120" y="152" font-size="19" text-anchor="middle">picture not readable</text></svg>'
)
"""Browsers draw it in place of a picture although the answer is 404."""


class SecurityHeaders:
    """Adds the headers to every answer. Pages may connect to the host that they came from, and to no other."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                if own := authority(scope):  # older browsers do not count a WebSocket to the same host as 'self'
                    sockets = f"connect-src 'self' ws://{own} wss://{own}"
                    policy = _HEADERS["content-security-policy"].replace("connect-src 'self'", sockets)
                    headers["content-security-policy"] = policy
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


def tile(request: Request) -> Response:
    """One picture by its opaque name. Runs on a thread: drawing takes milliseconds."""
    missing = Response(status_code=404, headers={"cache-control": "no-store"})
    try:
        drawn = services().tiles.draw(request.path_params["name"])
    except XaiError as error:  # the file of a sample is gone or damaged; the page says so in its place
        LOG.warning("no picture: %s", error)
        return Response(_NOT_READABLE, 404, {"cache-control": "no-store"}, "image/svg+xml")
    if drawn is None:
        return missing
    kept = {"cache-control": "private, max-age=31536000, immutable"}
    return Response(drawn.content, media_type=drawn.media_type, headers=kept)


def front(request: Request) -> Response:
    """The first page of the menu lives at `/`; its own name leads there too, with the selection.

    Without a host: the browser stays where it is, whatever the request called this server.
    """
    query = request.url.query
    return RedirectResponse(f"/?{query}" if query else "/")


@asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[None]:
    """The worker lives as long as the server, and the server as long as `xai serve`."""
    shared = services()
    shared.worker.start()
    if started_by := os.environ.get("XAI_SERVE_PID"):
        end_with(int(started_by), _end)
    looking = asyncio.create_task(_give_up_what_was_left(shared))
    try:
        yield
    finally:
        looking.cancel()
        shared.worker.stop()
        shared.uploads.end()


async def _give_up_what_was_left(shared: Services) -> None:
    while True:
        await asyncio.sleep(SECONDS_BETWEEN_SWEEPS)
        await asyncio.to_thread(shared.interest.sweep, shared.worker.cancel)
        await asyncio.to_thread(shared.uploads.sweep, shared.tiles.forget)


def _end() -> None:
    """As Ctrl-C does; at once where that takes too long."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(SECONDS_TO_END)
    os._exit(1)


settings = load()
app = st.App(
    Path(__file__).with_name("app.py"),
    routes=[Route("/tiles/{name}", tile), Route(f"/{FRONT}", front)],
    lifespan=lifespan,
    middleware=[
        Middleware(SecurityHeaders),
        Middleware(KnownHosts, address=settings.address, allowed=allowed_hosts(settings.allow_hosts)),
    ],
)
