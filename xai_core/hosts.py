"""Names under which a server is asked for: the `Host` and `Origin` of a request, and the list of those allowed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from xai_core.errors import BadParameter

_AUTHORITY = re.compile(r"(?P<name>[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?|\[[0-9a-f:.]+\])\.?(:(?P<port>[0-9]{1,5}))?")


@dataclass(frozen=True)
class Host:
    """A name in lower case without a final dot, or an address in its shortest form; `port` None where none is given."""

    name: str
    port: int | None = None

    def __str__(self) -> str:
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port is None else f"{name}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether it always means the machine that asks. Other names mean what their owner says, now this, now that."""
        return self.name == "localhost" or is_loopback(self.name)


def parsed(text: str) -> Host | None:
    """`NAME`, `NAME:PORT`, `[::1]:PORT` as a host; None where the text is nothing of the kind."""
    found = _AUTHORITY.fullmatch(text.lower()) if len(text) <= 261 else None
    if found is None or int(found["port"] or 0) > 65535:
        return None
    name, port = found["name"], int(found["port"]) if found["port"] else None
    if not name.startswith("["):
        return Host(name, port)
    try:
        return Host(shortest(name[1:-1]), port)
    except ValueError:
        return None


def of_address(address: str) -> Host | None:
    """An address to listen on, as the host that it is asked for by; None where it is neither name nor address."""
    return parsed(f"[{address}]" if ":" in address else address)


def shortest(address: str) -> str:
    """The usual form of an IP address; IPv4 within IPv6 as IPv4. Raises ValueError for what is no address."""
    found = ip_address(address)
    inner = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(inner or found)


def is_loopback(address: str) -> bool:
    """Whether an address is of this machine alone; False for what is no address."""
    try:
        return ip_address(shortest(address)).is_loopback
    except ValueError:
        return False


def allowed_hosts(text: str) -> frozenset[Host]:
    """The hosts of a list with commas.

    Raises:
        BadParameter: an entry that is neither NAME nor NAME:PORT.
    """
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    for entry in entries:
        if parsed(entry) is None:
            remedy = "Write a name as browsers show it, NAME or NAME:PORT, without http:// and without a path."
            raise BadParameter("not the name of a host", value=entry, remedy=remedy)
    return frozenset(host for entry in entries if (host := parsed(entry)))
