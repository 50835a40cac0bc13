"""The fixed list of indicators: what each speaks of, what it is compared with, and who judges it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Literal

from schoolbeat_server.availability_indicator import judge_availability
from schoolbeat_server.finding import Case, Finding, Indicator, Threshold, join3
from schoolbeat_server.said import Said
from schoolbeat_server.speed_indicator import Direction, What, judge_speed

# ---- the contract ------------------------------------------------------------------------------------------

TECHNOLOGY_WORDS = {
    "fibre": Said("cáp quang", "fibre"),
    "copper": Said("cáp đồng", "copper"),
    "mobile": Said("di động", "mobile"),
    "satellite": Said("vệ tinh", "satellite"),
    "other": Said("loại khác", "other"),
    "unknown": Said("chưa rõ", "not known"),
}


def _technology(case: Case) -> Finding:
    lines, allowed = case.facts.lines, case.condition.one_of
    if not lines:
        said = Said("Sổ đăng ký không ghi đường truyền nào", "The register names no line")
        return Finding(None, "declared", None, None, said)
    values = (None if line.technology == "unknown" else line.technology in allowed for line in lines)
    met = join3(case.target.lines, values)
    stated = _joined(sorted({line.technology for line in lines}))
    need = _joined(allowed)
    if met:
        said = Said(f"Đường truyền theo hợp đồng: {stated.vi}", f"Line by contract: {stated.en}")
    else:
        said = Said(
            f"Đường truyền theo hợp đồng: {stated.vi}; cần {need.vi}", f"Line by contract: {stated.en}; needs {need.en}"
        )
    return Finding(met, "declared", None, None, said)


def _joined(technologies: Iterable[str]) -> Said:
    words = [TECHNOLOGY_WORDS[one] for one in technologies]
    return Said(", ".join(word.vi for word in words), ", ".join(word.en for word in words))


# ---- the list ----------------------------------------------------------------------------------------------

_TESTS = ("lines", "min_tests")
_OBSERVED = ("clock", "min_coverage", "off")


def _speed(direction: Direction, what: What, threshold: Threshold, name: Said, about: Said) -> Indicator:
    judge = partial(judge_speed, direction, what)
    return Indicator("site", threshold, _TESTS, "", (), judge, name, about=about, grows=what == "per_pupil")


def _up(signal: str, subject: Said, name: Said, about: Said) -> Indicator:
    judge = partial(judge_availability, "" if signal == "device." else signal, subject)
    of: Literal["site", "device"] = "device" if signal == "device." else "site"
    return Indicator(of, "share", _OBSERVED, signal, (), judge, name, about=about)


_OUTSIDE_LESSONS = Said(
    "Từ các lần đo tốc độ ngoài giờ học; lần đo bị chính thiết bị cổng giới hạn chỉ có thể cho đạt, không cho chưa đạt",
    "From speed tests, which run outside lessons; a test that the gateway itself held down may meet, never miss",
)

INDICATORS: dict[str, Indicator] = {
    "line.technology": Indicator(
        "site",
        "words",
        ("lines",),
        "",
        tuple(TECHNOLOGY_WORDS),
        _technology,
        Said("công nghệ đường truyền", "technology of the line"),
        "one_of",
        about=Said(
            "Công nghệ ghi trong hợp đồng; không nói đường truyền có dùng được không",
            "What the contract states; it does not say whether the line works",
        ),
        best="declared",
    ),
    "line.download.median": _speed(
        "download", "median", "bps", Said("trung vị tốc độ tải xuống", "median download speed"), _OUTSIDE_LESSONS
    ),
    "line.download.tenth": _speed(
        "download",
        "tenth",
        "bps",
        Said("tốc độ tải xuống mà 9/10 lần đo đạt được", "download speed reached by 9 of 10 tests"),
        _OUTSIDE_LESSONS,
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
        _OUTSIDE_LESSONS,
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
            "Biên mạng của nhà mạng trả lời; phút mà bộ định tuyến của trường không trả lời không tính cho nhà mạng",
            "The ISP's edge answers; minutes in which the school's router did not are not charged to the ISP",
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
}
