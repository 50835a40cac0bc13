"""Evidence packs in the background: which target is meant, and its pack with its paper as a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from sqlalchemy import Engine

from schoolbeat_server import evidence_paper
from schoolbeat_server.evidence_pack import Made, PackError, window_until, write_pack
from schoolbeat_server.ledger import Ledger
from schoolbeat_server.report_facts import Refused
from schoolbeat_server.school_calendar import SchoolCalendar, date_of, day_of
from schoolbeat_server.settings import Office
from schoolbeat_server.stamp import Stamp
from schoolbeat_server.targets import Plan, Target
from schoolbeat_server.verdicts import Verdict


def target_of(plans: Sequence[Plan], ident: str) -> tuple[Plan, Target]:
    """ident: 'plan/target'. Raises Refused."""
    for plan in plans:
        for target in plan.targets:
            if ident == f"{plan.id}/{target.id}":
                return plan, target
    raise Refused(
        f"chỉ tiêu {ident!r}: máy chủ này không xét; cần KẾ-HOẠCH/CHỈ-TIÊU như trên trang /plans",
        f"target {ident!r}: not judged here; needed is PLAN/TARGET as on the page /plans",
        missing=True,
    )


def first_day(plans: Sequence[Plan], ident: str, last: date, now_ms: int) -> date:
    """Of the target's window that ends with the day. Raises Refused."""
    target = target_of(plans, ident)[1]
    try:
        return date_of(day_of(window_until(target, last, now_ms).first_minute))
    except PackError as error:
        raise Refused(error.said.vi, error.said.en) from None


def file_name(ident: str, last: str) -> str:
    return f"schoolbeat-{ident.replace('/', '-')}-{last}.zip"


def make_pack(
    path: Path,
    engine: Engine,
    ledger: Ledger,
    found: tuple[Plan, Target],
    last: date,
    now_ms: int,
    calendar: SchoolCalendar,
    office: Office,
    progress: Callable[[int], None],
) -> Made:
    """progress: percent. Raises Refused."""
    plan, target = found

    def papers(verdict: Verdict, rests_on: Stamp) -> dict[str, bytes]:
        progress(90)
        return evidence_paper.papers(verdict, rests_on, office)

    with path.open("w+b") as out, engine.connect() as connection:

        def read(site: str, signal: str, first: int, end: int) -> bytes:
            with engine.connect() as fresh:  # the ledger may be being sealed while we read
                return ledger.read(fresh, site, [signal], first, end)[signal]

        def told(done: int, sites: int) -> None:
            progress(1 + 88 * done // max(1, sites))

        try:
            window = window_until(target, last, now_ms)
            return write_pack(out, connection, plan, target, window, read, calendar, papers, told)
        except PackError as error:
            raise Refused(error.said.vi, error.said.en) from None
