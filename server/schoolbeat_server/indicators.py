"""The fixed list of indicators: what each speaks of, what it is compared with, and who judges it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from schoolbeat_server.availability_indicator import judge_availability
from schoolbeat_server.finding import Case, Finding, Indicator, join3
from schoolbeat_server.said import Said
from schoolbeat_server.speed_indicator import judge_speed

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

_OBSERVED = ("clock", "min_coverage", "off")
_INTERNET = Said("Internet của trường", "The school's Internet")
_ISP = Said("Đường tới nhà mạng", "The line to the ISP")
_ROUTER = Said("Bộ định tuyến", "The router")
_DEVICE = Said("Thiết bị", "The device")

INDICATORS: dict[str, Indicator] = {
    "line.technology": Indicator(
        "site",
        "words",
        ("lines",),
        "",
        tuple(TECHNOLOGY_WORDS),
        _technology,
        Said("công nghệ đường truyền", "technology"),
        "one_of",
        best="declared",
    ),
    "line.download.median": Indicator(
        "site",
        "bps",
        ("lines", "min_tests"),
        "",
        (),
        partial(judge_speed, "download"),
        Said("trung vị tốc độ tải xuống", "median download speed"),
    ),
    "line.upload.median": Indicator(
        "site",
        "bps",
        ("lines", "min_tests"),
        "",
        (),
        partial(judge_speed, "upload"),
        Said("trung vị tốc độ tải lên", "median upload speed"),
    ),
    "line.internet.availability": Indicator(
        "site",
        "share",
        _OBSERVED,
        "line.internet",
        (),
        partial(judge_availability, "line.internet", _INTERNET),
        Said("độ khả dụng Internet", "availability of the Internet"),
    ),
    "line.isp.availability": Indicator(
        "site",
        "share",
        _OBSERVED,
        "line.isp",
        (),
        partial(judge_availability, "line.isp", _ISP),
        Said("độ khả dụng tới nhà mạng", "availability of the ISP's edge"),
    ),
    "lan.router.availability": Indicator(
        "site",
        "share",
        _OBSERVED,
        "lan.router",
        (),
        partial(judge_availability, "lan.router", _ROUTER),
        Said("độ khả dụng của bộ định tuyến", "availability of the router"),
    ),
    "device.availability": Indicator(
        "device",
        "share",
        _OBSERVED,
        "device.",
        (),
        partial(judge_availability, "", _DEVICE),
        Said("độ khả dụng của thiết bị", "availability of the device"),
    ),
}
