"""Does a service answer a small HTTP request (RFC 9112), over TLS with certificate and host name checked?"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from schoolbeat_agent.observation import Observation, ProbeFailed, State
from schoolbeat_agent.probes.dns import Resolver, find_address, school_resolvers
from schoolbeat_agent.probes.no_answer import NoAnswer, no_answer_from
from schoolbeat_agent.probes.tcp import connect
from schoolbeat_agent.probes.world import World

FETCH_BYTES = 65_536  # status line, header fields and body together
READ_BYTES = 8_192
PORTS = {"http": 80, "https": 443}
CERT_NOT_YET_VALID = 9  # X509_V_ERR_CERT_NOT_YET_VALID of openssl/x509_vfy.h
DAY_SECONDS = 86_400


@dataclass(frozen=True)
class HttpTarget:
    """A service by its id and URL (http or https). No `resolvers`: those of resolv.conf."""

    id: str
    url: str
    resolvers: tuple[Resolver, ...] = ()
    timeout_seconds: float = 5.0


@dataclass(frozen=True)
class Head:
    """Status and, in lower case, header fields of a response; `size` is how many bytes they took."""

    status: int
    fields: dict[str, str]
    size: int


@dataclass
class Fetch:
    """What is known of a fetch so far: it may break off at any point."""

    connect_ms: float | None = None
    status: int | None = None
    http_ms: float | None = None
    tls_days_left: float | None = None
    notes: list[str] = field(default_factory=list)


def parse_url(url: str) -> SplitResult:
    """The parts of an http or https URL. ProbeFailed("not_configured") says what is wrong with it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ProbeFailed("not_configured", f"URL {url!r}: {error}") from error
    plain = all("!" <= sign <= "~" for sign in url)
    if parts.scheme not in PORTS or not parts.hostname or port == 0 or "@" in parts.netloc or not plain:
        raise ProbeFailed(
            "not_configured", f"URL {url!r}: write it like https://name/path, in ASCII, without a password"
        )
    return parts


def build_request(parts: SplitResult) -> bytes:
    """A GET that asks the server to close behind its answer."""
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return (
        f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: SchoolBeat\r\n"
        "Accept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n"
    ).encode("ascii")


def parse_head(data: bytes) -> Head | None:
    """The head of the final response, interim ones (1xx) left out; None while it is incomplete.

    NoAnswer("bad_answer") when the bytes are no HTTP/1 response.
    """
    start = 0
    while True:
        if not data[start:].startswith(b"HTTP/1."[: len(data) - start]):
            raise NoAnswer("bad_answer", "the answer is not HTTP/1")
        end = data.find(b"\r\n\r\n", start)
        if end < 0:
            return None
        first, *rest = data[start:end].decode("latin-1").split("\r\n")
        words = first.split(" ", 2)
        if len(words) < 2 or len(words[1]) != 3 or not words[1].isascii() or not words[1].isdigit():
            raise NoAnswer("bad_answer", f"a strange status line: {first[:80]!r}")
        status, start = int(words[1]), end + 4
        if not 100 <= status <= 599:
            raise NoAnswer("bad_answer", f"a strange status line: {first[:80]!r}")
        if status >= 200:
            pairs = (line.partition(":") for line in rest)
            return Head(status, {name.strip().lower(): value.strip() for name, _, value in pairs}, start)


def is_complete(head: Head, received: bytes) -> bool:
    """Whether a response is all there although the server keeps the connection open (RFC 9112, section 6.3)."""
    if head.status in (204, 304):
        return True
    if "transfer-encoding" in head.fields:
        return received.endswith(b"\r\n0\r\n\r\n")
    length = head.fields.get("content-length", "")
    return length.isascii() and length.isdigit() and len(received) - head.size >= int(length[:20])


def days_left(certificate: dict[str, object] | None, now: float) -> float | None:
    """Whole and part days until the certificate expires; None if it does not say."""
    expires = (certificate or {}).get("notAfter")
    return (ssl.cert_time_to_seconds(expires) - now) / DAY_SECONDS if isinstance(expires, str) else None


def tls_failure(error: ssl.SSLError, host: str) -> NoAnswer:
    """What a failed handshake says. ProbeFailed when it is rather our own clock that is wrong: a Pi has no battery."""
    if isinstance(error, ssl.SSLCertVerificationError):
        detail = f"{host}: {error.verify_message}"
        if error.verify_code == CERT_NOT_YET_VALID:
            raise ProbeFailed("tls_invalid", f"{detail}; is this machine's clock right?") from error
        return NoAnswer("tls_invalid", detail)
    return NoAnswer("tls_invalid", f"{host}: {error.reason or error}")


async def read_response(reader: asyncio.StreamReader, fetch: Fetch) -> None:
    """Read until the response is complete or FETCH_BYTES are in; sets the status as soon as it is known."""
    received = b""
    head = None
    while len(received) < FETCH_BYTES:
        data = await reader.read(READ_BYTES)
        received += data
        head = head or parse_head(received)
        if head is not None:
            fetch.status = head.status
            if is_complete(head, received):
                return
        if not data:
            break
    if head is None:
        raise NoAnswer("bad_answer", f"no HTTP answer in {len(received)} bytes")


async def fetch_into(fetch: Fetch, target: HttpTarget, parts: SplitResult, world: World) -> None:
    """Connect, ask and read, noting each step in `fetch`. NoAnswer where it breaks off."""
    host = parts.hostname or ""
    tls = world.tls if parts.scheme == "https" else None
    resolvers = target.resolvers or school_resolvers(world)
    address = (await find_address(host, resolvers, target.timeout_seconds / 2, world))[0]
    started = world.monotonic()
    sock, fetch.connect_ms = await connect(address, parts.port or PORTS[parts.scheme], target.timeout_seconds, world)
    fetch.notes.append(address)
    try:
        reader, writer = await asyncio.open_connection(
            sock=sock, ssl=tls, server_hostname=host if tls else None, limit=FETCH_BYTES
        )
    except BaseException:
        sock.close()
        raise
    try:
        fetch.tls_days_left = days_left(writer.get_extra_info("peercert"), world.wall())
        writer.write(build_request(parts))
        await read_response(reader, fetch)
        fetch.http_ms = (world.monotonic() - started) * 1_000
    finally:
        writer.transport.abort()


async def ask(target: HttpTarget, parts: SplitResult, world: World) -> tuple[Fetch, NoAnswer | None]:
    """The fetch, and what broke it off if something did."""
    fetch = Fetch()
    try:
        async with asyncio.timeout(target.timeout_seconds):
            await fetch_into(fetch, target, parts, world)
    except NoAnswer as no:
        return fetch, no
    except ssl.SSLError as error:
        return fetch, tls_failure(error, parts.hostname or "")
    except OSError as error:
        return fetch, no_answer_from(error, target.url)
    return fetch, None


async def probe(target: HttpTarget, world: World) -> Observation:
    """Signal service.<id> with connect_ms, http_ms, http_status and tls_days_left, each as far as it came.

    Any status below 500 is up: the service answers, though it may want a login. A body that does not end in time
    leaves the service up without http_ms.
    """
    parts = parse_url(target.url)
    signal = f"service.{target.id}"
    fetch, broken = await ask(target, parts, world)
    values = {
        "connect_ms": fetch.connect_ms,
        "http_ms": fetch.http_ms,
        "http_status": fetch.status,
        "tls_days_left": fetch.tls_days_left,
    }
    readings = {(signal, name): float(value) for name, value in values.items() if value is not None}
    notes = {signal: "; ".join([target.url, *fetch.notes, *([broken.detail] if broken else [])])}
    if fetch.status is not None and fetch.status < 500:
        return Observation({signal: State.UP}, readings, {}, notes)
    cause = "http_status" if fetch.status is not None else broken.cause if broken else "bad_answer"
    return Observation({signal: State.DOWN}, readings, {signal: cause}, notes)
