"""The words `evidence` and `inventory` of the command line: an evidence pack, the tables of the reconciliation."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from schoolbeat_server import decided_cli
from schoolbeat_server.said import Said

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from schoolbeat_server.ingest import Ingest
    from schoolbeat_server.settings import Settings

Words = Callable[[str, str], str]
INVENTORY = ("schools", "areas", "things", "missing")  # as inventory_tables.TABLES
FORMATS = ("csv", "xlsx", "json")


def words(commands: Any, said: Words) -> list[argparse.ArgumentParser]:
    pack = commands.add_parser(
        "evidence", help=said("gói minh chứng của một chỉ tiêu", "the evidence pack of a target")
    )
    pack.add_argument("plan", metavar=said("KẾ_HOẠCH", "PLAN"))
    pack.add_argument("target", metavar=said("CHỈ_TIÊU", "TARGET"))
    pack.add_argument("last", type=date.fromisoformat, metavar=said("NGÀY_CUỐI", "LAST_DAY"), help="2026-11-20")
    pack.add_argument("--out", type=Path, metavar=said("TỆP", "FILE"))
    pack.set_defaults(paper=_pack)
    inventory = commands.add_parser("inventory", help=said("đối chiếu kiểm kê", "the inventory's reconciliation"))
    inventory.add_argument(
        "table",
        choices=INVENTORY,
        help=said("theo trường, địa bàn, từng thứ, còn thiếu", "by school, by area, thing by thing, what is missing"),
    )
    inventory.add_argument("--school", default="", help=said("chỉ một trường", "one school only"))
    inventory.add_argument("--area", default="", help=said("chỉ một địa bàn", "one area only"))
    inventory.add_argument("--format", choices=FORMATS, default="csv")
    inventory.add_argument("--out", type=Path, metavar=said("TỆP", "FILE"))
    inventory.set_defaults(paper=_inventory)
    return [pack, inventory]


def run(arguments: argparse.Namespace, settings: Settings, engine: Engine, language: str, now_ms: int) -> int:
    """Raises decided_cli.Refused."""
    path: Path = arguments.paper(arguments, settings, engine, language, now_ms)
    print(path)
    return 0


def _loaded(settings: Settings, engine: Engine, now_ms: int) -> Ingest:
    """Reads only: the server may be running."""
    from schoolbeat_server.contact import ContactBook
    from schoolbeat_server.ingest import Ingest

    ingest = Ingest(engine, "", ContactBook(now_ms), lambda: now_ms, settings.lessons)
    ingest.load()
    return ingest


def _pack(arguments: argparse.Namespace, settings: Settings, engine: Engine, language: str, now_ms: int) -> Path:
    from schoolbeat_server import evidence_paper, plans
    from schoolbeat_server.evidence_pack import PackError, window_until, write_pack

    try:
        known = {one.id: one for one in plans.all_plans(settings.plans, settings.follow)}
        plan = known.get(arguments.plan)
        if plan is None:
            raise PackError(
                f"{arguments.plan}: không có kế hoạch này; có: {', '.join(known)}",
                f"{arguments.plan}: there is no such plan; there are {', '.join(known)}",
            )
        target = next((one for one in plan.targets if one.id == arguments.target), None)
        if target is None:
            ids = ", ".join(one.id for one in plan.targets)
            raise PackError(
                f"{arguments.target}: {plan.id} không có chỉ tiêu này; có: {ids}",
                f"{arguments.target}: {plan.id} has no such target; it has {ids}",
            )
        window = window_until(target, arguments.last, now_ms)
        ingest = _loaded(settings, engine, now_ms)
        path = arguments.out or Path(f"schoolbeat-{plan.id}-{target.id}-{arguments.last}.zip")
        with _whole(path) as out, engine.connect() as connection:

            def read(site: str, signal: str, first: int, end: int) -> bytes:
                return ingest.ledger.read(connection, site, [signal], first, end)[signal]

            made = write_pack(
                out,
                connection,
                plan,
                target,
                window,
                read,
                ingest.asked.calendar,
                lambda verdict, rests_on: evidence_paper.papers(verdict, rests_on, settings.office),
            )
    except (PackError, plans.PlanError) as error:
        raise decided_cli.Refused(error.said) from None
    except OSError as error:
        raise _unwritten(error) from None
    from schoolbeat_server.verdicts import STATUS_WORDS

    print(f"{STATUS_WORDS[made.verdict.status].to(language)}; {made.size} byte; SHA-256 {made.digest.hex()}")
    return path


@contextmanager
def _whole(path: Path) -> Iterator[IO[bytes]]:
    """The file is there when all of it is; what was there before stays otherwise."""
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("w+b") as out:
            yield out
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _inventory(arguments: argparse.Namespace, settings: Settings, engine: Engine, language: str, now_ms: int) -> Path:
    from schoolbeat_server import inventory_tables
    from schoolbeat_server.sums import Sums
    from schoolbeat_server.table_files import to_csv, to_json, to_xlsx

    ingest = _loaded(settings, engine, now_ms)
    try:
        with engine.connect() as connection, engine.connect() as summed:
            sums = Sums(summed, ingest.ledger, ingest.asked.calendar)
            told = inventory_tables.gather(connection, sums, now_ms, arguments.school, arguments.area)
    except inventory_tables.Refused as error:
        raise decided_cli.Refused(error.said) from None
    table = inventory_tables.TABLES[arguments.table](told)
    path: Path = arguments.out or Path(f"schoolbeat-{table.name}.{arguments.format}")
    if arguments.format == "json":
        data = json.dumps(to_json(table), ensure_ascii=False).encode()
    else:
        data = to_csv(table, language) if arguments.format == "csv" else to_xlsx([table], language)
    try:
        path.write_bytes(data)
    except OSError as error:
        raise _unwritten(error) from None
    return path


def _unwritten(error: OSError) -> decided_cli.Refused:
    return decided_cli.Refused(
        Said(
            f"{error.filename}: không ghi được: {error.strerror}",
            f"{error.filename}: cannot be written: {error.strerror}",
        )
    )
