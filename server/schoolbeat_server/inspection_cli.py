"""The words `inspection add | say | list | show` of the command line."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schoolbeat_server.said import Said

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from schoolbeat_server.inspections import Inspection
    from schoolbeat_server.settings import Settings

Words = Callable[[str, str], str]
Actions = Any  # argparse._SubParsersAction[argparse.ArgumentParser], which is not subscriptable at run time
ROWS = 50


class Refused(Exception):
    """What was asked cannot be done."""

    def __init__(self, said: Said) -> None:
        super().__init__(said.vi)
        self.said = said


def inspection_words(commands: Actions, said: Words) -> argparse.ArgumentParser:
    inspection: argparse.ArgumentParser = commands.add_parser(
        "inspection", help=said("biên bản kiểm tra", "inspection records")
    )
    actions = inspection.add_subparsers(dest="action", required=True, metavar="add|say|list|show")
    add = actions.add_parser("add", help=said("ghi một cuộc kiểm tra", "enter an inspection"))
    add.add_argument("school", metavar=said("TRƯỜNG", "SCHOOL"))
    add.add_argument("--site", default="", help=said("chỉ một điểm trường", "one site only"))
    add.add_argument("--kind", choices=("digital", "on_site"), default="digital", help="digital | on_site (digital)")
    add.add_argument("--held-on", default="", help=said("ngày kiểm tra (hôm nay)", "the day it was held (today)"))
    add.add_argument("--inspector", required=True, help=said("người kiểm tra", "who inspects"))
    add.add_argument("--scope", required=True, help=said("nội dung kiểm tra", "what is inspected"))
    add.add_argument("--findings", default="", help=said("nhận xét; có thể thêm sau", "findings; may be added later"))
    add.set_defaults(inspection=_add)
    say = actions.add_parser("say", help=said("thêm nhận xét, ý kiến, kết thúc", "add a finding, a reply, an end"))
    say.add_argument("id", type=int, metavar=said("SỐ", "ID"))
    say.add_argument("kind", choices=("finding", "reply", "closed", "withdrawn"))
    say.add_argument("--author", required=True, help=said("người nêu", "who says it"))
    say.add_argument("--text", required=True, help=said("nội dung", "what is said"))
    say.set_defaults(inspection=_say)
    list_ = actions.add_parser("list", help=said("liệt kê, mới trước", "list them, the newest first"))
    list_.add_argument("--school", help=said("chỉ một trường", "one school only"))
    list_.set_defaults(inspection=_list)
    show = actions.add_parser("show", help=said("xem một biên bản và kiểm mã của nó", "show one and check its digest"))
    show.add_argument("id", type=int, metavar=said("SỐ", "ID"))
    show.add_argument("--snapshot", type=Path, help=said("ghi bản chụp vào tệp này", "write the snapshot to this file"))
    show.set_defaults(inspection=_show)
    return inspection


def run(arguments: argparse.Namespace, settings: Settings, engine: Engine, language: str, now_ms: int) -> int:
    """Raises Refused."""
    from schoolbeat_server.inspection_making import InspectionError

    try:
        text: str = arguments.inspection(arguments, settings, engine, language, now_ms)
    except InspectionError as error:
        raise Refused(error.said) from None
    print(text)
    return 0


def _who() -> str:
    return f"cli {getpass.getuser()}"


def _add(arguments: argparse.Namespace, settings: Settings, engine: Engine, language: str, now_ms: int) -> str:
    from schoolbeat_server.inspection_making import Entry, record
    from schoolbeat_server.inspections import read_inspection

    entry = Entry(
        arguments.school,
        arguments.site,
        arguments.kind,
        arguments.held_on,
        arguments.inspector,
        arguments.scope,
        arguments.findings,
    )

    def photograph(connection: Connection, school: str, site: str) -> dict[str, Any]:
        return _photograph(settings, engine, connection, school, site, now_ms)

    ident = record(engine, entry, _who(), now_ms, photograph)
    with engine.connect() as connection:
        found = read_inspection(connection, ident)
    assert found is not None
    return "\n".join(_lines(found, language))


def _photograph(
    settings: Settings, engine: Engine, connection: Connection, school: str, site: str, now_ms: int
) -> dict[str, Any]:
    """Judges the school's own sites anew: the server that may be running keeps its verdicts to itself."""
    from sqlalchemy import select

    from schoolbeat_server import plans, schema, verdicts
    from schoolbeat_server.contact import ContactBook
    from schoolbeat_server.ingest import Ingest
    from schoolbeat_server.inspection_snapshot import photograph
    from schoolbeat_server.sums import Sums, from_sums

    try:
        known = plans.all_plans(settings.plans, settings.follow)
    except plans.PlanError as error:
        raise Refused(error.said) from None
    ingest = Ingest(engine, "", ContactBook(now_ms), lambda: now_ms, settings.lessons)  # reads only
    ingest.load()
    table, calendar = schema.site.c, ingest.asked.calendar
    mine = frozenset(connection.scalars(select(table.id).where(table.school == school)))
    judged = []
    with engine.connect() as summed:
        source = from_sums(Sums(summed, ingest.ledger, calendar))
        for plan in known:
            window = verdicts.window_of(plan, now_ms // 60_000)
            judged += verdicts.judge_plan(plan, verdicts.collect(connection, source, plan, window, mine, calendar))

    def read(at: str, signals: Sequence[str], first: int, end: int) -> dict[str, bytes]:
        return ingest.ledger.read(connection, at, signals, first, end)

    return photograph(connection, school, site, judged, read, now_ms)


def _say(arguments: argparse.Namespace, _settings: Settings, engine: Engine, language: str, now_ms: int) -> str:
    from schoolbeat_server.inspection_making import add_word
    from schoolbeat_server.inspections import read_inspection

    add_word(engine, arguments.id, arguments.kind, arguments.author, arguments.text, _who(), now_ms)
    with engine.connect() as connection:
        found = read_inspection(connection, arguments.id)
    assert found is not None
    return "\n".join(_lines(found, language))


def _list(arguments: argparse.Namespace, _settings: Settings, engine: Engine, language: str, _now_ms: int) -> str:
    from schoolbeat_server.inspections import KIND_WORDS, STATE_WORDS, read_inspections

    with engine.connect() as connection:
        found = read_inspections(connection, school=arguments.school, limit=ROWS)
    if not found:
        return Said("Chưa ghi cuộc kiểm tra nào.", "No inspection is entered yet.").to(language)
    return "\n".join(
        f"{one.id}  {one.held_on}  {one.school}{'/' + one.site if one.site else ''}  "
        f"{KIND_WORDS[one.kind].to(language)}  {STATE_WORDS[one.state].to(language)}  {one.inspector}"
        for one in found
    )


def _show(arguments: argparse.Namespace, _settings: Settings, engine: Engine, language: str, _now_ms: int) -> str:
    from schoolbeat_server.inspections import read_inspection, read_snapshot

    with engine.connect() as connection:
        found = read_inspection(connection, arguments.id)
        snapshot = read_snapshot(connection, arguments.id)
    if found is None:
        raise Refused(Said(f"không có biên bản số {arguments.id}", f"there is no inspection {arguments.id}"))
    if snapshot is not None and not snapshot.intact:
        raise Refused(
            Said(
                f"biên bản {found.id}: bản chụp không còn khớp mã SHA-256 {snapshot.digest.hex()}; hãy khôi phục từ bản"
                " sao lưu",
                f"inspection {found.id}: the snapshot no longer has the SHA-256 {snapshot.digest.hex()}; restore it"
                " from a backup",
            )
        )
    if arguments.snapshot is not None:
        if snapshot is None:
            raise Refused(Said(f"biên bản {found.id} không có bản chụp", f"inspection {found.id} has no snapshot"))
        try:
            arguments.snapshot.write_bytes(snapshot.text)
        except OSError as error:
            path = arguments.snapshot
            raise Refused(
                Said(f"{path}: không ghi được: {error.strerror}", f"{path}: cannot be written: {error.strerror}")
            ) from None
    return "\n".join(_lines(found, language))


def _lines(one: Inspection, language: str) -> Iterator[str]:
    from schoolbeat_server.inspections import KIND_WORDS, STATE_WORDS, WORD_WORDS
    from schoolbeat_server.local_time import clock_and_day

    def said(vi: str, en: str) -> str:
        return Said(vi, en).to(language)

    yield f"{said('Biên bản', 'Inspection')} {one.id}: {KIND_WORDS[one.kind].to(language)}, {one.held_on}"
    yield f"{said('Trường', 'School')}: {one.school}{' / ' + one.site if one.site else ''}"
    yield f"{said('Người kiểm tra', 'Inspector')}: {one.inspector}"
    yield f"{said('Nội dung', 'Scope')}: {one.scope}"
    if one.findings:
        yield f"{said('Nhận xét', 'Findings')}: {one.findings}"
    for word in one.words:
        at = clock_and_day(word.at_ms, language)
        yield f"{WORD_WORDS[word.kind].to(language)} ({word.author}, {at}): {word.text}"
    yield f"{said('Tình trạng', 'State')}: {STATE_WORDS[one.state].to(language)}"
    if one.digest is not None:
        yield f"SHA-256: {one.digest.hex()}"
