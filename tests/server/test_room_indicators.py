"""Rooms and holdings as indicators: equipped, ready when the lesson begins, on record; by lessons and things, exactly."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import product

import pytest
from tests.server.test_verdicts import END, TARGET, verdict

from schoolbeat_server.evidence import SiteFacts, Window
from schoolbeat_server.finding import Case, Finding
from schoolbeat_server.indicators import INDICATORS
from schoolbeat_server.measured import Row
from schoolbeat_server.reconcile import Holding
from schoolbeat_server.register_needs import RoomNeeds
from schoolbeat_server.register_values import Device, Room, RoomNeed, Site
from schoolbeat_server.targets import Condition
from schoolbeat_wire.catalogue import UNKNOWN

FIRST = END - 7 * 1_440
STARTS = tuple(FIRST + 1_440 * day + 60 * hour for day, hour in product(range(5), (1, 2)))  # ten lessons
ROOM = Room("r", "s", "Phòng 5A", "smart", 1)
NEEDS = RoomNeeds((RoomNeed("smart", 1, "board", 1), RoomNeed("smart", 1, "computer", 2)), assumed=False)


def device(ident: str, kind: str, room: str = "r") -> Device:
    return Device("s", ident, ident, kind, room, "192.0.2.1", 0, "lan.router")


DEVICES = (device("b", "board"), device("c1", "computer"), device("c2", "computer"), device("c3", "computer"))


def facts(down: dict[str, set[int]] | None = None, unknown: dict[str, set[int]] | None = None) -> SiteFacts:
    """Every device answers all week, but not in the lessons (0 to 9) named."""
    measured = {}
    for one in DEVICES:
        codes = bytearray([60]) * (7 * 1_440)
        for code, which in ((0, down), (UNKNOWN, unknown)):
            for lesson in (which or {}).get(one.id, ()):
                codes[STARTS[lesson] - FIRST] = code
        measured[one.signal] = Row(FIRST, bytes(codes))
    return SiteFacts(
        Site("s", "school", "Điểm", "main", None, None),
        rooms=(ROOM,),
        devices=DEVICES,
        inventoried=True,
        measured=measured,
        needs=NEEDS,
        lesson_starts=STARTS,
    )


def found(indicator: str, at: SiteFacts, threshold: Fraction | int = 1, kinds: tuple[str, ...] = ()) -> Finding:
    condition = Condition(indicator, "a", at_least=Fraction(threshold), of=kinds)
    return INDICATORS[indicator].judge(Case(at, None, TARGET, condition, Window(FIRST, END), ROOM))


def test_a_room_is_equipped_when_the_register_puts_all_it_must_hold_into_it() -> None:
    whole = facts()

    assert found("room.equipped", whole).met is True
    lacking = found("room.equipped", replace(whole, devices=DEVICES[1:2]))
    assert (lacking.met, lacking.said.vi) == (False, "Phòng 5A: thiếu 1 bảng tương tác, 2 máy tính")
    assert found("room.equipped", replace(whole, needs=RoomNeeds((), assumed=False))).met is None


def test_a_room_is_ready_when_so_many_of_each_kind_answer_in_the_lessons_first_minute() -> None:
    one_computer_out = facts(down={"c1": {0, 1}, "c2": {1}})
    told = found("room.ready", one_computer_out, Fraction(9, 10))

    assert (told.met, told.grade) == (True, "proven")
    assert told.said.vi == "Phòng 5A: sẵn sàng ở 9/10 tiết (90,0%), cần 90%"
    assert found("room.ready", facts(down={"b": {0}, "c1": {1}, "c2": {1}}), Fraction(9, 10)).met is False


def test_minutes_between_lessons_do_not_matter() -> None:
    whole = facts()
    only_at_starts = {
        signal: Row(FIRST, bytes(60 if FIRST + at in STARTS else 0 for at in range(7 * 1_440)))
        for signal in whole.measured
    }

    assert found("room.ready", replace(whole, measured=only_at_starts), 1).met is True


def test_what_is_not_known_is_no_answer_either_way() -> None:
    blank = found("room.ready", facts(unknown={"b": {0, 1, 2}}), Fraction(9, 10))
    decided = found("room.ready", facts(unknown={"c1": {0}}), Fraction(9, 10))
    against = found("room.ready", facts(down={"b": {0, 1}}, unknown={"b": {5, 6, 7}}), Fraction(9, 10))

    assert (blank.met, blank.coverage) == (None, Fraction(7, 10))
    assert (decided.met, decided.coverage) == (True, Fraction(1))  # two other computers answered
    assert against.met is False


def test_without_a_calendar_or_a_bill_nothing_is_said_of_rooms() -> None:
    whole = facts()

    assert found("room.ready", replace(whole, lesson_starts=None)).said.en == (
        "Phòng 5A: there is no school calendar to count by"
    )
    assert found("room.ready", replace(whole, lesson_starts=())).met is None
    assert found("room.ready", replace(whole, needs=None)).met is None


def test_an_assumed_bill_is_named_as_one() -> None:
    assumed = replace(facts(), needs=replace(NEEDS, assumed=True))

    assert found("room.ready", assumed).said.en.endswith("(by an assumed bill of materials)")


@pytest.mark.parametrize(
    ("down", "unknown", "need", "met"),
    [
        (set(), set(), 1, True),
        (set(range(4)), set(), 1, True),
        (set(range(5)), set(), 1, False),
        (set(range(4)), {4, 5}, 1, None),
        (set(), set(), 2, False),
    ],
)
def test_a_room_counts_when_it_was_ready_at_more_lessons_than_not(
    down: set[int], unknown: set[int], need: int, met: bool | None
) -> None:
    told = found("rooms.ready.count", facts({"b": down}, {"b": unknown}), need, kinds=("smart",))

    assert told.met is met


def holding(state: str, quantity: int = 1) -> Holding:
    return Holding("s", "x", "", "", "", "", quantity, state, False)  # type: ignore[arg-type]


def test_holdings_are_counted_thing_by_thing_over_all_sites() -> None:
    one = replace(facts(), holdings=(holding("matched"), holding("stranger"), holding("unseen", 40)))
    other = replace(facts(), site=replace(one.site, id="t"), holdings=(holding("stranger", 2),))
    silent = replace(facts(), site=replace(one.site, id="u"), holdings=(holding("declared", 3),), silent=True)
    target = replace(TARGET, unit="holding", conditions=(Condition("holding.recorded", ""),), share=Fraction(9, 10))

    told = verdict(target, one, other, silent)

    assert (told.met, told.missed, told.unknown, told.status) == (41, 3, 3, "unknown")
    assert [(unit.site, unit.status, unit.counts) for unit in told.units] == [
        ("u", "unknown", (0, 0, 3)),
        ("s", "missed", (41, 1, 0)),
        ("t", "missed", (0, 2, 0)),
    ]
