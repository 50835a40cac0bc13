"""The words `agent clones`, `agent true`, `quarantine` and `clock` of the command line."""

from __future__ import annotations

import argparse
import getpass
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from schoolbeat_server.said import Said

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from schoolbeat_server.decided import HeldRow, Machine

Words = Callable[[str, str], str]
Actions = Any  # argparse._SubParsersAction[argparse.ArgumentParser], which is not subscriptable at run time

MOST = 200  # rows shown
STATES = {
    "true": Said("được tin", "believed"),
    "trial": Said("đang thử thách", "on trial"),
    "former": Said("trước đây", "former"),
    "aside": Said("CHỜ QUYẾT ĐỊNH", "WAITS FOR YOU"),
    "false": Said("bị bác", "refused"),
}
WHY = {
    "future": Said("ở tương lai", "in the future"),
    "past": Said("quá cũ", "too old"),
    "early": Said("sớm hơn đồng hồ máy chủ", "ahead of our clock"),
    "retracted": Said("đã bị loại khỏi sổ phút", "taken back"),
}


class Refused(Exception):
    """What was asked cannot be done."""

    def __init__(self, said: Said) -> None:
        super().__init__(said.vi)
        self.said = said


def clone_words(actions: Actions, said: Words) -> None:
    clones = actions.add_parser(
        "clones", help=said("những máy dùng chung tài khoản của một tác tử", "machines that share an agent's account")
    )
    clones.add_argument("--all", action="store_true", help=said("mọi máy đã thấy", "every machine seen"))
    clones.set_defaults(decide=_clones)
    true = actions.add_parser("true", help=said("nói máy nào là thật", "say which machine is the true one"))
    true.add_argument("site", metavar=said("ĐIỂM_TRƯỜNG", "SITE"))
    true.add_argument("name", metavar=said("TÁC_TỬ", "AGENT"))
    true.add_argument("--hardware", required=True, help=said("mã máy, hoặc phần đầu", "its id, or the beginning of it"))
    true.add_argument(
        "--boot", default="", help=said("lần khởi động, nếu hai máy cùng mã", "its boot, if two have one id")
    )
    _reason(true, said)
    true.set_defaults(decide=_true)
    retract = actions.add_parser(
        "retract",
        help=said("loại những bản tin mà một máy sao chép đã đưa vào sổ phút", "take back what a copy brought in"),
    )
    retract.add_argument("site", metavar=said("ĐIỂM_TRƯỜNG", "SITE"))
    retract.add_argument("name", metavar=said("TÁC_TỬ", "AGENT"))
    retract.add_argument("--hardware", default="", help=said("mã máy, hoặc phần đầu", "its id, or the beginning of it"))
    retract.add_argument("--boot", default="", help=said("chỉ của lần khởi động này", "only of this boot"))
    retract.add_argument("--epoch", default="", help=said("chỉ của sổ gửi này", "only of this outbox"))
    for word, help_ in (
        ("from", said("chỉ các phút từ lúc này, như 2026-11-20T07:00", "only minutes from here on")),
        ("to", said("chỉ các phút trước lúc này", "only minutes before")),
    ):
        retract.add_argument(f"--{word}", dest=f"{word}_", type=_minute, metavar=said("LÚC", "TIME"), help=help_)
    _reason(retract, said)
    retract.set_defaults(decide=_retract)


def _minute(text: str) -> int:
    """Viet Nam's time, unless it says another zone."""
    from schoolbeat_server.local_time import LOCAL

    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: cần dạng / expected 2026-11-20T07:00") from None
    return int((at if at.tzinfo else at.replace(tzinfo=LOCAL)).timestamp()) // 60


def quarantine_words(commands: Actions, said: Words) -> None:
    quarantine = commands.add_parser(
        "quarantine", help=said("bản tin có giờ không tin được", "reports whose times cannot be believed")
    )
    actions = quarantine.add_subparsers(dest="action", required=True, metavar="list|release|discard")
    list_ = actions.add_parser("list", help=said("liệt kê", "list them"))
    list_.add_argument("--all", action="store_true", help=said("cả những gì đã quyết định", "with those decided"))
    list_.set_defaults(decide=_list)
    for word, help_ in (
        ("release", said("công nhận, đưa vào sổ phút", "believe them and place their minutes")),
        ("discard", said("bỏ, những phút ấy vẫn là chưa biết", "discard them; their minutes stay unknown")),
    ):
        action = actions.add_parser(word, help=help_)
        action.add_argument("ids", type=int, nargs="*", metavar=said("SỐ", "ID"))
        action.add_argument("--site", help=said("tất cả của điểm trường này", "all of this site"))
        action.add_argument("--agent", default="gateway", help=said("của tác tử này", "of this agent"))
        _reason(action, said)
        action.set_defaults(decide=_held)


def clock_words(commands: Actions, said: Words) -> None:
    clock = commands.add_parser("clock", help=said("đồng hồ của máy chủ này", "this server's own clock"))
    actions = clock.add_subparsers(dest="action", required=True, metavar="believe")
    believe = actions.add_parser(
        "believe",
        help=said("giờ của máy này lúc này là đúng, dù trông không hợp lý", "it is right now, however odd it looks"),
    )
    _reason(believe, said)
    believe.set_defaults(decide=_believe)


def _believe(arguments: argparse.Namespace, engine: Engine, language: str, now_ms: int) -> str:
    from schoolbeat_server import own_clock

    reason = arguments.reason.strip()
    if not reason or now_ms < own_clock.BUILT_MS:
        raise Refused(
            Said("--reason: cần lý do", "--reason: is needed")
            if not reason
            else Said(
                f"giờ {_time(now_ms)} UTC không thể đúng: hãy chỉnh đồng hồ trước",
                f"{_time(now_ms)} UTC cannot be right: set the clock first",
            )
        )
    own_clock.vouch(engine, now_ms, _who(arguments), reason[:500])
    return Said(
        f"Đã ghi: bây giờ là {_time(now_ms)} UTC. {_SOON.vi}", f"Noted: it is {_time(now_ms)} UTC. {_SOON.en}"
    ).to(language)


def _reason(parser: argparse.ArgumentParser, said: Words) -> None:
    parser.add_argument("--reason", required=True, help=said("lý do, được lưu lại", "why; it is kept"))
    parser.add_argument("--who", default=None, help=said("ai quyết định (tên đăng nhập)", "who decides (the user)"))


def run(arguments: argparse.Namespace, engine: Engine, language: str, now_ms: int) -> int:
    from schoolbeat_server import decided

    try:
        print(arguments.decide(arguments, engine, language, now_ms))
    except decided.Refused as error:
        raise Refused(error.said) from None
    return 0


def _who(arguments: argparse.Namespace) -> str:
    return arguments.who or os.environ.get("SUDO_USER") or getpass.getuser()


def _clones(arguments: argparse.Namespace, engine: Engine, language: str, _now_ms: int) -> str:
    from schoolbeat_server import decided

    with engine.connect() as connection:
        machines = decided.read_machines(connection, conflicts=not arguments.all)
    if not machines:
        return Said("Không có tài khoản nào bị hai máy dùng chung.", "No account is shared by two machines.").to(
            language
        )
    head = Said(
        "điểm trường\ttác tử\tmã máy\tkhởi động\ttrạng thái\tthấy đầu (UTC)\tnghe cuối (UTC)\tgiữ riêng\tđã nhận",
        "site\tagent\thardware\tboot\tstate\tfirst seen (UTC)\tlast heard (UTC)\tkept apart\tbelieved",
    ).to(language)
    return _table([head.split("\t"), *(_machine(one, language) for one in machines)])


def _machine(one: Machine, language: str) -> list[str]:
    state = STATES[one.state].to(language)
    times = [_time(one.first_ms), _time(one.heard_ms)]
    return [one.site, one.agent, one.hardware, one.boot[:8] or "–", state, *times, str(one.reports), str(one.believed)]


def _true(arguments: argparse.Namespace, engine: Engine, language: str, now_ms: int) -> str:
    from schoolbeat_server import decided

    chosen = decided.say_true(
        engine,
        arguments.site,
        arguments.name,
        arguments.hardware,
        arguments.boot,
        arguments.reason,
        who=_who(arguments),
        now_ms=now_ms,
    )
    return Said(
        f"Đã ghi: máy {chosen.hardware} là tác tử {arguments.site}/{arguments.name}. {_SOON.vi}",
        f"Noted: machine {chosen.hardware} is agent {arguments.site}/{arguments.name}. {_SOON.en}",
    ).to(language)


def _retract(arguments: argparse.Namespace, engine: Engine, language: str, now_ms: int) -> str:
    from schoolbeat_server import decided

    whose = decided.Speaker(
        arguments.site,
        arguments.name,
        arguments.hardware,
        arguments.boot,
        arguments.epoch,
        arguments.from_,
        arguments.to_,
    )
    found, count = decided.retract(engine, whose, arguments.reason, who=_who(arguments), now_ms=now_ms)
    return Said(
        f"Đã ghi: loại {count} bản tin của máy {found.hardware or '–'}; các ngày ấy được làm lại. {_SOON.vi}",
        f"Noted: {count} reports of machine {found.hardware or '–'} are taken back, their days made again. {_SOON.en}",
    ).to(language)


_SOON = Said(
    "Máy chủ đang chạy sẽ làm trong vài giây; nếu đang tắt thì làm khi khởi động.",
    "The running server does it within seconds; one that is stopped, when it starts.",
)


def _list(arguments: argparse.Namespace, engine: Engine, language: str, _now_ms: int) -> str:
    from schoolbeat_server import decided

    with engine.connect() as connection:
        rows = decided.read_held(connection, waiting=not arguments.all, limit=MOST)
    if not rows:
        return Said("Không có bản tin nào bị cách ly.", "Nothing is in quarantine.").to(language)
    head = Said(
        "số\tđiểm trường\ttác tử\tvì sao\tphút đầu (UTC)\tphút cuối (UTC)\tsố phút\tnhận lúc (UTC)\tquyết định",
        "id\tsite\tagent\twhy\tfirst minute (UTC)\tlast minute (UTC)\tminutes\treceived (UTC)\tdecided",
    ).to(language)
    return _table([head.split("\t"), *(_held_row(one, language) for one in rows)])


def _held_row(one: HeldRow, language: str) -> list[str]:
    minutes = [_time(one.first_minute * 60_000), _time(one.last_minute * 60_000)]
    said = f"{one.state}: {one.who} {_time(one.at_ms)} – {one.reason}" if one.at_ms is not None else ""
    why = WHY[one.why].to(language)
    return [str(one.id), one.site, one.agent, why, *minutes, str(one.minutes), _time(one.received_ms), said]


def _held(arguments: argparse.Namespace, engine: Engine, language: str, now_ms: int) -> str:
    from schoolbeat_server import decided

    if bool(arguments.ids) == bool(arguments.site):
        raise Refused(Said("Hãy nêu các số, hoặc --site.", "Name either ids, or --site."))
    count = decided.say_of_held(
        engine,
        arguments.action,
        arguments.ids,
        arguments.site,
        arguments.agent,
        arguments.reason,
        who=_who(arguments),
        now_ms=now_ms,
    )
    return Said(f"Đã ghi, {count} bản tin. {_SOON.vi}", f"Noted, {count} reports. {_SOON.en}").to(language)


def _time(at_ms: int | None) -> str:
    return "" if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _table(rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
