"""Cloned cards: two machines with one agent's credentials are recognised, kept apart and decided by an operator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select
from tests.server.school import School, register
from tests.server.test_breaks_ledger import Server, break_writing_to, mend

from schoolbeat_server import clones, database, enrol, schema
from schoolbeat_server.clones import Card, judge, same_boot
from schoolbeat_wire import messages as wire
from schoolbeat_wire.catalogue import DISPUTED, UNKNOWN

M0 = 29_000_000 - 29_000_000 % 1_440 + 1_380
FIRST, OTHER = "11" * 8, "22" * 8
BOOT, NEXT_BOOT, THIRD_BOOT = "aa" * 16, "b1" * 16, "c2" * 16


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = database.open_database(tmp_path / "schoolbeat.db")
    register(engine, ["s1", "s2"])
    yield engine
    engine.dispose()


class Watched(Server):
    """Keeps the acks, and looks after the house as the heart does every two seconds."""

    def acks(self) -> list[wire.Ack]:
        return [wire.decode_ack(payload) for topic, payload in self.link.sent if topic.endswith("/ack")]

    def step(self, *messages: Any, seconds: int = 1) -> bool:
        done = super().step(*messages, seconds=seconds)
        self.heart._look_for_agents()
        self.heart._carry_out()
        return done

    def pass_blindness(self) -> None:
        for _ in range(62):
            self.step()


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Watched:
    return Watched(engine, tmp_path, M0 * 60)


def isp(server: Server, first: int, count: int) -> bytes:
    return server.read("s1", ["line.isp"], first, first + count)["line.isp"]


def states(engine: Engine) -> list[tuple[str, str, str]]:
    table = schema.card.c
    with engine.connect() as connection:
        return sorted(tuple(row) for row in connection.execute(select(table.hardware, table.boot, table.state)))


def held(engine: Engine) -> list[tuple[str, str, int]]:
    table = schema.held.c
    with engine.connect() as connection:
        query = select(table.why, table.state, table.first_minute).order_by(table.id)
        return [tuple(row) for row in connection.execute(query)]


def told(engine: Engine) -> list[tuple[str, str]]:
    joined = schema.notice.join(schema.incident, schema.incident.c.id == schema.notice.c.incident)
    with engine.connect() as connection:
        query = select(schema.notice.c.kind, schema.incident.c.cause).select_from(joined).order_by(schema.notice.c.id)
        return [tuple(row) for row in connection.execute(query)]


def say_true(engine: Engine, hardware: str, boot: str = "") -> None:
    with engine.begin() as connection:
        values = {"at_ms": 1, "who": "lan", "what": "true", "site": "s1", "agent": "gateway", "reason": "đã hỏi trường"}
        connection.execute(insert(schema.decision).values(**values, hardware=hardware, boot=boot))


# ---- the decision ------------------------------------------------------------------------------------------


def card(hardware: str, state: clones.State, heard_ms: int = 10**6, boot: str = BOOT) -> Card:
    return Card(hardware, boot, "ab" * 8, state, 0, heard_ms, heard_ms)


@pytest.mark.parametrize(
    ("known", "hardware", "boot", "now_ms", "issued_ms", "state"),
    [
        ([], FIRST, BOOT, 0, 0, "true"),
        ([card(FIRST, "true")], FIRST, BOOT, 10**6, 0, "true"),
        ([card(FIRST, "true", 10**6)], FIRST, NEXT_BOOT, 10**6 + 120_000, 0, "trial"),
        ([card(FIRST, "true", 10**6)], FIRST, NEXT_BOOT, 10**6 + 120_001, 0, "true"),
        ([card(FIRST, "true", 10**6)], OTHER, BOOT, 10**6, 0, "aside"),
        ([card(FIRST, "true", 10**6)], OTHER, BOOT, 10**12, 0, "aside"),  # silent for years, nothing given out
        ([card(FIRST, "true", 10**6)], OTHER, BOOT, 10**7, 2 * 10**6, "true"),
        ([card(FIRST, "true", 3 * 10**6)], OTHER, BOOT, 10**7, 2 * 10**6, "aside"),  # the old one has the new password
        ([card(FIRST, "true", 2 * 10**6 + 1)], OTHER, BOOT, 10**7, 2 * 10**6, "aside"),  # and had it at once
        ([card(FIRST, "true", 10**6), card(OTHER, "aside")], OTHER, NEXT_BOOT, 10**7, 0, "aside"),
        ([card(FIRST, "true", 10**6), card(OTHER, "aside")], OTHER, BOOT, 10**7, 2 * 10**6, "true"),
        ([card(FIRST, "true", 10**6), card(OTHER, "false")], OTHER, NEXT_BOOT, 10**7, 0, "false"),
        ([card(FIRST, "former"), card(OTHER, "true")], FIRST, BOOT, 10**7, 0, "aside"),
        ([card(FIRST, "former"), card(FIRST, "true", 10**6, NEXT_BOOT)], FIRST, BOOT, 10**7, 0, "aside"),
    ],
)
def test_what_a_card_is(
    known: list[Card], hardware: str, boot: str, now_ms: int, issued_ms: int, state: clones.State
) -> None:
    assert judge(known, hardware, boot, now_ms, issued_ms) == state


def test_a_windows_boot_told_a_step_later_is_the_same_boot() -> None:
    assert same_boot(f"{5_000_000:032x}", f"{5_000_001:032x}")
    assert not same_boot(f"{5_000_000:032x}", f"{5_000_002:032x}")
    assert not same_boot("", BOOT)


OUTBOX, LATER = "ab" * 8, "ef" * 8  # epochs
MINE, COPY = Card(FIRST, BOOT, LATER, "true", 0, 10**6, 10**6), Card(FIRST, NEXT_BOOT, OUTBOX, "false", 0, 10**6, 10**6)


@pytest.mark.parametrize(
    ("known", "epoch", "went_back", "issued_ms", "state"),
    [
        ([card(FIRST, "true")], OUTBOX, False, 0, "true"),
        ([card(FIRST, "true")], OUTBOX, True, 0, "aside"),  # an older outbox than what was heard
        ([card(FIRST, "true")], OUTBOX, True, 2 * 10**6, "true"),  # with new credentials: a card was restored
        ([card("", "true")], OUTBOX, False, 0, "true"),
        ([MINE, COPY], LATER, False, 0, "true"),
        ([MINE, COPY], OUTBOX, False, 0, "false"),  # the refused one has started again
        ([MINE, COPY], "12" * 8, False, 0, "true"),
    ],
)
def test_what_another_boot_of_a_machine_is_by_its_outbox(
    known: list[Card], epoch: str, went_back: bool, issued_ms: int, state: clones.State
) -> None:
    assert judge(known, FIRST, "c3" * 16, 10**9, issued_ms, epoch, went_back=went_back) == state


# ---- other hardware ----------------------------------------------------------------------------------------


def test_a_card_copied_into_another_machine_is_set_aside_from_its_first_report_and_people_are_told(
    engine: Engine, server: Watched
) -> None:
    school, copy = School("s1"), School("s1", epoch="cd" * 8)
    server.step(school.inventory_message(), school.presence(hardware=FIRST, boot=BOOT), school.minute(M0 - 3))
    server.pass_blindness()

    server.step(copy.presence(hardware=OTHER, boot=NEXT_BOOT), copy.minute(M0 - 2, line_isp=0))
    server.step(copy.minute(M0 - 1, line_isp=0))
    server.step(school.presence(hardware=FIRST, boot=BOOT), school.minute(M0 - 2))

    assert isp(server, M0 - 3, 3) == bytes([60, 60, UNKNOWN])
    assert states(engine) == [(FIRST, BOOT, "true"), (OTHER, NEXT_BOOT, "aside")]
    assert held(engine) == [("clone", "waiting", M0 - 2), ("clone", "waiting", M0 - 1)]
    assert told(engine) == [("open", "clone")]
    assert server.ingest.epochs.known["s1", "gateway", copy.epoch].settled.pairs() == [(0, 2)]  # it sends in peace
    fresh = Watched(engine, server.folder, server.second)
    assert fresh.memory() == server.memory()
    assert sorted(map(str, fresh.ingest.cards.known["s1", "gateway"])) == sorted(
        map(str, server.ingest.cards.known["s1", "gateway"])
    )
    assert isp(fresh, M0 - 3, 3) == bytes([60, 60, UNKNOWN])


def test_the_payload_is_kept_whole_and_once(engine: Engine, server: Watched) -> None:
    school, copy = School("s1"), School("s1", epoch="cd" * 8)
    copy.signals = [f"device.d{number:03}" for number in range(900)]
    copy.__post_init__()
    server.step(school.presence(hardware=FIRST), copy.presence(hardware=OTHER))
    rows = copy.rows(M0 - 60, [bytes(range(60)) * 15] * 60)
    report = copy.report(rows)

    server.step(report, report)

    with engine.connect() as connection:
        assert [bytes(one) for one in connection.scalars(select(schema.held.c.payload))] == [report.payload]


def test_the_operator_says_that_the_first_is_true(engine: Engine, server: Watched) -> None:
    school, copy = School("s1"), School("s1", epoch="cd" * 8)
    server.step(school.inventory_message(), school.presence(hardware=FIRST), school.minute(M0 - 3))
    server.step(copy.presence(hardware=OTHER), copy.minute(M0 - 2, line_isp=0))
    say_true(engine, FIRST)

    server.step()
    server.step(copy.minute(M0 - 1, line_isp=0))
    server.step(school.minute(M0 - 2))

    assert isp(server, M0 - 3, 3) == bytes([60, 60, UNKNOWN])
    assert [state for *_, state in states(engine)] == ["true", "false"]
    assert held(engine) == [("clone", "discarded", M0 - 2), ("clone", "discarded", M0 - 1)]
    assert told(engine) == [("open", "clone"), ("close", "clone")]
    with engine.connect() as connection:
        row = connection.execute(select(schema.decision)).one()
    assert (row.who, row.reason, row.outcome) == ("lan", "đã hỏi trường", "believed; released 0, discarded 1")
    assert row.done_ms


def test_the_operator_says_that_the_newcomer_is_true_and_what_it_said_is_placed_like_late_data(
    engine: Engine, server: Watched
) -> None:
    school, new = School("s1"), School("s1", epoch="cd" * 8)
    server.step(school.inventory_message(), school.presence(hardware=FIRST), school.minute(M0 - 9))
    server.step(new.presence(hardware=OTHER))
    for minute in range(M0 - 8, M0):
        server.step(new.minute(minute, line_isp=0 if minute < M0 - 5 else 60))
    assert isp(server, M0 - 9, 9) == bytes([60, *[UNKNOWN] * 8])
    say_true(engine, OTHER)

    for _ in range(3):
        server.step()
    server.step(school.minute(M0 - 4, line_isp=7))  # the old one is the stranger now

    assert isp(server, M0 - 9, 9) == bytes([60, 0, 0, 0, 60, 60, 60, 60, 60])
    assert {state for _, state, _ in held(engine)} == {"released", "discarded"}
    assert told(engine) == [("open", "clone"), ("close", "clone")]
    fresh = Watched(engine, server.folder, server.second)
    assert isp(fresh, M0 - 9, 9) == isp(server, M0 - 9, 9)
    assert fresh.memory() == server.memory()


def test_a_decision_can_be_taken_back_while_the_payload_is_there(engine: Engine, server: Watched) -> None:
    school, new = School("s1"), School("s1", epoch="cd" * 8)
    server.step(school.inventory_message(), school.presence(hardware=FIRST), school.minute(M0 - 9))
    server.step(new.presence(hardware=OTHER), new.minute(M0 - 8))
    say_true(engine, FIRST)
    server.step()
    server.step(new.minute(M0 - 7))
    say_true(engine, OTHER)

    server.step()
    server.step()

    assert isp(server, M0 - 9, 3) == bytes([60, 60, 60])


def test_a_thousand_held_reports_are_placed_in_slices(engine: Engine, server: Watched) -> None:
    school, new = School("s1"), School("s1", epoch="cd" * 8)
    server.step(school.inventory_message(), school.presence(hardware=FIRST), new.presence(hardware=OTHER))
    server.step(*(new.minute(M0 - 1_000 + n) for n in range(900)))
    say_true(engine, OTHER)

    for _ in range(7):
        server.step()

    assert isp(server, M0 - 1_000, 1_000) == bytes([60] * 900 + [UNKNOWN] * 100)


def test_a_replaced_gateway_with_new_credentials_is_believed_at_once(engine: Engine, server: Watched) -> None:
    school, new = School("s1"), School("s1", epoch="cd" * 8)
    server.step(school.inventory_message(), school.presence(hardware=FIRST), school.minute(M0 - 9))
    for _ in range(15):
        server.step()
    enrol.add_agent(engine, "s1", now_ms=server.ms(), replace_password=True)
    server.step()

    server.step(new.presence(hardware=OTHER), new.minute(M0 - 8, line_isp=0))

    assert isp(server, M0 - 9, 2) == bytes([60, 0])
    assert [state for *_, state in states(engine)] == ["former", "true"]
    assert (held(engine), told(engine)) == ([], [])


def test_a_machine_that_waits_is_believed_once_it_has_new_credentials(engine: Engine, server: Watched) -> None:
    school, new = School("s1"), School("s1", epoch="cd" * 8)
    server.step(school.inventory_message(), school.presence(hardware=FIRST), school.minute(M0 - 9))
    server.step(new.presence(hardware=OTHER), new.minute(M0 - 8))
    for _ in range(15):
        server.step()
    enrol.add_agent(engine, "s1", now_ms=server.ms(), replace_password=True)
    server.step()

    server.step(new.presence(hardware=OTHER))
    server.step()
    server.step()

    assert isp(server, M0 - 9, 2) == bytes([60, 60])
    assert told(engine) == [("open", "clone"), ("close", "clone")]


def test_the_word_of_a_copy_is_no_contact_and_no_event_of_the_school(engine: Engine, server: Watched) -> None:
    school, copy = School("s1"), School("s1", epoch="cd" * 8)
    server.step(school.inventory_message(), school.presence(hardware=FIRST), school.minute(M0 - 1))
    server.pass_blindness()
    heard_ms = server.ingest.contact.of("s1").heard_ms

    server.step(copy.presence(hardware=OTHER), copy.minute(M0), seconds=5)
    event = wire.Event("line.isp", up=False, at_ms=server.ms())
    server.step(copy.message("event", wire.encode(event)), copy.presence(online=False))

    assert server.ingest.contact.of("s1").heard_ms == heard_ms
    assert server.ingest.contact.of("s1").session  # whose session ended nobody can say; lateness tells
    with engine.connect() as connection:
        assert connection.execute(select(schema.edge)).all() == []


def test_two_machines_that_take_the_connection_from_each_other_make_one_incident(
    engine: Engine, server: Watched
) -> None:
    school, copy = School("s1"), School("s1", epoch="cd" * 8)
    server.step(school.inventory_message(), school.presence(hardware=FIRST), school.minute(M0 - 1))
    server.pass_blindness()

    for minute in range(M0 + 1, M0 + 8):
        for machine, hardware in ((copy, OTHER), (school, FIRST)):
            server.step(machine.presence(online=False), machine.presence(hardware=hardware))
            server.step(machine.minute(minute, line_isp=60 if machine is school else 0), seconds=29)

    assert told(engine) == [("open", "clone")]
    assert isp(server, M0 + 1, 7) == bytes([60] * 7)


# ---- two boots ---------------------------------------------------------------------------------------------


def test_two_live_boots_with_one_outbox_are_recognised_and_never_mixed(engine: Engine, server: Watched) -> None:
    school, copy = School("s1"), School("s1")
    server.step(school.inventory_message(), school.presence(hardware=FIRST, boot=BOOT), school.minute(M0 - 4))
    copy.seq = school.seq
    server.step(school.minute(M0 - 3))

    server.step(copy.presence(hardware=FIRST, boot=NEXT_BOOT), copy.minute(M0 - 2, line_isp=0), seconds=10)
    assert held(engine) == [("trial", "waiting", M0 - 2)]
    server.step(school.presence(hardware=FIRST, boot=BOOT), seconds=10)
    server.step(school.minute(M0 - 2))

    assert isp(server, M0 - 4, 3) == bytes([60, 60, 60])
    assert states(engine) == [(FIRST, BOOT, "true"), (FIRST, NEXT_BOOT, "aside")]
    assert held(engine) == [("clone", "waiting", M0 - 2)]
    assert server.ingest.epochs.known["s1", "gateway", school.epoch].settled.pairs() == [(0, 3)]
    assert told(engine) == [("open", "clone")]
    for _ in range(70):
        server.step()
    assert states(engine)[1][2] == "aside"


def test_a_copy_that_runs_while_the_first_is_off_is_known_by_its_older_outbox(engine: Engine, server: Watched) -> None:
    school, copy = School("s1"), School("s1")
    server.step(school.inventory_message(), school.presence(hardware=FIRST, boot=BOOT))
    for at in range(30):
        server.step(school.minute(M0 - 60 + at))

    server.step(copy.presence(hardware=FIRST, boot=NEXT_BOOT), copy.minute(M0 - 20, line_isp=0), seconds=3_600)

    assert isp(server, M0 - 20, 1) == bytes([UNKNOWN])
    assert states(engine) == [(FIRST, BOOT, "true"), (FIRST, NEXT_BOOT, "aside")]
    assert told(engine)[0] == ("open", "clone")


def test_two_that_take_turns_for_days_are_known_when_the_outbox_that_was_left_comes_back(
    engine: Engine, server: Watched
) -> None:
    """The first has more minutes than the copy; when it comes back it begins a new epoch, as agents do."""
    school, copy, later = School("s1"), School("s1"), School("s1", epoch="ef" * 8)
    server.step(school.inventory_message(), school.presence(hardware=FIRST, boot=BOOT), school.minute(M0 - 300))
    copy.seq = school.seq
    server.step(copy.presence(hardware=FIRST, boot="b1" * 16), copy.minute(M0 - 240), seconds=3_600)
    server.step(school.presence(hardware=FIRST, boot="a2" * 16), seconds=3_600)
    server.step(later.presence(hardware=FIRST, boot="a2" * 16), later.minute(M0 - 180))

    server.step(copy.presence(hardware=FIRST, boot="b2" * 16), copy.minute(M0 - 120, line_isp=0), seconds=3_600)

    assert isp(server, M0 - 120, 1) == bytes([UNKNOWN])
    assert {boot[:2]: state for _, boot, state in states(engine)} == {
        "aa": "former",
        "b1": "former",
        "a2": "true",
        "b2": "aside",
    }


def test_boots_tell_machines_apart_that_do_not_name_themselves(engine: Engine, server: Watched) -> None:
    school, copy = School("s1"), School("s1", epoch="cd" * 8)
    server.step(school.inventory_message(), school.presence(boot=BOOT), school.minute(M0 - 4))

    server.step(copy.presence(boot=NEXT_BOOT), copy.minute(M0 - 3, line_isp=0), seconds=10)
    server.step(school.presence(boot=BOOT, hardware=FIRST), school.minute(M0 - 3), seconds=10)  # it can say so now

    assert isp(server, M0 - 4, 2) == bytes([60, 60])
    assert states(engine) == [("", NEXT_BOOT, "aside"), (FIRST, BOOT, "true")]
    assert told(engine) == [("open", "clone")]


@pytest.mark.parametrize("seqs", ["the same seqs", "other seqs"])
def test_minutes_that_two_nameless_machines_tell_are_disputed_and_people_are_told(
    engine: Engine, server: Watched, seqs: str
) -> None:
    school, copy = School("s1"), School("s1", seq=0 if seqs == "the same seqs" else 100)
    server.step(school.inventory_message(), school.presence(), school.minute(M0 - 4), school.minute(M0 - 3))

    server.step(copy.minute(M0 - 4, line_isp=0), copy.minute(M0 - 3))

    assert isp(server, M0 - 4, 2) == bytes([DISPUTED, 60])
    assert states(engine) == [("", "", "aside")]
    assert told(engine) == [("open", "clone")]
    server.start()
    server.step(school.presence(), school.minute(M0 - 2))
    assert isp(server, M0 - 2, 1) == bytes([60])  # nobody is kept apart whom nothing tells apart
    say_true(engine, "")
    server.step()
    assert told(engine) == [("open", "clone"), ("close", "clone")]


@pytest.mark.parametrize("first_comes", ["what it told", "what it takes back"])
def test_a_minute_that_an_agent_takes_back_under_the_same_seq_is_no_word_of_a_copy(
    engine: Engine, server: Watched, first_comes: str
) -> None:
    """A wrong clock had placed it; the ack of its first sending was lost, or a line repeats it late."""
    school, again = School("s1"), School("s1")
    present = school.presence(hardware=FIRST, boot=BOOT)
    told_first = school.minute(M0 - 4)
    taken_back = again.minute(M0 - 4, **{name.replace(".", "_", 1): DISPUTED for name in again.signals})
    server.step(school.inventory_message(), present)

    both = [told_first, taken_back] if first_comes == "what it told" else [taken_back, told_first]
    for message in both:
        server.step(message)

    assert isp(server, M0 - 4, 1) == bytes([DISPUTED])
    assert states(engine) == [(FIRST, BOOT, "true")]
    assert told(engine) == []


def test_when_minutes_clash_the_boot_that_seemed_over_waits_for_an_operator(engine: Engine, server: Watched) -> None:
    """One broker let both in, or the first sends what it had kept: its last boot was taken for over."""
    school, copy = School("s1"), School("s1", epoch="cd" * 8)
    server.step(school.inventory_message(), school.presence(hardware=FIRST, boot=BOOT), school.minute(M0 - 4))
    server.step(copy.presence(hardware=FIRST, boot=NEXT_BOOT), seconds=130)

    server.step(copy.minute(M0 - 4, line_isp=0))

    assert isp(server, M0 - 4, 1) == bytes([DISPUTED])
    assert states(engine) == [(FIRST, BOOT, "aside"), (FIRST, NEXT_BOOT, "true")]
    assert told(engine) == [("open", "clone")]


def test_a_quick_reboot_costs_a_minute_of_patience_and_nothing_else(engine: Engine, server: Watched) -> None:
    school = School("s1")
    server.step(school.inventory_message(), school.presence(hardware=FIRST, boot=BOOT), school.minute(M0 - 4))

    server.step(school.presence(hardware=FIRST, boot=NEXT_BOOT), school.minute(M0 - 3), seconds=40)
    assert isp(server, M0 - 4, 2) == bytes([60, UNKNOWN])
    for _ in range(61):
        server.step()
    server.step(school.minute(M0 - 2))

    assert isp(server, M0 - 4, 3) == bytes([60, 60, 60])
    assert states(engine) == [(FIRST, BOOT, "former"), (FIRST, NEXT_BOOT, "true")]
    assert server.ingest.epochs.known["s1", "gateway", school.epoch].settled.pairs() == [(0, 3)]
    assert told(engine) == []


def test_power_that_flickers_makes_no_copy_of_the_last_boot(engine: Engine, server: Watched) -> None:
    """A third boot comes while the second is still on trial; the end of that trial says nothing against the third."""
    school = School("s1")
    server.step(school.inventory_message(), school.presence(hardware=FIRST, boot=BOOT), school.minute(M0 - 4))
    server.step(school.presence(hardware=FIRST, boot=NEXT_BOOT), school.minute(M0 - 3), seconds=40)
    server.step(school.presence(hardware=FIRST, boot=THIRD_BOOT), school.minute(M0 - 2), seconds=30)
    for second in range(130):
        server.step(*([school.minute(M0 - 1)] if second == 45 else []))

    assert states(engine) == [
        (FIRST, BOOT, "former"),
        (FIRST, NEXT_BOOT, "former"),
        (FIRST, THIRD_BOOT, "true"),
    ]
    assert isp(server, M0 - 4, 4) == bytes([60, 60, 60, 60])
    assert server.ingest.epochs.known["s1", "gateway", school.epoch].settled.pairs() == [(0, 4)]
    assert told(engine) == []


def test_a_replaced_machine_that_goes_on_without_a_word_is_kept_apart_too(engine: Engine, server: Watched) -> None:
    school, new = School("s1"), School("s1", epoch="cd" * 8)
    server.step(school.inventory_message(), school.presence(hardware=FIRST), school.minute(M0 - 9))
    enrol.add_agent(engine, "s1", now_ms=server.ms() + 1_000, replace_password=True)
    server.step(seconds=2)
    server.step(new.presence(hardware=OTHER), new.minute(M0 - 8))

    server.step(school.minute(M0 - 8, line_isp=0))  # a broker that lets two in

    assert isp(server, M0 - 9, 2) == bytes([60, 60])
    assert [state for *_, state in states(engine)] == ["aside", "true"]
    assert told(engine) == [("open", "clone")]


def test_thousands_of_machines_leave_the_true_one_believed_and_are_bounded(engine: Engine, server: Watched) -> None:
    school = School("s1")
    server.step(school.inventory_message(), school.presence(hardware=FIRST, boot=BOOT), school.minute(M0 - 9))
    others = [School("s1", epoch=f"{number:016x}") for number in range(200)]

    server.step(*(other.presence(hardware=f"{number + 9:016x}") for number, other in enumerate(others)))
    server.step(others[0].minute(M0 - 8, line_isp=0), others[-1].minute(M0 - 8, line_isp=0))
    server.step(school.presence(hardware=FIRST, boot=BOOT), school.minute(M0 - 8))

    assert isp(server, M0 - 9, 2) == bytes([60, 60])
    assert len(states(engine)) == clones.MOST
    assert (FIRST, BOOT, "true") in states(engine)
    fresh = Watched(engine, server.folder, server.second)
    fresh.step(others[0].minute(M0 - 7, line_isp=0))
    assert isp(fresh, M0 - 9, 3) == bytes([60, 60, UNKNOWN])


def test_when_the_agent_is_removed_nobody_waits_for_a_decision(engine: Engine, server: Watched) -> None:
    school, copy = School("s1"), School("s1", epoch="cd" * 8)
    server.step(school.inventory_message(), school.presence(hardware=FIRST), copy.presence(hardware=OTHER))
    assert told(engine) == [("open", "clone")]

    enrol.remove_agent(engine, "s1", "gateway", now_ms=server.ms())
    server.step()
    server.step()

    assert told(engine) == [("open", "clone"), ("close", "clone")]


def test_an_agent_that_does_not_name_its_machine_is_believed(engine: Engine, server: Watched) -> None:
    school = School("s1")

    server.step(school.inventory_message(), school.presence(), school.minute(M0 - 4))

    assert isp(server, M0 - 4, 1) == bytes([60])
    assert states(engine) == []


def test_a_failed_transaction_leaves_the_cards_as_they_were(engine: Engine, server: Watched) -> None:
    school, copy = School("s1"), School("s1", epoch="cd" * 8)
    server.step(school.inventory_message(), school.presence(hardware=FIRST), school.minute(M0 - 4))
    break_writing_to(engine, "held")

    assert not server.step(copy.presence(hardware=OTHER), copy.minute(M0 - 3))
    mend(engine)
    server.heart.problem = ""
    server.step()

    assert [state for *_, state in states(engine)] == ["true", "aside"]
    assert held(engine) == [("clone", "waiting", M0 - 3)]
    assert DISPUTED not in isp(server, M0 - 4, 2)
