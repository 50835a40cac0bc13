"""Whose minutes they are: an ISP is neither charged with nor credited for what another line carried."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, insert, update
from tests.server import synthetic
from tests.server.synthetic import Made
from tests.server.test_reports import CALENDAR, PERIOD, cells, gathered, reported, row_of, table

from schoolbeat_server import configs, outages, schema
from schoolbeat_server.availability import Availability, availability
from schoolbeat_server.database import writing
from schoolbeat_server.main_line import NOBODY, Carried, of_main
from schoolbeat_server.tables import cell_text
from schoolbeat_wire.catalogue import OFF, UNKNOWN

FIRST, END = PERIOD.window
SITE = "t5"
U, O = UNKNOWN, OFF  # noqa: E741


def told(edge: list[int], main: list[int], carried: Carried = NOBODY) -> list[int]:
    return list(of_main(bytes(edge), bytes(main), carried)[0])


def test_minutes_in_which_the_main_lines_edge_answered_are_its_own() -> None:
    assert told([60, 60, 41], [60, 60, 60]) == [60, 60, 41]


def test_while_another_lines_edge_answers_nothing_is_known_of_the_main_one() -> None:
    assert told([60, 60, 60, 60], [60, 0, 23, 60]) == [60, U, U, 60]


def test_a_break_after_the_main_line_was_seen_is_the_main_lines() -> None:
    assert told([60, 12, 0, 0, 60], [60, U, U, U, 60]) == [60, 12, 0, 0, 60]


def test_a_break_after_another_line_was_seen_is_not_the_main_lines() -> None:
    assert told([60, 0, 0, 60], [0, U, U, 60]) == [U, U, U, 60]


def test_after_a_break_a_silent_edge_may_be_that_of_the_line_that_stands_by() -> None:
    """Many mobile networks never answer: three hours on one must not be three good hours of the fibre."""
    assert told([60, 0, 60, 60, 60], [60, U, U, U, 60]) == [60, 0, U, U, 60]


def test_a_silent_edge_without_a_break_is_still_the_main_lines() -> None:
    assert told([60, 60, 60, 60], [60, U, U, 60]) == [60, 60, 60, 60]


def test_a_time_that_nobody_saw_is_a_break_too() -> None:
    assert told([60, U, 60, O, 60, 60], [60, U, U, O, U, 60]) == [60, U, U, O, U, 60]


def test_where_no_edge_was_ever_seen_nothing_can_be_told_apart() -> None:
    assert told([60, 0, U, 60], [U, U, U, U]) == [60, 0, U, 60]


CODES = st.sampled_from((0, 23, 60, UNKNOWN, OFF))
PAIRS = st.lists(st.tuples(CODES, CODES), max_size=40)


@given(PAIRS, st.integers(0, 40))
def test_it_is_the_same_in_one_piece_and_in_two(pairs: list[tuple[int, int]], at: int) -> None:
    edge, main = bytes(one for one, _ in pairs), bytes(one for _, one in pairs)

    whole, after = of_main(edge, main)

    head, carried = of_main(edge[:at], main[:at])
    tail, end = of_main(edge[at:], main[at:], carried)
    assert (head + tail, end) == (whole, after)


@given(PAIRS)
def test_nothing_is_said_of_the_main_line_that_the_edge_did_not_say(pairs: list[tuple[int, int]]) -> None:
    edge, main = bytes(one for one, _ in pairs), bytes(one for _, one in pairs)

    found, _ = of_main(edge, main)

    assert all(now in (was, UNKNOWN) for was, now in zip(edge, found, strict=True))
    assert not any(named < 60 and now <= 60 for named, now in zip(main, found, strict=True))


# ---- in reports --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """t5, on VNPT: cut for 40 minutes; then 300 minutes on the line that stands by, which broke for 20 of them; a silent
    change-over after another cut; the day before the period ended on the other line."""
    made = synthetic.make(tmp_path_factory.mktemp("lines") / "schoolbeat.db", 8)
    signals = ("line.isp", "line.main", "line.internet")
    before = 1_440
    rows = {signal: bytearray([60] * (before + END - FIRST)) for signal in signals}

    def put(first: int, count: int, *codes: int) -> None:
        for signal, code in zip(signals, codes, strict=True):
            rows[signal][before + first : before + first + count] = bytes([code]) * count

    put(-30, 30, 60, 0, 60)
    put(0, 10, 0, U, 0)  # the other line's break: not VNPT's
    put(1_000, 40, 0, U, 0)
    put(2_000, 300, 60, 0, 60)
    put(2_100, 20, 0, U, 0)
    put(4_000, 5, 0, U, 0)
    put(4_005, 60, 60, U, 60)
    data = bytes(rows[signal][at] for at in range(before + END - FIRST) for signal in signals)
    made.ledger.merge(SITE, "gw", "r", signals, range(FIRST - before, END), data)
    with writing(made.engine) as connection:
        connection.execute(delete(schema.outage).where(schema.outage.c.site == SITE))
        for signal in ("line.isp", "line.internet"):
            for one in outages.find(bytes(rows[signal]), FIRST - before):
                values = {"site": SITE, "signal": signal, "cause": "line.isp", "lessons": 0, **one._asdict()}
                connection.execute(insert(schema.outage).values(**values))
        connection.execute(update(schema.line).where(schema.line.c.site == SITE).values(id="L5", isp="VNPT"))
        connection.execute(insert(schema.line), [{"id": "L5-b", "site": SITE, "isp": "FPT", "role": "backup"}])
        connection.execute(delete(schema.speed_test).where(schema.speed_test.c.site == SITE))
        tests = [(100, 90_000_000), (2_200, 8_000_000)]
        connection.execute(
            insert(schema.speed_test),
            [{"site": SITE, "minute": FIRST + at, "download_bps": bps, "ceiling": 0} for at, bps in tests],
        )
    return made


UNSEEN = 10 + 300 + 60  # minutes of which nothing is known of the main line


def test_a_sites_line_has_the_main_lines_seconds_only(made: Made) -> None:
    facts = gathered(made, "area", "lc")

    down = 60 * (40 + 5)
    up = 60 * (END - FIRST - UNSEEN) - down
    assert facts.line(SITE).always.availability() == Availability(up, down, 0, 60 * UNSEEN)
    assert facts.both(SITE, "line.isp").always.down == down + 60 * 30
    assert sorted(facts.main_lines) == [SITE]


def test_its_lesson_time_is_that_of_the_same_minutes(made: Made) -> None:
    facts = gathered(made, "area", "lc")

    with made.engine.connect() as connection:
        rows = made.ledger.read(connection, SITE, ["line.isp", "line.main"], FIRST, END)
    codes, _ = of_main(rows["line.isp"], rows["line.main"], Carried("other", held=True))
    lessons = CALENDAR.read(SITE, FIRST, END)
    assert facts.line(SITE).lessons.availability() == availability(codes, lessons)
    assert facts.line(SITE).always.availability() == availability(codes)


def test_an_isp_is_not_charged_with_outages_of_another_line(made: Made) -> None:
    report = reported(made, "isp", "VNPT")

    mine = [row[2] for row in table(report, "outages").rows if row[1] == "line.isp"]
    assert mine == [(FIRST + at) * 60_000 for at in (1_000, 4_000)]
    charged = {cell_text(row[0], "text", "en")[:30]: row[1:] for row in table(report, "causes").rows}
    assert charged["The school's router answers bu"] == (1, 2, 60 * 45)
    others = {cell_text(row[0], "text", "en"): row[1:] for row in table(report, "others").rows}
    assert others["The school goes out by a line that stands by, not by its main line"] == (1, 2, 60 * 30)
    paragraph = report.sections[0].paragraphs[1]
    assert paragraph.en.startswith("For 6 h 10 min, 1 of the sites went out by a line that stands by")


def test_the_isps_figure_is_of_its_own_minutes(made: Made) -> None:
    row = row_of(reported(made, "isp", "VNPT"), "sites", _name(made))

    known = END - FIRST - UNSEEN
    assert row["line"] == Fraction(known - 45, known)
    assert row["line_coverage"] == Fraction(known, END - FIRST)
    assert (row["tests"], row["down_median"]) == (1, 90_000_000)  # the other test was the other line's


def _name(made: Made) -> str:
    facts = gathered(made, "school", SITE)
    return facts.evidence.schools[SITE].name


def test_the_sheet_of_the_line_sets_the_other_line_apart(made: Made) -> None:
    report = reported(made, "line", "L5")

    assert cells(report, "charged", "from") == [(FIRST + at) * 60_000 for at in (1_000, 4_000)]
    assert [cell_text(one, "text", "en") for one in cells(report, "others", "cause")] == [
        "The school goes out by a line that stands by, not by its main line"
    ] * 2
    assert [cell_text(one, "text", "en") for one in cells(report, "tests", "limited")] == [
        "no",
        "not counted: another line in use",
    ]
    row = table(report, "availability").rows[0]
    assert row[2] == 60 * 45


def test_a_site_of_one_line_on_which_no_other_was_seen_has_none_to_change_to(tmp_path: Path) -> None:
    own = synthetic.make(tmp_path / "schoolbeat.db", 4, detailed=(2,))
    codes = bytes([60, 60]) * 1_000 + bytes([0, UNKNOWN]) * 10 + bytes([60, UNKNOWN]) * 60
    for site in ("t0", "t1"):
        own.ledger.merge(site, "gw", "r", ("line.isp", "line.main"), range(FIRST, FIRST + 1_070), codes)
    with writing(own.engine) as connection:
        connection.execute(insert(schema.line), [{"id": "t1-b", "site": "t1", "isp": "FPT", "role": "backup"}])

    facts = gathered(own, "area", "lc")

    assert [facts.line(site).always[:2] for site in ("t0", "t1")] == [(60 * 1_060, 600), (60 * 1_000, 600)]


def test_sites_whose_line_in_use_is_not_seen_are_counted_in_the_report(tmp_path: Path) -> None:
    own = synthetic.make(tmp_path / "schoolbeat.db", 4, detailed=(0,))
    with writing(own.engine) as connection:
        connection.execute(update(schema.line).where(schema.line.c.site == "t0").values(isp="VNPT"))
        connection.execute(insert(schema.line), [{"id": "t0-b", "site": "t0", "isp": "FPT", "role": "backup"}])

    report = reported(own, "isp", "VNPT")

    assert report.sections[0].paragraphs[-1].en.startswith("1 of the sites have a line that stands by")


# ---- what the gateway is told of the contract --------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "told_bps"),
    [
        ([("main", None, None, 100), ("backup", None, None, 300)], 100),
        ([("main", None, "2026-11-01", 200), ("main", "2026-11-01", None, 100)], 100),
        ([("main", "2026-12-01", None, 200), ("backup", None, None, 30)], 30),
        ([("main", None, None, 100), ("main", None, None, 150)], 150),
        ([("main", None, None, None), ("backup", None, None, 300)], 0),
        ([("main", None, "2026-11-20", 200)], None),
    ],
)
def test_the_contract_is_that_of_the_main_line_in_force(
    tmp_path: Path, lines: list[tuple[str, str | None, str | None, int | None]], told_bps: int | None
) -> None:
    own = synthetic.make(tmp_path / "schoolbeat.db", 2, detailed=(0,))
    names = ("role", "contract_from", "contract_to", "contract_down_bps")
    with writing(own.engine) as connection:
        connection.execute(delete(schema.line))
        for place, one in enumerate(lines):
            connection.execute(
                insert(schema.line).values(id=f"l{place}", site="t0", **dict(zip(names, one, strict=True)))
            )

    with own.engine.connect() as connection:
        found = configs.contracts_on(connection, "2026-11-20")

    assert found.get("t0", (None, None))[0] == told_bps
