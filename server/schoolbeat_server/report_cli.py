"""The word `report` of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schoolbeat_server import decided_cli
from schoolbeat_server.said import Said

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from schoolbeat_server.settings import Settings

Words = Callable[[str, str], str]
KINDS = ("area", "school", "isp", "league", "line")  # report_facts.KINDS, which is read only when a report is made
FORMATS = ("pdf", "html", "xlsx", "csv", "json")  # as report_files.FORMATS


def words(commands: Any, said: Words) -> argparse.ArgumentParser:
    found: argparse.ArgumentParser = commands.add_parser(
        "report",
        help=said("báo cáo của địa bàn, trường, nhà mạng", "a report on an area, a school, an ISP"),
    )
    found.add_argument(
        "kind",
        choices=KINDS,
        help=said(
            "area: địa bàn, school: trường, isp: nhà mạng, league: bảng xếp hạng, line: phiếu đánh giá đường truyền",
            "league: the league table of an area; line: the conformity sheet of a line",
        ),
    )
    found.add_argument("id", metavar=said("MÃ", "ID"))
    found.add_argument("first", type=date.fromisoformat, metavar=said("TỪ", "FROM"), help="2026-09-01")
    found.add_argument("last", type=date.fromisoformat, metavar=said("ĐẾN", "TO"), help=said("kể cả", "included"))
    found.add_argument("--format", choices=FORMATS, default="pdf")
    found.add_argument("--out", type=Path, metavar=said("TỆP", "FILE"))
    return found


def run(arguments: argparse.Namespace, settings: Settings, engine: Engine, language: str, now_ms: int) -> int:
    from schoolbeat_server import plans, report_facts, report_files, reports
    from schoolbeat_server.contact import ContactBook
    from schoolbeat_server.ingest import Ingest
    from schoolbeat_server.sums import Sums

    try:
        chosen = plans.all_plans(settings.plans, settings.follow)
        period = report_facts.checked_period(arguments.first, arguments.last, now_ms)
        ingest = Ingest(engine, "", ContactBook(now_ms), lambda: now_ms, settings.lessons)  # reads only
        ingest.load()
        with engine.connect() as connection, engine.connect() as summed:
            sums = Sums(summed, ingest.ledger, ingest.asked.calendar)
            facts = report_facts.gather(connection, sums, chosen, arguments.kind, arguments.id, period, now_ms)
        made = reports.report(facts)
        data = report_files.FORMATS[arguments.format].make(made, settings.office, language)
    except (plans.PlanError, report_facts.Refused) as error:
        raise decided_cli.Refused(error.said) from None
    path = arguments.out or Path(report_files.file_name(made, arguments.format))
    try:
        path.write_bytes(data)
    except OSError as error:
        raise decided_cli.Refused(
            Said(f"{path}: không ghi được: {error.strerror}", f"{path}: cannot be written: {error.strerror}")
        ) from None
    print(f"{path}: {len(data)} byte")
    return 0
