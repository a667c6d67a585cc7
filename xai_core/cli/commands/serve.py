"""`xai serve`: the dashboard on one or several studies."""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import webbrowser
from dataclasses import replace
from pathlib import Path
from typing import Any

from xai_core.cli.command import Command, elsewhere_argument, path, port
from xai_core.errors import BadInput, BadParameter, NotFound
from xai_core.files import ROOT
from xai_core.hosts import Host, allowed_hosts, of_address
from xai_core.settings import Settings
from xai_core.settings import load as load_settings


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("studies", nargs="+", type=path, metavar="STUDY", help="study folders; no other is shown")
    elsewhere_argument(parser)
    parser.add_argument("--port", type=port, help="default 8501")
    parser.add_argument("--address", help="default 127.0.0.1: this machine only")
    parser.add_argument(
        "--allow-host",
        action="append",
        metavar="NAME[:PORT]",
        help="answer to this name too, as of a proxy before the dashboard; may be given several times",
    )
    parser.add_argument("--device", help="where models run: auto, cpu, cuda or cuda:N")


def _run(args: argparse.Namespace) -> dict[str, Any]:
    names = ",".join(args.allow_host) if args.allow_host else None
    given = {"port": args.port, "address": args.address, "device": args.device, "allow_hosts": names}
    settings = load_settings(given)
    return serve(args.studies, settings)


def serve(studies: list[Path], settings: Settings) -> dict[str, Any]:
    """Run the dashboard until it is stopped.

    Raises:
        NotFound, BadInput, NewerSchema: a folder that is not a study.
        BadParameter: two studies of one name, an address or a port that cannot be listened on, or a name to allow
            that is none.
    """
    from xai_core.store.study import Study

    opened = [Study.open(path) for path in studies]
    names = [study.name for study in opened]
    for name in names:
        if names.count(name) > 1:
            raise BadParameter("two studies have one name", value=name, remedy="Rename one folder.")
    app = ROOT / "dashboard" / "main.py"
    if not app.is_file():
        raise NotFound("the dashboard is not installed beside the library", remedy="Install the project anew.")
    allowed_hosts(settings.allow_hosts)
    check_port(settings.address, settings.port)
    host = of_address(settings.address) or Host(settings.address)
    url = f"http://{replace(host, port=settings.port)}"
    print(f"Second Look: {url}  (Ctrl-C stops it)", file=sys.stderr)
    if not host.loopback:
        print(
            "Warning: there is no login; whoever reaches this address can read and change the studies.", file=sys.stderr
        )
    if _somebody_is_there():
        threading.Thread(target=_open_when_healthy, args=(url,), daemon=True, name="browser").start()
    return {"exit": _run_streamlit(app, [study.path.resolve() for study in opened], settings)}


def check_port(address: str, port: int) -> None:
    """Raise BadParameter where something already listens on the port."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:  # as the server will
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except (OSError, ValueError, TypeError) as error:  # the latter two where the text is no address at all
            reason = error.strerror if isinstance(error, OSError) else "not an address"
            taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
            remedy = f"Choose another {'--port' if taken else '--address or --port'}."
            raise BadParameter(f"cannot listen here ({reason})", value=f"{address}:{port}", remedy=remedy) from None


def _somebody_is_there() -> bool:
    """Whether a person sits before a screen here: a terminal, and on Linux a display."""
    screen = sys.platform != "linux" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return sys.stderr.isatty() and screen


def _open_when_healthy(url: str) -> None:
    for _ in range(600):
        time.sleep(0.2)
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/_stcore/health", timeout=2):
            webbrowser.open(url)
            return


def _run_streamlit(app: Path, studies: list[Path], settings: Settings) -> int:
    command = [sys.executable, "-m", "streamlit", "run", str(app)]
    command += ["--server.address", settings.address, "--server.port", str(settings.port)]
    environment = os.environ | {
        "XAI_STUDIES": json.dumps([str(path) for path in studies]),
        "XAI_SERVE_PID": str(os.getpid()),
        "XAI_ADDRESS": settings.address,
        "XAI_ALLOW_HOSTS": settings.allow_hosts,
        "XAI_DEVICE": settings.device,
        "XAI_THREADS": str(settings.threads),
        "XAI_COMPUTE": settings.compute,
    }
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=sys.stderr)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        code = process.wait()
    except KeyboardInterrupt:
        code = process.wait()
    if code not in (0, -signal.SIGTERM, -signal.SIGINT, 130):
        raise BadInput("the dashboard stopped", value=f"exit {code}", remedy="The lines above say why.")
    return 0


def _show(result: dict[str, Any]) -> str:
    return f"The dashboard ended with exit status {result['exit']}."


COMMAND = Command("serve", "open the dashboard on these studies", _configure, _run, _show)
