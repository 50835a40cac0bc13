"""The words `series status | check | aside | resend` of the command line."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from schoolbeat_server import decided_cli
from schoolbeat_server.local_time import clock_and_day, lasting
from schoolbeat_server.said import Said

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from schoolbeat_server.settings import Settings

Words = Callable[[str, str], str]
LINES: Final = 20  # shown of what was refused
SAYS_AFTER_SECONDS: Final = 2.0
TROUBLE: Final = 4  # exit code of `check`


class Refused(decided_cli.Refused):
    """What was asked cannot be done."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(Said(vi, en))


def words(commands: Any, said: Words) -> argparse.ArgumentParser:
    found: argparse.ArgumentParser = commands.add_parser(
        "series", help=said("kho chuỗi thời gian", "the time-series store")
    )
    actions = found.add_subparsers(dest="action", required=True, metavar="status|check|aside|resend")
    status = actions.add_parser("status", help=said("đã gửi đến đâu, còn đợi bao nhiêu", "what is sent, what waits"))
    status.set_defaults(series=_status)
    check = actions.add_parser(
        "check",
        help=said(
            "hỏi kho: đúng loại, đúng quyền, giữ bao lâu", "ask the store: its kind, its login, how long it keeps"
        ),
    )
    check.set_defaults(series=_check)
    aside = actions.add_parser("aside", help=said("điểm mà kho đã từ chối", "points that the store refused"))
    aside.add_argument("what", nargs="?", choices=("list", "show", "drop"), default="list")
    aside.add_argument("id", nargs="?", metavar=said("SỐ|all", "ID|all"))
    aside.set_defaults(series=_aside)
    resend = actions.add_parser(
        "resend",
        help=said("gửi lại những ngày ấy (gửi hai lần vẫn là một)", "send those days again (twice is once)"),
    )
    resend.add_argument("first", type=_day, metavar=said("TỪ", "FROM"), help="2026-09-01")
    resend.add_argument("last", type=_day, metavar=said("ĐẾN", "TO"), help=said("kể cả", "included"))
    resend.add_argument("--site", default="", help=said("chỉ một điểm trường", "of one site only"))
    resend.add_argument(
        "--no-wait", action="store_true", help=said("không đợi đến khi xong", "do not wait for the end")
    )
    resend.set_defaults(series=_resend)
    return found


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: cần dạng / expected 2026-09-05") from None


def run(arguments: argparse.Namespace, settings: Settings, engine: Engine, language: str, now_ms: int) -> int:
    """Raises Refused."""
    return int(arguments.series(arguments, settings, engine, language, now_ms))


def _say(language: str, vi: str, en: str) -> None:
    print(Said(vi, en).to(language))


def _configured(settings: Settings) -> None:
    if not settings.series.kind:
        raise Refused(
            "chưa cấu hình kho chuỗi thời gian: thêm mục [series] vào server.toml (docs/grafana.md)",
            "no time-series store is configured: add [series] to server.toml (docs/grafana.md)",
        )


# ---- status ------------------------------------------------------------------------------------------------


def _status(_arguments: argparse.Namespace, settings: Settings, engine: Engine, language: str, now_ms: int) -> int:
    from schoolbeat_server import series_again, series_aside, series_room, series_setup
    from schoolbeat_server.database import get_meta
    from schoolbeat_server.series_cursors import read_cursors
    from schoolbeat_server.series_trouble import TROUBLE

    _configured(settings)
    with engine.connect() as connection:
        cursors = read_cursors(connection)
        waits = series_room.waiting(connection, cursors.get("reports", (0, 0))[0], now_ms)
        counts, aside = series_aside.counts(connection), series_aside.points(connection)
        asked = series_again.read(connection)
        trouble = get_meta(connection, TROUBLE)
    name = series_setup.named(settings.series)
    _say(language, f"Kho: {name}", f"Store: {name}")
    last_ms = max((at_ms for _, at_ms in cursors.values()), default=0)
    if not last_ms:
        _say(language, "Chưa gửi gì.", "Nothing has been sent yet.")
    else:
        at = clock_and_day(last_ms, language)
        _say(language, f"Kho nhận lần cuối lúc {at}", f"The store took something last at {at}")
    if trouble:
        _say(language, f"Kho không nhận: {trouble}", f"The store does not take points: {trouble}")
    how_long = lasting(waits.seconds, language)
    _say(
        language,
        f"Đang đợi: {waits.reports} bản tin ({waits.bytes >> 20} MiB), lâu nhất {how_long}",
        f"Waiting: {waits.reports} reports ({waits.bytes >> 20} MiB), the oldest for {how_long}",
    )
    for one in asked:
        sent = cursors.get(one.stream, (0, 0))[0]
        _say(
            language,
            f"Đang gửi lại quá khứ, lần {one.id}: {_percent(sent, one.end)}",
            f"Sending the past, no. {one.id}: {_percent(sent, one.end)}",
        )
    _say(
        language,
        f"Đã gửi {counts['points_sent']} điểm; quá cũ đối với kho: {counts['points_old']}; bản tin bị bỏ vì hết chỗ: "
        f"{counts['reports_lost']}",
        f"{counts['points_sent']} points sent; too old for the store: {counts['points_old']}; reports that went for "
        f"want of room: {counts['reports_lost']}",
    )
    if aside:
        _say(
            language,
            f"Kho đã từ chối {aside} điểm: schoolbeat-server series aside",
            f"The store refused {aside} points: schoolbeat-server series aside",
        )
    if counts["aside_dropped"]:
        _say(
            language,
            f"Trong số điểm bị từ chối, {counts['aside_dropped']} điểm cũ nhất đã bỏ hẳn vì hết chỗ để riêng",
            f"Of refused points the oldest {counts['aside_dropped']} are gone: there is no more room to keep them",
        )
    return 0


def _percent(sent: int, end: int) -> str:
    return f"{100 * sent // end if end else 100} %"


# ---- check -------------------------------------------------------------------------------------------------


def _check(_arguments: argparse.Namespace, settings: Settings, engine: Engine, language: str, now_ms: int) -> int:
    """Asks the store, and hands it the newest minute of the server's own health: the queue sends the same."""
    from schoolbeat_server.series_about import NAMES
    from schoolbeat_server.series_decisions import retention_of
    from schoolbeat_server.series_store import open_store

    _configured(settings)
    store = open_store(settings.series)
    try:
        about = store.about()
        problems = list(about.problems)
        if about.reached and not problems:
            lines = _newest_health(engine)
            answer = store.write(lines) if lines else None
            if answer is not None and answer.kind != "taken":
                problems.append(Said(f"kho không nhận: {answer.text}", f"it does not take points: {answer.text}"))
    finally:
        store.close()
    found = f"{NAMES.get(about.found, '?')} {about.version}".strip()
    if about.reached:
        days = retention_of(settings.series.retention_days, about.retention_days)
        kept = Said(f"giữ {days:.0f} ngày", f"keeps {days:.0f} days") if days else Said("giữ mãi", "keeps for ever")
        if not days and about.retention_days is None:
            kept = Said("chưa rõ giữ bao lâu", "it is not known how long it keeps")
        _say(language, f"{settings.series.url}: {found}, {kept.vi}", f"{settings.series.url}: {found}, {kept.en}")
    if about.rows_invalid or about.rows_ignored:
        _say(
            language,
            f"Từ khi khởi động, kho đã bỏ {about.rows_invalid or 0} dòng sai và {about.rows_ignored or 0} điểm quá hạn "
            "(của ta hoặc của nơi khác) mà vẫn trả lời là đã nhận.",
            f"Since it was started it has dropped {about.rows_invalid or 0} lines it did not understand and "
            f"{about.rows_ignored or 0} points outside its retention, ours or others', and said that it took them.",
        )
    for one in about.unsure:
        _say(language, f"Chưa chắc: {one.vi}", f"Not sure: {one.en}")
    for one in problems:
        _say(language, f"Cần sửa: {one.vi}", f"To be mended: {one.en}")
    if not problems:
        _say(language, "Kho dùng được.", "The store is in order.")
    return TROUBLE if problems else 0


def _newest_health(engine: Engine) -> bytes:
    import json

    from sqlalchemy import select

    from schoolbeat_server import schema
    from schoolbeat_server.database import server_id
    from schoolbeat_server.series_rows import of_health

    table = schema.health
    with engine.connect() as connection:
        row = connection.execute(select(table).order_by(table.c.minute.desc()).limit(1)).first()
    return b"" if row is None else of_health(server_id(engine), row.minute, json.loads(row.payload)).encode() + b"\n"


# ---- aside -------------------------------------------------------------------------------------------------


def _aside(arguments: argparse.Namespace, _settings: Settings, engine: Engine, language: str, now_ms: int) -> int:
    from schoolbeat_server import series_aside
    from schoolbeat_server.database import writing

    if arguments.what == "list":
        with engine.connect() as connection:
            rows = series_aside.read(connection)
        if not rows:
            _say(language, "Kho chưa từ chối điểm nào.", "The store has refused no points.")
        for one in rows:
            at = clock_and_day(one.at_ms, language)
            _say(
                language,
                f"{one.id}: {at}: {one.points} điểm ({one.stream}): {one.reason}",
                f"{one.id}: {at}: {one.points} points ({one.stream}): {one.reason}",
            )
        return 0
    everything = arguments.id == "all" and arguments.what == "drop"
    if not everything and not (arguments.id or "").isdecimal():
        raise Refused(
            f"series aside {arguments.what}: cần số của một lần từ chối, xem series aside list",
            f"series aside {arguments.what}: needs the number of a refusal, see series aside list",
        )
    ident = None if everything else int(arguments.id)
    with writing(engine) as connection:
        lines = series_aside.lines_of(connection, ident) if ident is not None else b""
        if lines is None:
            raise Refused(f"không có số {ident}: xem series aside list", f"no {ident} is there: see series aside list")
        if arguments.what == "drop":
            count = series_aside.drop(connection, ident)
            _say(language, f"Đã bỏ {count} điểm.", f"{count} points dropped.")
            return 0
    text = lines.decode("utf-8", "replace").splitlines()
    print("\n".join(text[:LINES]))
    if len(text) > LINES:
        _say(language, f"… và {len(text) - LINES} dòng nữa", f"… and {len(text) - LINES} lines more")
    return 0


# ---- resend ------------------------------------------------------------------------------------------------


def _resend(arguments: argparse.Namespace, settings: Settings, engine: Engine, language: str, now_ms: int) -> int:
    from sqlalchemy import select

    from schoolbeat_server import proof, schema, series_again
    from schoolbeat_server.database import writing
    from schoolbeat_server.school_calendar import day_number, first_minute_of

    _configured(settings)
    first, end = first_minute_of(day_number(arguments.first)), first_minute_of(day_number(arguments.last) + 1)
    if first * 60_000 > now_ms:
        raise Refused(
            f"{arguments.first} … {arguments.last}: không có ngày nào đã qua trong khoảng này",
            f"{arguments.first} … {arguments.last}: there is no day of the past in it",
        )
    with engine.connect() as connection:
        span = series_again.reports_of(connection, arguments.site, (first, end))
    with writing(engine) as connection:
        site = schema.site.c.id
        if arguments.site and connection.scalar(select(site).where(site == arguments.site)) is None:
            raise Refused(
                f"sổ đăng ký không có điểm trường {arguments.site}", f"the register has no site {arguments.site}"
            )
        kept_from = proof.kept_from(connection)
        series_again.ask(connection, arguments.site, (first, end), now_ms, span, whole=True)
        asked = series_again.read(connection)[0]
    if kept_from > first:
        _say(
            language,
            "Bản tin của những ngày đầu không còn: của những ngày ấy chỉ gửi lại tổng, lần hỏng và kết luận.",
            "Reports of the first of these days are no longer kept: of those only sums, outages and verdicts are sent.",
        )
    if arguments.no_wait or not _is_running(settings):
        _say(
            language,
            f"Đã ghi lại (lần {asked.id}); máy chủ sẽ gửi khi đang chạy. Xem: schoolbeat-server series status",
            f"Noted (no. {asked.id}); the server sends it while it runs. See: schoolbeat-server series status",
        )
        return 0
    return _watch(engine, asked, language)


def _is_running(settings: Settings) -> bool:
    from schoolbeat_server.run import StartError, lock_folder

    try:
        lock_folder(settings.folder).close()
    except StartError:
        return True
    return False


def _watch(engine: Engine, asked: Any, language: str) -> int:
    """Until the server has sent all of it. Interrupted, it goes on all the same."""
    from schoolbeat_server import series_again
    from schoolbeat_server.series_cursors import read_cursors

    began, told = time.monotonic(), ""
    try:
        while True:
            with engine.connect() as connection:
                sent = read_cursors(connection).get(asked.stream, (0, 0))[0]
                waits = any(one.id == asked.id for one in series_again.read(connection, sent=False, limit=10**6))
            if not waits or sent >= asked.end:
                break
            percent = _percent(sent, asked.end)
            if time.monotonic() - began >= SAYS_AFTER_SECONDS and percent != told:
                print(percent, file=sys.stderr)
                told = percent
            time.sleep(0.5)
    except KeyboardInterrupt:
        _say(language, "Máy chủ gửi tiếp.", "The server goes on sending.")
        return 0
    _say(language, "Đã gửi xong.", "All of it is sent.")
    return 0
