"""What is written to the time-series store: measurements, their tags and fields, and what each number means."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from schoolbeat_wire.catalogue import READINGS, Reading

Kind = Literal["integer", "float"]


class Field(NamedTuple):
    """A number of a point. codes: what each number says (vi, en); empty where it is a quantity."""

    kind: Kind
    unit: str  # as in the wire's catalogue: ms, %, bit/s, B, s, 1, code, …
    vi: str
    en: str
    codes: tuple[tuple[int, str, str], ...] = ()


class Measurement(NamedTuple):
    """tags: in the order in which they are written; one that is empty is left out. at: what its time is."""

    tags: tuple[str, ...]
    fields: dict[str, Field]
    at: str
    every: str
    vi: str
    en: str


# ---- codes -------------------------------------------------------------------------------------------------
# No string is ever a field: VictoriaMetrics would store 0. A number once given is never given to something else.

SITE_STATES: Final = (
    (0, "bình thường", "fine"),
    (1, "có thiết bị hỏng", "a device is at fault"),
    (2, "mất đường truyền", "the line is down"),
    (3, "mất liên lạc", "contact is lost"),
    (4, "chưa từng báo cáo", "has never reported"),
)
VERDICTS: Final = (
    (0, "không đạt", "missed"),
    (1, "đạt", "met"),
    (2, "chưa biết", "unknown"),
    (3, "không áp dụng", "not applicable"),
)
GRADES: Final = (
    (0, "khai báo", "declared"),
    (1, "có trong kiểm kê", "inventoried"),
    (2, "quan sát được", "observed"),
    (3, "được chứng minh", "proven"),
)
# Of outages and silences: `outage.cause`, by number. Signals that are no rung stand for themselves: "itself".
CAUSES: Final[dict[str, int]] = {
    "unknown": 0,
    "waiting": 1,
    "itself": 2,
    "lan.router": 10,
    "line.isp": 11,
    "line.domestic": 12,
    "line.international": 13,
    "service": 14,
    "line.main": 15,
    "lesson.video": 16,
    "power": 20,
    "mains": 21,
    "gateway": 22,
    "agent_stopped": 23,
    "agent_crashed": 24,
    "never_heard": 25,
    "no_agent": 26,
    "unwatched": 27,
    "away": 28,
    "clone": 29,
    "server_away": 30,
    "beyond": 31,
}

# In a few words, vi and en; the server's pages have a sentence for each.
CAUSES_IN_WORDS: Final[dict[str, tuple[str, str]]] = {
    "unknown": ("không rõ", "unknown"),
    "waiting": ("đang chờ số liệu", "waiting for data"),
    "itself": ("chính nó không trả lời", "it does not answer itself"),
    "lan.router": ("bộ định tuyến của trường", "the school's router"),
    "line.isp": ("đường tới nhà mạng", "the line to the ISP"),
    "line.domestic": ("mạng của nhà mạng", "the ISP's network"),
    "line.international": ("hướng quốc tế của nhà mạng", "the ISP's international links"),
    "service": ("phân giải tên hoặc kết nối", "names or connections"),
    "line.main": ("đang dùng đường dự phòng", "on the line that stands by"),
    "lesson.video": ("không đủ cho bài giảng video", "not good enough for a video lesson"),
    "power": ("thiết bị cổng mất điện", "the gateway lost power"),
    "mains": ("mất điện lưới", "mains power lost"),
    "gateway": ("thiết bị cổng", "the gateway"),
    "agent_stopped": ("tác tử được dừng", "the agent was stopped"),
    "agent_crashed": ("tác tử bị dừng đột ngột", "the agent died"),
    "never_heard": ("chưa từng báo cáo", "never reported"),
    "no_agent": ("chưa có tác tử", "no agent yet"),
    "unwatched": ("không còn được theo dõi", "no longer watched"),
    "away": ("đã hết trước khi biết", "over before it was known"),
    "clone": ("hai máy dùng chung tài khoản", "two machines, one account"),
    "server_away": ("máy chủ SchoolBeat ngừng", "the SchoolBeat server was away"),
    "beyond": ("ngoài trường", "beyond the school"),
}

PLACE: Final = ("area", "school", "site")
"""The commune (or ward), the school and the site, by their ids in the register."""


def _of_reading(reading: Reading) -> Field:
    return Field("float" if reading.decimals else "integer", reading.unit, reading.vi, reading.en)


def _integer(unit: str, vi: str, en: str, codes: tuple[tuple[int, str, str], ...] = ()) -> Field:
    return Field("integer", unit, vi, en, codes)


_UP: Final = _integer("s", "số giây tốt", "seconds up")
_DOWN: Final = _integer("s", "số giây hỏng", "seconds down")

MEASUREMENTS: Final[dict[str, Measurement]] = {
    "schoolbeat_reading": Measurement(
        (*PLACE, "agent", "subject", "kind", "room", "isp", "label"),
        {name: _of_reading(reading) for name, reading in READINGS.items()},
        "đầu phút đo / the beginning of its minute",
        "mỗi phút / each minute",
        "Số đo của một phút, như tác tử báo cáo",
        "A minute's readings as the agent reported them",
    ),
    "schoolbeat_minute": Measurement(
        (*PLACE, "signal", "kind", "room", "label"),
        {"up_seconds": _UP._replace(vi="số giây tốt trong phút (0–60); phút chưa biết không có điểm")},
        "đầu phút / the beginning of the minute",
        "mỗi phút / each minute",
        "Phút của từng tín hiệu, như sổ cái ghi",
        "The minutes of each signal as the ledger has them",
    ),
    "schoolbeat_day": Measurement(
        (*PLACE, "signal", "clock", "kind", "room", "isp", "label"),
        {
            "up_seconds": _UP,
            "down_seconds": _DOWN,
            "off_seconds": _integer("s", "số giây tác tử tắt", "seconds the agent was off"),
            "unknown_seconds": _integer("s", "số giây chưa biết", "seconds unknown"),
        },
        "0 giờ ngày ấy theo giờ Việt Nam / midnight of that day in Viet Nam's time",
        "mỗi ngày, và khi ngày được bổ sung / each day, and when a day is revised",
        "Tổng của ngày theo hai đồng hồ (always: cả ngày, lessons: giờ học), từ chính phép tính của trang và báo cáo",
        "A day's sums on both clocks (always, lessons), from the same calculator as pages and reports",
    ),
    "schoolbeat_outage": Measurement(
        (*PLACE, "signal", "kind", "room", "isp", "label"),
        {
            "down_seconds": _DOWN._replace(
                vi="số giây hỏng; 0: lần hỏng này đã được rút lại", en="seconds down; 0: it was taken back"
            ),
            "end_seconds": _integer(
                "s", "lúc hết, giây từ 1970; 0: chưa hết", "its end, seconds since 1970; 0: it lasts"
            ),
            "lessons": _integer("1", "số tiết học bị ảnh hưởng", "lessons affected"),
            "cause": _integer("code", "nguyên nhân", "cause"),
        },
        "đầu phút đầu tiên / the beginning of its first minute",
        "khi bắt đầu, khi thay đổi, khi hết / when it begins, changes, ends",
        "Lần hỏng",
        "Outages",
    ),
    "schoolbeat_target": Measurement(
        ("plan", "target", "area"),
        {
            "met": _integer("1", "số đơn vị đạt", "units that met it"),
            "missed": _integer("1", "số đơn vị không đạt", "units that missed it"),
            "unknown": _integer("1", "số đơn vị chưa biết", "units unknown"),
            "silent": _integer("1", "số đơn vị chưa từng báo cáo", "units that have never reported"),
            "verdict": _integer("code", "kết luận", "verdict", VERDICTS),
        },
        "cuối kỳ đánh giá / the end of the judged window",
        "mỗi ngày, và khi được sửa / each day, and when revised",
        "Kết luận của một chỉ tiêu; area=all: toàn tỉnh (kết luận chỉ có ở toàn tỉnh)",
        "A target's verdict; area=all: the whole province (only it has a verdict)",
    ),
    "schoolbeat_verdict": Measurement(
        ("plan", "target", *PLACE, "unit"),
        {
            "verdict": _integer("code", "kết luận", "verdict", VERDICTS),
            "grade": _integer("code", "mức bằng chứng", "grade of evidence", GRADES),
        },
        "cuối kỳ đánh giá / the end of the judged window",
        "mỗi ngày, và khi được sửa / each day, and when revised",
        "Kết luận của từng đơn vị (trường, điểm trường, phòng, thiết bị)",
        "The verdict of each unit (school, site, room, device)",
    ),
    "schoolbeat_site": Measurement(
        (*PLACE, "area_label", "school_label", "site_label", "kind", "isp", "technology"),
        {
            "state": _integer("code", "tình trạng", "state", SITE_STATES),
            "cause": _integer(
                "code",
                "nguyên nhân của sự cố đang mở; 0: chưa rõ hoặc không có",
                "cause of the open incident; 0: unknown or none",
            ),
            "latitude": Field("float", "°", "vĩ độ", "latitude"),
            "longitude": Field("float", "°", "kinh độ", "longitude"),
            "contract_down_bps": _integer("bit/s", "tốc độ tải xuống theo hợp đồng", "contracted download speed"),
            "contract_up_bps": _integer("bit/s", "tốc độ tải lên theo hợp đồng", "contracted upload speed"),
            "heard_seconds": _integer("s", "đã bao lâu không nghe tin", "how long nothing was heard"),
        },
        "lúc chụp / when it was taken",
        "5 phút một lần khi kho trả lời / every 5 minutes while the store answers",
        "Điểm trường: tên, nơi, đường truyền và tình trạng lúc này (không nói khi máy chủ không nghe được ai)",
        "Sites: name, place, line and their state now (not told while the server hears nobody)",
    ),
    "schoolbeat_room": Measurement(
        (*PLACE, "room", "label", "kind", "level"),
        {
            "ready": _integer(
                "1", "sẵn sàng: 1 có, 0 không; chưa biết thì không có", "ready: 1 yes, 0 no; absent when unknown"
            ),
            "needed": _integer("1", "số thiết bị cần", "items needed"),
            "answering": _integer("1", "số thiết bị đang trả lời", "items that answer"),
        },
        "lúc chụp / when it was taken",
        "5 phút một lần khi kho trả lời / every 5 minutes while the store answers",
        "Phòng học thông minh lúc này",
        "Smart rooms now",
    ),
    "schoolbeat_agent": Measurement(
        (*PLACE, "agent", "role", "version"),
        {
            "connected": _integer("1", "đang kết nối: 1 có, 0 không", "connected: 1 yes, 0 no"),
            "heard_seconds": _integer("s", "bản tin gần nhất đã cách đây", "age of its newest report"),
            "late_seconds": _integer("s", "bản tin gần nhất đến muộn", "how late its newest report came"),
        },
        "lúc chụp / when it was taken",
        "5 phút một lần khi kho trả lời / every 5 minutes while the store answers",
        "Tác tử",
        "Agents",
    ),
    "schoolbeat_server": Measurement(
        ("server",),
        {
            "ok": _integer("1", "máy chủ tự thấy khỏe: 1 có, 0 không", "the server finds itself healthy: 1 yes, 0 no"),
            "reports": _integer("1", "bản tin đã nhận từ đầu", "reports received since the beginning"),
            "queue_reports": _integer("1", "bản tin đang đợi kho chuỗi thời gian", "reports that wait for the store"),
            "queue_seconds": _integer("s", "bản tin đợi lâu nhất", "how long the oldest of them waits"),
            "queue_bytes": _integer("B", "dung lượng của chúng", "their size"),
            "points_sent": _integer("1", "điểm đã gửi từ đầu", "points sent since the beginning"),
            "points_aside": _integer("1", "điểm kho từ chối, để riêng", "points the store refused, set aside"),
            "points_old": _integer("1", "điểm quá cũ đối với kho", "points too old for the store"),
            "late_p95_seconds": _integer(
                "s",
                "bản tin trong 5 phút qua đến muộn (phân vị 95)",
                "how late reports of 5 minutes came (95th percentile)",
            ),
            "notices_waiting": _integer("1", "thông báo đang đợi", "notices that wait"),
            "disk_free_bytes": _integer("B", "đĩa còn trống", "disk free"),
            "database_bytes": _integer("B", "cỡ cơ sở dữ liệu", "size of the database"),
            "agents": _integer("1", "tác tử có trong sổ", "agents in the register"),
            "agents_connected": _integer("1", "tác tử đang kết nối", "agents connected"),
        },
        "đầu phút / the beginning of the minute",
        "mỗi phút / each minute",
        "SchoolBeat tự đo mình",
        "SchoolBeat's own health",
    ),
}


def metric_of(measurement: str, field: str) -> str:
    """What VictoriaMetrics calls it."""
    return f"{measurement}_{field}"
