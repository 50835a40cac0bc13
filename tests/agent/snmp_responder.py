"""An EMULATED SNMP agent (v1, v2c) that answers from a recording, with the faults that real agents have.

As a program: python3 snmp_responder.py RECORDING ADDRESS PORT [--community public] [--live]
"""

from __future__ import annotations

import argparse
import bisect
import contextlib
import heapq
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple

try:
    from tests.agent import snmprec
except ModuleNotFoundError:  # as a program, from any folder
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from tests.agent import snmprec
from tests.agent.snmprec import Records, Typed, Value

GET, GETNEXT, RESPONSE, GETBULK = 0xA0, 0xA1, 0xA2, 0xA5
NO_SUCH_INSTANCE, END_OF_VIEW = 0x81, 0x82
TOO_BIG, NO_SUCH_NAME = 1, 2
ANSWER_BYTES = 1472  # a GETBULK's answer is cut to it (RFC 3416 4.2.3)
PORT_OCTETS = ("1.3.6.1.2.1.2.2.1.10.", "1.3.6.1.2.1.2.2.1.16.", "1.3.6.1.2.1.31.1.1.1.6.", "1.3.6.1.2.1.31.1.1.1.10.")
UPTIME = "1.3.6.1.2.1.1.3.0"

Oid = tuple[int, ...]


# --- BER ---------------------------------------------------------------------------------------------------------


def tlv(tag: int, body: bytes) -> bytes:
    size = len(body)
    if size < 128:
        return bytes((tag, size)) + body
    long = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 128 | len(long))) + long + body


def integer(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)


def oid_bytes(oid: Oid) -> bytes:
    out = bytearray([oid[0] * 40 + oid[1]])
    for part in oid[2:]:
        sevens = [part & 127]
        while part := part >> 7:
            sevens.append(128 | part & 127)
        out += bytes(reversed(sevens))
    return bytes(out)


def oid_from(body: bytes) -> Oid:
    out, part = [body[0] // 40, body[0] % 40], 0
    for byte in body[1:]:
        part = part << 7 | byte & 127
        if not byte & 128:
            out.append(part)
            part = 0
    return tuple(out)


def elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(tag, body) of each. IndexError or ValueError where the data ends early."""
    at = 0
    while at < len(data):
        tag, size, at = data[at], data[at + 1], at + 2
        if size & 128:
            long = size & 127
            size, at = int.from_bytes(data[at : at + long], "big"), at + long
        if at + size > len(data):
            raise ValueError("cut short")
        yield tag, data[at : at + size]
        at += size


def parsed(text: str) -> Oid:
    return tuple(map(int, text.split(".")))


def encoded(found: Typed) -> bytes:
    tag, value = found
    if tag in snmprec.NUMBERS:
        assert isinstance(value, int)
        return tlv(tag, integer(value))
    if tag == snmprec.OID:
        return tlv(tag, oid_bytes(parsed(str(value))))
    if tag == snmprec.IP_ADDRESS:
        return tlv(tag, socket.inet_aton(str(value)))
    return tlv(tag, value if isinstance(value, bytes) else b"")


def guessed(value: Value) -> Typed:
    """A tag for rows that lost theirs."""
    if isinstance(value, bytes):
        return Typed(snmprec.OCTETS, value)
    if isinstance(value, str):
        return Typed(snmprec.IP_ADDRESS if value.count(".") == 3 else snmprec.OID, value)
    number = int(value)
    if -(2**31) <= number < 2**31:
        return Typed(snmprec.INTEGER, number)
    return Typed(snmprec.GAUGE32 if 0 <= number < 2**32 else snmprec.COUNTER64, number)


# --- the agent ---------------------------------------------------------------------------------------------------


@dataclass
class Faults:
    """What is wrong with it; may be changed while it answers.

    order: walks never end: "same" gives the asked OID again, "cycling" starts at the beginning again, "inside" repeats
    OIDs within one answer. never_above: a GETBULK for more repetitions is never answered. mangle: what its datagrams
    look like. lose: that many next requests are not answered.
    """

    silent: bool = False
    order: Literal["", "same", "cycling", "inside"] = ""
    never_above: int | None = None
    mangle: Literal["", "truncated", "garbage"] = ""
    delay_seconds: float = 0.0
    lose: int = 0
    no_bulk: bool = False
    most_objects: int | None = None  # a GET for more is not answered


class Asked(NamedTuple):
    """A request that came with the right community."""

    pdu: int
    oids: tuple[str, ...]
    repetitions: int


@dataclass
class EmulatedAgent:
    """Answers datagrams. live: OID -> what it is now. asked: every request it saw, for tests."""

    records: Mapping[str, Typed | Value]
    community: str = "public"
    faults: Faults = field(default_factory=Faults)
    live: Mapping[str, Callable[[], int]] = field(default_factory=dict)
    answer_bytes: int = ANSWER_BYTES
    get_bytes: int = 6_000  # a GET whose answer is larger is refused as too big
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.change(self.records)

    def change(self, records: Mapping[str, Typed | Value]) -> None:
        """Answers from these from now on."""
        typed = {parsed(oid): found if isinstance(found, Typed) else guessed(found) for oid, found in records.items()}
        for oid in self.live:
            typed.setdefault(parsed(oid), Typed(snmprec.COUNTER64, 0))
        self._typed, self._oids, self._encoded = typed, sorted(typed), {}  # encoded when first asked for
        self._live = {parsed(oid): now for oid, now in self.live.items()}

    def answer(self, datagram: bytes) -> bytes | None:
        """None: it says nothing."""
        faults = self.faults
        try:
            ((_, message),) = elements(datagram)
            (_, version), (_, community), (pdu, body) = elements(message)
            (_, request_id), (_, first), (_, second), (_, bindings) = elements(body)
            oids = [oid_from(next(elements(binding))[1]) for _, binding in elements(bindings)]
        except (ValueError, IndexError, StopIteration):
            return None
        repetitions = int.from_bytes(second, "big") if pdu == GETBULK else 0
        if community != self.community.encode() or faults.silent:
            return None
        self.asked.append(Asked(pdu, tuple(".".join(map(str, oid)) for oid in oids), repetitions))
        if faults.lose > 0:
            faults.lose -= 1
            return None
        if pdu == GET and faults.most_objects is not None and len(oids) > faults.most_objects:
            return None
        if pdu == GETBULK and (faults.no_bulk or (faults.never_above is not None and repetitions > faults.never_above)):
            return None
        error, index, found = self._found(
            pdu, oids, int.from_bytes(version, "big"), int.from_bytes(first, "big"), repetitions
        )
        out = b"".join(tlv(0x30, binding) for binding in found)
        answer_pdu = tlv(2, request_id) + tlv(2, integer(error)) + tlv(2, integer(index)) + tlv(0x30, out)
        whole = tlv(0x30, tlv(2, version) + tlv(4, community) + tlv(RESPONSE, answer_pdu))
        if faults.mangle:
            return whole[: len(whole) * 2 // 3] if faults.mangle == "truncated" else bytes(range(200, 240))
        return whole

    def _found(
        self, pdu: int, oids: list[Oid], version: int, not_repeated: int, repetitions: int
    ) -> tuple[int, int, list[bytes]]:
        """(error status, error index, bindings)."""
        if pdu == GETBULK:
            return 0, 0, self._bulk(oids, not_repeated, repetitions)
        out, size = [], 0
        for index, oid in enumerate(oids, 1):
            binding = self._binding(oid, version) if pdu == GET else self._next(oid, version)[1]
            if version == 0 and binding[-2:] in (bytes((NO_SUCH_INSTANCE, 0)), bytes((END_OF_VIEW, 0))):
                return NO_SUCH_NAME, index, [tlv(snmprec.OID, oid_bytes(asked)) + tlv(5, b"") for asked in oids]
            out.append(binding)
            size += len(binding) + 4
        return (TOO_BIG, 0, []) if size > self.get_bytes else (0, 0, out)

    def _bulk(self, oids: list[Oid], not_repeated: int, repetitions: int) -> list[bytes]:
        out = [self._next(oid, 1)[1] for oid in oids[:not_repeated]]
        left, at = sum(map(len, out)) + 60, list(oids[not_repeated:])
        for turn in range(repetitions):
            for place, oid in enumerate(at):
                follower, binding = self._next(oid, 1)
                if self.faults.order == "inside" and turn % 3 == 2:
                    follower, binding = oid, self._binding(oid, 1)
                left += len(binding) + 4
                if left > self.answer_bytes and out:
                    return out
                out.append(binding)
                at[place] = follower
        return out

    def _binding(self, oid: Oid, version: int) -> bytes:
        found = self._typed.get(oid)
        if found is None or (version == 0 and found.tag == snmprec.COUNTER64):
            return tlv(snmprec.OID, oid_bytes(oid)) + bytes((NO_SUCH_INSTANCE, 0))
        if now := self._live.get(oid):
            return tlv(snmprec.OID, oid_bytes(oid)) + encoded(Typed(found.tag, now()))
        if oid not in self._encoded:
            self._encoded[oid] = tlv(snmprec.OID, oid_bytes(oid)) + encoded(found)
        return self._encoded[oid]

    def _next(self, oid: Oid, version: int) -> tuple[Oid, bytes]:
        if self.faults.order == "same" and oid in self._typed:
            return oid, self._binding(oid, version)
        place = bisect.bisect_right(self._oids, oid)
        if self.faults.order == "cycling" and place and self._oids[place - 1][: len(oid) - 1] == oid[:-1]:
            siblings = [sibling for sibling in self._oids if sibling[:-1] == oid[:-1]]
            if oid == siblings[-1]:
                return siblings[0], self._binding(siblings[0], version)
        while place < len(self._oids):
            follower = self._oids[place]
            if version or self._typed[follower].tag != snmprec.COUNTER64:
                return follower, self._binding(follower, version)
            place += 1
        return oid, tlv(snmprec.OID, oid_bytes(oid)) + bytes((END_OF_VIEW, 0))


# --- on the network ----------------------------------------------------------------------------------------------


class Responder:
    """Serves agents, each at its own (address, port), from one thread while the block lasts."""

    def __init__(self, agents: Mapping[tuple[str, int], EmulatedAgent]) -> None:
        self._selector = selectors.DefaultSelector()
        self._late: list[tuple[float, int, socket.socket, bytes, object]] = []
        self._ending = False
        self.ports: list[int] = []  # of the agents, in their order; where 0 was asked for, the port that was given
        for (address, port), agent in agents.items():
            sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind((address, port))
            sock.setblocking(False)
            self._selector.register(sock, selectors.EVENT_READ, agent)
            self.ports.append(sock.getsockname()[1])
        self._thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self) -> Responder:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending = True
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()

    def serve(self) -> None:
        """Until the block ends; as a program, for ever."""
        while not self._ending:
            wait = min(0.05, max(0.0, self._late[0][0] - time.monotonic())) if self._late else 0.05
            for key, _ in self._selector.select(wait):
                assert isinstance(key.fileobj, socket.socket)
                self._take(key.fileobj, key.data)
            while self._late and self._late[0][0] <= time.monotonic():
                _, _, sock, answer, peer = heapq.heappop(self._late)
                with contextlib.suppress(OSError):
                    sock.sendto(answer, peer)  # type: ignore[arg-type]

    def _take(self, sock: socket.socket, agent: EmulatedAgent) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while True:
                datagram, peer = sock.recvfrom(65_535)
                answer = agent.answer(datagram)
                if answer is None:
                    continue
                if agent.faults.delay_seconds:
                    due = time.monotonic() + agent.faults.delay_seconds
                    heapq.heappush(self._late, (due, id(answer), sock, answer, peer))
                else:
                    sock.sendto(answer, peer)


@contextlib.contextmanager
def serving(agent: EmulatedAgent, address: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """One agent; gives its port."""
    with Responder({(address, port): agent}) as responder:
        yield responder.ports[0]


def moving(records: Records) -> dict[str, Callable[[], int]]:
    """Uptime and octet counters that advance with real time, each port at a steady rate of its own."""
    started = time.monotonic()

    def advancing(found: Typed, per_second: float) -> Callable[[], int]:
        start, wrap = int(found.value), 2**64 if found.tag == snmprec.COUNTER64 else 2**32
        return lambda: (start + int((time.monotonic() - started) * per_second)) % wrap

    out = {}
    for oid, found in records.items():
        if oid == UPTIME:
            out[oid] = advancing(found, 100)
        elif oid.startswith(PORT_OCTETS):
            out[oid] = advancing(found, 10_000 + 1_000 * (sum(map(ord, oid)) % 1_990))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording", type=Path)
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--community", default="public")
    parser.add_argument("--live", action="store_true")
    given = parser.parse_args()
    found = snmprec.load(given.recording)
    agent = EmulatedAgent(found, given.community, live=moving(found) if given.live else {})
    responder = Responder({(given.address, given.port): agent})
    print(f"READY {given.address}:{given.port} {len(found)} objects", flush=True)
    responder.serve()


if __name__ == "__main__":
    main()
