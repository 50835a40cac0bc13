"""The province's dashboard: targets, what is wrong now, which communes are worst, and where it is heading."""

from __future__ import annotations

from typing import Final

from dashboards import look
from dashboards.asked import (
    ALWAYS,
    AROUND_THE_CLOCK,
    HOW,
    IN_LESSONS,
    INTERNET,
    LESSONS,
    NOT_KNOWN,
    available,
    internet_by_day,
    sites,
    unknown_share,
)
from dashboards.boards import Board
from dashboards.panels import (
    SCHOOL_BOARD,
    SCHOOL_PAGE,
    SITE_PAGE,
    TARGET_PAGE,
    Heading,
    Panel,
    board_link,
    of_row,
)
from dashboards.queries import PLACE, Of, Only, Over, Query, Share, Where, chosen, is_, is_not
from dashboards.variables import AREA, PLAN, SCHOOL, SITE, TARGET
from schoolbeat_server.said import Said
from schoolbeat_server.series_catalogue import SITE_STATES

MET: Final = Said("Đạt", "Met")
MISSED: Final = Said("Không đạt", "Missed")
SILENT: Final = Said("Chưa từng báo cáo", "Never reported")
SHARE: Final = Said("Tỷ lệ đạt", "Share that meets it")
UNITS: Final = ("met", "missed", "unknown")
STATE: Final = Said("Tình trạng", "State")
PROVINCE_WIDE: Final = is_("area", "all")
BOTH: Final = (chosen("plan"), chosen("target"))
AREA_BOARD: Final = board_link(
    "area",
    "lines",
    Said("Đường truyền của địa bàn này", "This area's lines"),
    area=of_row("area"),
    school="$__all",
    site="$__all",
)


def _last(name: Said, field: str, by: tuple[str, ...], where: tuple[Where, ...]) -> Query:
    return Query(name, "schoolbeat_target", Of(field, "last"), by, where, "week")


def _units(name: Said, field: str) -> Query:
    """Over the chosen targets, of each area."""
    counted = Over(field, "last", "sum", ("plan", "target"))
    return Query(name, "schoolbeat_target", counted, ("area",), (is_not("area", "all"), chosen("area"), *BOTH), "week")


BY_TARGET: Final = ("plan", "target")
PROVINCE: Final = (PROVINCE_WIDE, *BOTH)

TARGETS: Final = Panel(
    "table",
    Said("Chỉ tiêu: đạt được bao nhiêu", "Targets: how much is met"),
    Said(
        "Mỗi chỉ tiêu của kế hoạch, toàn tỉnh, theo kết luận mới nhất: tỷ lệ = số đơn vị đạt ÷ tất cả đơn vị. Đơn vị "
        "chưa biết đứng riêng, không tính là đạt hay không đạt. Việc cần làm: bấm vào chỉ tiêu để xem đơn vị nào còn "
        "thiếu và điều khoản của văn bản.",
        "Each target of a plan, for the whole province, by its newest verdict: share = units that meet it ÷ all units. "
        "Units unknown stand apart, neither met nor missed. To do: click a target to see which units miss it and the "
        "clause that asks for it.",
    ),
    (
        Query(STATE, "schoolbeat_target", Of("verdict", "last"), BY_TARGET, PROVINCE, "week"),
        Query(SHARE, "schoolbeat_target", Share(("met",), UNITS, "last"), BY_TARGET, PROVINCE, "week"),
        _last(MET, "met", BY_TARGET, PROVINCE),
        _last(MISSED, "missed", BY_TARGET, PROVINCE),
        _last(NOT_KNOWN, "unknown", BY_TARGET, PROVINCE),
        _last(SILENT, "silent", BY_TARGET, PROVINCE),
    ),
    (look.VERDICT, look.SHARE, look.COUNT, look.COUNT_BAD, look.COUNT_UNKNOWN, look.COUNT_UNKNOWN),
    24,
    9,
    links=(TARGET_PAGE,),
    sort=("Share that meets it", False),
    step="1h",
)
TREND: Final = Panel(
    "daily",
    Said("Chỉ tiêu theo ngày", "Targets by day"),
    Said(
        "Tỷ lệ đơn vị đạt của từng chỉ tiêu trong 30 ngày qua, theo kết luận mỗi ngày (ngày được sửa thì theo bản "
        "sửa). Việc cần làm: đường đi xuống là có đơn vị vừa mất chuẩn; mở trang chỉ tiêu để biết đơn vị nào.",
        "The share of units that meet each target over the last 30 days, by each day's verdict (as revised). To do: a "
        "falling line is a unit that fell out; the target's page says which.",
    ),
    (Query(SHARE, "schoolbeat_target", Share(("met",), UNITS, "last"), BY_TARGET, PROVINCE, "day"),),
    (look.SHARE,),
    step="1d",
)
BY_AREA: Final = Panel(
    "table",
    Said("Chỉ tiêu theo xã, phường", "Targets by commune"),
    Said(
        "Số đơn vị của từng xã, phường đạt, không đạt, chưa biết đối với các chỉ tiêu đang chọn, ít đạt nhất ở trên. "
        "Việc cần làm: chọn một chỉ tiêu ở đầu trang để so các xã với nhau; bấm mã địa bàn để xem đường truyền của xã.",
        "Units of each commune that meet, miss or leave open the chosen targets, the lowest share first. To do: choose "
        "one target above to compare communes; click an area's id for its lines.",
    ),
    (
        Query(
            SHARE,
            "schoolbeat_target",
            Share(("met",), UNITS, "last", BY_TARGET),
            ("area",),
            (is_not("area", "all"), chosen("area"), *BOTH),
            "week",
        ),
        _units(MET, "met"),
        _units(MISSED, "missed"),
        _units(NOT_KNOWN, "unknown"),
    ),
    (look.SHARE, look.COUNT, look.COUNT_BAD, look.COUNT_UNKNOWN),
    links=(AREA_BOARD,),
    sort=("Share that meets it", False),
    step="1h",
)
MISSING: Final = Panel(
    "table",
    Said("Đơn vị không đạt", "Units that miss"),
    Said(
        "Các đơn vị có kết luận không đạt của chỉ tiêu đang chọn, kèm mức bằng chứng. Việc cần làm: mở trang trường để "
        "biết vì sao và bước tiếp theo; đơn vị chưa biết không nằm trong danh sách này.",
        "Units whose verdict on the chosen targets is missed, with the grade of evidence. To do: the school's page "
        "says why and what comes next; units unknown are not in this list.",
    ),
    tuple(
        Query(
            name,
            "schoolbeat_verdict",
            Of(field, "last"),
            ("plan", "target", "area", "school", "unit"),
            (*PLACE, *BOTH),
            "week",
            Only("verdict", "=", 0),
        )
        for name, field in ((STATE, "verdict"), (Said("Bằng chứng", "Evidence"), "grade"))
    ),
    (look.VERDICT, look.GRADE),
    links=(SCHOOL_PAGE, SCHOOL_BOARD, TARGET_PAGE),
    step="1h",
)
STATES: Final = Panel(
    "stat",
    Said("Điểm trường lúc này", "Sites now"),
    Said(
        "Số điểm trường theo tình trạng, lần chụp mới nhất trong 15 phút qua. Chưa từng báo cáo là chưa biết, không "
        "phải là hỏng. Việc cần làm: bắt đầu từ mất đường truyền và mất liên lạc, ở bảng ngoại lệ bên dưới.",
        "Sites by their state, the newest snapshot of the last 15 minutes. Never reported is unknown, not broken. To "
        "do: begin with lines down and contact lost, in the table of exceptions below.",
    ),
    tuple(sites(Said(vi.capitalize(), en.capitalize()), code) for code, vi, en in SITE_STATES),
    tuple(look.Look("none", 0, ((None, colour),)) for (_, _, _, colour) in look.STATE_WORDS),
    24,
    4,
    step="5m",
)
MAP: Final = Panel(
    "map",
    Said("Bản đồ điểm trường", "Map of sites"),
    Said(
        "Mỗi điểm trường tại tọa độ trong sổ, màu theo tình trạng; rê chuột để đọc tên và tình trạng bằng chữ. Điểm "
        "trường không có tọa độ không hiện. Nền bản đồ do Grafana tải từ Internet. Việc cần làm: nhiều điểm kề nhau "
        "cùng mất thường là một tuyến cáp hoặc mất điện khu vực.",
        "Each site at its coordinates in the register, coloured by state; hover to read name and state in words. Sites "
        "without coordinates are not shown. The base map is fetched from the Internet by Grafana. To do: neighbours "
        "down together are often one cable or a power cut.",
    ),
    tuple(
        Query(name, "schoolbeat_site", Of(field, "last"), ("site", "site_label", "school_label"), PLACE, "now")
        for name, field in (
            (STATE, "state"),
            (Said("Vĩ độ", "Latitude"), "latitude"),
            (Said("Kinh độ", "Longitude"), "longitude"),
        )
    ),
    (look.SITE_STATE, look.DEGREE, look.DEGREE),
    height=12,
    links=(SITE_PAGE,),
    step="5m",
)
BY_ISP: Final = Panel(
    "table",
    Said("Đang mất theo nhà mạng", "Down now, by ISP"),
    Said(
        "Số điểm trường mất đường truyền và mất liên lạc ngay lúc này, theo nhà mạng của đường chính, bên cạnh tổng số "
        "của nhà mạng ấy. Việc cần làm: nhiều điểm của một nhà mạng cùng mất thì gọi nhà mạng một lần cho tất cả.",
        "Sites whose line is down or whose contact is lost now, by the ISP of the main line, beside all of that ISP's. "
        "To do: many of one ISP at once is one call to that ISP.",
    ),
    (
        sites(Said("Điểm trường", "Sites"), by=("isp",)),
        sites(Said("Mất đường truyền", "Line down"), 2, ("isp",)),
        sites(Said("Mất liên lạc", "Contact lost"), 3, ("isp",)),
    ),
    (look.COUNT, look.COUNT_BAD, look.COUNT_WARN),
    height=12,
    sort=("Line down", True),
    step="5m",
)
EXCEPTIONS: Final = Panel(
    "table",
    Said("Ngoại lệ lúc này", "Exceptions now"),
    Said(
        "Mọi điểm trường không bình thường, kèm nguyên nhân đã biết và lần cuối nghe được. Việc cần làm: bấm mã điểm "
        "trường để mở trang của nó (nguyên nhân, bằng chứng, việc tiếp theo), bấm mã trường để mở bảng của trường.",
        "Every site that is not fine, with the cause as far as known and when it was last heard. To do: click the "
        "site's id for its page (cause, evidence, what next), the school's id for the school's dashboard.",
    ),
    tuple(
        Query(
            name,
            "schoolbeat_site",
            Of(field, "last"),
            ("site_label", "school_label", "area_label", "isp", "site", "school"),
            PLACE,
            "now",
            Only("state", ">", 0),
        )
        for name, field in (
            (STATE, "state"),
            (Said("Nguyên nhân", "Cause"), "cause"),
            (Said("Nghe lần cuối cách đây", "Last heard ago"), "heard_seconds"),
        )
    ),
    (look.SITE_STATE, look.CAUSE, look.AGE),
    24,
    10,
    links=(SITE_PAGE, SCHOOL_PAGE, SCHOOL_BOARD),
    sort=("State", True),
    step="5m",
)
WORST: Final = Panel(
    "table",
    Said("Xã, phường kém nhất, 30 ngày", "Worst communes, 30 days"),
    Said(
        f"Có Internet trong 30 ngày qua theo xã, phường, kém nhất ở trên. {HOW.vi} Việc cần làm: xã có tỷ lệ chưa biết "
        "cao thì sửa thiết bị cổng trước khi kết luận về đường truyền.",
        f"Internet over the last 30 days by commune, the worst first. {HOW.en} To do: where much is unknown, mend the "
        "gateways before judging the lines.",
    ),
    (
        available(AROUND_THE_CLOCK, INTERNET, ALWAYS, by=("area",)),
        available(IN_LESSONS, INTERNET, LESSONS, by=("area",)),
        unknown_share(INTERNET, ALWAYS, by=("area",)),
        sites(Said("Điểm trường", "Sites"), by=("area", "area_label")),
    ),
    (look.AVAILABILITY, look.AVAILABILITY, look.UNKNOWN_SHARE, look.COUNT),
    links=(AREA_BOARD,),
    sort=("Around the clock", False),
    step="1h",
)
DAYS: Final = internet_by_day(
    Said(
        f"Cả nơi đang chọn, từng ngày của 30 ngày qua, theo hai đồng hồ, và phần thời gian chưa biết. {HOW.vi} Việc "
        "cần làm: ngày sụt thì xem danh sách gián đoạn ở bảng Đường truyền và nhà mạng.",
        f"All that is chosen, each of the last 30 days, on both clocks, and the share of time unknown. {HOW.en} To do: "
        "for a day that drops, see the outages on the dashboard Lines and ISPs.",
    ),
)

BOARD: Final = Board(
    "province",
    Said("Toàn tỉnh", "Province"),
    Said(
        "Cho Sở: chỉ tiêu, ngoại lệ, xã nào kém, đang đi về đâu.",
        "For the department: targets, exceptions, which communes are worst, where it is heading.",
    ),
    (AREA, SCHOOL, SITE, PLAN, TARGET),
    (
        Heading(Said("Lúc này", "Now")),
        STATES,
        EXCEPTIONS,
        MAP,
        BY_ISP,
        Heading(Said("Chỉ tiêu của kế hoạch", "The plans' targets")),
        TARGETS,
        TREND,
        BY_AREA,
        Heading(Said("30 ngày qua", "The last 30 days")),
        WORST,
        DAYS,
        MISSING,
    ),
    "now-30d",
)
