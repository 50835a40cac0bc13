"""DNS (RFC 1035): a question of our own to one resolver, and whether the school's and a known one agree."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from schoolbeat_agent.observation import Observation, ProbeFailed
from schoolbeat_agent.probes.no_answer import NoAnswer, no_answer_from
from schoolbeat_agent.probes.tcp import connect, family_of, open_socket
from schoolbeat_agent.probes.world import World, read_text

HEADER = struct.Struct("!HHHHHH")  # id, flags, questions, answers, authorities, additionals
RECORD = struct.Struct("!HHIH")  # type, class, TTL, data length; after the owner's name
TYPE_A, CLASS_IN = 1, 1
IS_ANSWER, TRUNCATED, RECURSION_DESIRED = 0x8000, 0x0200, 0x0100
NO_ERROR, NAME_UNKNOWN = 0, 3
PACKETS_READ = 32  # datagrams looked at for one question; the rest of a flood is left
RECORDS_READ = 256
RESOLVERS_READ = 3  # as the C library does (resolv.conf(5))
PORT = 53


class DnsUnreadable(ValueError):
    """The bytes are no answer to this question."""


@dataclass(frozen=True)
class Resolver:
    """A DNS server by IP address."""

    address: str
    port: int = PORT


@dataclass(frozen=True)
class Answer:
    """What a resolver said: response code (RFC 1035, 4.1.1) and the IPv4 addresses, sorted."""

    rcode: int
    addresses: tuple[str, ...]
    truncated: bool = False


@dataclass(frozen=True)
class DnsTarget:
    """The name both resolvers are asked for. `school` None: the first of resolv.conf."""

    name: str
    known: Resolver
    school: Resolver | None = None
    timeout_seconds: float = 2.0


def build_query(name: str, identifier: int) -> bytes:
    """A question for the IPv4 addresses of a name, with recursion. ValueError if it is no host name."""
    labels = name.rstrip(".").encode("ascii").split(b".")
    if not all(1 <= len(label) <= 63 for label in labels) or sum(len(label) + 1 for label in labels) > 254:
        raise ValueError(f"{name!r} is not a host name")
    wire_name = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    header = HEADER.pack(identifier, RECURSION_DESIRED, 1, 0, 0, 0)
    return header + wire_name + struct.pack("!HH", TYPE_A, CLASS_IN)


def parse_answer(data: bytes, query: bytes) -> Answer:
    """The answer to our query in any bytes whatever. DnsUnreadable if they are none.

    Names are stepped over, never followed, so a loop of compression pointers cannot hold us. Addresses count
    whoever owns them: the aliases between the name and its addresses are the resolver's to follow.
    """
    if len(data) < HEADER.size:
        raise DnsUnreadable(f"{len(data)} bytes are too few for a DNS message")
    identifier, flags, questions, answers, _, _ = HEADER.unpack_from(data)
    if identifier != HEADER.unpack_from(query)[0] or not flags & IS_ANSWER:
        raise DnsUnreadable("not an answer to this question: another id")
    rcode = flags & 0xF
    if questions == 0 and rcode != NO_ERROR:
        return Answer(rcode, ())  # some servers leave the question out of an error
    question = query[HEADER.size :]
    position = HEADER.size + len(question)
    if questions != 1 or data[HEADER.size : position].lower() != question.lower():
        raise DnsUnreadable("not an answer to this question: another name")
    addresses = set()
    truncated = bool(flags & TRUNCATED)
    try:
        for _ in range(min(answers, RECORDS_READ)):
            address, position = read_record(data, position)
            if address is not None:
                addresses.add(address)
    except DnsUnreadable:
        if not truncated:  # a truncated message may end anywhere; it is asked again over TCP
            raise
    return Answer(rcode, tuple(sorted(addresses)), truncated)


def read_record(data: bytes, position: int) -> tuple[str | None, int]:
    """The IPv4 address of the record at a position (None if it is of another type), and the next position."""
    position = skip_name(data, position)
    if position + RECORD.size > len(data):
        raise DnsUnreadable("the message ends inside a record")
    kind, family, _, size = RECORD.unpack_from(data, position)
    position += RECORD.size
    if position + size > len(data):
        raise DnsUnreadable("a record is longer than the message")
    if (kind, family) != (TYPE_A, CLASS_IN):
        return None, position + size
    if size != 4:
        raise DnsUnreadable(f"an IPv4 address of {size} bytes")
    return socket.inet_ntoa(data[position : position + 4]), position + size


def skip_name(data: bytes, position: int) -> int:
    """The position behind a name: its labels end with an empty one or with a pointer, which is not followed."""
    while position < len(data):
        length = data[position]
        if length == 0:
            return position + 1
        if length & 0xC0 == 0xC0:
            return position + 2
        if length & 0xC0:
            raise DnsUnreadable("a label of an unknown kind")
        position += 1 + length
    raise DnsUnreadable("the message ends inside a name")


async def ask_udp(query: bytes, resolver: Resolver) -> Answer:
    """The first readable answer to the query; wrong ones are passed over, for anybody can forge them."""
    loop = asyncio.get_running_loop()
    with open_socket(family_of(resolver.address), socket.SOCK_DGRAM) as sock:
        sock.connect((resolver.address, resolver.port))  # only this resolver is heard, and its ICMP errors
        await loop.sock_sendall(sock, query)
        for _ in range(PACKETS_READ):
            data = await loop.sock_recv(sock, 65_535)
            try:
                return parse_answer(data, query)
            except DnsUnreadable as error:
                unreadable = error
                await asyncio.sleep(0)  # a flood must not keep the event loop
                # Only bytes under our own random id are the resolver's word; others may be anybody's.
                if data[:2] == query[:2]:
                    break
    raise NoAnswer("bad_answer", f"{resolver.address}: {unreadable}")


async def ask_tcp(query: bytes, resolver: Resolver, timeout_seconds: float, world: World) -> Answer:
    """The answer over TCP (RFC 7766): each message behind its length in two bytes."""
    sock, _ = await connect(resolver.address, resolver.port, timeout_seconds, world)
    reader, writer = await asyncio.open_connection(sock=sock)
    try:
        writer.write(struct.pack("!H", len(query)) + query)
        (size,) = struct.unpack("!H", await reader.readexactly(2))
        return parse_answer(await reader.readexactly(size), query)
    except (asyncio.IncompleteReadError, DnsUnreadable) as error:
        raise NoAnswer("bad_answer", f"{resolver.address}: {error}") from error
    finally:
        writer.transport.abort()


async def ask(name: str, resolver: Resolver, timeout_seconds: float, world: World) -> tuple[Answer, float]:
    """What a resolver says of a name, whatever its response code, and the milliseconds it took. NoAnswer if nothing."""
    try:
        query = build_query(name, int.from_bytes(world.entropy(2), "big"))
    except ValueError as error:
        raise ProbeFailed("not_configured", f"{name!r} is not a host name in ASCII letters") from error
    started = world.monotonic()
    try:
        async with asyncio.timeout(timeout_seconds):
            answer = await ask_udp(query, resolver)
            if answer.truncated:
                answer = await ask_tcp(query, resolver, timeout_seconds, world)
    except OSError as error:
        raise no_answer_from(error, f"{name} at {resolver.address}") from error
    return answer, (world.monotonic() - started) * 1_000


async def resolve(name: str, resolver: Resolver, timeout_seconds: float, world: World) -> tuple[Answer, float]:
    """As `ask`, but an answer without any address is a NoAnswer with its cause."""
    answer, dns_ms = await ask(name, resolver, timeout_seconds, world)
    if answer.rcode == NAME_UNKNOWN or (answer.rcode == NO_ERROR and not answer.addresses):
        raise NoAnswer("name_unknown", f"{name}: {resolver.address} knows no address")
    if answer.rcode != NO_ERROR:
        raise NoAnswer("resolver_failed", f"{name}: {resolver.address} answers with code {answer.rcode}")
    return answer, dns_ms


def parse_resolv_conf(text: str) -> tuple[Resolver, ...]:
    """The name servers of resolv.conf(5), at most three; what cannot be read is passed over."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0] != "nameserver":
            continue
        try:
            family_of(words[1])
        except ProbeFailed:
            continue
        found.append(Resolver(words[1]))
    return tuple(found[:RESOLVERS_READ])


def school_resolvers(world: World) -> tuple[Resolver, ...]:
    """The resolvers this machine was given, read anew: a new lease may have brought others."""
    return parse_resolv_conf(read_text(world.resolv_conf) or "")


async def find_address(
    name: str, resolvers: Sequence[Resolver], timeout_seconds: float, world: World
) -> tuple[str, ...]:
    """The addresses of a name, or the literal itself. Asks twice, at the second resolver if there is one. NoAnswer."""
    try:
        family_of(name)
    except ProbeFailed:
        pass
    else:
        return (name,)
    if not resolvers:
        raise NoAnswer("not_configured", "no resolver is known")
    try:
        answer, _ = await resolve(name, resolvers[0], timeout_seconds / 2, world)
    except NoAnswer:
        answer, _ = await resolve(name, resolvers[1 % len(resolvers)], timeout_seconds / 2, world)
    return answer.addresses


def agree(one: Answer, other: Answer) -> bool:
    """Whether two resolvers tell the same story.

    A name served from many places has another address for each asker, so two different public addresses agree.
    A private, loopback or null address where the other resolver has a public one does not: that is how sign-in
    pages and filters answer.
    """
    if one.rcode != other.rcode or bool(one.addresses) != bool(other.addresses):
        return False
    if not one.addresses or set(one.addresses) & set(other.addresses):
        return True
    return all(ipaddress.IPv4Address(address).is_global for address in one.addresses + other.addresses)


async def probe(target: DnsTarget, world: World) -> Observation:
    """dns_ms of "dns.school" and "dns.known", and dns_agree of the first. ProbeFailed when neither answers."""
    school = target.school or next(iter(school_resolvers(world)), None)
    asking = {"dns.known": target.known} | ({} if school is None else {"dns.school": school})
    found = await asyncio.gather(
        *(ask(target.name, resolver, target.timeout_seconds, world) for resolver in asking.values()),
        return_exceptions=True,
    )
    seen, answers = Observation(), {}
    problem = ProbeFailed("not_configured", "no resolver is known")
    for (subject, resolver), result in zip(asking.items(), found, strict=True):
        seen.notes[subject] = resolver.address
        if isinstance(result, NoAnswer):
            problem = ProbeFailed(result.cause, result.detail)
            seen.notes[subject] += f" ({result.cause})"
        elif isinstance(result, BaseException):
            raise result
        else:
            answers[subject], seen.readings[subject, "dns_ms"] = result
    if not answers:
        raise problem
    if len(answers) == 2:
        seen.readings["dns.school", "dns_agree"] = float(agree(*answers.values()))
    return seen
