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

# Who may do what the calculator does, and why it is no second one.
ALLOWED = {
    ("cause.py", "adds up down seconds"): "compares rungs of one outage with each other; no share comes of it",
    ("outages.py", "adds up down seconds"): "the length of an outage, which is told in seconds",
    ("school_calendar.py", "adds up down seconds"): "asks whether a lesson had a down minute, counts lessons",
    ("outage_rows.py", "counts minutes"): "asks whether a report has any minute that is not fully up",
    ("availability_indicator.py", "divides seconds"): "coverage, of the seconds that availability() has counted",
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


def test_almost_all_is_not_all() -> None:
    minutes = 365 * 1_440 * 60
    assert shown(Fraction(minutes - 1, minutes)) == "99.9%"
    assert stated(Fraction(9_995, 10_000)).vi == "99,95%"
    assert Speaker("vi", 0).asked(Fraction(9_995, 10_000)) == "99,95%"
