"""As much of WebSocket (RFC 6455) as a speed test needs: a client that counts big messages and reads small ones."""

from __future__ import annotations

import base64
import hashlib
import struct
from dataclasses import dataclass
from typing import Final

from schoolbeat_agent.probes.no_answer import NoAnswer

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
FRAME_BYTES: Final = 1 << 24  # the longest message of ndt7
TEXT_BYTES: Final = 64 * 1024
CONTROL_BYTES: Final = 125  # RFC 6455, section 5.5
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def upgrade(host: str, path: str, key: str, protocol: str) -> bytes:
    """The opening handshake (section 4.1)."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {protocol}\r\n"
        "User-Agent: SchoolBeat\r\n\r\n"
    ).encode("ascii")


def accept_for(key: str) -> str:
    return base64.b64encode(hashlib.sha1(key.encode("ascii") + _GUID, usedforsecurity=False).digest()).decode("ascii")


def check_upgraded(head: bytes, key: str, protocol: str) -> None:
    """NoAnswer unless the server switched protocols as asked (section 4.2.2)."""
    first, *rest = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
        raise NoAnswer("bad_answer", f"the speed server does not speak HTTP: {first[:80]!r}")
    if words[1] == "503":
        raise NoAnswer("no_capacity", "the speed server has no capacity (503)")
    if words[1] != "101":
        raise NoAnswer("http_status", f"the speed server refuses the test: {first[:80]!r}")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    if fields.get("sec-websocket-accept") != accept_for(key):
        raise NoAnswer("bad_answer", "the speed server's WebSocket answer is not to our question")
    if fields.get("sec-websocket-protocol") != protocol:
        raise NoAnswer("bad_answer", f"the speed server does not speak {protocol}")


def frame_head(opcode: int, size: int, mask: bytes) -> bytes:
    """What stands before a whole message of a client; mask: four random bytes, new for each (section 5.3)."""
    first = bytes([0x80 | opcode])
    if size < 126:
        return first + bytes([0x80 | size]) + mask
    if size < 1 << 16:
        return first + struct.pack("!BH", 0x80 | 126, size) + mask
    return first + struct.pack("!BQ", 0x80 | 127, size) + mask


def control_frame(opcode: int, payload: bytes, mask: bytes) -> bytes:
    """A client's ping, pong or close, masked."""
    payload = payload[:CONTROL_BYTES]
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return frame_head(opcode, len(payload), mask) + masked


@dataclass(frozen=True)
class Message:
    """A whole text message, or a control frame."""

    opcode: int
    payload: bytes


class Frames:
    """Takes a server's bytes in any pieces. Of binary messages only the bytes are counted, in `binary_bytes`."""

    def __init__(self) -> None:
        self.binary_bytes = 0
        self.closed = False
        self._head = b""  # of a frame, while it is incomplete
        self._left = 0  # of the running frame's payload
        self._kept: bytearray | None = None  # that payload, where it is to be read
        self._opcode = 0
        self._final = True
        self._message = 0  # opcode of the data message that fragments belong to
        self._text = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The text messages and control frames that became whole. NoAnswer when these are no frames for a client."""
        out: list[Message] = []
        at = 0
        while at < len(data) or (self._opcode and self._left == 0):
            if not self._opcode:
                at = self._begin(data, at)
                continue
            taken = min(self._left, len(data) - at)
            if self._kept is not None:
                self._kept += data[at : at + taken]
            else:
                self.binary_bytes += taken
            at += taken
            self._left -= taken
            if self._left == 0:
                self._end(out)
        return out

    def _begin(self, data: bytes, at: int) -> int:
        """Reads a frame's head (section 5.2); the place behind what was read."""
        need = _head_size(self._head) if len(self._head) >= 2 else 2
        take = min(need - len(self._head), len(data) - at)
        self._head += data[at : at + take]
        if len(self._head) >= 2 and len(self._head) == _head_size(self._head):
            self._open(self._head)
            self._head = b""
        return at + take

    def _open(self, head: bytes) -> None:
        opcode, size = head[0] & 0x0F, head[1] & 0x7F
        if head[0] & 0x70 or head[1] & 0x80 or opcode not in (0, TEXT, BINARY, CLOSE, PING, PONG):
            raise NoAnswer("bad_answer", "the speed server sends a WebSocket frame that is not allowed")
        if size >= 126:
            size = int.from_bytes(head[2:], "big")
        self._final, self._left = bool(head[0] & 0x80), size
        is_control = opcode >= CLOSE
        if is_control and (size > CONTROL_BYTES or not self._final):
            raise NoAnswer("bad_answer", "the speed server sends a control frame that is too long")
        if not is_control:
            if (opcode == 0) is (self._message == 0):
                raise NoAnswer("bad_answer", "the speed server's WebSocket fragments do not fit together")
            self._message = opcode or self._message
            most = FRAME_BYTES if self._message == BINARY else TEXT_BYTES - len(self._text)
            if size > most:
                raise NoAnswer("too_much", f"the speed server sends a message of {size} bytes")
        self._opcode = opcode if is_control else self._message
        self._kept = None if self._opcode == BINARY else bytearray()

    def _end(self, out: list[Message]) -> None:
        opcode, kept = self._opcode, self._kept
        self._opcode, self._kept = 0, None
        if opcode >= CLOSE:
            out.append(Message(opcode, bytes(kept or b"")))
            self.closed = self.closed or opcode == CLOSE
            return
        if opcode == TEXT:
            self._text += kept or b""
        if self._final:
            self._message = 0
            if opcode == TEXT:
                out.append(Message(TEXT, bytes(self._text)))
                self._text.clear()


def _head_size(head: bytes) -> int:
    size = head[1] & 0x7F
    return 2 + (8 if size == 127 else 2 if size == 126 else 0)
