"""Whoever lies, floods or sends bombs is refused or set aside and counted; the others are served at once."""

from __future__ import annotations

import json
import os
import random
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from schoolbeat_server.credentials import SERVER_USER, Account, add_account, hash_password
from schoolbeat_server.epochs import MOST, MOST_RANGES
from schoolbeat_server.ingest import ASIDE_ROWS, EVENTS
from schoolbeat_wire import bounds, codec, inventory, messages, report
from schoolbeat_wire.catalogue import DISPUTED
from schoolbeat_wire.inventory import Column, Device, Inventory
from schoolbeat_wire.messages import Event, Presence
from schoolbeat_wire.report import MinuteRow
from tests.e2e.processes import Server, Speaker, await_, children, resident_bytes
from tests.server.school import School

GOOD, BAD, INSIDER = "tot", "xau", "noi-gian"
NOW = int(time.time() // 60)
M0 = NOW - 3_000
RANDOM = {"aside.zlib", "aside.json", "aside.shape"}
AT_ONCE_SECONDS = 5.0  # 0.2 s by itself; two cores are shared with other tests
SERVER_BYTES = 300 * 1024 * 1024

pytestmark = pytest.mark.timeout(240)


class Hostile:
    """A server, a good school, a bad one that uses its own account, and an insider whom the broker lets say anything."""

    def __init__(self, server: Server, passwords: dict[str, str]) -> None:
        self.server, self.passwords = server, passwords
        self.good = Speaker(server.port, f"{GOOD}.gateway", passwords[GOOD])
        self.bad = Speaker(server.port, f"{BAD}.gateway", passwords[BAD])
        self.insider = Speaker(server.port, INSIDER, passwords[INSIDER])
        for speaker, site in ((self.good, GOOD), (self.bad, BAD)):
            speaker.listen(topic(site, "ack"))
            speaker.listen("schoolbeat/#")
        self.school = School(GOOD)
        self._minute = M0
        self.good.say(topic(GOOD, "inventory"), self.school.inventory_message().payload)
        self.bad_school = School(BAD, epoch="ba" * 8)
        self.bad.say(topic(BAD, "inventory"), self.bad_school.inventory_message().payload)

    def close(self) -> None:
        for speaker in (self.good, self.bad, self.insider):
            speaker.__exit__()

    def good_minute(self) -> float:
        """Seconds until the good school's next minute is settled."""
        self._minute += 1
        seq = self.school.seq
        self.good.say(topic(GOOD, "report"), self.school.minute(self._minute).payload)
        return await_(lambda: is_settled(self.good, GOOD, self.school.epoch, seq), 60, "an ack", self.server.log)

    def counted(self, expected: dict[str, int], do: Callable[[], object]) -> None:
        """What `do` says is counted exactly so, beside one good minute, which is settled at once."""
        before = Counter(self.server.counters())
        do()
        seconds = self.good_minute()
        wanted = Counter(expected) + Counter({"reports": 1, "minutes": 1})

        def difference() -> Counter[str]:
            after = Counter(self.server.counters())
            after.subtract(before)
            return +after

        try:
            await_(lambda: difference() == wanted, 30, "counted")
        except AssertionError:
            assert difference() == wanted
        assert seconds < AT_ONCE_SECONDS


def topic(site: str, kind: str, agent: str = "gateway") -> str:
    return f"schoolbeat/1/{site}/{agent}/{kind}"


def is_settled(speaker: Speaker, site: str, epoch: str, seq: int) -> bool:
    for payload in reversed(speaker.payloads(topic(site, "ack"))):
        ack = messages.decode_ack(payload)
        if ack.epoch == epoch:
            return any(first <= seq < end for first, end in ack.settled)
    return False


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    with children() as kids:
        server = Server(kids, tmp_path_factory.mktemp("hostile"), [GOOD, BAD])
        passwords = {site: server.enrol(site) for site in (GOOD, BAD)} | {INSIDER: "mat-khau-cua-noi-gian"}
        server.start()
        broker = server.folder / "data" / "broker"
        await_(lambda: b"xau" in (broker / "passwords").read_bytes(), 20, "the accounts are written", server.log)
        account = Account(INSIDER, hash_password(passwords[INSIDER]), ("topic readwrite #",))
        add_account(broker, account, "mosquitto" if os.geteuid() == 0 else None)
        await_(lambda: is_let_in(server, INSIDER, passwords[INSIDER]), 20, "the broker knows them", server.log)
        found = Hostile(server, passwords)
        yield found
        found.close()
        server.stop()


def is_let_in(server: Server, username: str, password: str) -> bool:
    with Speaker(server.port, username, password) as speaker:
        return speaker.connected


def packed(text: bytes) -> bytes:
    return zlib.compress(text, 9)


def changed(found: report.Report, **values: Any) -> bytes:
    return report.encode(msgspec.structs.replace(found, **values))


def one_report(world: Hostile, minute: int = M0) -> report.Report:
    """The bad school's next minute."""
    return report.decode(world.bad_school.minute(minute).payload)


# ---- who speaks for whom -----------------------------------------------------------------------------------------


def test_the_broker_lets_nobody_speak_for_another_or_listen_to_it(world: Hostile) -> None:
    theft = School(GOOD, epoch="ab" * 8)
    before = world.server.rows("SELECT COUNT(*) FROM report WHERE site = ?", GOOD)[0][0]

    def steal() -> None:
        world.bad.say(topic(GOOD, "report"), theft.minute(M0 + 2_000).payload)
        world.bad.say(topic(GOOD, "inventory"), theft.inventory_message().payload, retain=True)
        world.bad.say(topic(GOOD, "event"), messages.encode(Event("lan.router", False, int(time.time() * 1000))))
        world.bad.say(topic(GOOD, "presence"), messages.encode(Presence(online=False)), retain=True)
        false_ack = messages.Ack(server="0" * 16, time_ms=NOW * 60_000, epoch=world.school.epoch, settled=[(0, 999)])
        world.bad.say(topic(GOOD, "ack"), messages.encode(false_ack))
        world.bad.say(topic(BAD, "report", agent="other"), theft.minute(M0).payload)
        last = world.bad.say("schoolbeat/1/#".replace("#", "x"), b"")
        await_(lambda: world.bad.acknowledged(last), 20, "the broker took all of it")

    world.counted({}, steal)

    assert world.server.rows("SELECT COUNT(*) FROM report WHERE site = ?", GOOD)[0][0] == before + 1
    assert world.server.rows("SELECT COUNT(*) FROM edge WHERE site = ?", GOOD) == [(0,)]
    assert [name for name, _ in world.bad.heard if not name.startswith(f"schoolbeat/1/{BAD}/")] == []
    acks = [messages.decode_ack(payload).server for payload in world.good.payloads(topic(GOOD, "ack"))]
    assert set(acks) == {world.server.id}


def test_another_client_id_does_not_take_a_session_over(world: Hostile) -> None:
    for stolen in (f"{GOOD}.gateway", SERVER_USER, f"schoolbeat-server-{world.server.id}"):
        thief = Speaker(world.server.port, f"{BAD}.gateway", world.passwords[BAD], client_id=stolen)
        assert thief.connected
        assert world.good.connected
        assert world.good_minute() < AT_ONCE_SECONDS
        thief.__exit__()
    assert not is_let_in(world.server, f"{GOOD}.gateway", world.passwords[BAD])
    await_(lambda: not world.bad.connected, 20, "only its own session is taken over")
    world.bad = Speaker(world.server.port, f"{BAD}.gateway", world.passwords[BAD])
    world.bad.listen(topic(BAD, "ack"))


def test_what_the_broker_lets_through_is_checked_again(world: Hostile) -> None:
    report_of_a_stranger = School("tot", agent="la", epoch="cd" * 8).minute(M0).payload

    def speak() -> None:
        say = world.insider.say
        say(topic("khong-co", "report"), report_of_a_stranger)
        say(topic(GOOD, "report", agent="la"), report_of_a_stranger)
        say(topic(GOOD, "presence", agent="la"), b'{"online":true,"epoch":"abababab"}')
        say("schoolbeat/2/tot/gateway/report", b"tomorrow")
        say("schoolbeat/1/tot/gateway/report/more", b"deeper")
        say("schoolbeat/1/tot/gateway/anything", b"?")
        say("schoolbeat/1/TOT/gateway/report", b"?")
        say(topic("a" * 41, "report"), b"?")

    world.counted({"aside.unregistered": 3, "aside.version": 1, "aside.topic": 2, "aside.name": 2}, speak)

    assert world.server.rows("SELECT COUNT(*) FROM report WHERE agent = 'la'") == [(0,)]


# ---- what a report may say ----------------------------------------------------------------------------------------


def test_a_seq_replayed_with_other_content_makes_the_minute_disputed_and_nothing_else(world: Hostile) -> None:
    school = School(BAD, epoch="d1" * 8)
    rows = school.rows(M0 + 100, [school.signal_row(), school.signal_row(line_isp=20)])
    first = school.report(rows).payload
    other = [msgspec.structs.replace(rows[0], signals=school.signal_row(line_isp=7)), rows[1]]
    say = world.bad.say

    world.counted({"reports": 1, "minutes": 2}, lambda: say(topic(BAD, "report"), first))
    world.counted({"reports": 1, "repeated": 1}, lambda: say(topic(BAD, "report"), first))
    world.counted(
        {"reports": 1, "minutes": 1, "partly_repeated": 1, "clashes": 2},  # of the seq and of the minute
        lambda: say(topic(BAD, "report"), school.report(other).payload),
    )

    assert world.server.minutes(BAD, "line.isp", M0 + 100, M0 + 102) == bytes([DISPUTED, 20])
    assert world.server.minutes(BAD, "lan.router", M0 + 100, M0 + 102) == bytes([60, 60])


def test_minutes_that_cannot_be_are_set_aside_and_settled(world: Hostile) -> None:
    seq = world.bad_school.seq
    wrong = [0, 15_249_600, NOW + 3_000, NOW + 500_000, NOW - 401 * 1_440, bounds.LAST_MINUTE + 1, 2**70]

    def speak() -> None:
        for minute in wrong:
            found = one_report(world)
            world.bad.say(topic(BAD, "report"), changed(found, minutes=[minute]))

    kept_whole = {"held.future": 2, "held.past": 1}
    world.counted({"aside.time": 4, "aside.future": 2, "aside.past": 1, "reports": 3} | kept_whole, speak)

    await_(lambda: is_settled(world.bad, BAD, world.bad_school.epoch, seq), 20, "settled")
    assert all(is_settled(world.bad, BAD, world.bad_school.epoch, seq + number) for number in range(len(wrong)))


def test_positions_that_fit_nothing_are_set_aside(world: Hostile) -> None:
    def speak() -> None:
        found = one_report(world)
        for values in (
            {"signals": b"\x3c" * 5},
            {"values": [[1]]},
            {"values": [[10**9], []]},
            {"causes": [(0, 77, 1)]},
            {"failures": [(0, 9, 1, 1)]},
            {"absent": [[0, 5]]},
            {"off": [(0, M0 + 5, 1, 1)]},
            {"off": [(0, M0 - 10, 1, 99)]},
            {"minutes": [M0, 0], "signals": b"\x3c" * 12},
            {"seq": 2**40},
            {"seq": -1},
            {"epoch": "../../etc"},
        ):
            world.bad.say(topic(BAD, "report"), changed(found, **values))

    expected = {"layout": 3, "range": 6, "time": 1, "name": 1, "off_reason": 1}
    world.counted({f"aside.{name}": count for name, count in expected.items()} | {"reports": 7, "minutes": 1}, speak)


# ---- bombs and floods ---------------------------------------------------------------------------------------------


def test_bombs_are_set_aside_before_they_grow(world: Hostile) -> None:
    deep = b'{"x":' + b"[" * 60_000  # `x` is unknown and would be passed over
    wide = School(BAD, epoch="b0" * 8, signals=[f"device.d{number}" for number in range(1_000)])
    flapping = wide.rows(M0, [bytes([60 * (index % 2)]) * 1_000 for index in range(1_440)])
    found = one_report(world)
    strewn = {"minutes": [M0 - 500_000, *[61] * 1_439], "signals": b"\x3c" * 60 * 1_440, "values": []}

    def speak() -> None:
        say = world.bad.say
        say(topic(BAD, "report"), packed(b" " * 50_000_000))
        say(topic(BAD, "report"), packed(b"[" * 3_000_000))
        say(topic(BAD, "report"), packed(deep))
        say(topic(BAD, "presence"), deep)
        say(topic(BAD, "event"), deep)
        say(topic(BAD, "inventory"), packed(b"{" + b'"a":{' * 100_000))
        say(topic(BAD, "report"), bytes(200_000))
        say(topic(BAD, "report"), bytes(bounds.PACKED_BYTES + 1))
        say(topic(BAD, "presence"), b" " * (bounds.SMALL_BYTES + 1))
        say(topic(BAD, "report"), report.encode(found)[:-3])
        say(topic(BAD, "report"), report.encode(found) + b"more")
        say(topic(BAD, "inventory"), wide.inventory_message().payload)
        say(topic(BAD, "report"), wide.report(flapping).payload)
        say(topic(BAD, "report"), changed(found, off=[(0, M0 - 40_000 + n, 1, 1) for n in range(40_000)]))
        say(topic(BAD, "report"), changed(found, **strewn))

    expected = {"bomb": 1, "depth": 4, "shape": 1, "zlib": 3, "size": 2, "count": 3}
    world.counted({f"aside.{name}": count for name, count in expected.items()} | {"reports": 3}, speak)
    assert resident_bytes(world.server.process.pid) < SERVER_BYTES  # type: ignore[union-attr]


def test_ten_megabytes_end_at_the_broker(world: Hostile) -> None:
    heavy = Speaker(world.server.port, f"{BAD}.gateway", world.passwords[BAD])

    world.counted({}, lambda: heavy.say(topic(BAD, "report"), random.Random(1).randbytes(10_000_000)))

    await_(lambda: not heavy.connected, 20, "the broker hangs up")
    heavy.__exit__()
    world.bad = Speaker(world.server.port, f"{BAD}.gateway", world.passwords[BAD])
    world.bad.listen(topic(BAD, "ack"))


def test_a_flood_of_random_bytes_is_counted_and_kept_within_bounds(world: Hostile) -> None:
    rng = random.Random(2)
    kinds = ("report", "inventory", "presence", "event")
    before = world.server.counters()

    for number in range(4_000):
        world.bad.say(topic(BAD, kinds[number % 4]), rng.randbytes(rng.choice((1, 30, 3_000))))
        if number % 1_000 == 500:
            assert world.good_minute() < AT_ONCE_SECONDS

    await_(lambda: aside(world) - sum_aside(before) == 4_000, 60, "all of it is counted", world.server.log)
    grown = {name: count - before.get(name, 0) for name, count in world.server.counters().items()}
    assert {name for name, count in grown.items() if count} <= {*RANDOM, "reports", "minutes"}
    assert grown["aside.zlib"] == 2_000
    assert grown["aside.json"] > 1_900  # a digit alone is JSON of the wrong shape
    assert world.server.rows("SELECT COUNT(*), MAX(LENGTH(payload)) FROM aside")[0] <= (ASIDE_ROWS, 4_096)


def sum_aside(counters: dict[str, int]) -> int:
    return sum(count for name, count in counters.items() if name.startswith("aside."))


def aside(world: Hostile) -> int:
    return sum_aside(world.server.counters())


def test_a_message_that_is_right_in_form_but_random_in_content_never_breaks_the_server(world: Hostile) -> None:
    rng = random.Random(3)
    before = world.server.counters().get("aside.internal", 0)
    plain = codec.to_json(one_report(world))
    for _ in range(1_000):
        text = bytearray(plain)
        for _ in range(rng.randrange(1, 6)):
            text[rng.randrange(len(text))] = rng.choice(b'0123456789-[]{}",:eE.')
        world.bad.say(topic(BAD, "report"), packed(bytes(text)))

    assert world.good_minute() < AT_ONCE_SECONDS
    await_(lambda: is_calm(world), 30, "it has read all of it")
    assert world.server.counters().get("aside.internal", 0) == before


# ---- inventory, presence, events ----------------------------------------------------------------------------------


def test_an_inventory_that_changes_under_its_revision_or_is_monstrous_is_set_aside(world: Hostile) -> None:
    mine = world.bad_school.inventory
    other = msgspec.structs.replace(mine, signals=list(reversed(mine.signals)))
    bare = Inventory(revision="ab" * 4, signals=["lan.router"])

    def speak() -> None:
        for found in (
            other,
            msgspec.structs.replace(bare, signals=["lan." + "x" * 97]),
            msgspec.structs.replace(bare, signals=[f"device.d{n}" for n in range(1_001)]),
            msgspec.structs.replace(bare, signals=["lan.router", "lan.router"]),
            msgspec.structs.replace(bare, signals=["moon.phase"]),
            msgspec.structs.replace(bare, columns=[Column("mood", ["host"])]),
            msgspec.structs.replace(bare, devices=[Device("ap-1", name="n" * 201)]),
            msgspec.structs.replace(bare, devices=[Device("ap-1", name="\x1b[2J\u202eexe")]),
            msgspec.structs.replace(bare, devices=[Device("x" * 100_000)]),
            msgspec.structs.replace(bare, behind={"device.a": "device.b", "device.b": "device.a"}),
            msgspec.structs.replace(bare, version="v" * 100_000),
            msgspec.structs.replace(bare, revision="r" * 1_000),
        ):
            world.bad.say(topic(BAD, "inventory"), inventory.encode(found))

    expected = {"layout": 1, "name": 3, "count": 1, "shape": 2, "unknown": 2, "text": 3}
    world.counted({f"aside.{name}": count for name, count in expected.items()}, speak)

    stored = world.server.rows("SELECT payload FROM inventory WHERE site = ? AND revision = ?", BAD, mine.revision)
    assert [inventory.decode(payload) for (payload,) in stored] == [mine]


def test_presence_that_lies_hurts_only_the_liar(world: Hostile) -> None:
    school = School(BAD, epoch="f1" * 8)
    holes = [(n * 2, n * 2 + 1) for n in range(201)]
    good = world.server.rows("SELECT settled FROM epoch WHERE site = ?", GOOD)

    def speak() -> None:
        for presence in (
            Presence(online=True, epoch=school.epoch, lowest=2**40, next=2**40),
            Presence(online=True, epoch=school.epoch, next=2**40 + 1),
            Presence(online=True, epoch=school.epoch, lowest=5, next=4),
            Presence(online=True, epoch=school.epoch, next=1_000, gaps=holes),
            Presence(online=True, epoch=school.epoch, next=10, gaps=[(5, 20)]),
            Presence(online=True, epoch=school.epoch, next=10, nonce=2**60),
            Presence(online=True, epoch="x" * 16),
            Presence(online=True),
        ):
            world.bad.say(topic(BAD, "presence"), messages.encode(presence))

    world.counted({"aside.range": 4, "aside.count": 1, "aside.name": 1, "aside.shape": 1}, speak)
    world.counted(
        {"reports": 1, "minutes": 1}, lambda: world.bad.say(topic(BAD, "report"), school.minute(M0 + 200).payload)
    )

    assert world.server.minutes(BAD, "lan.router", M0 + 200, M0 + 201) == bytes([60])
    assert len(world.server.rows("SELECT settled FROM epoch WHERE site = ?", GOOD)) == len(good)


def test_thousands_of_gaps_and_epochs_stay_within_bounds(world: Hostile) -> None:
    def holes(number: int) -> list[tuple[int, int]]:
        return [(number * 500 + n * 2, number * 500 + n * 2 + 1) for n in range(200)]

    def many_gaps() -> None:
        for number in range(50):
            presence = Presence(online=True, epoch="f2" * 8, next=2**39, gaps=holes(number))
            world.bad.say(topic(BAD, "presence"), messages.encode(presence))

    world.counted({"aside.count": 50 - MOST_RANGES // 200}, many_gaps)
    (settled,) = world.server.rows("SELECT settled FROM epoch WHERE epoch = ?", "f2" * 8)[0]
    assert len(json.loads(settled)) == MOST_RANGES

    for number in range(MOST + 200):
        presence = Presence(online=True, epoch=f"e{number:015x}")
        world.bad.say(topic(BAD, "presence"), messages.encode(presence))
    assert world.good_minute() < AT_ONCE_SECONDS
    await_(lambda: is_calm(world), 30, "it has read all of it")
    assert world.server.rows("SELECT COUNT(*) FROM epoch WHERE site = ?", BAD) == [(MOST,)]


def is_calm(world: Hostile) -> bool:
    before = world.server.counters()
    time.sleep(1)
    return world.server.counters() == before


def test_a_flood_of_events_is_bounded_and_wrong_times_are_set_aside(world: Hostile) -> None:
    now_ms = int(time.time() * 1000)

    def wrong_times() -> None:
        for at_ms in (0, -1, 2**62, now_ms - 700_000, now_ms + 700_000, 946_684_800_000):
            world.bad.say(topic(BAD, "event"), messages.encode(Event("lan.router", False, at_ms)))
        world.bad.say(topic(BAD, "event"), messages.encode(Event("x" * 300, False, now_ms)))
        world.bad.say(topic(BAD, "event"), messages.encode(Event("lan.router", False, now_ms, "c" * 300)))

    world.counted({"aside.time": 6, "aside.name": 1, "aside.text": 1}, wrong_times)

    def flood() -> None:
        for number in range(EVENTS + 500):
            world.bad.say(topic(BAD, "event"), messages.encode(Event("lan.router", number % 2 == 0, now_ms - number)))

    world.counted({"aside.count": 500}, flood)
    assert world.server.rows("SELECT COUNT(*) FROM edge WHERE site = ?", BAD) == [(EVENTS,)]
    assert world.server.rows("SELECT COUNT(*) FROM incident WHERE site = ?", BAD)[0][0] <= 1


def test_after_all_of_it_the_server_is_well(world: Hostile) -> None:
    assert world.server.process is not None
    assert world.server.is_well()
    assert world.good_minute() < AT_ONCE_SECONDS
    assert resident_bytes(world.server.process.pid) < SERVER_BYTES
    assert world.server.rows("SELECT COUNT(*) FROM aside")[0][0] <= ASIDE_ROWS
    assert world.server.counters().get("aside.internal", 0) == 0
    log = world.server.log.read_text(encoding="utf-8")
    assert "Traceback" not in log
    assert len(log) < 200_000


def test_the_good_school_lost_nothing(world: Hostile) -> None:
    count = world.school.seq
    found = world.server.rows("SELECT seq, count, payload FROM report WHERE site = ? ORDER BY seq", GOOD)
    rows = [row for _, _, payload in found for row in report.unpack(report.decode(payload), world.school.inventory)]

    assert rows == [MinuteRow(n, M0 + 1 + n, b"\x3c" * 6, [[125], [None]]) for n in range(count)]
