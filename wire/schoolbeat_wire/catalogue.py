"""The catalogue: every kind of signal, every reading, every cause and off-reason, with unit and meaning (vi, en)."""

from __future__ import annotations

from typing import Literal, NamedTuple

Clock = Literal["always", "lessons"]


class SignalKind(NamedTuple):
    """A kind of signal. A signal's name is the kind itself or, for an open kind ("device."), kind + id.

    hold_seconds: how long a run's word holds when no newer run comes.
    clock: when its absence matters. rung: place on the ladder, lowest first; None if it is not on it.
    """

    hold_seconds: int
    clock: Clock
    rung: int | None
    vi: str
    en: str


SIGNAL_KINDS: dict[str, SignalKind] = {
    "lan.router": SignalKind(25, "always", 1, "Bộ định tuyến của trường trả lời", "The school's router answers"),
    "line.isp": SignalKind(25, "always", 2, "Biên mạng của nhà mạng trả lời", "The ISP's edge answers"),
    "line.domestic": SignalKind(25, "always", 3, "Đích trong nước trả lời", "A domestic target answers"),
    "line.international": SignalKind(25, "always", 4, "Đích quốc tế trả lời", "An international target answers"),
    "line.internet": SignalKind(
        25,
        "always",
        None,
        "Trường có Internet: phân giải được tên miền và mở được kết nối tới đích trong nước",
        "The school has Internet: a name resolves and a connection to a domestic target opens",
    ),
    "service.": SignalKind(25, "always", 5, "Dịch vụ trả lời qua TLS hợp lệ", "The service answers over valid TLS"),
    "device.": SignalKind(25, "always", None, "Thiết bị trả lời", "The device answers"),
    "wifi.": SignalKind(900, "lessons", None, "Một chỗ ngồi dùng được mạng Wi-Fi này", "A seat could use this Wi-Fi"),
    "site.contact": SignalKind(
        90, "always", None, "Máy chủ nghe được tin của điểm trường", "The server hears from the site"
    ),
}

# The ladder, lowest rung first. A failed rung hides what is beyond it.
RUNGS: tuple[str, ...] = ("lan.router", "line.isp", "line.domestic", "line.international")


class Reading(NamedTuple):
    """A number. On the wire it is an integer: value x 10**decimals. Low and high bound the value (inclusive)."""

    unit: str
    decimals: int
    low: float
    high: float
    kept: bool
    vi: str
    en: str


READINGS: dict[str, Reading] = {
    "rtt_ms": Reading("ms", 2, 0, 60_000, True, "Độ trễ khứ hồi (trung vị)", "Round-trip time (median)"),
    "loss_percent": Reading("%", 1, 0, 100, True, "Tỷ lệ mất gói", "Packet loss"),
    "connect_ms": Reading("ms", 2, 0, 60_000, True, "Thời gian mở kết nối TCP", "TCP connection time"),
    "dns_ms": Reading("ms", 2, 0, 60_000, True, "Thời gian phân giải tên miền", "Name resolution time"),
    "dns_agree": Reading(
        "1", 0, 0, 1, False, "Hai máy phân giải trả lời giống nhau", "Both resolvers give the same answer"
    ),
    "http_ms": Reading("ms", 2, 0, 60_000, True, "Thời gian tải trang thử", "Time of the test fetch"),
    "http_status": Reading("code", 0, 0, 599, False, "Mã trạng thái HTTP", "HTTP status code"),
    "tls_days_left": Reading(
        "d", 0, -36_500, 36_500, False, "Số ngày còn hạn của chứng thư", "Days the certificate is still valid"
    ),
    "load1": Reading("1", 2, 0, 10_000, False, "Tải trung bình 1 phút", "Load average of 1 minute"),
    "cpu_percent": Reading("%", 1, 0, 100, False, "Mức dùng bộ xử lý", "Processor in use"),
    "memory_used_percent": Reading("%", 1, 0, 100, False, "Bộ nhớ đã dùng", "Memory in use"),
    "disk_used_percent": Reading("%", 1, 0, 100, False, "Đĩa đã dùng", "Disk in use"),
    "disk_free_bytes": Reading("B", 0, 0, 2**53, False, "Đĩa còn trống", "Disk free"),
    "temperature_celsius": Reading("°C", 1, -60, 200, False, "Nhiệt độ bộ xử lý", "Processor temperature"),
    "undervoltage": Reading("1", 0, 0, 1, False, "Máy Pi báo điện áp thấp", "The Pi tells of under-voltage"),
    "uptime_seconds": Reading("s", 0, 0, 2**40, False, "Thời gian từ lúc khởi động", "Time since boot"),
    "clients": Reading("1", 0, 0, 100_000, True, "Số máy đang kết nối", "Clients connected"),
    "rx_bps": Reading("bit/s", 0, 0, 10**12, True, "Tốc độ nhận", "Receive rate"),
    "tx_bps": Reading("bit/s", 0, 0, 10**12, True, "Tốc độ gửi", "Send rate"),
    "download_bps": Reading("bit/s", 0, 0, 10**12, True, "Tốc độ tải xuống đo được", "Measured download speed"),
    "upload_bps": Reading("bit/s", 0, 0, 10**12, True, "Tốc độ tải lên đo được", "Measured upload speed"),
    "run_count": Reading("1", 0, 0, 100_000, False, "Số lần đo trong phút", "Runs in the minute"),
    "run_failures": Reading(
        "1",
        0,
        0,
        100_000,
        False,
        "Số lần không đo được trong phút",
        "Runs that could not measure in the minute",
    ),
    "run_seconds": Reading("s", 3, 0, 3_600, False, "Lần đo lâu nhất trong phút", "Longest run in the minute"),
    "counter": Reading("1", 0, 0, 2**53, False, "Bộ đếm tăng dần để kiểm thử", "A counter that only rises, for tests"),
}

# Why a run says down, or why it could not measure. The code is what travels.
CAUSES: dict[str, tuple[int, str, str]] = {
    "timeout": (1, "không trả lời trong thời gian chờ", "no answer in time"),
    "refused": (2, "từ chối kết nối", "connection refused"),
    "unreachable": (3, "không có đường tới", "no route to it"),
    "no_permission": (4, "tác tử không được phép đo", "the agent may not measure this"),
    "no_router": (5, "không tìm thấy bộ định tuyến", "no router found"),
    "not_configured": (6, "chưa cấu hình", "not configured"),
    "name_unknown": (7, "tên miền không tồn tại", "the name does not exist"),
    "resolver_failed": (8, "máy phân giải tên miền báo lỗi", "the resolver answered with an error"),
    "tls_invalid": (9, "chứng thư TLS không hợp lệ", "the TLS certificate is not valid"),
    "http_status": (10, "máy chủ trả mã lỗi HTTP", "the server answered with an HTTP error"),
    "bad_answer": (11, "câu trả lời không đọc được", "the answer cannot be read"),
    "hung": (12, "phép đo bị treo và đã bị dừng", "the probe hung and was stopped"),
    "internal": (13, "lỗi trong phép đo", "an error inside the probe"),
    "no_carrier": (14, "cáp mạng không có tín hiệu", "the network cable has no carrier"),
}
CAUSE_NAMES: dict[int, str] = {code: name for name, (code, _, _) in CAUSES.items()}

# What an agent can say of minutes in which it did not observe. 'interrupted' minutes stay unknown: the agent was
# there for a part of them. The others are minutes through which it is known to have been off.
OFF_REASONS: dict[str, tuple[int, str, str]] = {
    "interrupted": (1, "phút đang đo thì bị ngắt", "the minute being measured when it was interrupted"),
    "clean_stop": (2, "tác tử được dừng chủ động", "the agent was stopped on purpose"),
    "crash": (3, "tác tử bị dừng đột ngột, máy vẫn chạy", "the agent died while the machine stayed on"),
    "power": (4, "máy mất điện hoặc bị khởi động lại đột ngột", "the machine lost power or was reset"),
}
OFF_NAMES: dict[int, str] = {code: name for name, (code, _, _) in OFF_REASONS.items()}

UP_FULL = 60  # a minute fully up; 0..60 are seconds up of a minute observed from end to end
DISPUTED, OFF, UNKNOWN = 253, 254, 255  # the other codes of a ledger byte


def kind_of(signal: str) -> SignalKind:
    """The catalogue's entry for a signal's name. KeyError if the catalogue does not know it."""
    head, _, rest = signal.partition(".")
    if not rest:
        raise KeyError(signal)
    return SIGNAL_KINDS.get(signal) or SIGNAL_KINDS[head + "."]
