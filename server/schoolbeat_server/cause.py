"""Why a signal was down and why a school was silent: the lowest failed rung, the agent's own account, or unknown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from schoolbeat_wire.catalogue import RUNGS, UNKNOWN, UP_FULL

INTERNET = "line.internet"
CONTACT = "site.contact"

SilenceCause = Literal[
    "power",
    "agent_stopped",
    "agent_crashed",
    "lan.router",
    "line.isp",
    "line.domestic",
    "line.international",
    "service",
    "beyond",
    "waiting",
    "unknown",
]

# What the agent says of minutes in which it was off. 'interrupted' is no reason: those minutes stay unknown.
_OFF_CAUSES: dict[str, SilenceCause] = {
    "power": "power",
    "clean_stop": "agent_stopped",
    "crash": "agent_crashed",
}
_RUNG_CAUSES: tuple[SilenceCause, ...] = ("lan.router", "line.isp", "line.domestic", "line.international")
# Ties go to what comes first here: without power there is no agent, without the agent no rung.
_ORDER: tuple[SilenceCause, ...] = ("power", "agent_stopped", "agent_crashed", *_RUNG_CAUSES, "service", "beyond")

# After a fault the agent needs some minutes to be heard again: back-off, or a boot. In them the school sees
# everything up, which says nothing against the fault.
RETURN_MINUTES = 5
# A power cut leaves the interrupted minute and the minute of the boot without an account, however short it was.
UNACCOUNTED_MINUTES = 3


class Cause(NamedTuple):
    """name: a signal (a rung, or the signal itself), 'service' (all rungs answer, but no name or connection) or
    'unknown'; down_seconds: how long that rung was down in the interval, 0 when none was."""

    name: str
    down_seconds: int


@dataclass(frozen=True, slots=True)
class OffRange:
    """Minutes that the agent says it did not observe; reason: a name of catalogue.OFF_REASONS."""

    first_minute: int
    count: int
    reason: str


class Silence(NamedTuple):
    """minutes: how many minutes of the silence speak for each cause, and under 'unknown' those that say nothing."""

    cause: SilenceCause
    minutes: Mapping[str, int]


def of_outage(signal: str, first_minute: int, last_minute: int, rungs: Mapping[str, bytes], window_first: int) -> Cause:
    """The cause of an outage over [first_minute, last_minute]; rungs: signal -> ledger bytes from window_first on.

    A rung, a device or a service is its own cause. For line.internet and site.contact it is the rung with the most
    down seconds, ties to the lowest. If none was down: 'service' when the path was seen up in most minutes, since then
    only the name or the connection can have failed; else 'unknown'.
    """
    lo, hi = first_minute - window_first, last_minute + 1 - window_first
    if signal not in (INTERNET, CONTACT):
        return Cause(signal, _down_seconds(_window(rungs.get(signal, b""), lo, hi)))
    down = {rung: _down_seconds(_window(rungs.get(rung, b""), lo, hi)) for rung in RUNGS}
    worst = max(RUNGS, key=down.__getitem__)  # max takes the first of equals, the lowest rung
    if down[worst]:
        both = worst == "line.international" and _domestic_too(rungs, lo, hi, signal)
        return Cause("line.domestic" if both else worst, down[worst])
    seen_up = sum(_path_up(codes) for codes in _columns(rungs, lo, hi))
    return Cause("service" if signal == INTERNET and 2 * seen_up > hi - lo else "unknown", 0)


def _domestic_too(rungs: Mapping[str, bytes], lo: int, hi: int, signal: str) -> bool:
    """No domestic target is asked by ICMP there, but the school had no Internet, which means that none of the
    domestic ones opened a connection: the fault is not only abroad."""
    asked = _window(rungs.get("line.domestic", b""), lo, hi)
    without = signal == INTERNET or _down_seconds(_window(rungs.get(INTERNET, b""), lo, hi)) > 0
    return without and all(code > UP_FULL for code in asked)


def of_silence(
    first_minute: int,
    end_minute: int,
    rungs: Mapping[str, bytes],
    window_first: int,
    offs: Sequence[OffRange],
    *,
    backlog_complete: bool,
    heard: bytes | None = None,
) -> Silence:
    """Why nothing was heard over [first_minute, end_minute); rungs: signal -> ledger bytes from window_first on.
    heard: the bytes of site.contact over the interval; in minutes unknown there nobody listened, so that a school
    which saw its line up does not speak for a fault beyond it.

    rungs may hold line.internet too. The cause with the most seconds wins; 'beyond' means that the school saw its
    whole line up, so the fault was on the way to our server or in it. Nothing is guessed: while the backlog is
    incomplete a cause is named only if the minutes still missing cannot change it ('waiting' until then), and
    afterwards only if the minutes without any account do not outnumber the others ('unknown').
    """
    minutes: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    accounts = _accounts(first_minute, end_minute, rungs, window_first, offs)
    for place, (kind, weight) in enumerate(accounts):
        if kind == "beyond" and heard is not None and heard[place] == UNKNOWN:
            minutes["server_away"] += 1
            continue
        minutes[kind] += 1
        seconds[kind] += weight
    told = sorted((kind for kind in _ORDER if minutes[kind]), key=lambda kind: -seconds[kind])
    return Silence(_verdict(told, minutes, seconds, backlog_complete), dict(minutes))


def _verdict(
    told: list[SilenceCause], minutes: Counter[str], seconds: Counter[str], backlog_complete: bool
) -> SilenceCause:
    blank = minutes["unknown"]
    if not backlog_complete:
        if told[:1] == ["beyond"] and blank:
            return "waiting"  # a fault in a missing minute would make these minutes of coming back
        runner_up = seconds[told[1]] if len(told) > 1 else 0
        return told[0] if told and seconds[told[0]] > runner_up + 60 * blank else "waiting"
    accounted = minutes.total() - blank
    if not told or blank > max(accounted, UNACCOUNTED_MINUTES):
        return "unknown"
    return told[0]


def _accounts(
    first_minute: int, end_minute: int, rungs: Mapping[str, bytes], window_first: int, offs: Sequence[OffRange]
) -> Iterator[tuple[SilenceCause | Literal["returning"], int]]:
    """For each minute what it speaks for and how many seconds of it."""
    off: dict[int, SilenceCause] = {}
    for told in offs:
        if told.reason in _OFF_CAUSES:
            for minute in range(max(told.first_minute, first_minute), min(told.first_minute + told.count, end_minute)):
                off[minute] = _OFF_CAUSES[told.reason]
    last_fault = first_minute - RETURN_MINUTES - 1
    columns = _columns(rungs, first_minute - window_first, end_minute - window_first)
    for minute, codes in enumerate(columns, first_minute):
        kind, weight = (off[minute], 60) if minute in off else _account(codes)
        if kind == "beyond" and minute - last_fault <= RETURN_MINUTES:
            yield "returning", 0
            continue
        if kind not in ("beyond", "unknown"):
            last_fault = minute
        yield kind, weight


def _account(codes: Mapping[str, int]) -> tuple[SilenceCause, int]:
    """What the rungs of one minute say: the lowest failed one and its down seconds."""
    for rung in _RUNG_CAUSES:
        if codes[rung] < UP_FULL:
            abroad_only = (
                rung != "line.international" or codes["line.domestic"] <= UP_FULL or codes[INTERNET] >= UP_FULL
            )
            return rung if abroad_only else "line.domestic", UP_FULL - codes[rung]
    if codes[INTERNET] < UP_FULL:
        return ("service", UP_FULL - codes[INTERNET]) if _path_up(codes) else ("unknown", 0)
    return ("beyond", 60) if _path_up(codes) else ("unknown", 0)


def _path_up(codes: Mapping[str, int]) -> bool:
    """Something beyond the ISP was seen fully up, so every rung below it was, whether it answers itself or not."""
    return codes["line.domestic"] == UP_FULL or codes["line.international"] == UP_FULL


def _columns(rungs: Mapping[str, bytes], lo: int, hi: int) -> Iterator[dict[str, int]]:
    names = (*RUNGS, INTERNET)
    for codes in zip(*(_window(rungs.get(name, b""), lo, hi) for name in names), strict=True):
        yield dict(zip(names, codes, strict=True))


def _window(codes: bytes, lo: int, hi: int) -> bytes:
    """Places [lo, hi) of a row; what lies outside it is unknown."""
    left = bytes([UNKNOWN]) * (min(hi, 0) - min(lo, 0))
    inside = codes[max(lo, 0) : max(hi, 0)]
    return left + inside + bytes([UNKNOWN]) * (hi - lo - len(left) - len(inside))


def _down_seconds(codes: bytes) -> int:
    return sum(UP_FULL - code for code in codes if code < UP_FULL)


# Vietnamese, English; for every cause of an outage and of a silence that is not a device's or a service's own.
SENTENCES: dict[str, tuple[str, str]] = {
    "power": (
        "Thiết bị cổng mất điện hoặc bị tắt nguồn đột ngột — không phải lỗi của đường truyền",
        "The gateway lost power or was switched off — not a fault of the line",
    ),
    "agent_stopped": (
        "Tác tử được dừng chủ động — không có số liệu, không kết luận được về đường truyền",
        "The agent was stopped on purpose — no measurements, so nothing can be said of the line",
    ),
    "agent_crashed": (
        "Tác tử bị dừng đột ngột trong khi thiết bị cổng vẫn chạy — lỗi của phần mềm đo, không phải của nhà mạng",
        "The agent died while the gateway stayed on — a fault of the measuring software, not of the ISP",
    ),
    "lan.router": (
        "Bộ định tuyến của trường không trả lời — lỗi trong trường, không phải do nhà mạng",
        "The school's router does not answer — a fault inside the school, not the ISP's",
    ),
    "line.isp": (
        "Bộ định tuyến của trường vẫn trả lời nhưng biên mạng của nhà mạng thì không — lỗi trên đường truyền "
        "từ trường đến nhà mạng",
        "The school's router answers but the ISP's edge does not — a fault on the line between school and ISP",
    ),
    "line.domestic": (
        "Biên mạng của nhà mạng trả lời nhưng không tới được đích nào trong nước — lỗi trong mạng của nhà mạng",
        "The ISP's edge answers but no domestic target can be reached — a fault inside the ISP's network",
    ),
    "line.international": (
        "Trong nước vẫn tới được nhưng không tới được đích quốc tế — lỗi hướng quốc tế của nhà mạng",
        "Domestic targets answer but international ones do not — a fault of the ISP's international links",
    ),
    "service": (
        "Các chặng mạng đều trả lời nhưng không phân giải được tên miền hoặc không mở được kết nối",
        "All rungs of the path answer, but no name resolves or no connection opens",
    ),
    "beyond": (
        "Trường vẫn có mạng bình thường — lỗi trên đường tới máy chủ SchoolBeat hoặc ở chính máy chủ",
        "The school's network was fine — a fault on the way to the SchoolBeat server or in the server itself",
    ),
    "unwatched": (
        "Không còn được theo dõi — thiết bị, dịch vụ hoặc tác tử đã được gỡ; không biết đã hết sự cố hay chưa",
        "No longer watched — the device, service or agent was removed; whether it works again is not known",
    ),
    "away": (
        "Đã xảy ra và đã hết trước khi số liệu đến máy chủ — không báo động, chỉ ghi lại",
        "It happened and was over before the data reached the server — nobody was alarmed, it is on record",
    ),
    "clone": (
        "Hai máy dùng chung tài khoản của một tác tử — số liệu của máy lạ được giữ riêng, chờ người quản trị",
        "Two machines use one agent's account — the stranger's data is kept apart until an operator decides",
    ),
    "waiting": (
        "Chưa rõ nguyên nhân — đang chờ số liệu mà thiết bị cổng đã ghi lại ở trường",
        "Cause not yet known — waiting for what the gateway recorded at the school",
    ),
    "unknown": (
        "Không rõ nguyên nhân — không có đủ bằng chứng để kết luận",
        "Cause unknown — there is not enough evidence to say",
    ),
}
_OWN_SENTENCES: dict[str, tuple[str, str]] = {
    "device.": ("Thiết bị không trả lời", "The device does not answer"),
    "service.": (
        "Dịch vụ không trả lời qua kết nối TLS hợp lệ",
        "The service does not answer over a valid TLS connection",
    ),
    "wifi.": ("Không dùng được mạng Wi-Fi này từ chỗ ngồi", "A seat cannot use this Wi-Fi"),
    "power.": (
        "Mất điện lưới, thiết bị cổng đang chạy bằng bộ lưu điện",
        "Mains power is lost, the gateway runs on its UPS",
    ),
}


def sentence(cause: str, language: str) -> str:
    """The sentence for a cause, in 'vi' or else in English; a cause that is nobody's reads as unknown."""
    head = cause.split(".", 1)[0] + "."
    vi, en = SENTENCES.get(cause) or _OWN_SENTENCES.get(head) or SENTENCES["unknown"]
    return vi if language == "vi" else en
