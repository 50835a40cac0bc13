"""The fixed list of indicators: what each speaks of, what it is compared with, and who judges it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Literal

from schoolbeat_server.availability_indicator import judge_availability
from schoolbeat_server.evidence import SiteFacts
from schoolbeat_server.fibre_indicator import judge_fibre
from schoolbeat_server.finding import Case, Finding, Indicator, Threshold
from schoolbeat_server.holding_indicator import judge_recorded
from schoolbeat_server.inspection_indicator import judge_digital
from schoolbeat_server.kept import Key
from schoolbeat_server.reading_indicators import (
    COUNTERS,
    MS_EDGES,
    POSTURE,
    judge_latency,
    judge_loss,
    judge_peak_use,
    judge_posture,
    judge_recording,
    judge_service_latency,
    judge_used,
    judge_video,
)
from schoolbeat_server.register import Device
from schoolbeat_server.room_indicators import judge_equipped, judge_ready, judge_ready_rooms
from schoolbeat_server.said import Said
from schoolbeat_server.site_indicators import (
    TECHNOLOGY_WORDS,
    judge_backup,
    judge_completeness,
    judge_contract,
    judge_devices,
    judge_freshness,
    judge_services,
    judge_technology,
    judge_wifi,
)
from schoolbeat_server.speed_indicator import Direction, What, judge_speed
from schoolbeat_server.targets import Condition
from schoolbeat_wire.video import PROFILE

# ---- the list ----------------------------------------------------------------------------------------------

_TESTS = ("lines", "min_tests")
_OBSERVED = ("clock", "min_coverage", "off")


def _speed(direction: Direction, what: What, threshold: Threshold, name: Said, about: Said) -> Indicator:
    judge = partial(judge_speed, direction, what)
    return Indicator("site", threshold, _TESTS, "", (), judge, name, about=about, grows=what == "per_pupil")


def _declared(threshold: Threshold, judge: Callable[[Case], Finding], name: Said, about: Said) -> Indicator:
    compares: Literal["at_least", ""] = "at_least" if threshold == "bps" else ""
    needs = ("lines",) if threshold == "bps" else ()
    return Indicator("site", threshold, needs, "", (), judge, name, compares, about=about, best="declared")


def _up(signal: str, subject: Said, name: Said, about: Said) -> Indicator:
    judge = partial(judge_availability, "" if signal == "device." else signal, subject)
    of: Literal["site", "device"] = "device" if signal == "device." else "site"
    return Indicator(of, "share", _OBSERVED, signal, (), judge, name, about=about)


_WHOLE_DAYS = Said(
    "xét các ngày trọn vẹn của kỳ đã qua ít nhất 12 giờ; giờ học là các giờ có tiết",
    "whole days of the window that have been over for 12 hours; in lessons, the hours that hold any",
)


def _latency(signal: str, subject: Said, name: Said) -> Indicator:
    about = Said(
        f"Ít nhất một nửa số phút có trung vị không quá ngưỡng; {_WHOLE_DAYS.vi}",
        f"At least half of the minutes have a median of at most the threshold; {_WHOLE_DAYS.en}",
    )
    judge = partial(judge_latency, signal, "rtt_ms", subject)
    kept = ((signal, "rtt_ms"),)
    needs = ("clock", "min_coverage")
    return Indicator("site", "ms", needs, "", (), judge, name, "at_most", about=about, kept=kept, edges=MS_EDGES)


_OUTSIDE_LESSONS = Said(
    "Từ các lần đo tốc độ ngoài giờ học; lần đo bị chính thiết bị cổng giới hạn chỉ có thể cho đạt, không cho chưa đạt",
    "From speed tests, which run outside lessons; a test that the gateway itself held down may meet, never miss",
)

_NINE_OF_TEN = Said(
    f"Mức cao nhất mà ít nhất 9/10 số lần đo đạt được: của 10 lần là lần thấp thứ hai, dưới 10 lần là lần thấp nhất."
    f" {_OUTSIDE_LESSONS.vi}",
    f"The highest figure that at least nine tenths of the tests reach: of ten tests the second lowest, of fewer the"
    f" lowest. {_OUTSIDE_LESSONS.en}",
)

INDICATORS: dict[str, Indicator] = {
    "line.technology": Indicator(
        "site",
        "words",
        ("lines",),
        "",
        tuple(TECHNOLOGY_WORDS),
        judge_technology,
        Said("công nghệ đường truyền", "technology of the line"),
        "one_of",
        about=Said(
            "Công nghệ ghi trong hợp đồng; không nói đường truyền có dùng được không",
            "What the contract states; it does not say whether the line works",
        ),
        best="declared",
    ),
    "line.fibre": Indicator(
        "site",
        "share",
        ("lines", *_OBSERVED),
        "fibre.",
        (),
        judge_fibre,
        Said("Internet qua cáp quang", "Internet over fibre"),
        about=Said(
            "Hợp đồng cáp quang và thời gian có Internet qua đúng đường ấy; phút chạy trên đường dự phòng loại khác"
            " không tính; chưa thấy modem quang (ONT) thì mức minh chứng chỉ là khai báo",
            "A contract for fibre and time with Internet over that very line; minutes on another kind of line that"
            " stands by do not count; without an ONT seen at the site the grade is declared only",
        ),
    ),
    "line.contract.download": _declared(
        "bps",
        partial(judge_contract, "download"),
        Said("tốc độ tải xuống theo hợp đồng", "download speed by contract"),
        Said("Tốc độ ghi trong hợp đồng, không phải tốc độ đo được", "What the contract states, not what is measured"),
    ),
    "line.contract.upload": _declared(
        "bps",
        partial(judge_contract, "upload"),
        Said("tốc độ tải lên theo hợp đồng", "upload speed by contract"),
        Said("Tốc độ ghi trong hợp đồng, không phải tốc độ đo được", "What the contract states, not what is measured"),
    ),
    "line.backup": _declared(
        "none",
        judge_backup,
        Said("đường dự phòng", "backup line"),
        Said("Sổ đăng ký ghi một đường dự phòng", "The register names a backup line"),
    ),
    "line.download.median": _speed(
        "download", "median", "bps", Said("trung vị tốc độ tải xuống", "median download speed"), _OUTSIDE_LESSONS
    ),
    "line.download.tenth": _speed(
        "download",
        "tenth",
        "bps",
        Said("tốc độ tải xuống mà 9/10 lần đo đạt được", "download speed reached by 9 of 10 tests"),
        _NINE_OF_TEN,
    ),
    "line.download.of_contract": _speed(
        "download",
        "of_contract",
        "share",
        Said("trung vị tốc độ tải xuống so với hợp đồng", "median download speed against the contract"),
        _OUTSIDE_LESSONS,
    ),
    "line.download.per_pupil": _speed(
        "download",
        "per_pupil",
        "bps",
        Said("trung vị tốc độ tải xuống cho mỗi học sinh", "median download speed for each pupil"),
        Said(
            "Số học sinh của ca đông nhất theo sổ đăng ký; up_to là mức cao nhất đòi ở một điểm trường",
            "Pupils of the busiest shift, by the register; up_to is the most that is asked of any site",
        ),
    ),
    "line.upload.median": _speed(
        "upload", "median", "bps", Said("trung vị tốc độ tải lên", "median upload speed"), _OUTSIDE_LESSONS
    ),
    "line.upload.tenth": _speed(
        "upload",
        "tenth",
        "bps",
        Said("tốc độ tải lên mà 9/10 lần đo đạt được", "upload speed reached by 9 of 10 tests"),
        _NINE_OF_TEN,
    ),
    "line.upload.of_contract": _speed(
        "upload",
        "of_contract",
        "share",
        Said("trung vị tốc độ tải lên so với hợp đồng", "median upload speed against the contract"),
        _OUTSIDE_LESSONS,
    ),
    "line.internet.availability": _up(
        "line.internet",
        Said("Internet của trường", "The school's Internet"),
        Said("độ khả dụng Internet", "availability of the Internet"),
        Said(
            "Trường có Internet: phân giải được tên và mở được kết nối trong nước, bất kể lỗi ở đâu",
            "The school has Internet: a name resolves and a domestic connection opens, whoever's fault it is if not",
        ),
    ),
    "line.isp.availability": _up(
        "line.isp",
        Said("Đường tới nhà mạng", "The line to the ISP"),
        Said("độ khả dụng tới nhà mạng", "availability of the ISP's edge"),
        Said(
            "Biên mạng của nhà mạng trả lời; phút mà bộ định tuyến của trường không trả lời không tính cho nhà mạng. Là"
            " biên của đường đang dùng, kể cả đường dự phòng; báo cáo nhà mạng tách riêng đường chính (reports.md)",
            "The ISP's edge answers; minutes in which the school's router did not are not charged to the ISP. It is the"
            " edge of the line in use, one that stands by too; reports on ISPs set the main line apart (reports.md)",
        ),
    ),
    "line.domestic.availability": _up(
        "line.domestic",
        Said("Hướng trong nước", "Domestic targets"),
        Said("độ khả dụng hướng trong nước", "availability of domestic targets"),
        Said("Tới được đích trong nước bằng ICMP", "Domestic targets answer ICMP"),
    ),
    "line.international.availability": _up(
        "line.international",
        Said("Hướng quốc tế", "International targets"),
        Said("độ khả dụng hướng quốc tế", "availability of international targets"),
        Said("Tới được đích quốc tế bằng ICMP", "International targets answer ICMP"),
    ),
    "lan.router.availability": _up(
        "lan.router",
        Said("Bộ định tuyến", "The router"),
        Said("độ khả dụng của bộ định tuyến", "availability of the router"),
        Said("Bộ định tuyến của trường trả lời", "The school's router answers"),
    ),
    "power.mains.availability": _up(
        "power.mains",
        Said("Điện lưới", "Mains power"),
        Said("thời gian có điện lưới", "time with mains power"),
        Said("Theo bộ lưu điện; không có bộ lưu điện thì không biết", "As the UPS tells; without one it is not known"),
    ),
    "device.availability": _up(
        "device.",
        Said("Thiết bị", "The device"),
        Said("độ khả dụng của thiết bị", "availability of the device"),
        Said("Thiết bị trả lời theo cách hỏi ghi trong sổ đăng ký", "The device answers as the register has it asked"),
    ),
    "service.availability": Indicator(
        "site",
        "share",
        _OBSERVED,
        "service.",
        (),
        judge_services,
        Said("độ khả dụng của dịch vụ", "availability of services"),
        choice="services",
        about=Said(
            "Mọi dịch vụ được nêu trả lời qua TLS hợp lệ từ trường; không nói dịch vụ làm việc đúng",
            "Every service named answers over valid TLS from the school; not that it works as it should",
        ),
    ),
    "wifi.availability": Indicator(
        "site",
        "share",
        _OBSERVED,
        "wifi.",
        (),
        judge_wifi,
        Said("Wi-Fi dùng được từ chỗ ngồi", "Wi-Fi usable from a seat"),
        about=Said(
            "Mọi mạng Wi-Fi được thử từ một chỗ ngồi: vào được, được cấp địa chỉ, ra được; chỉ nói về chỗ ngồi ấy",
            "Every Wi-Fi tried from a seat: joined, given an address, connected; it speaks of that seat alone",
        ),
    ),
    "lan.devices.availability": Indicator(
        "site",
        "share",
        _OBSERVED,
        "devices.",
        (),
        judge_devices,
        Said("độ khả dụng của mọi thiết bị một loại", "availability of every device of a kind"),
        choice="device_kinds",
        about=Said(
            "Mọi thiết bị thuộc các loại được nêu trong sổ đăng ký của điểm trường, xét theo đồng hồ của chỉ tiêu",
            "Every device of the kinds named that the register has for the site, on the target's clock",
        ),
    ),
    "line.domestic.latency": _latency(
        "line.domestic", Said("Độ trễ trong nước", "Domestic latency"), Said("độ trễ trong nước", "domestic latency")
    ),
    "line.international.latency": _latency(
        "line.international",
        Said("Độ trễ quốc tế", "International latency"),
        Said("độ trễ quốc tế", "international latency"),
    ),
    "line.domestic.loss": Indicator(
        "site",
        "share",
        ("clock", "min_coverage"),
        "",
        (),
        partial(judge_loss, "line.domestic", Said("Mất gói trong nước", "Domestic loss")),
        Said("mất gói trong nước", "domestic packet loss"),
        "at_most",
        about=Said(
            "Trung bình cộng tỷ lệ mất gói của các phút, phút nào cũng nặng như nhau, không phải tổng gói mất ÷ tổng"
            " gói gửi; tỷ lệ của một phút lấy từ các lượt đo có trả lời (sáu lượt gần nhất, khoảng một phút). Lượt mất"
            f" hết gói và phút đứt hẳn không nằm trong đó, chúng thuộc về độ khả dụng; {_WHOLE_DAYS.vi}",
            "Mean of the minutes' shares, each minute weighing the same, not all packets lost ÷ all sent; a minute's"
            " share is of runs that had an answer (the last six, about a minute). Runs that lost every packet and"
            f" minutes without an answer are not in it, they are availability's; {_WHOLE_DAYS.en}",
        ),
        kept=(("line.domestic", "loss_percent"),),
    ),
    "lesson.video": Indicator(
        "site",
        "share",
        ("min_coverage",),
        "lesson.video",
        (),
        judge_video,
        Said("giờ học đủ mạng cho bài giảng video", "lesson time fit for video lessons"),
        about=Said(
            f"Phần giờ học mà mỗi phút có Internet, khứ hồi dưới {PROFILE.below_rtt_ms} ms và mất gói dưới"
            f" {PROFILE.below_loss_percent}% (chuẩn M-Lab/Giga, `{PROFILE.name}`), do tác tử xét từng phút; không đo độ"
            " rung (jitter) và phần băng thông còn trống",
            f"The part of lesson time whose minutes had Internet, round trip below {PROFILE.below_rtt_ms} ms and loss"
            f" below {PROFILE.below_loss_percent}% (profile of M-Lab and Giga, `{PROFILE.name}`), judged minute by"
            " minute by the agent; jitter and headroom are not measured",
        ),
    ),
    "lesson.peak_use": Indicator(
        "site",
        "share",
        ("lines", "min_coverage"),
        "",
        (),
        judge_peak_use,
        Said("mức dùng cao nhất trong giờ học", "highest use in lesson time"),
        "at_most",
        about=Said(
            "15 phút đông nhất trong các giờ có tiết, so với hợp đồng của từng đường chính; chiều lên chỉ xét với hợp"
            f" đồng có ghi; đếm lưu lượng thật của cả điểm trường, không đo thêm; {_WHOLE_DAYS.vi}",
            "The busiest quarter-hour of hours that hold lessons against the contract of each main line; upload only"
            " where a contract states it; real traffic of the whole site is counted, nothing is sent;"
            f" {_WHOLE_DAYS.en}",
        ),
        kept=(("line.internet", "rx_quarter_bps"), ("line.internet", "tx_quarter_bps")),
    ),
    "service.latency": Indicator(
        "site",
        "ms",
        ("clock", "min_coverage"),
        "",
        (),
        judge_service_latency,
        Said("độ trễ của dịch vụ", "latency of services"),
        "at_most",
        choice="services",
        about=Said(
            "Thời gian tải trang thử của mọi dịch vụ được nêu: ít nhất một nửa số phút không quá ngưỡng;"
            f" {_WHOLE_DAYS.vi}",
            "Time of the test fetch of every service named: at least half of the minutes at most the threshold;"
            f" {_WHOLE_DAYS.en}",
        ),
        kept=(("service.", "http_ms"),),
        edges=MS_EDGES,
    ),
    "device.posture": Indicator(
        "device",
        "none",
        (),
        "",
        (),
        judge_posture,
        Said("không để hở an ninh", "nothing stands open"),
        "",
        about=Said(
            "Theo lần hỏi cuối trong kỳ: không mật khẩu mặc định, không telnet, không xem được hình mà không cần mật"
            f" khẩu; điều chưa từng hỏi thì chưa biết; không phải kiểm định an ninh; {_WHOLE_DAYS.vi}",
            "By the last answers in the window: no default password, no telnet, no video without a password; what was"
            f" never asked is not known; no audit of security; {_WHOLE_DAYS.en}",
        ),
        kept=tuple(("device.", reading) for reading in POSTURE),
    ),
    "device.recording": Indicator(
        "device",
        "share",
        ("clock", "min_coverage"),
        "",
        (),
        judge_recording,
        Said("đang ghi hình", "recording"),
        about=Said(
            "Phần thời gian đầu ghi hoặc camera tự báo là đang ghi, theo giờ; không nói hình xem lại được;"
            f" {_WHOLE_DAYS.vi}",
            "The part of the time in which the recorder or camera itself says that it records, by hours; not that it"
            f" can be played; {_WHOLE_DAYS.en}",
        ),
        kept=(("device.", "recording"),),
    ),
    "device.used": Indicator(
        "device",
        "none",
        ("min_coverage",),
        "",
        (),
        judge_used,
        Said("có dùng trong giờ học", "used in lesson time"),
        "",
        about=Said(
            "Thiết bị tự báo đã bật trong một giờ có tiết, hoặc đồng hồ giờ chạy của nó tăng; thiết bị không báo thì"
            f" chưa biết; {_WHOLE_DAYS.vi}",
            "The device itself says that it was on in an hour that holds lessons, or its counter of hours rose; of one"
            f" that does not say it is not known; {_WHOLE_DAYS.en}",
        ),
        best="observed",
        kept=tuple(("device.", reading) for reading in ("power_state", *COUNTERS)),
    ),
    "data.completeness": Indicator(
        "site",
        "share",
        (),
        "line.internet",
        (),
        judge_completeness,
        Said("độ đầy đủ của số liệu", "completeness of the data"),
        about=Said(
            "Phần thời gian biết được trường có Internet hay không, hoặc biết là không có điện",
            "The part of the time for which it is known whether the school had Internet, or that it had no power",
        ),
    ),
    "data.freshness": Indicator(
        "site",
        "minutes",
        (),
        "line.internet",
        (),
        judge_freshness,
        Said("độ mới của số liệu", "freshness of the data"),
        "at_most",
        about=Said(
            "Tuổi của phút mới nhất đã biết, tính đến cuối kỳ xét",
            "The age of the newest known minute at the window's end",
        ),
    ),
    "room.equipped": Indicator(
        "room",
        "none",
        (),
        "",
        (),
        judge_equipped,
        Said("phòng đủ thiết bị", "room equipped"),
        "",
        about=Said(
            "Theo sổ đăng ký, phòng có đủ thiết bị của danh mục cho loại phòng và cấp độ ấy; không nói chúng còn chạy",
            "By the register, the room has what the bill of materials asks of its kind and level; not that it works",
        ),
        best="inventoried",
    ),
    "room.ready": Indicator(
        "room",
        "share",
        ("min_coverage",),
        "rooms.",
        (),
        judge_ready,
        Said("tiết có phòng sẵn sàng", "lessons with the room ready"),
        about=Said(
            "Phần các tiết theo lịch mà mọi thiết bị cần có đều trả lời trong phút đầu của tiết",
            "The part of the planned lessons in whose first minute every required device answered",
        ),
    ),
    "rooms.ready.count": Indicator(
        "site",
        "count",
        (),
        "rooms.",
        (),
        judge_ready_rooms,
        Said("số phòng sẵn sàng", "rooms ready"),
        choice="room_kinds",
        about=Said(
            "Số phòng thuộc các loại được nêu sẵn sàng ở quá nửa số tiết của kỳ",
            "Rooms of the kinds named that were ready at more than half of the window's lessons",
        ),
        best="observed",
    ),
    "holding.recorded": Indicator(
        "holding",
        "none",
        (),
        "",
        (),
        judge_recorded,
        Said("có hồ sơ số", "on digital record"),
        "",
        about=Said(
            "Thiết bị tác tử thấy, sổ đăng ký hay sổ tài sản ghi; có hồ sơ khi một trong hai sổ ghi nó. Máy lạ mà"
            " tác tử chỉ đếm được thì không nằm trong đó",
            "What an agent knows, the register declares or the asset book names; on record when one of the books has"
            " it. Strange hosts that an agent can only count are not in it",
        ),
        best="inventoried",
    ),
    "inspection.digital": Indicator(
        "inspection",
        "none",
        (),
        "",
        (),
        judge_digital,
        Said("kiểm tra qua môi trường số", "inspection done digitally"),
        "",
        about=Said(
            "Cuộc kiểm tra được ghi là qua môi trường số và có bản chụp số liệu lúc ấy, giữ cùng mã SHA-256; chưa ghi"
            " cuộc nào thì chỉ tiêu không áp dụng. Cuộc kiểm tra tại trường tính vào mẫu số khi có người ghi nó",
            "The inspection was entered as a digital one and holds a snapshot of that moment, kept with its SHA-256;"
            " with none entered the target does not apply. One on site counts in the denominator once it is entered",
        ),
        best="observed",
    ),
}


def signals_of(condition: Condition, facts: SiteFacts, devices: Sequence[Device]) -> Iterator[str]:
    """The signals whose minutes the condition asks for, of a site or of the given devices of it."""
    signal = INDICATORS[condition.indicator].signal
    if signal == "device.":
        yield from (device.signal for device in devices)
    elif signal == "devices.":
        yield from (device.signal for device in facts.devices if device.kind in condition.of)
    elif signal == "rooms.":
        yield from (device.signal for device in facts.devices if device.room)
    elif signal == "fibre.":
        yield from ("line.internet", "line.main")
        yield from (device.signal for device in facts.devices if device.kind == "ont")
    elif signal == "service.":
        yield from (f"service.{service}" for service in condition.of)
    elif signal == "wifi.":
        yield from (one for one in facts.watched if one.startswith("wifi."))
    elif signal:
        yield signal


def kept_of(condition: Condition, devices: Sequence[Device]) -> Iterator[Key]:
    """The kept readings that the condition asks for, of a site or of the given devices of it."""
    for subject, reading in INDICATORS[condition.indicator].kept:
        if subject == "device.":
            yield from ((device.signal, reading) for device in devices)
        elif subject == "service.":
            yield from ((f"service.{service}", reading) for service in condition.of)
        else:
            yield subject, reading
