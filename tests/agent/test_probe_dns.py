"""DNS against resolvers of our own on loopback, and against any bytes at all."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.agent.probe_fakes import FakeResolver, answering, dns_answer, silent
from tests.ports import free_port

from schoolbeat_agent.observation import Observation, ProbeFailed
from schoolbeat_agent.probes import dns
from schoolbeat_agent.probes.dns import Answer, DnsTarget, DnsUnreadable, Resolver, agree, build_query, parse_answer
from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_agent.probes.world import World

T = TypeVar("T")
QUERY = build_query("moet.example.vn", 0x1234)
# An answer as a real resolver sends it: an alias, its target as a pointer, two addresses.
ALIAS = b"\x03cdn\xc0\x11"


def run(work: Callable[[World], Awaitable[T]], world: World | None = None) -> T:
    async def awaited() -> T:
        return await work(world or World())

    return asyncio.run(awaited())


def at(fake: FakeResolver) -> Resolver:
    return Resolver(fake.address, fake.port)


def test_a_question_is_built_as_rfc_1035_says() -> None:
    assert QUERY.hex() == "123401000001000000000000" + "046d6f6574076578616d706c6502766e00" + "00010001"


@pytest.mark.parametrize("name", ["", ".", "a..b", "a" * 64, ".".join(["a" * 63] * 5), "trường.vn"])
def test_what_is_no_host_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"host name|ascii"):
        build_query(name, 1)


@given(st.lists(st.text("abcxyz019-_", min_size=1, max_size=63), min_size=1, max_size=3), st.integers(0, 65_535))
def test_an_answer_to_any_question_is_read_back(labels: list[str], identifier: int) -> None:
    query = build_query(".".join(labels), identifier)

    answer = parse_answer(dns_answer(query, ["192.0.2.7", "192.0.2.3"], alias=ALIAS), query)

    assert answer == Answer(0, ("192.0.2.3", "192.0.2.7"))


def test_the_question_may_come_back_in_other_letters() -> None:
    answer = dns_answer(QUERY, ["192.0.2.1"]).replace(b"example", b"eXaMpLe")

    assert parse_answer(answer, QUERY) == Answer(0, ("192.0.2.1",))


def test_an_error_may_leave_the_question_out() -> None:
    assert parse_answer(QUERY[:2] + struct.pack("!HHHHH", 0x8181, 0, 0, 0, 0), QUERY) == Answer(1, ())


@given(st.binary(max_size=600))
@example(QUERY)
@example(dns_answer(QUERY, ["192.0.2.1"])[:-1])
@example(dns_answer(build_query("moet.example.vn", 0x4321), ["192.0.2.1"]))
@example(dns_answer(build_query("mist.example.vn", 0x1234), ["192.0.2.1"]))
@example(QUERY[:2] + struct.pack("!HHHHH", 0x8180, 0, 0, 0, 0))
def test_any_bytes_are_unreadable_and_nothing_worse(data: bytes) -> None:
    with pytest.raises(DnsUnreadable):
        parse_answer(data, QUERY)


@given(
    st.integers(0, 65_535), st.binary(max_size=400), st.integers(0, 15), st.booleans(), st.lists(st.integers(0, 500))
)
def test_any_bytes_behind_a_good_head_are_read_or_unreadable(
    answers: int, tail: bytes, rcode: int, truncated: bool, cuts: list[int]
) -> None:
    flags = 0x8180 | rcode | (0x0200 if truncated else 0)
    data = QUERY[:2] + struct.pack("!HHHHH", flags, 1, answers, 0, 0) + QUERY[12:] + tail
    try:
        answer = parse_answer(data, QUERY)
    except DnsUnreadable:
        return

    assert answer.rcode == rcode
    assert len(answer.addresses) <= answers


@pytest.mark.parametrize(
    "owner",
    [
        b"\xc0\x21",  # a pointer to itself
        b"\xc0\xff",  # a pointer behind the end
        b"\x3f",  # a label longer than the message
        b"\x80",  # a label of no known kind
    ],
)
def test_hostile_names_do_not_hold_the_parser(owner: bytes) -> None:
    record = owner + struct.pack("!HHIH", 1, 1, 60, 4) + b"\xc0\0\2\1"
    data = QUERY[:2] + struct.pack("!HHHHH", 0x8180, 1, 60_000, 0, 0) + QUERY[12:] + record * 20
    try:
        parse_answer(data, QUERY)
    except DnsUnreadable:
        pass


def test_the_resolvers_are_those_of_resolv_conf(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text(
        "# made by a human\nsearch school.vn\nnameserver 10.0.0.53\nnameserver\nnameserver fe80::1%eth0\n"
        "nameserver not-an-address\nnameserver 2001:db8::53\nnameserver 10.0.0.54 # spare\nnameserver 10.0.0.55\n"
    )

    assert dns.school_resolvers(World(resolv_conf=file)) == (
        Resolver("10.0.0.53"),
        Resolver("2001:db8::53"),
        Resolver("10.0.0.54"),
    )
    assert dns.school_resolvers(World(resolv_conf=tmp_path / "missing")) == ()


def ask(udp: Callable[[bytes], list[bytes]], tcp: Callable[[bytes], bytes] | None = None, seconds: float = 5) -> Answer:
    with FakeResolver(udp, tcp) as fake:
        answer, dns_ms = run(lambda world: dns.ask("moet.example.vn", at(fake), seconds, world))
    assert 0 < dns_ms < seconds * 1_000
    return answer


def test_forged_and_foreign_datagrams_are_passed_over() -> None:
    def answers(query: bytes) -> list[bytes]:
        forged = bytes([query[0] ^ 1, query[1]]) + dns_answer(query, ["192.0.2.66"])[2:]
        return [b"", b"x", forged, forged, dns_answer(query, ["192.0.2.1"]), dns_answer(query, ["192.0.2.66"])]

    assert ask(answers) == Answer(0, ("192.0.2.1",))


def test_each_question_has_an_id_of_its_own() -> None:
    with FakeResolver(answering("192.0.2.1")) as fake:
        for _ in range(8):
            run(lambda world: dns.ask("moet.example.vn", at(fake), 5, world))

    assert len({query[:2] for query in fake.queries}) > 1


def test_a_truncated_answer_is_asked_again_over_tcp() -> None:
    everything = [f"192.0.2.{n}" for n in range(1, 200)]
    answer = ask(
        lambda query: [dns_answer(query, everything[:9], truncated=True)[:90]],
        lambda query: dns_answer(query, everything),
    )

    assert answer == Answer(0, tuple(sorted(everything)))


@pytest.mark.parametrize(
    ("udp", "tcp", "cause"),
    [
        (silent, None, "timeout"),
        (lambda query: [b"\0\0 anybody's"] * 3, None, "timeout"),
        (lambda query: [query], None, "bad_answer"),
        (lambda query: [query[:2] + b"rubbish under our id"], None, "bad_answer"),
        (lambda query: [bytes([query[0] ^ 1, query[1]]) + b"flood"] * 64, None, "bad_answer"),
        (lambda query: [dns_answer(query, truncated=True)], lambda query: b"short", "bad_answer"),
        (lambda query: [dns_answer(query, truncated=True)], None, "bad_answer"),
    ],
)
def test_what_is_no_answer_has_its_cause(
    udp: Callable[[bytes], list[bytes]], tcp: Callable[[bytes], bytes] | None, cause: str
) -> None:
    with pytest.raises(NoAnswer) as caught:
        ask(udp, tcp, seconds=0.5)

    assert caught.value.cause == cause


def test_a_port_where_nobody_listens_refuses() -> None:
    with pytest.raises(NoAnswer) as caught:
        run(lambda world: dns.ask("moet.example.vn", Resolver("127.0.0.1", free_port()), 5, world))

    assert caught.value.cause == "refused"


@pytest.mark.parametrize(
    ("rcode", "addresses", "cause"),
    [(3, [], "name_unknown"), (0, [], "name_unknown"), (2, [], "resolver_failed"), (5, [], "resolver_failed")],
)
def test_an_answer_without_an_address_does_not_resolve(rcode: int, addresses: list[str], cause: str) -> None:
    with FakeResolver(answering(*addresses, rcode=rcode)) as fake, pytest.raises(NoAnswer) as caught:
        run(lambda world: dns.resolve("moet.example.vn", at(fake), 5, world))

    assert caught.value.cause == cause


def test_the_second_resolver_is_asked_when_the_first_fails() -> None:
    with FakeResolver(silent) as dead, FakeResolver(answering("192.0.2.1")) as well:
        found = run(lambda world: dns.find_address("moet.example.vn", [at(dead), at(well)], 1, world))

    assert found == ("192.0.2.1",)


def test_an_address_needs_no_resolver() -> None:
    assert run(lambda world: dns.find_address("192.0.2.1", [], 1, world)) == ("192.0.2.1",)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Answer(0, ("103.1.1.1",)), Answer(0, ("103.1.1.1", "103.1.1.2")), True),
        (Answer(0, ("103.1.1.1",)), Answer(0, ("27.68.1.1",)), True),  # served from many places
        (Answer(0, ("10.0.0.1",)), Answer(0, ("27.68.1.1",)), False),  # a sign-in page
        (Answer(0, ("0.0.0.0",)), Answer(0, ("27.68.1.1",)), False),  # a filter
        (Answer(0, ("10.0.0.1",)), Answer(0, ("10.0.0.1",)), True),
        (Answer(0, ()), Answer(0, ("27.68.1.1",)), False),
        (Answer(3, ()), Answer(0, ("27.68.1.1",)), False),
        (Answer(3, ()), Answer(3, ()), True),
    ],
)
def test_two_answers_agree_as_documented(one: Answer, other: Answer, same: bool) -> None:
    assert agree(one, other) is same
    assert agree(other, one) is same


def observe(school: FakeResolver, known: FakeResolver) -> Observation:
    target = DnsTarget("moet.example.vn", at(known), at(school), timeout_seconds=0.5)
    return run(lambda world: dns.probe(target, world))


def test_both_resolvers_are_timed_and_compared() -> None:
    with FakeResolver(answering("10.0.0.1")) as school, FakeResolver(answering("103.1.1.1")) as known:
        seen = observe(school, known)

    times = {key: seen.readings.pop(key) for key in (("dns.school", "dns_ms"), ("dns.known", "dns_ms"))}
    assert all(0 < dns_ms < 500 for dns_ms in times.values())
    assert seen == Observation(
        readings={("dns.school", "dns_agree"): 0.0}, notes={"dns.school": "127.0.0.1", "dns.known": "127.0.0.1"}
    )


def test_a_resolver_that_is_silent_has_no_time_and_no_opinion() -> None:
    with FakeResolver(silent) as school, FakeResolver(answering("103.1.1.1")) as known:
        seen = observe(school, known)

    assert list(seen.readings) == [("dns.known", "dns_ms")]
    assert seen.notes["dns.school"] == "127.0.0.1 (timeout)"


def test_nobody_s_answer_is_a_failed_measurement() -> None:
    with (
        FakeResolver(silent) as school,
        FakeResolver(lambda query: [query]) as known,
        pytest.raises(ProbeFailed) as caught,
    ):
        observe(school, known)

    assert caught.value.cause == "timeout"


def test_without_a_resolver_only_the_known_one_is_asked(tmp_path: Path) -> None:
    with FakeResolver(answering("103.1.1.1")) as known:
        target = DnsTarget("moet.example.vn", at(known))
        seen = run(lambda world: dns.probe(target, world), World(resolv_conf=tmp_path / "missing"))

    assert list(seen.readings) == [("dns.known", "dns_ms")]


def test_a_name_that_cannot_be_asked_is_a_failed_measurement() -> None:
    with pytest.raises(ProbeFailed) as caught:
        run(lambda world: dns.ask("trường.vn", Resolver("127.0.0.1"), 1, world))

    assert caught.value.cause == "not_configured"
