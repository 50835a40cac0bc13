"""What a browser asks of the page, and whether it may: HTTP/1.1 (RFC 9112) as far as one page needs it; pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

REQUEST_BYTES: Final = 8_192
HEADERS: Final = 64
METHODS: Final = ("GET", "HEAD")
REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    421: "Misdirected Request",
    505: "HTTP Version Not Supported",
}

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# RFC 1918, RFC 4193, RFC 3927 and RFC 4291: what a school's LAN can be. Not RFC 6598: that is the provider's.
PRIVATE: Final[tuple[Network, ...]] = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")
)
_LINE = re.compile(rb"([A-Z]{1,16}) (/[!-~]{0,1023}) HTTP/(\d)\.(\d)")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}):[ \t]*([\t -~\x80-\xff]*?)[ \t]*")


@dataclass(frozen=True)
class Request:
    """host: as the browser names us, without the port; empty where it does not say."""

    method: str
    path: str
    host: str


class Refused(Exception):
    """status: of HTTP."""

    def __init__(self, status: int) -> None:
        super().__init__(REASONS[status])
        self.status = status


def parse(head: bytes) -> Request:
    """The head of a request, up to its empty line. Refused when it is none that we answer."""
    first, *lines = head.split(b"\r\n")
    line = _LINE.fullmatch(first)
    if line is None or len(lines) > HEADERS:
        raise Refused(400)
    method, target, major, minor = line.groups()
    if major != b"1":
        raise Refused(505)
    hosts = []
    for header in filter(None, lines):
        found = _HEADER.fullmatch(header)
        if found is None:
            raise Refused(400)
        if found[1].lower() == b"host":
            hosts.append(found[2].decode("latin-1"))
    if len(hosts) > 1 or (not hosts and minor != b"0"):
        raise Refused(400)  # RFC 9112, 3.2
    if method.decode() not in METHODS:
        raise Refused(405)
    return Request(method.decode(), target.decode().partition("?")[0], _without_port("".join(hosts)))


def _without_port(host: str) -> str:
    found = re.fullmatch(r"\[([0-9A-Fa-f:.%]+)\](?::\d{0,5})?|([^:]*)(?::\d{0,5})?", host)
    return (found[1] or found[2] or "").lower() if found else "?"


def is_ours(host: str, names: Iterable[str]) -> bool:
    """Whether a browser that means this page would name this host: an address, or one of our own names.

    A page from elsewhere whose name was made to point here (DNS rebinding) names another one.
    """
    return not host or _address(host) is not None or host.rstrip(".") in names


def own_names(hostname: str) -> frozenset[str]:
    """What this machine is called on a LAN."""
    name = hostname.lower().partition(".")[0]
    return frozenset({"localhost", hostname.lower(), *(f"{name}{end}" for end in ("", ".local", ".lan", ".home"))})


def _address(text: str) -> Address | None:
    """Also of an IPv6 socket that an IPv4 client reached, and with a scope."""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found


def may_ask(client: str, networks: Iterable[Network]) -> bool:
    """Whether this client stands in one of the networks, or is this machine."""
    address = _address(client)
    return address is not None and (address.is_loopback or any(address in network for network in networks))


def lans_among(addresses: Iterable[tuple[str, str | None]]) -> tuple[Network, ...]:
    """Of this machine's (address, netmask): the networks that are private ones."""
    found = []
    for text, mask in addresses:
        address = _address(text)
        if address is None or not mask or not any(address in network for network in PRIVATE):
            continue
        try:
            bits = mask if address.version == 4 else str(int(ipaddress.IPv6Address(mask)).bit_count())
            found.append(ipaddress.ip_network(f"{address}/{bits}", strict=False))
        except ValueError:
            continue
    return tuple(dict.fromkeys(found))


def response(status: int, body: bytes, style_hash: str, *, send_body: bool = True) -> bytes:
    """Closed after it; a browser that asks again opens a new connection."""
    lines = [
        f"HTTP/1.1 {status} {REASONS[status]}",
        "Content-Type: text/html; charset=utf-8" if status == 200 else "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
        "Cache-Control: no-store",
        f"Content-Security-Policy: default-src 'none'; style-src 'sha256-{style_hash}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options: nosniff",
        "Referrer-Policy: no-referrer",
        "Cross-Origin-Resource-Policy: same-origin",
        *(["Allow: GET, HEAD"] if status == 405 else []),
    ]
    return "\r\n".join((*lines, "", "")).encode() + (body if send_body else b"")
