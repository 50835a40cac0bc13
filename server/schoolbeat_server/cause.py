"""Why a signal was down: the lowest failed rung, or unknown; and the sentence of every cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from schoolbeat_wire.catalogue import RUNGS, UNKNOWN, UP_FULL

INTERNET = "line.internet"
CONTACT = "site.contact"


class Cause(NamedTuple):
    """name: a signal (a rung, or the signal itself), 'service' (all rungs answer, but no name or connection) or
    'unknown'; down_seconds: how long that rung was down in the interval, 0 when none was."""

    name: str
    down_seconds: int


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
    seen_up = sum(path_up(codes) for codes in columns(rungs, lo, hi))
    return Cause("service" if signal == INTERNET and 2 * seen_up > hi - lo else "unknown", 0)


def _domestic_too(rungs: Mapping[str, bytes], lo: int, hi: int, signal: str) -> bool:
    """No domestic target is asked by ICMP there, but the school had no Internet, which means that none of the
    domestic ones opened a connection: the fault is not only abroad."""
    asked = _window(rungs.get("line.domestic", b""), lo, hi)
    without = signal == INTERNET or _down_seconds(_window(rungs.get(INTERNET, b""), lo, hi)) > 0
    return without and all(code > UP_FULL for code in asked)


def path_up(codes: Mapping[str, int]) -> bool:
    """Something beyond the ISP was seen fully up, so every rung below it was, whether it answers itself or not."""
    return codes["line.domestic"] == UP_FULL or codes["line.international"] == UP_FULL


def columns(rungs: Mapping[str, bytes], lo: int, hi: int) -> Iterator[dict[str, int]]:
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
        "Thiết bị cổng mất điện, bị tắt nguồn hoặc khởi động lại đột ngột — không phải lỗi của đường truyền",
        "The gateway lost power, was switched off or reset — not a fault of the line",
    ),
    "mains": (
        "Trường mất điện lưới và bộ định tuyến không trả lời — không phải lỗi của đường truyền",
        "The school lost mains power and its router did not answer — not a fault of the line",
    ),
    "gateway": (
        "Thiết bị cổng không trả lời ngay trong trường (tắt, hỏng, rút dây hoặc tác tử đã dừng) — trường vẫn có mạng",
        "The gateway box is dead, unplugged or stopped: it does not answer inside the school — the school has network",
    ),
    "server_away": (
        "Trường vẫn có mạng — máy chủ hoặc broker của SchoolBeat ngừng hoạt động, không phải lỗi của trường",
        "The school's network was fine — the SchoolBeat server or its broker was not running",
    ),
    "never_heard": (
        "Chưa từng có bản tin nào từ điểm trường này",
        "No report has ever come from this site",
    ),
    "no_agent": (
        "Điểm trường này chưa có tác tử",
        "This site has no agent yet",
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
    "line.main": (
        "Trường đang đi ra bằng đường dự phòng, không phải đường truyền chính",
        "The school goes out by a line that stands by, not by its main line",
    ),
    "lesson.video": (
        "Đường truyền không đủ tốt cho bài giảng video",
        "The line is not good enough for a video lesson",
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
