"""The words `backup`, `restore`, `restored` and `repair` of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schoolbeat_server import decided_cli
from schoolbeat_server.said import Said

if TYPE_CHECKING:
    from schoolbeat_server.settings import Settings

Words = Callable[[str, str], str]
LOST = 4  # exit code: something is unknown from now on, and listed


class Refused(decided_cli.Refused):
    """What was asked cannot be done."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(Said(vi, en))


def words(commands: Any, said: Words) -> None:
    make = commands.add_parser(
        "backup", help=said("sao lưu vào một tệp, máy chủ cứ chạy", "back up into one file, while the server runs")
    )
    make.add_argument("file", type=Path, metavar=said("TỆP", "FILE"))
    make.set_defaults(keep=_backup)
    restore = commands.add_parser(
        "restore", help=said("đưa một bản sao lưu về (dừng máy chủ trước)", "put a backup in place (stop the server)")
    )
    restore.add_argument("file", type=Path, metavar=said("TỆP", "FILE"))
    restore.set_defaults(keep=_restore)
    restored = commands.add_parser(
        "restored", help=said("sau khi khôi phục: phút nào đã về, ngày nào thiếu", "what came back and what is missing")
    )
    restored.set_defaults(keep=_restored)
    repair = commands.add_parser(
        "repair",
        help=said("sửa cơ sở dữ liệu bị hỏng (dừng máy chủ trước)", "mend a damaged database (stop it first)"),
    )
    repair.set_defaults(keep=_repair)


def run(arguments: argparse.Namespace, settings: Settings, language: str, now_ms: int) -> int:
    return int(arguments.keep(arguments, settings, language, now_ms))


def _backup(arguments: argparse.Namespace, settings: Settings, language: str, now_ms: int) -> int:
    from schoolbeat_server import backup

    try:
        size = backup.make(settings.database, arguments.file, now_ms)
    except backup.BackupError as error:
        raise Refused(error.vi, error.en) from None
    print(
        Said(
            f"{arguments.file}: {size} byte. Tệp có khóa của các điểm trường: hãy giữ kín, ở máy khác.",
            f"{arguments.file}: {size} bytes. It holds the sites' keys: keep it secret, on another machine.",
        ).to(language)
    )
    return 0


def _locked(settings: Settings) -> Any:
    from schoolbeat_server.run import StartError, lock_folder

    try:
        return lock_folder(settings.folder)
    except StartError as error:
        raise Refused(str(error), str(error)) from None


def _restore(arguments: argparse.Namespace, settings: Settings, language: str, now_ms: int) -> int:
    from schoolbeat_server import backup, damage, own_clock
    from schoolbeat_server.local_time import clock_and_day

    with _locked(settings):
        try:
            made_ms = backup.made_ms(arguments.file)
            aside = backup.restore(arguments.file, settings.database)
        except backup.BackupError as error:
            raise Refused(error.vi, error.en) from None
        damage.unmark(settings.folder)
    when = clock_and_day(made_ms, language) if made_ms else "?"
    print(Said(f"Đã đưa về bản sao lưu lúc {when}.", f"The backup of {when} is in place.").to(language))
    if aside is not None:
        print(Said(f"Tệp trước đó: {aside}", f"The file before it: {aside}").to(language))
    print(
        Said(
            "Hãy chạy lại máy chủ; tác tử tự gửi lại 7 ngày gần nhất. Sau đó xem: schoolbeat-server restored",
            "Start the server; agents send the last 7 days again by themselves. Then look: schoolbeat-server restored",
        ).to(language)
    )
    if own_clock.doubt(now_ms, made_ms, synchronised=own_clock.kernel_is_synchronised()) is not None:
        print(_WAITS_FOR_ITS_CLOCK.to(language))
    return 0


_WAITS_FOR_ITS_CLOCK = Said(
    "Từ bản sao lưu tới giờ máy này cách quá xa, mà đồng hồ không được đồng bộ (NTP): máy chủ sẽ chờ, không nhận gì. "
    "Hãy đồng bộ đồng hồ; hoặc xem giờ có đúng không (date) rồi xác nhận: schoolbeat-server clock believe --reason …",
    "This machine's clock is too far from the backup's time, and not synchronised (NTP): the server will wait and "
    "accept nothing. Synchronise it; or see whether it is right (date) and vouch for it: "
    "schoolbeat-server clock believe --reason …",
)


def _restored(_arguments: argparse.Namespace, settings: Settings, language: str, _now_ms: int) -> int:
    from schoolbeat_server import restored
    from schoolbeat_server.database import open_database

    with open_database(settings.database).connect() as connection:
        found = restored.read(connection)
        if found is None:
            print(Said("Chưa khôi phục bản sao lưu nào.", "No backup was restored.").to(language))
            return 0
        for line in restored.told(connection, found, language):
            print(line)
        return LOST if restored.missing(connection, found) else 0


def _repair(_arguments: argparse.Namespace, settings: Settings, language: str, now_ms: int) -> int:
    from schoolbeat_server import repair
    from schoolbeat_server.contact import ContactBook
    from schoolbeat_server.database import open_database
    from schoolbeat_server.ingest import Ingest
    from schoolbeat_server.proof_cli import rebuilt_told

    with _locked(settings):
        done = repair.repair(settings.database)
        _tell(done, language)
        engine = open_database(settings.database)
        ingest = Ingest(engine, "", ContactBook(now_ms), lambda: now_ms, settings.lessons)
        ingest.load()
        for one in repair.rebuild_all(ingest, now_ms):
            if one.ledger_days or one.outages or one.refused:
                print(rebuilt_told(one, language), flush=True)
        repair.recount(ingest, done.ledger, now_ms)
        with engine.connect() as connection:
            unknown = repair.unknown_days(connection)
        engine.dispose()
    _tell_unknown(unknown, language)
    return LOST if unknown or done.gone or done.lost else 0


def _tell(done: Any, language: str) -> None:
    if done.aside is None:
        print(Said("Tệp cơ sở dữ liệu còn nguyên cấu trúc.", "The database file is whole.").to(language))
    else:
        rows = sum(done.rows.values())
        print(
            Said(
                f"Đã chép {rows} dòng đọc được sang tệp mới; tệp hỏng: {done.aside}",
                f"{rows} readable rows are in a new file; the damaged one: {done.aside}",
            ).to(language)
        )
    for table, places in done.lost.items():
        print(Said(f"bảng {table}: {places} chỗ không đọc được", f"table {table}: {places} unreadable").to(language))
    for one in done.gone:
        minutes = one.last_minute - one.first_minute + 1
        print(
            Said(
                f"{one.site}: bản tin hỏng, {minutes} phút từ {_when(one, 'vi')}: tác tử được yêu cầu gửi lại",
                f"{one.site}: a damaged report, {minutes} minutes from {_when(one, 'en')}: asked of the agent again",
            ).to(language)
        )
    for site, day in done.ledger:
        print(
            Said(
                f"{site}: sổ phút ngày {_iso(day)} (UTC) không đọc được",
                f"{site}: the ledger of {_iso(day)} (UTC) is gone",
            ).to(language)
        )


def _tell_unknown(days: list[tuple[str, int]], language: str) -> None:
    for site, day in days:
        print(
            Said(
                f"{site}: {_iso(day)}: chưa biết: sổ phút mất và bản tin gốc không còn giữ",
                f"{site}: {_iso(day)}: unknown: its ledger is lost and its reports are no longer kept",
            ).to(language)
        )


def _when(one: Any, language: str) -> str:
    from schoolbeat_server.local_time import clock_and_day

    return clock_and_day(one.first_minute * 60_000, language)


def _iso(day: int) -> str:
    from schoolbeat_server.school_calendar import date_of

    return date_of(day).isoformat()
