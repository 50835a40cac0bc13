"""The worked example of docs/truth.md, recomputed from the page by the product and by the oracle."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

from tests.oracle import books, truth
from tests.oracle.calendars import lessons_by_minute
from tests.oracle.month import INTERNET, SIGNALS

from schoolbeat_agent.minutes import seconds_up
from schoolbeat_agent.observation import State
from schoolbeat_server.availability import Availability, availability, shown
from schoolbeat_server.outages import find

PAGE = Path(__file__).parents[2] / "docs/truth.md"


def tables() -> list[list[list[str]]]:
    """Those of the worked example, without their heads."""
    example = PAGE.read_text("utf-8").split("## 7. ", 1)[1]
    found = re.findall(r"(?:^\|.*\n)+", example, re.MULTILINE)
    return [[[cell.strip() for cell in row.strip("|").split("|")] for row in one.splitlines()[2:]] for one in found]


RUNS, LEDGER, OUTAGES, AVAILABILITY, VERDICTS, WRITTEN = tables()
DAY_SECONDS = 1_763_658_000  # 2025-11-21T00:00 in Viet Nam


def second(text: str) -> int:
    hour, minute, *rest = (int(part) for part in text.split(":"))
    return DAY_SECONDS + hour * 3_600 + minute * 60 + (rest[0] if rest else 0)


def minute(text: str) -> int:
    return second(text) // 60


CODES = bytes(int(code) for _, code in LEDGER)
FIRST = minute(LEDGER[0][0])
LESSONS = bytes(one is not None for one in lessons_by_minute(FIRST, FIRST + len(CODES), books.NO_RULES))


def part(text: str) -> Fraction:
    return Fraction(text.rstrip("%")) / 100


def test_the_minutes_of_the_ledger_follow_each_other() -> None:
    assert [minute(at) for at, _ in LEDGER] == list(range(FIRST, FIRST + 12))


def test_the_runs_give_the_bytes() -> None:
    words = [(second(at), word) for at, word in RUNS if word != "could not measure"]
    said = {INTERNET: [(at, State.UP if word == "up" else State.DOWN) for at, word in words]}
    of_oracle = {signal: words if signal == INTERNET else [] for signal in SIGNALS}

    for at in ("07:00", "07:01", "07:02"):
        told = truth.seconds_of(minute(at), INTERNET, of_oracle)
        expected = 255 if "unseen" in told else told.count("up")
        assert seconds_up(minute(at), INTERNET, said, {}) == expected == CODES[minute(at) - FIRST]


def test_the_bytes_give_the_outages() -> None:
    told = [(minute(first), minute(last), minute(end), int(down)) for first, last, end, down in OUTAGES]
    ledger = {signal: CODES if signal == INTERNET else bytes([255]) * len(CODES) for signal in SIGNALS}

    assert [tuple(one) for one in find(CODES, FIRST)] == told
    assert [one[1:5] for one in books.outages(ledger, FIRST)] == told


def test_the_bytes_give_the_availability() -> None:
    for clock, up, down, off, unknown, share, coverage in AVAILABILITY:
        found = availability(CODES, LESSONS if clock == "lessons" else None)

        assert found == Availability(int(up), int(down), int(off), int(unknown))
        assert books.availability(CODES, FIRST, lessons=clock == "lessons") == (
            found.up_seconds,
            found.down_seconds,
            found.off_seconds,
            found.unknown_seconds,
        )
        assert found.share is not None
        assert (shown(found.share), shown(found.coverage)) == (share, coverage)


def test_the_seconds_give_the_verdicts() -> None:
    for clock, asked, off, verdict, _ in VERDICTS:
        found = availability(CODES, LESSONS if clock == "lessons" else None)
        seconds = (found.up_seconds, found.down_seconds, found.off_seconds, found.unknown_seconds)
        settled = found if off == "down" else Availability(*seconds[:2], 0, found.off_seconds + found.unknown_seconds)

        met = settled.at_least(part(asked), min_coverage=Fraction(4, 5), off_is_down=off == "down")

        assert {True: "met", False: "missed", None: "unknown"}[met] == verdict, (clock, asked, off)
        assert books.verdict(seconds, part(asked), Fraction(4, 5), off_is_down=off == "down") == verdict


def test_the_reasons_given_for_the_verdicts_are_true() -> None:
    for clock, asked, _off, verdict, because in VERDICTS:
        whole = 60 * (sum(LESSONS) if clock == "lessons" else len(CODES))
        if found := re.fullmatch(r"\((\d+) \+ (\d+)\) ÷ (\d+) < (.+)", because):
            up, more, count, limit = found.groups()
            assert (int(count), limit, verdict) == (whole, asked, "missed")
            assert Fraction(int(up) + int(more), whole) < part(asked)
        elif found := re.fullmatch(r"(\d+) ÷ (\d+) ≥ (.+)", because):
            assert (int(found[2]), found[3], verdict) == (whole, asked, "met")
            assert Fraction(int(found[1]), whole) >= part(asked)
        else:
            low, high, coverage, needed = re.findall(r"[\d.]+%", because)
            one = next(row for row in AVAILABILITY if row[0] == clock)
            up, down = int(one[1]), int(one[2])
            assert (coverage, needed, verdict) == (one[6], "80%", "unknown")
            assert (low, high) == (shown(Fraction(up, whole)), shown(Fraction(whole - down, whole)))


def test_the_share_is_written_as_the_page_says() -> None:
    for asked, written in WRITTEN:
        assert shown(Fraction(379, 480), part(asked)) == written
