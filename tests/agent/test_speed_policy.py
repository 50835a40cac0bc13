"""May a speed test be made now? Weeks of minutes, with lessons, exams, busy hours, budgets, grants and restarts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schoolbeat_agent.probes.world import Grant
from schoolbeat_agent.settings import Lessons, Speed, Traffic
from schoolbeat_agent.speed import policy
from schoolbeat_agent.speed.policy import Decision, Used, decide

MONDAY = datetime(2026, 11, 23, tzinfo=UTC).timestamp() - 7 * 3_600  # 00:00 in Viet Nam
HOUR, DAY = 3_600, 86_400
WEEK = tuple((day, first, end) for day in range(5) for first, end in ((420, 690), (780, 1_020)))
HOURS = Lessons(WEEK, ("2026-11-25",))
SPEED = Speed("ndt7", "ws://192.0.2.1", monthly_bytes=10**9, seconds=10)
TRAFFIC = Traffic("eth0", contract_down_bps=100_000_000, contract_up_bps=50_000_000)
GRANT = Grant("aa" * 8, MONDAY + 60 * DAY)
IDLE = (0.0, 0.0)
NOTHING = Used()


def at(day: int, hour: float) -> float:
    return MONDAY + day * DAY + hour * HOUR


def decided(
    unix: float | None,
    *,
    speed: Speed = SPEED,
    hours: Lessons = HOURS,
    traffic: Traffic = TRAFFIC,
    grants: tuple[Grant, ...] = (GRANT,),
    used: Used = NOTHING,
    rates: tuple[float, float] | None = IDLE,
) -> Decision:
    return decide(speed, hours, traffic, name="s1.gateway", grants=grants, used=used, rates=rates, unix=unix)


@pytest.mark.parametrize(
    ("unix", "why"),
    [
        (None, "no_clock"),
        (at(0, 6.5), ""),
        (at(0, 6.99), "not_now"),  # it would not be over before the lesson
        (at(0, 7), "not_now"),
        (at(0, 11.49), "not_now"),
        (at(0, 11.5), ""),
        (at(0, 16.99), "not_now"),
        (at(1, 23.9), ""),
        (at(1, 23.99), "not_now"),  # it would reach into the exam day
        (at(2, 3), "not_now"),
        (at(2, 20), "not_now"),
        (at(3, 0), ""),
        (at(5, 8), ""),
    ],
)
def test_with_a_grant_it_is_tested_outside_lessons_and_exam_days(unix: float | None, why: str) -> None:
    decision = decided(unix)

    assert (decision.run, decision.why) == (not why, why)


def test_a_lesson_of_a_single_minute_is_a_lesson_too() -> None:
    hours = Lessons(((0, 1_200, 1_201),))

    free = [second for second in range(-180, 180) if decided(at(0, 20) + second, hours=hours).run]

    assert free == [*range(-180, -75), *range(60, 180)]


@pytest.mark.parametrize(
    ("rates", "hours"),
    [(IDLE, Lessons()), (IDLE, Lessons((), ("2026-11-25",))), (None, HOURS)],
    ids=["hours unknown", "only exams known", "traffic unknown"],
)
def test_without_hours_or_without_knowing_the_traffic_only_the_night_is_free(
    rates: tuple[float, float] | None, hours: Lessons
) -> None:
    free = [hour / 4 for hour in range(96) if decided(at(0, hour / 4), rates=rates, hours=hours).run]

    assert free == [2 + quarter / 4 for quarter in range(12)]
    assert not decided(at(0, 4.99), rates=rates, hours=hours).run


@pytest.mark.parametrize(
    ("rates", "traffic", "runs"),
    [
        ((9_999_999, 4_999_999), TRAFFIC, True),
        ((10_000_000, 0), TRAFFIC, False),
        ((0, 5_000_000), TRAFFIC, False),
        ((999_999, 999_999), Traffic("eth0"), True),
        ((1_000_000, 0), Traffic("eth0"), False),
        ((9_000_000, 1_000_000), Traffic("eth0", contract_down_bps=100_000_000), False),
    ],
)
def test_only_an_idle_line_is_tested(rates: tuple[float, float], traffic: Traffic, runs: bool) -> None:
    decision = decided(at(0, 20), rates=rates, traffic=traffic)

    assert (decision.run, decision.why) == (runs, "" if runs else "busy")


def test_a_test_that_might_not_fit_into_the_month_is_not_begun() -> None:
    expected = policy.estimate_bytes(SPEED, TRAFFIC, Used())  # by the contract: 150 Mbit/s for 12 s

    assert expected == 225_000_000
    assert decided(at(0, 20), used=Used("2026-11", 740_000_000)).run
    assert decided(at(0, 20), used=Used("2026-11", 760_000_000)) == Decision(False, "over_budget")
    assert decided(at(0, 20), used=Used("2026-10", 760_000_000)).run  # last month's
    assert decided(at(0, 20), used=Used("2026-11", 760_000_000, last_bytes=100_000_000)).run
    assert decided(at(0, 20), traffic=Traffic("eth0"), used=Used("2026-11", 640_000_000)).run
    assert not decided(at(0, 20), traffic=Traffic("eth0"), used=Used("2026-11", 700_000_000)).run


def test_a_grant_is_good_once_and_until_its_time() -> None:
    unix = at(0, 20)
    first = decided(unix)
    used = policy.ended(policy.begun(Used(), first, unix), first, 10**8, whole=True, server="a")

    assert first.grant == GRANT.token
    assert decided(unix + 300, used=used).why == "no_grant"
    assert decided(unix + 300, used=policy.read_used(policy.write_used(used))).why == "no_grant"  # a restart between
    assert decided(unix, grants=(Grant("bb" * 8, unix - 1),)).why == "no_grant"
    assert decided(unix, grants=(GRANT, Grant("cc" * 8, unix + 60)), used=used).grant == "cc" * 8
    assert decided(unix, grants=()).why == "no_grant"


def test_alone_it_tests_once_a_night_at_a_minute_of_its_own() -> None:
    alone = Speed("ndt7", monthly_bytes=10**12, alone=True)
    used, begun = Used(), []
    for minute in range(0, 7 * 1_440, 2):
        unix = MONDAY + minute * 60
        decision = decided(unix, speed=alone, grants=(), used=used)
        if decision.run:
            begun.append(minute)
            used = policy.begun(used, decision, unix)

    assert [minute // 1_440 for minute in begun] == [0, 1, 3, 4, 5, 6]  # Wednesday is an exam
    assert all(120 <= minute % 1_440 < 272 for minute in begun)
    assert len({minute % 1_440 for minute in begun}) > 3
    assert len({policy.nights_minute(f"s{n}.gateway", MONDAY) for n in range(200)}) > 80


@dataclass
class School:
    """A line, an agent that decides each two minutes, and a server that grants."""

    speed: Speed
    hours: Lessons
    traffic: Traffic
    kept: str = ""
    grants: list[Grant] = field(default_factory=list)
    tests: list[tuple[float, str]] = field(default_factory=list)
    on_line: dict[str, int] = field(default_factory=dict)  # month -> bytes, with headers

    def turn(self, unix: float, rates: tuple[float, float] | None, moved: int, outcome: str) -> None:
        used = policy.read_used(self.kept)
        decision = decide(
            self.speed,
            self.hours,
            self.traffic,
            name="s.gateway",
            grants=self.grants,
            used=used,
            rates=rates,
            unix=unix,
        )
        if not decision.run:
            return
        used = policy.begun(used, decision, unix)
        self.kept = policy.write_used(used)
        self.tests.append((unix, decision.grant))
        # A client stops at its bound; some more may be on the way then.
        spent = min(moved, decision.most_bytes) + policy.IN_FLIGHT_BYTES // 2
        month = policy.month_of(unix)
        self.on_line[month] = self.on_line.get(month, 0) + int(spent * 1.05)
        if outcome == "power cut":
            return
        used = policy.ended(used, decision, spent, whole=outcome == "whole", server="192.0.2.1")
        self.kept = policy.write_used(used)


lesson_hours = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 1_300), st.integers(30, 140)).map(lambda t: (t[0], t[1], t[1] + t[2])),
    max_size=20,
).map(tuple)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_in_any_week_no_test_is_in_a_lesson_or_an_exam_or_over_budget_and_each_grant_is_used_once(
    data: st.DataObject,
) -> None:
    exams = data.draw(
        st.lists(st.integers(20, 34).map(lambda day: f"2026-{11 + day // 31}-{day % 31 or 1:02}"), max_size=3)
    )
    hours = Lessons(data.draw(lesson_hours), tuple(exams))
    budget = data.draw(st.integers(10**8, 5 * 10**9))
    traffic = Traffic("eth0", contract_down_bps=data.draw(st.sampled_from([0, 20_000_000, 300_000_000])))
    speed = Speed("ndt7", monthly_bytes=budget, alone=data.draw(st.booleans()))
    school = School(speed, hours, traffic)
    random = Random(data.draw(st.integers(0, 2**32)))
    start = at(4, 0)  # Friday; the month turns within the week after
    for turn in range(0, 7 * 1_440, 2):
        unix = start + turn * 60 + random.uniform(0, 60)
        if random.random() < 0.01:
            grant = Grant(f"{random.getrandbits(64):016x}", unix + random.choice([600, 7_200, DAY]))
            school.grants += [grant] * random.choice([1, 1, 2])  # QoS 1: it may come twice
        if random.random() < 0.01:
            school.grants = list(school.grants[-1:])  # a restart; the broker sends the last one again
        rates = random.choice([None, (0.0, 0.0), (0.0, 0.0), (4e8, 1e6)])
        moved = random.choice([10**6, 10**8, 10**9, 10**10])
        school.turn(unix, rates, moved, random.choice(["whole", "whole", "failed", "power cut"]))

    for unix, _ in school.tests:
        for moment in (unix, unix + 60):
            local = datetime.fromtimestamp(moment, UTC) + timedelta(hours=7)
            minute = local.hour * 60 + local.minute
            assert not any(day == local.weekday() and first <= minute < end for day, first, end in hours.week)
            assert local.date().isoformat() not in exams
            assert hours.week or 2 <= local.hour < 5
    assert all(spent <= budget for spent in school.on_line.values())
    tokens = [token for _, token in school.tests if token]
    assert len(tokens) == len(set(tokens))


def test_what_is_kept_is_small_and_garbage_in_its_place_is_nothing_used() -> None:
    used = Used("2026-11", 10**12, 10**10, 1_795_275_930, ("f" * 32,) * 8, tuple(f"mlab{n}.example" for n in range(6)))

    assert len(policy.write_used(used)) < 1_000
    assert policy.read_used(policy.write_used(used)) == used
    assert [policy.read_used(text) for text in ("", "{", '{"bytes":"x"}', "[1]")] == [Used()] * 4


def test_a_whole_test_says_how_large_the_next_will_be_and_a_broken_one_only_when_it_was_larger() -> None:
    decision = Decision(True, "", "", 2_000_000)
    used = policy.begun(Used(last_bytes=500_000), decision, at(0, 20))

    def ended(moved: int, *, whole: bool) -> tuple[int, int, tuple[str, ...]]:
        after = policy.ended(used, decision, moved, whole=whole, server="a")
        return after.bytes, after.last_bytes, after.servers

    assert used.bytes == 10_600_000  # set aside, and 8 MB that may be on the way
    assert ended(400_000, whole=True) == (424_000, 400_000, ("a",))
    assert ended(400_000, whole=False) == (424_000, 500_000, ())
    assert ended(2_000_000, whole=False) == (2_120_000, 2_000_000, ())
