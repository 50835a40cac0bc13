"""Silence explained: a table of stories, and what must hold for any evidence in any order."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.server import oracle_ledger

from schoolbeat_agent.probes import witness
from schoolbeat_agent.settings import build
from schoolbeat_server import cause, silence_texts
from schoolbeat_server.notice_texts import CAUSES, compose
from schoolbeat_server.silence import (
    Evidence,
    LastWords,
    Neighbours,
    OffRange,
    Point,
    Silence,
    Witness,
    explain,
    witness_signal,
)
from schoolbeat_wire.catalogue import UNKNOWN

FIRST = 29_000_000
LADDER = ["lan.router", "line.isp", "line.domestic", "line.international"]
UP, DOWN, BLIND = bytes([60]), bytes([0]), bytes([UNKNOWN])
ALL_UP = dict.fromkeys([*LADDER, "line.internet"], UP * 10)
ROUTER_DOWN = {"lan.router": DOWN * 10}
CUT = {"lan.router": UP * 10, "line.isp": DOWN * 10}
PC_SEES_NONE = Witness("pc-1", DOWN * 10, b"\1" * 10)
LOST_MS = (FIRST + 1) * 60_000


def seen(**more: Any) -> Evidence:
    """A silence of ten minutes that is over, with nothing known of it."""
    plain = Evidence(FIRST, FIRST + 10, lost_ms=LOST_MS, is_back=True, backlog_complete=True)
    return replace(plain, **more)


LASTING = {"is_back": False, "backlog_complete": False}
OFF_POWER = [OffRange(FIRST, 10, "power")]

STORIES: dict[str, tuple[Evidence, Silence]] = {
    "nothing is known while it lasts": (
        seen(**LASTING),
        Silence("waiting", {"unknown": 10}, (), (Point("gateway_return", {"minute": FIRST + 1}),)),
    ),
    "the gateway is back and its backlog is on the way": (
        seen(backlog_complete=False, backlog_rows=7, rungs={"line.isp": DOWN * 3}),
        Silence(
            "waiting",
            {"line.isp": 3, "unknown": 7},
            (),
            (Point("backlog", {"rows": 7, "first_minute": FIRST + 3, "end_minute": FIRST + 10}),),
        ),
    ),
    "everything came and nothing tells": (seen(), Silence("unknown", {"unknown": 10})),
    "the line was cut": (seen(rungs=CUT), Silence("line.isp", {"line.isp": 10})),
    "the gateway lost power": (seen(offs=OFF_POWER), Silence("power", {"power": 10})),
    "the UPS told of it before": (
        seen(offs=OFF_POWER, mains_before=FIRST - 20, last_words=LastWords(FIRST, True, True, False)),
        Silence(
            "power",
            {"power": 10},
            (Point("mains_before", {"minute": FIRST - 20}), Point("battery_low", {"minute": FIRST})),
        ),
    ),
    "a UPS that ran low explains nothing until the gateway says that it was off": (
        seen(**LASTING, mains_before=FIRST - 20, last_words=LastWords(FIRST, True, True, None)),
        Silence(
            "waiting",
            {"unknown": 10},
            (Point("mains_before", {"minute": FIRST - 20}), Point("battery_low", {"minute": FIRST})),
            (Point("gateway_return", {"minute": FIRST + 1}),),
        ),
    ),
    "it ran on its battery and its supply was weak": (
        seen(last_words=LastWords(FIRST, True, False, True)),
        Silence(
            "unknown",
            {"unknown": 10},
            (Point("on_battery", {"minute": FIRST}), Point("undervoltage", {"minute": FIRST})),
        ),
    ),
    "the gateway lived on its UPS, the router had none": (
        seen(rungs=ROUTER_DOWN, mains=DOWN * 10),
        Silence("mains", {"mains": 10}, (Point("mains_down", {"minutes": 10, "minute": FIRST}),)),
    ),
    "lost mains charge no router before they are lost": (
        seen(rungs=ROUTER_DOWN, mains=UP * 6 + DOWN * 4),
        Silence(
            "lan.router",
            {"lan.router": 6, "mains": 4},
            (Point("mains_down", {"minutes": 4, "minute": FIRST + 6}),),
        ),
    ),
    "lost mains take no line's fault away": (
        seen(rungs=CUT, mains=DOWN * 10),
        Silence("line.isp", {"line.isp": 10}, (Point("mains_down", {"minutes": 10, "minute": FIRST}),)),
    ),
    "a computer misses the gateway while the school is online": (
        seen(**LASTING, witnesses=[Witness("pc-1", BLIND + DOWN * 8 + BLIND, b"\1" * 10)]),
        Silence(
            "gateway",
            {"unknown": 2, "gateway": 8},
            (
                Point(
                    "witness_down",
                    {"agent": "pc-1", "minutes": 8, "first_minute": FIRST + 1, "end_minute": FIRST + 9},
                ),
            ),
        ),
    ),
    "a computer whose word came later proves no network": (
        seen(witnesses=[Witness("pc-1", DOWN * 10, b"\0" * 10)]),
        Silence("unknown", {"unknown": 10}),
    ),
    "a computer that sees the gateway proves only the network": (
        seen(**LASTING, witnesses=[Witness("pc-1", UP * 10, b"\1" * 10)]),
        Silence(
            "waiting",
            {"unknown": 10},
            (Point("witness_up", {"agent": "pc-1", "minutes": 10, "first_minute": FIRST, "end_minute": FIRST + 10}),),
            (Point("gateway_return", {"minute": FIRST + 1}),),
        ),
    ),
    "what the gateway says itself goes before what a computer saw": (
        seen(offs=[OffRange(FIRST, 10, "clean_stop")], witnesses=[PC_SEES_NONE]),
        Silence(
            "agent_stopped",
            {"agent_stopped": 10},
            (Point("witness_down", {"agent": "pc-1", "minutes": 10, "first_minute": FIRST, "end_minute": FIRST + 10}),),
        ),
    ),
    "the neighbours lost power, this one says nothing": (
        seen(neighbours=Neighbours("Xã Thử", 9, 7, 6)),
        Silence(
            "unknown",
            {"unknown": 10},
            (Point("neighbours", {"area": "Xã Thử", "sites": 9, "silent": 7, "power": 6}),),
        ),
    ),
    "the neighbours lost power with this one": (
        seen(neighbours=Neighbours("Xã Thử", 9, 7, 7), offs=OFF_POWER),
        Silence(
            "power",
            {"power": 10},
            (Point("neighbours_too", {"area": "Xã Thử", "sites": 9, "silent": 7, "power": 7}),),
        ),
    ),
    "we were away ourselves and the school was online": (
        seen(rungs=ALL_UP, server_away=[(FIRST - 5, FIRST + 8)], heard=DOWN + BLIND * 7 + DOWN * 2),
        Silence(
            "server_away",
            {"server_away": 8, "beyond": 2},
            (Point("server_away", {"minutes": 8, "first_minute": FIRST, "end_minute": FIRST + 8}),),
        ),
    ),
    "we were away ourselves and the line was down too": (
        seen(rungs=CUT, server_away=[(FIRST, FIRST + 10)]),
        Silence(
            "line.isp",
            {"line.isp": 10},
            (Point("server_away", {"minutes": 10, "first_minute": FIRST, "end_minute": FIRST + 10}),),
        ),
    ),
    "nobody listened, but our own record does not say so": (
        seen(rungs=ALL_UP, heard=BLIND * 10),
        Silence("unknown", {"server_away": 10}),
    ),
    "we are only just back": (
        seen(**LASTING, now_ms=1_000, blind_until_ms=2_000),
        Silence(
            "waiting",
            {"unknown": 10},
            (),
            (Point("server", {"at_ms": 2_000}), Point("gateway_return", {"minute": FIRST + 1})),
        ),
    ),
    "a copied card speaks in its place": (
        seen(**LASTING, strangers=[("aa", LOST_MS), ("bb", LOST_MS + 60_000)]),
        Silence(
            "waiting",
            {"unknown": 10},
            (Point("stranger", {"machine": "bb", "count": 2, "minute": FIRST + 2}),),
            (Point("gateway_return", {"minute": FIRST + 1}), Point("operator", {})),
        ),
    ),
    "its account was given anew": (
        seen(**LASTING, account_ms=LOST_MS - 1),
        Silence(
            "waiting",
            {"unknown": 10},
            (),
            (Point("gateway_return", {"minute": FIRST + 1}), Point("account", {"minute": FIRST})),
        ),
    ),
    "it has never reported": (
        seen(standing="never_heard"),
        Silence("never_heard", {}, (), (Point("first_report", {}),)),
    ),
    "there is no agent": (seen(standing="no_agent"), Silence("no_agent", {}, (), (Point("enrolment", {}),))),
    "its agent was removed": (seen(standing="unwatched"), Silence("unwatched", {})),
}


@pytest.mark.parametrize("story", STORIES)
def test_a_story_of_silence(story: str) -> None:
    evidence, expected = STORIES[story]

    assert explain(evidence) == expected


# ---- what must hold for any evidence -----------------------------------------------------------------------

MINUTES = 10
REASONS = ["power", "clean_stop", "crash", "interrupted"]


def row() -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from([0, 0, 30, 60, 60, 60, UNKNOWN]), min_size=MINUTES, max_size=MINUTES).map(bytes)


@st.composite
def evidences(draw: st.DrawFn) -> Evidence:
    offs = draw(
        st.lists(
            st.builds(OffRange, st.integers(FIRST - 3, FIRST + 9), st.integers(1, 12), st.sampled_from(REASONS)),
            max_size=3,
        )
    )
    witnesses = draw(
        st.lists(
            st.builds(
                Witness,
                st.sampled_from(["pc-1", "pc-2"]),
                row(),
                st.lists(st.integers(0, 1), min_size=MINUTES, max_size=MINUTES).map(bytes),
            ),
            max_size=2,
            unique_by=lambda one: one.agent,
        )
    )
    away = draw(st.lists(st.tuples(st.integers(FIRST - 2, FIRST + 9), st.integers(FIRST - 2, FIRST + 12)), max_size=2))
    is_back = draw(st.booleans())
    return seen(
        is_back=is_back,
        backlog_complete=is_back and draw(st.booleans()),
        rungs={name: draw(row()) for name in draw(st.sets(st.sampled_from([*LADDER, "line.internet"])))},
        heard=draw(st.none() | row()),
        offs=offs,
        mains=draw(st.just(b"") | row()),
        witnesses=witnesses,
        server_away=away,
        neighbours=draw(st.none() | st.just(Neighbours("Xã", 9, 8, 7))),
        strangers=draw(st.sampled_from([(), (("aa", LOST_MS),)])),
    )


NO_CAUSE = ("waiting", "unknown")


@given(evidences())
@settings(max_examples=200)
def test_no_cause_is_named_without_a_minute_that_names_it(evidence: Evidence) -> None:
    found = explain(evidence)

    assert found.cause in NO_CAUSE or found.minutes[found.cause] > 0
    assert sum(found.minutes.values()) == MINUTES
    assert bool(found.waited) == (found.cause == "waiting")
    assert found.cause != "waiting" or not evidence.backlog_complete


@given(evidences(), st.randoms(use_true_random=False))
def test_the_order_in_which_evidence_came_does_not_matter(evidence: Evidence, rng: random.Random) -> None:
    def mixed(items: Any) -> list[Any]:
        return rng.sample(list(items), len(items))

    other = replace(
        evidence,
        rungs={name: evidence.rungs[name] for name in mixed(evidence.rungs)},
        offs=mixed(evidence.offs),
        witnesses=mixed(evidence.witnesses),
        server_away=mixed(evidence.server_away),
        strangers=mixed(evidence.strangers),
    )

    assert explain(other) == explain(evidence)


@given(evidences(), st.data())
@settings(max_examples=200)
def test_what_is_decided_stays_when_the_blank_minutes_are_filled(evidence: Evidence, data: st.DataObject) -> None:
    """The backlog comes newest first: whatever its first part decides, the rest does not change."""
    missing = data.draw(st.integers(0, MINUTES))
    part = replace(
        evidence,
        is_back=True,
        backlog_complete=False,
        rungs={name: BLIND * missing + codes[missing:] for name, codes in evidence.rungs.items()},
        witnesses=[],
    )
    whole = replace(evidence, is_back=True, backlog_complete=True, witnesses=[])

    early, late = explain(part), explain(whole)

    # 'mains' and 'server_away' need the UPS's or our own record beside the ladder's minute; both are there at once
    assert early.cause == "waiting" or late.cause == early.cause


@given(evidences(), st.data())
def test_minutes_that_say_the_same_change_nothing(evidence: Evidence, data: st.DataObject) -> None:
    before = explain(evidence)
    if before.cause not in ("power", "agent_stopped", "agent_crashed"):
        return
    reason = {"power": "power", "agent_stopped": "clean_stop", "agent_crashed": "crash"}[before.cause]
    more = OffRange(FIRST + data.draw(st.integers(0, 9)), data.draw(st.integers(1, 9)), reason)

    after = explain(replace(evidence, offs=[*evidence.offs, more]))

    assert after.cause == before.cause


@given(evidences())
def test_what_decides_nothing_decides_nothing(evidence: Evidence) -> None:
    """Neighbours, the UPS's last word, strangers and accounts are told, and never make a cause."""
    bare = replace(evidence, neighbours=None, strangers=())
    told = replace(
        bare,
        neighbours=Neighbours("Xã", 9, 9, 8),
        strangers=(("aa", LOST_MS),),
        last_words=LastWords(FIRST, True, True, True),
        mains_before=FIRST - 3,
        account_ms=LOST_MS,
    )

    assert (explain(told).cause, explain(told).minutes) == (explain(bare).cause, explain(bare).minutes)


def as_seconds(code: int) -> oracle_ledger.Minute:
    return ("unseen",) * 60 if code == UNKNOWN else ("up",) * code + ("down",) * (60 - code)


@given(evidences())
def test_without_other_machines_and_our_own_breaks_it_is_what_the_oracle_says(evidence: Evidence) -> None:
    plain = replace(evidence, mains=b"", witnesses=[], server_away=[], heard=None, is_back=True)
    rungs = {name: [as_seconds(code) for code in codes] for name, codes in plain.rungs.items()}
    reasons: dict[int, str] = {}
    for reason in ("interrupted", "crash", "clean_stop", "power"):
        for one in plain.offs:
            if one.reason == reason != "interrupted":
                reasons |= {at - FIRST: reason for at in range(one.first_minute, one.first_minute + one.count)}

    found = explain(plain)

    expected = oracle_ledger.cause_of_silence(rungs, MINUTES, reasons, plain.backlog_complete)
    assert (found.cause, dict(found.minutes)) == expected


def test_the_witness_is_called_as_the_agent_calls_it() -> None:
    told: dict[str, Any] = {
        "site": "s1",
        "agent": "may-5a",
        "role": "classroom",
        "broker": {"host": "mqtt.example.vn"},
        "classroom": {"gateway": "192.168.1.5"},
    }

    found = witness.devices(build(told, Path("/nowhere/agent.toml")))

    assert [f"device.{one.id}" for one in found] == [witness_signal("may-5a")]


# ---- in words ----------------------------------------------------------------------------------------------


def test_every_cause_and_point_can_be_read_in_both_languages() -> None:
    points = [point for _, found in STORIES.values() for point in (*found.known, *found.waited)]
    told = {point.name for point in points}

    assert told | {"witness"} == silence_texts.KNOWN.keys() | silence_texts.WAITED.keys()
    for point in points:
        for text in silence_texts.said(point):
            assert text
            assert "{" not in text
    assert {found.cause for _, found in STORIES.values()} <= cause.SENTENCES.keys()


def test_the_day_of_two_times_is_said_once_where_it_is_the_same() -> None:
    values = {"agent": "pc-1", "minutes": 8, "first_minute": FIRST, "end_minute": FIRST + 8}

    same = silence_texts.said(Point("witness", values)).en
    over = silence_texts.said(Point("witness", values | {"end_minute": FIRST + 1_440})).en

    assert (
        same == "Computer pc-1 in the school reported in 8 min (04:20 – 04:28 on 20 Feb 2025): the school had network"
    )
    assert "(04:20 on 20 Feb 2025 – 04:20 on 21 Feb 2025)" in over


def test_points_survive_an_incidents_facts() -> None:
    points = [point for _, found in STORIES.values() for point in (*found.known, *found.waited)]

    facts = {"known": silence_texts.as_facts(points), "other": 1}

    assert silence_texts.from_facts(facts, "known") == points
    assert silence_texts.from_facts({"known": [{"what": "of_tomorrow"}, 3]}, "known") == []


def test_the_opening_notice_says_what_is_waited_for_and_what_is_known() -> None:
    _, found = STORIES["a UPS that ran low explains nothing until the gateway says that it was off"]
    facts = {"known": silence_texts.as_facts(found.known), "waited": silence_texts.as_facts(found.waited)}

    _, vi = compose("open", "Điểm chính", "Trường A", "path", "waiting", LOST_MS, None, facts, "vi")
    _, en = compose("open", "Main", "School A", "path", "waiting", LOST_MS, None, facts, "en")

    assert "Bằng chứng khác: Bộ lưu điện của trường báo mất điện lưới từ " in vi
    assert "\nĐang chờ: thiết bị cổng có liên lạc trở lại (mất liên lạc từ " in vi
    assert "\nWaiting for: the return of the gateway (contact lost since " in en


@pytest.mark.parametrize("name", ["mains", "gateway", "server_away"])
def test_a_silences_cause_has_words_for_a_notice(name: str) -> None:
    assert name in CAUSES
