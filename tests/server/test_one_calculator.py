"""One calculator: no module but `availability` counts up seconds, divides them, or makes a percentage of a share."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schoolbeat_server.availability import shown
from schoolbeat_server.finding import stated
from schoolbeat_server.web.speaker import Speaker

ROOT = Path(__file__).parents[2]
ROOMS = (ROOT / "server/schoolbeat_server", ROOT / "agent/schoolbeat_agent", ROOT / "dashboards")
CALCULATOR = "availability.py"

# Who may ask the calculator, and of what: all others are handed what these were told.
ASKS = {
    "measured.py": "of ledger minutes at hand",
    "summaries.py": "of a day's minutes, to keep what it says",
    "web/api.py": "of the minutes that it lists beside it",
    "web/calendar_api.py": "of any window",
    "web/minutes_page.py": "of the day's minutes that it shows",
    "web/site_page.py": "of a strip's minutes",
}
# Rooms that show figures: pages, API, metrics, what the command line and papers print.
SHOWS = ("web/", "plans_shown.py", "cli.py", "issued.py", "judge.py", "verdicts.py")

# Who may do what the calculator does, and why it is no second one.
ALLOWED = {
    ("cause.py", "adds up down seconds"): "compares rungs of one outage with each other; no share comes of it",
    ("outages.py", "adds up down seconds"): "the length of an outage, which is told in seconds",
    ("school_calendar.py", "adds up down seconds"): "asks whether a lesson had a down minute, counts lessons",
    ("outage_rows.py", "counts minutes"): "asks whether a report has any minute that is not fully up",
    ("availability_indicator.py", "divides seconds"): "coverage, of the seconds that availability() has counted",
    ("site_indicators.py", "divides seconds"): "what is accounted for, of the seconds that availability() has counted",
    ("room_indicators.py", "adds up down seconds"): "counts devices that answered as a lesson began, and no seconds",
    ("demo/minutes.py", "divides seconds"): "makes a made-up loss reading of the minutes it makes up",
    ("finding.py", "makes a percentage"): "writes what a document demands, exactly",
}

_SECONDS = re.compile(r"(up|down|off|unknown|all|known|observed|covered)_?seconds?|(^|_)(covered|UP_FULL)$")


def names(node: ast.AST) -> set[str]:
    return {
        one.attr if isinstance(one, ast.Attribute) else one.id
        for one in ast.walk(node)
        if isinstance(one, ast.Attribute | ast.Name)
    }


def are_seconds(node: ast.AST) -> bool:
    return any(_SECONDS.search(name) for name in names(node))


def deeds(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """What only the calculator may do: (line, what)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.FloorDiv) and are_seconds(node.left):
            yield node.lineno, "divides seconds"
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).rsplit(".", 1)[-1]
            if called == "Fraction" and are_seconds(node):
                yield node.lineno, "divides seconds"
            if called in ("sum", "fsum") and "UP_FULL" in names(node):
                yield node.lineno, "adds up down seconds"
            if called == "count" and node.args and ast.unparse(node.args[0]).rsplit(".", 1)[-1] in ("60", "UP_FULL"):
                yield node.lineno, "counts minutes"
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            sides = {ast.unparse(side) for side in (node.left, node.right)}
            if "100" in sides and re.search(r"share|coverage|avail", " ".join(sides)):
                yield node.lineno, "makes a percentage"
        if isinstance(node, ast.JoinedStr) and re.search(r"(share|coverage|avail)\w*:[^}]*%\}", ast.unparse(node)):
            yield node.lineno, "makes a percentage"


def test_there_is_no_second_calculator() -> None:
    found = []
    for room in ROOMS:
        for path in sorted(room.rglob("*.py")):
            name = str(path.relative_to(room))
            for line, what in deeds(ast.parse(path.read_text("utf-8"))):
                if name != CALCULATOR and (name, what) not in ALLOWED:
                    found.append(f"{path.relative_to(ROOT)}:{line} {what}")

    assert found == []


def test_who_asks_the_calculator_is_known() -> None:
    found = set()
    for path in sorted(ROOMS[0].rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        asked = {one.func.id for one in ast.walk(tree) if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)}
        if "availability" in asked and path.name != CALCULATOR:
            found.add(str(path.relative_to(ROOMS[0])))

    assert found == set(ASKS)


def test_the_judge_the_command_line_and_the_bench_ask_the_same_source() -> None:
    """Minutes counted another way are for tests, which hold the one to the other."""
    sources = {
        path.name: {one.id for one in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(one, ast.Name)}
        & {"from_sums", "from_ledger"}
        for path in (*ROOMS[0].glob("*.py"), *ROOMS[0].glob("web/*.py"), ROOT / "bench/year.py")
        if "collect(" in path.read_text("utf-8") and path.name != "verdicts.py"
    }

    assert {name: used for name, used in sources.items() if used} == {
        name: {"from_sums"} for name in ("judge.py", "cli.py", "inspection_cli.py", "year.py")
    }


def test_what_shows_figures_neither_rounds_nor_divides_nor_reads_minutes_of_a_verdict() -> None:
    """The report's paper, the metrics and the pages take a verdict's numbers and shares as they are."""
    for path in sorted(ROOMS[0].rglob("*.py")):
        name = str(path.relative_to(ROOMS[0]))
        if not name.startswith(SHOWS):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            of_share = re.search(r"share|coverage|avail|numerator|_seconds", ast.unparse(node)) if called else None
            assert not (called in ("round", "math.floor", "math.ceil") and of_share), f"{name}: {ast.unparse(node)}"


@pytest.mark.parametrize(
    "code",
    [
        "share = up_seconds / (up_seconds + down_seconds)",
        "share = Fraction(found.up_seconds, found.up_seconds + found.down_seconds)",
        "up = codes.count(60)",
        "up = codes.count(UP_FULL)",
        "down = sum(UP_FULL - code for code in codes if code < UP_FULL)",
        "text = f'{share:.1%}'",
        "text = f'{round(share * 100)} %'",
    ],
)
def test_a_second_calculator_would_be_found(code: str) -> None:
    assert list(deeds(ast.parse(code)))


def test_templates_calculate_nothing() -> None:
    """Shares come to a template as text."""
    for path in (ROOT / "server/schoolbeat_server/web/templates").rglob("*.html"):
        for inside in re.findall(r"\{\{(.*?)\}\}|\{%(.*?)%\}", path.read_text("utf-8")):
            assert not re.search(r"(\bround\b|format\(|\* *100|_seconds */)", " ".join(inside)), path.name


shares = st.fractions(0, 1, max_denominator=50_000)


@given(shares, st.integers(1, 100_000).map(lambda parts: Fraction(parts, 100_000)))
def test_on_a_page_the_share_stands_on_the_same_side_of_what_is_asked_as_it_does(
    share: Fraction, target: Fraction
) -> None:
    for language in ("vi", "en"):
        say = Speaker(language, 0)

        read, asked = (_read(text) for text in (say.percent(share, target), say.asked(target)))

        assert asked == target
        assert (read >= asked) == (share >= target)
        assert read <= share
        assert (read == 1) == (share == 1)


def _read(text: str) -> Fraction:
    return Fraction(text.rstrip("%").replace(",", ".")) / 100 if text.endswith("%") else Fraction(text)


@pytest.mark.parametrize(
    ("up", "of", "target", "read"),
    [
        (99_950, 100_000, Fraction(1), "99.9%"),
        (999_999, 1_000_000, Fraction(1), "99.9%"),
        (998_999, 1_000_000, Fraction(999, 1000), "99.8%"),
        (9_989_999, 10_000_000, Fraction(999, 1000), "99.8%"),
        (9_994, 10_000, Fraction(9_995, 10_000), "99.9%"),
        (9_995, 10_000, Fraction(9_995, 10_000), "99.95%"),
        (99_949, 100_000, Fraction(9_995, 10_000), "99.9%"),
        (2, 3, Fraction(2, 3), "2/3"),
        (0, 7, Fraction(1, 2), "0%"),
        (7, 7, Fraction(1), "100%"),
    ],
)
def test_what_is_shown_is_rounded_down_with_the_decimals_it_takes(
    up: int, of: int, target: Fraction, read: str
) -> None:
    share = Fraction(up, of)

    assert shown(share, target) == read
    assert shown(share, target, point=",") == read.replace(".", ",")


def test_almost_all_is_not_all() -> None:
    minutes = 365 * 1_440 * 60
    assert shown(Fraction(minutes - 1, minutes)) == "99.9%"
    assert stated(Fraction(9_995, 10_000)).vi == "99,95%"
    assert Speaker("vi", 0).asked(Fraction(9_995, 10_000)) == "99,95%"
