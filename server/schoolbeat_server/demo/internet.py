"""A simulated Internet for the lab: name servers and web servers, so that names resolve and connections open.

Not the real Internet and never reachable from it: it listens on test addresses inside the lab's namespaces.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import shutil
import ssl
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from email.utils import formatdate
from pathlib import Path
from typing import cast

# Names of RFC 2606, addresses of RFC 5737. What lies behind the cable c4 is abroad.
DOMESTIC = ("192.0.2.10", "192.0.2.11", "192.0.2.12")
INTERNATIONAL = ("198.51.100.10", "198.51.100.11", "198.51.100.12")
DOMESTIC_RESOLVER = "192.0.2.53"
INTERNATIONAL_RESOLVER = "198.51.100.53"
SERVER = "198.51.100.20"  # free for a SchoolBeat server and its broker
NAMES: Mapping[str, str] = {
    "www.domestic.example": DOMESTIC[0],
    "csdl.edu.example": DOMESTIC[1],  # the sector's database
    "truong.edu.example": DOMESTIC[2],  # the school's platform
    "www.world.example": INTERNATIONAL[0],
    "hoclieu.world.example": INTERNATIONAL[1],  # a lesson hub
    "schoolbeat.example": SERVER,
}

_TTL_SECONDS = 60
_QUERY_BYTES = 512
_REQUEST_BYTES = 8_192
_REQUEST_SECONDS = 10
_BODY = b"SchoolBeat: Internet m\xc3\xb4 ph\xe1\xbb\x8fng / simulated Internet\n"
_TYPE_A, _CLASS_IN = 1, 1
_NO_ERROR, _FORMAT_ERROR, _NO_SUCH_NAME = 0, 1, 3


def answer(query: bytes, names: Mapping[str, str]) -> bytes | None:
    """The answer to a DNS query (RFC 1035, 4.1): an address, nothing of that type, or no such name.

    None for what deserves no answer at all: too short, too long, or itself an answer.
    """
    if not 12 <= len(query) <= _QUERY_BYTES or query[2] & 0x80:
        return None
    number, flags, questions = struct.unpack_from("!HHH", query)
    parsed = _question(query) if questions == 1 and not flags & 0x7800 else None
    if parsed is None:
        return struct.pack("!6H", number, 0x8080 | flags & 0x0100 | _FORMAT_ERROR, 0, 0, 0, 0)
    name, kind, end = parsed
    address = names.get(name)
    code = _NO_ERROR if address else _NO_SUCH_NAME
    found = b""
    if address and kind == (_TYPE_A, _CLASS_IN):
        packed = ipaddress.IPv4Address(address).packed
        found = struct.pack("!HHHLH", 0xC00C, _TYPE_A, _CLASS_IN, _TTL_SECONDS, len(packed)) + packed
    header = struct.pack("!6H", number, 0x8480 | flags & 0x0100 | code, 1, 1 if found else 0, 0, 0)
    return header + query[12:end] + found


def _question(query: bytes) -> tuple[str, tuple[int, int], int] | None:
    """(name in lower case, (type, class), where it ends), or None if it cannot be read."""
    labels: list[str] = []
    at = 12
    while at < len(query) and query[at]:
        length = query[at]
        if length > 63 or at + 1 + length >= len(query):
            return None
        labels.append(query[at + 1 : at + 1 + length].decode("ascii", "replace").lower())
        at += 1 + length
    if at + 5 > len(query):
        return None
    kind, family = struct.unpack_from("!HH", query, at + 1)
    return ".".join(labels), (kind, family), at + 5


class NameServer(asyncio.DatagramProtocol):
    """Answers over UDP."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # Python 3.11's is no subclass of it

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        reply = answer(data, self._names)
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, address)


async def serve_page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one HTTP request, whatever it asks for, and close."""
    try:
        async with asyncio.timeout(_REQUEST_SECONDS):
            request = await reader.readuntil(b"\r\n\r\n")
            lines = [
                "HTTP/1.1 200 OK",
                f"Date: {formatdate(usegmt=True)}",
                "Content-Type: text/plain; charset=utf-8",
                f"Content-Length: {len(_BODY)}",
                "Connection: close",
            ]
            writer.write("\r\n".join([*lines, "", ""]).encode())
            writer.write(b"" if request.startswith(b"HEAD ") else _BODY)
            await writer.drain()
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass  # whoever only wanted to see the port open has gone again
    finally:
        writer.close()


async def serve(
    resolvers: Sequence[str], webs: Sequence[str], secure: ssl.SSLContext | None, names: Mapping[str, str]
) -> None:
    """Listen until standard input ends (its other end is held by whoever wants us)."""
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as open_ports:
        for address in resolvers:
            transport, _ = await loop.create_datagram_endpoint(lambda: NameServer(names), local_addr=(address, 53))
            open_ports.callback(transport.close)
        for address in webs:
            for port, tls in ((80, None), (443, secure)):
                server = await asyncio.start_server(
                    serve_page, address, port, ssl=tls, limit=_REQUEST_BYTES, reuse_address=True
                )
                open_ports.callback(server.close)
        print("READY", flush=True)
        ended = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(ended), sys.stdin)
        while await ended.read(1024):
            pass


def make_certificates(folder: Path, names: Sequence[str]) -> tuple[Path, Path, Path] | None:
    """A CA and, signed by it, one certificate for these names and addresses: (ca, certificate, key).

    None where there is no openssl: then the lab's port 443 speaks plain HTTP.
    """
    if shutil.which("openssl") is None:
        return None
    ca, ca_key, certificate, key = (folder / name for name in ("ca.pem", "ca.key", "web.pem", "web.key"))
    alternatives = ",".join(f"{'IP' if name[-1].isdigit() else 'DNS'}:{name}" for name in names)
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    for_ca = ["-subj", "/CN=SchoolBeat lab CA", "-keyout", str(ca_key), "-out", str(ca), "-days", "30"]
    for_ca += ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    for_web = ["-subj", "/CN=SchoolBeat lab", "-keyout", str(key), "-out", str(certificate), "-days", "30"]
    for_web += ["-CA", str(ca), "-CAkey", str(ca_key), "-addext", f"subjectAltName={alternatives}"]
    for_web += ["-addext", "basicConstraints=critical,CA:FALSE"]
    for arguments in (for_ca, for_web):
        subprocess.run([*new, *arguments], check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return ca, certificate, key


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m schoolbeat_server.demo.internet --dns ADDRESS… --web ADDRESS… [--cert FILE --key FILE]`."""
    parser = argparse.ArgumentParser(prog="schoolbeat_server.demo.internet", description=__doc__)
    parser.add_argument("--dns", nargs="*", default=[], metavar="ADDRESS")
    parser.add_argument("--web", nargs="*", default=[], metavar="ADDRESS")
    parser.add_argument("--cert", type=Path)
    parser.add_argument("--key", type=Path)
    options = parser.parse_args(arguments)
    secure = None
    if options.cert is not None:
        secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        secure.load_cert_chain(options.cert, options.key)
    try:
        asyncio.run(serve(options.dns, options.web, secure, NAMES))
    except OSError as error:
        print(f"Không mở được cổng / cannot listen: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
