"""What a host's TCP services say to a visitor who knows no password: the first bytes of HTTP, RTSP and SSH."""

from __future__ import annotations

import asyncio
import re
import ssl
from html import unescape
from typing import Final

from schoolbeat_agent.discovery.evidence import WebPage
from schoolbeat_agent.observation import ProbeFailed
from schoolbeat_agent.probes import tcp
from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_agent.probes.world import World
from schoolbeat_wire import bounds

# Only connected to and hung up at once, unless they are of WEB, TLS, RTSP or SSH: no printer prints anything.
PORTS: Final = (
    *(80, 443, 22, 23, 445, 515, 554, 631, 1515, 3389, 3629, 4352),
    *(4660, 4664, 5000, 5060, 8000, 8080, 8291, 9100, 9761, 34567, 37777, 62078),
)
WEB: Final = (80, 8080, 5000, 8000)
TLS: Final = (443,)
RTSP: Final = 554
SSH: Final = 22
CONNECT_SECONDS: Final = 0.8
TALK_SECONDS: Final = 4.0
PAGE_BYTES: Final = 24_576
LETTERS: Final = 120
CONTROL = re.compile(f"(?:{bounds.CONTROL.pattern})+")
TITLE = re.compile(r"<title[^>]{0,200}>(.{0,400}?)</title", re.IGNORECASE | re.DOTALL)
HINTS = re.compile(r"hikvision|dahua|ruijie|mikrotik|unifi|synology|epson|tp-?link|tenda|zte", re.IGNORECASE)


async def open_ports(address: str, world: World, at_once: asyncio.Semaphore) -> frozenset[int]:
    """Which of PORTS accept a connection."""

    async def one(port: int) -> int:
        async with at_once:
            try:
                sock, _ = await tcp.connect(address, port, CONNECT_SECONDS, world)
            except (NoAnswer, ProbeFailed):
                return 0
            sock.close()
            return port

    return frozenset(port for port in await asyncio.gather(*map(one, PORTS)) if port)


async def _said(address: str, port: int, question: bytes, most: int, tls: ssl.SSLContext | None) -> bytes:
    """What is said until it hangs up, at most so many bytes and TALK_SECONDS; empty where nothing is."""
    got = b""
    writer = None
    try:
        async with asyncio.timeout(TALK_SECONDS):
            reader, writer = await asyncio.open_connection(address, port, ssl=tls)
            writer.write(question)
            while len(got) < most and (part := await reader.read(most - len(got))):
                got += part
                if not question or (most <= LETTERS * 20 and b"\r\n\r\n" in got):
                    break
    except (OSError, TimeoutError, ssl.SSLError, asyncio.IncompleteReadError, ValueError):
        pass
    finally:
        if writer is not None:
            writer.transport.abort()
    return got


def any_certificate() -> ssl.SSLContext:
    """To read a device's title page: they sign their certificates themselves, and nothing secret is said."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


async def web_page(address: str, port: int) -> WebPage | None:
    """One GET of /, no redirect followed."""
    question = f"GET / HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode()
    return parse_page(
        port, await _said(address, port, question, PAGE_BYTES, any_certificate() if port in TLS else None)
    )


async def rtsp(address: str, port: int = RTSP) -> tuple[str, str]:
    """Server and realm of an RTSP DESCRIBE (RFC 2326) without credentials: many recorders' and cameras' own names."""
    question = f"DESCRIBE rtsp://{address}:{port}/ RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n"
    headers = parse_headers(await _said(address, port, question.encode(), LETTERS * 20, None))
    return headers.get("server", ""), realm(headers)


async def banner(address: str, port: int = SSH) -> str:
    """RFC 4253, 4.2: what the SSH server says first."""
    return clean((await _said(address, port, b"", LETTERS * 2, None)).split(b"\n")[0])


def clean(data: bytes | str) -> str:
    """One line of bounded length."""
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
    return CONTROL.sub(" ", text).strip()[:LETTERS]


def parse_headers(data: bytes) -> dict[str, str]:
    """Of HTTP and RTSP answers, names in lower case; the first of a name counts."""
    out: dict[str, str] = {}
    for line in data.split(b"\r\n\r\n")[0].split(b"\n")[1:60]:
        name, colon, value = line.partition(b":")
        if colon:
            out.setdefault(clean(name).lower(), clean(value))
    return out


def realm(headers: dict[str, str]) -> str:
    found = re.search(r'realm="?([^",]{1,80})', headers.get("www-authenticate", ""), re.IGNORECASE)
    return found[1].strip() if found else ""


def parse_page(port: int, data: bytes) -> WebPage | None:
    """None where it is no HTTP answer."""
    status = re.match(rb"HTTP/\d\.\d (\d{3})", data)
    if not status:
        return None
    headers = parse_headers(data)
    body = data.partition(b"\r\n\r\n")[2].decode("utf-8", "replace")
    title = TITLE.search(body)
    return WebPage(
        port,
        int(status[1]),
        headers.get("server", ""),
        realm(headers),
        clean(unescape(title[1])) if title else "",
        headers.get("location", ""),
        tuple(sorted({hint.lower() for hint in HINTS.findall(body)})),
    )
