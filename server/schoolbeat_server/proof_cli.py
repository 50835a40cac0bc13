"""The words `verify` and `rebuild` of the command line."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from schoolbeat_server import decided_cli
from schoolbeat_server.said import Said

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from schoolbeat_server.stamp import Stamp
    from schoolbeat_server.verify import Change, Fault, Finding

Words = Callable[[str, str], str]
Actions = Any  # argparse._SubParsersAction[argparse.ArgumentParser], which is not subscriptable at run time

GAP, ALTERED = 3, 4  # exit codes; 0: all of it stands
PROGRESS_SECONDS = 2.0
STATES = {
    "intact": Said("nguyên vẹn", "intact"),
    "revised": Said("nguyên vẹn, đã bổ sung", "intact, revised"),
    "old": Said(
        "bản tin gốc không còn giữ; sổ phút khớp với mã lập lúc",
        "reports no longer kept, ledger matches the digest made at"
    ),
    "waiting": Said("có số liệu đến muộn, đêm tới lập bản bổ sung", "late data came; its revision is made next night"),
    "pending": Said("chưa đến lúc lập mã", "no digest is due yet"),
    "gap": Said("THIẾU: ngày này không có mã", "GAP: the day has no digest"),
    "altered": Said("BỊ SỬA", "ALTERED"),
}  # fmt: skip
WHY = {
    "late": Said("số liệu đến muộn", "late data"),
    "rebuilt": Said("sổ phút được dựng lại", "the ledger was rebuilt"),
    "retracted": Said("người quản trị loại bản tin của một máy", "an operator set a machine's reports aside"),
    "unexplained": Said("không rõ vì sao", "unexplained"),
}
FAULTS = {
    "row": Said("dòng mã của ngày bị đổi", "the row of its digest was changed"),
    "missing": Said("một dòng mã lập trước đó đã mất hoặc bị thay", "a digest made before it is gone or was replaced"),
    "reports": Said("bản tin gốc bị đổi", "reports were changed"),
    "fewer": Said("thiếu {number} phút bản tin gốc", "{number} reported minutes are gone"),
    "unreadable": Said("{number} bản tin không đọc được", "{number} reports cannot be read"),
    "ledger": Said("sổ phút khác với bản tin gốc hoặc mã", "the ledger is not what reports or digest say"),
    "rebuilt_ledger": Said("mã được lập từ một sổ phút khác", "the digest was made of another ledger"),
    "facts": Said(
        "dòng tắt máy hoặc lần đo tốc độ khác với bản tin gốc hoặc mã",
        "off-minutes or speed tests are not what reports or digest say",
    ),
    "unexplained": Said("thay đổi không do bản tin nào", "changed, and not by any report"),
    "proof": Said("mã tổng của ngày không khớp", "the day's digest of digests does not match"),
}


def words(commands: Actions, said: Words) -> None:
    verify = commands.add_parser(
        "verify", help=said("kiểm tra các ngày của một điểm trường có bị sửa không", "check that a site's days stand")
    )
    _window(verify, said)
    verify.add_argument("--stamp", action="store_true", help=said("cả mã của khoảng ngày ấy", "their stamp, too"))
    verify.set_defaults(prove=_verify)
    proof = commands.add_parser(
        "proof", help=said("đối chiếu mã tổng mà tác tử đang giữ", "compare a digest of digests that an agent kept")
    )
    proof.add_argument("day", nargs="?", metavar=said("NGÀY", "DAY"))
    proof.add_argument("digest", nargs="?", metavar=said("MÃ", "DIGEST"))
    proof.set_defaults(prove=_proof)
    rebuild = commands.add_parser(
        "rebuild",
        help=said("dựng lại sổ phút từ bản tin gốc (dừng máy chủ trước)", "make the ledger again from reports"),
    )
    rebuild.add_argument("site", nargs="?", metavar=said("ĐIỂM_TRƯỜNG", "SITE"))
    rebuild.add_argument("first", nargs="?", metavar=said("TỪ_NGÀY", "FROM"))
    rebuild.add_argument("last", nargs="?", metavar=said("ĐẾN_NGÀY", "TO"))
    rebuild.add_argument("--all", action="store_true", help=said("mọi điểm trường", "every site"))
    rebuild.set_defaults(prove=_rebuild)


def _window(parser: argparse.ArgumentParser, said: Words) -> None:
    parser.add_argument("site", metavar=said("ĐIỂM_TRƯỜNG", "SITE"))
    parser.add_argument("first", metavar=said("TỪ_NGÀY", "FROM"), help=said("như 2026-11-01", "like 2026-11-01"))
    parser.add_argument("last", metavar=said("ĐẾN_NGÀY", "TO"), help=said("kể cả ngày này", "inclusive"))


class Refused(decided_cli.Refused):
    """What was asked cannot be done."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(Said(vi, en))


class Progress:
    """A line on the terminal every few seconds; nothing where nobody looks."""

    def __init__(self, of: int, language: str) -> None:
        self.of, self.language, self.done, self.next = of, language, 0, time.monotonic() + PROGRESS_SECONDS

    def step(self) -> None:
        self.done += 1
        if time.monotonic() >= self.next and sys.stderr.isatty():
            self.next = time.monotonic() + PROGRESS_SECONDS
            said = Said(f"… {self.done} trên {self.of}", f"… {self.done} of {self.of}").to(self.language)
            print(said, file=sys.stderr, flush=True)


# ---- verify ------------------------------------------------------------------------------------------------


def _verify(arguments: argparse.Namespace, engine: Engine, language: str, now_ms: int) -> int:
    from schoolbeat_server.layouts import Layouts
    from schoolbeat_server.stamp import stamp
    from schoolbeat_server.verify import Verifier, broken_proofs

    first, end = _day(arguments.first), _day(arguments.last) + 1
    if first >= end:
        raise Refused(f"{arguments.first} ở sau {arguments.last}", f"{arguments.first} is after {arguments.last}")
    with engine.connect() as connection:
        _check_site(connection, arguments.site)
        layouts = Layouts()
        layouts.load(connection)
        progress = Progress(end - first, language)
        found = []
        for finding in Verifier(connection, layouts, arguments.site).days(first, end):
            found.append(finding)
            progress.step()
        proofs = broken_proofs(connection)
        resting = stamp(connection, [arguments.site], first, end) if arguments.stamp else None
    for line in told(found, language):
        print(line)
    for day in proofs:
        print(f"{_iso(day)}: {STATES['altered'].to(language)}: {FAULTS['proof'].to(language)}")
    if resting is not None:
        print(_stamp(resting, language))
    states = {finding.state for finding in found}
    return ALTERED if proofs or "altered" in states else GAP if "gap" in states else 0


def _stamp(found: Stamp, language: str) -> str:
    days, due = found.digests, found.due
    said = Said(f"mã trên {days} ngày có mã, của {due} ngày", f"stamp of {days} digests, of {due} days").to(language)
    line = f"{said}: {found.digest.hex()}"
    if found.proof_day is not None:
        proof = Said("mã tổng ngày", "digest of digests of").to(language)
        line += f"\n{proof} {_iso(found.proof_day)}: {found.proof.hex()}"
    return line


def told(findings: Iterable[Finding], language: str) -> Iterator[str]:
    """A line for each run of days of which the same is to be said."""
    run: list[Finding] = []
    for finding in findings:
        if run and (finding.state, finding.changes, finding.faults) != (run[0].state, run[0].changes, run[0].faults):
            yield _line(run, language)
            run = []
        run.append(finding)
    if run:
        yield _line(run, language)


def _line(run: list[Finding], language: str) -> str:
    days = _iso(run[0].day) + (f" … {_iso(run[-1].day)}" if len(run) > 1 else "")
    said = STATES[run[0].state].to(language)
    if run[0].state == "old":
        said += " " + _when(run[0].made_ms, language) + (" …" if len(run) > 1 else "")
    parts = [fault_told(fault, language) for fault in run[0].faults]
    parts += [_change(change, language) for change in run[0].changes]
    return f"{days}: {said}" + "".join(f"; {part}" for part in parts)


def fault_told(fault: Fault, language: str) -> str:
    said = FAULTS[fault.what].to(language).format(number=fault.number)
    if fault.hours:
        said += Said(", giờ ", ", hours ").to(language) + ", ".join(f"{hour:02}" for hour in fault.hours)
    if fault.signals:
        shown = list(fault.signals[:5]) + (["…"] if len(fault.signals) > 5 else [])
        said += Said(", tín hiệu ", ", signals ").to(language) + ", ".join(shown)
    return said


def _change(change: Change, language: str) -> str:
    why = WHY.get(change.why, Said(change.why, change.why)).to(language)
    head = Said("bổ sung lúc", "revised").to(language)
    return f"{head} {_when(change.made_ms, language)} ({why})"


# ---- proofs ------------------------------------------------------------------------------------------------


def _proof(arguments: argparse.Namespace, engine: Engine, language: str, _now_ms: int) -> int:
    from schoolbeat_server import proof, verify

    with engine.connect() as connection:
        if arguments.day is None:
            newest = proof.newest_proof(connection)
            print(f"{_iso(newest[0])} {newest[1].hex()}" if newest else Said("chưa có mã nào", "none yet").to(language))
            return 0
        held = verify.told_proof(connection, _day(arguments.day))
        since = _register_since(connection, _day(arguments.day))
    if held is None:
        print(
            Said(f"{arguments.day}: máy chủ không có mã của ngày này", f"{arguments.day}: the server has none").to(
                language
            )
        )
        return GAP
    if arguments.digest is None:
        print(f"{arguments.day} {held.hex()}\n{since.to(language)}")
        return 0
    same = held.hex() == arguments.digest.strip().lower()
    said = (
        Said("khớp", "matches")
        if same
        else Said(f"KHÔNG KHỚP: máy chủ có {held.hex()}", f"DIFFERS: the server has {held.hex()}")
    )
    print(f"{arguments.day}: {said.to(language)}\n{since.to(language)}")
    return 0 if same else ALTERED


def _register_since(connection: Connection, day: int) -> Said:
    """What verdicts take from the register and the calendar, then and now."""
    from sqlalchemy import select

    from schoolbeat_server import register_digest, schema

    table = schema.day_proof.c
    digest = connection.scalar(select(table.register_digest).where(table.day == day)) or ""
    then, now = register_digest.kept(connection, digest), register_digest.state(connection)
    if then is None:
        return Said("Không còn biết sổ đăng ký khi ấy", "What the register was then is not known any more")
    if then.digest == now.digest:
        return Said("Sổ đăng ký và lịch học như khi ấy", "Register and calendar are what they were then")
    tables = [register_digest.NAMES[name] for name in register_digest.differing(then, now)]
    vi, en = ", ".join(one.vi for one in tables), ", ".join(one.en for one in tables)
    return Said(f"Sổ đăng ký, lịch học đã sửa từ khi ấy: {vi}", f"Of register and calendar since then edited: {en}")


# ---- rebuild -----------------------------------------------------------------------------------------------


def _rebuild(arguments: argparse.Namespace, engine: Engine, language: str, now_ms: int) -> int:
    """The words after --all are the days: argparse has put the first of them where a site would stand."""
    from sqlalchemy import select

    from schoolbeat_server import rebuild, schema
    from schoolbeat_server.contact import ContactBook
    from schoolbeat_server.ingest import Ingest
    from schoolbeat_server.school_calendar import day_of

    given = [word for word in (arguments.site, arguments.first, arguments.last) if word is not None]
    site = None if arguments.all else (given.pop(0) if given else None)
    if (site is None and not arguments.all) or len(given) not in (0, 2):
        raise Refused("Hãy nêu ĐIỂM_TRƯỜNG hoặc --all, rồi TỪ_NGÀY ĐẾN_NGÀY.", "Name SITE or --all, then FROM TO.")
    ingest = Ingest(engine, "", ContactBook(now_ms), lambda: now_ms, arguments.lessons)
    ingest.load()
    with engine.connect() as connection:
        if site is not None:
            _check_site(connection, site)
        sites = (
            [site]
            if site is not None
            else list(connection.scalars(select(schema.site.c.id).order_by(schema.site.c.id)))
        )
        first_kept = rebuild.first_kept_day(connection)
    first, end = (_day(given[0]), _day(given[1]) + 1) if given else (first_kept, day_of(now_ms // 60_000) + 1)
    if first >= end:
        raise Refused("Không có ngày nào để dựng lại.", "There is no day to rebuild.")
    progress, bad = Progress(len(sites), language), False
    for one in sites:
        done = rebuild.rebuild_site(ingest, one, first, end, now_ms)
        print(rebuilt_told(done, language), flush=True)
        bad = bad or bool(done.refused)
        progress.step()
    return ALTERED if bad else 0


def rebuilt_told(done: Any, language: str) -> str:
    said = Said(
        f"{done.site}: {done.days} ngày, {done.ledger_days} dòng sổ phút và {done.outages} đoạn gián đoạn đã đổi",
        f"{done.site}: {done.days} days; {done.ledger_days} ledger rows and {done.outages} outages changed",
    ).to(language)
    if done.facts:
        said += Said(
            f"; {done.facts} dòng tắt máy và lần đo tốc độ đã đổi",
            f"; {done.facts} off-minutes and speed tests changed",
        ).to(language)
    if done.lost:
        said += Said(f"; {done.lost} phút thành chưa biết", f"; {done.lost} minutes became unknown").to(language)
    if done.refused:
        days = ", ".join(map(_iso, done.refused[:10])) + (" …" if len(done.refused) > 10 else "")
        said += Said(
            f"; không dựng lại vì bản tin gốc không còn đủ hoặc bị sửa: {days}",
            f"; not rebuilt, their reports are no longer all there or were altered: {days}",
        ).to(language)
    return said


# ---- words -------------------------------------------------------------------------------------------------


def _check_site(connection: Connection, site: str) -> None:
    from sqlalchemy import select

    from schoolbeat_server import schema

    known = connection.scalar(select(schema.site.c.id).where(schema.site.c.id == site))
    if known is None:
        raise Refused(f"sổ đăng ký không có điểm trường {site!r}", f"the register has no site {site!r}")


def _day(text: str) -> int:
    from datetime import date

    from schoolbeat_server.school_calendar import day_number

    try:
        return day_number(date.fromisoformat(text))
    except ValueError:
        raise Refused(f"ngày {text!r}: cần như 2026-11-21", f"day {text!r}: must be like 2026-11-21") from None


def _iso(day: int) -> str:
    from schoolbeat_server.school_calendar import date_of

    return date_of(day).isoformat()


def _when(ms: int, language: str) -> str:
    from schoolbeat_server.local_time import clock_and_day

    return clock_and_day(ms, language)
