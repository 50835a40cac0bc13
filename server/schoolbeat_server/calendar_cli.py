"""The words `calendar load | check | show` of the command line."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schoolbeat_server.said import Said

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from schoolbeat_server.settings import Settings

Words = Callable[[str, str], str]
Actions = Any  # argparse._SubParsersAction[argparse.ArgumentParser], which is not subscriptable at run time
MOST_DAYS = 400


class Refused(Exception):
    """What was asked cannot be done."""

    def __init__(self, said: Said) -> None:
        super().__init__(said.vi)
        self.said = said


def calendar_words(commands: Actions, said: Words) -> argparse.ArgumentParser:
    calendar: argparse.ArgumentParser = commands.add_parser("calendar", help=said("lịch học", "the school calendar"))
    actions = calendar.add_subparsers(dest="action", required=True, metavar="load|check|show")
    for word, help_ in (
        ("load", said("nạp một tệp lịch; các ngày đã đo được tính lại", "load a calendar file; the past is revised")),
        ("check", said("chỉ kiểm tra và cho xem sẽ đổi gì", "only check a file and show what it would change")),
    ):
        one = actions.add_parser(word, help=help_)
        one.add_argument("path", type=Path, metavar=said("TỆP", "FILE"))
        if word == "load":
            one.add_argument("--why", default="", help=said("lý do sửa, để lại trong sổ", "the reason, which is kept"))
            one.add_argument("--dry-run", action="store_true", help=said("như 'check'", "as 'check'"))
        one.set_defaults(school_calendar=_load)
    show = actions.add_parser("show", help=said("lịch đang áp dụng", "the calendar as it stands"))
    show.add_argument("--site", help=said("các ngày học của một điểm trường", "the days of one site"))
    show.add_argument("--from", dest="first", type=_day, help=said("từ ngày (hôm nay)", "first day (today)"))
    show.add_argument("--days", type=int, default=14, help=said("bao nhiêu ngày (14)", "how many days (14)"))
    show.set_defaults(school_calendar=_show)
    return calendar


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: cần dạng / expected 2026-09-05") from None


def run(arguments: argparse.Namespace, settings: Settings, engine: Engine, language: str, now_ms: int) -> int:
    """Raises Refused."""
    text: str = arguments.school_calendar(arguments, settings, engine, language, now_ms)
    print(text)
    return 0


def _load(arguments: argparse.Namespace, _settings: Settings, engine: Engine, language: str, now_ms: int) -> str:
    from schoolbeat_server import calendar_file, calendar_rows, calendar_shown, national_holidays

    dry_run = arguments.action == "check" or arguments.dry_run
    try:
        document = calendar_file.read(_text(arguments.path), arguments.path.name, national_holidays.days_off)
        loaded = calendar_rows.store(
            engine,
            document,
            arguments.path.name,
            who=f"cli {getpass.getuser()}",
            why="" if dry_run else arguments.why,
            now_ms=now_ms,
            dry_run=dry_run,
        )
    except calendar_file.CalendarError as error:
        count = len(error.faults)
        vi = f"{error.text('vi')}\n{count} lỗi; chưa nạp gì. Hãy sửa rồi nạp lại."
        en = f"{error.text('en')}\n{count} faults; nothing was loaded. Mend them and load again."
        raise Refused(Said(vi, en)) from None
    return calendar_shown.loaded_text(loaded, language, dry_run=dry_run)


def _text(path: Path) -> str:
    from schoolbeat_server.calendar_file import MOST_BYTES

    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(
            Said(f"{path}: không phải UTF-8 (byte thứ {error.start})", f"{path}: not UTF-8 (byte {error.start})")
        ) from None
    except OSError as error:
        raise Refused(
            Said(f"{path}: không đọc được: {error.strerror}", f"{path}: cannot be read: {error.strerror}")
        ) from None


def _show(arguments: argparse.Namespace, settings: Settings, engine: Engine, language: str, now_ms: int) -> str:
    from schoolbeat_server import calendar_rows, calendar_shown
    from schoolbeat_server.school_calendar import day_number, day_of

    with engine.connect() as connection:
        if arguments.site is None:
            changes = calendar_rows.read_changes(connection, limit=20)
            return calendar_shown.standing_text(calendar_rows.read_rules(connection), changes, language)
        calendar = calendar_rows.read_calendar(connection, settings.lessons)
    if arguments.site not in calendar.places:
        raise Refused(
            Said(
                f"sổ đăng ký không có điểm trường {arguments.site}",
                f"the register has no site {arguments.site}",
            )
        )
    if not 1 <= arguments.days <= MOST_DAYS:
        raise Refused(Said(f"--days: từ 1 đến {MOST_DAYS}", f"--days: from 1 to {MOST_DAYS}"))
    first = day_number(arguments.first) if arguments.first else day_of(now_ms // 60_000)
    return calendar_shown.days_text(calendar.of_site(arguments.site), first, arguments.days, language)
