"""Power and environment: mains, batteries, heat, and the gateways' own health."""

from __future__ import annotations

from typing import Final

from dashboards import look
from dashboards.asked import (
    ALL,
    ALWAYS,
    AROUND_THE_CLOCK,
    HOW,
    IN_LESSONS,
    LESSONS,
    MAINS,
    available,
    down_seconds,
    outages,
    reading,
    unknown_share,
)
from dashboards.boards import Board
from dashboards.panels import SITE_PAGE, Heading, Panel
from dashboards.queries import PLACE, How, Of, Query, Share, is_, like
from dashboards.variables import AREA, SCHOOL, SITE
from schoolbeat_server.said import Said

HOST: Final = is_("subject", "host")
SUPPLY: Final = is_("subject", "power.mains")
SITES: Final = ("site",)


def _last(name: Said, field: str, how: How = "last") -> Query:
    return reading(name, field, how, SUPPLY, by=SITES, per="range")


MAINS_NOW: Final = Panel(
    "timeline",
    Said("Điện lưới", "Mains power"),
    Said(
        "Bộ lưu điện nói còn điện lưới hay không; mỗi ô là phút kém nhất. Chỗ trống là chưa biết (không có bộ lưu "
        "điện, hoặc thiết bị cổng cũng đã tắt). Việc cần làm: nhiều trường cùng mất là điện lực; một trường mất là cầu "
        "dao của trường.",
        "Whether the UPS says mains power is there; each cell is its worst minute. Blank is unknown (no UPS, or the "
        "gateway was off too). To do: many schools at once is the power company; one alone is its own fuse.",
    ),
    (Query(Said("Có điện", "Power"), "schoolbeat_minute", Of("up_seconds", "min"), SITES, (*PLACE, MAINS)),),
    (look.MINUTE,),
    24,
    8,
)
MAINS_MONTH: Final = Panel(
    "table",
    Said("Điện lưới, 30 ngày", "Mains power, 30 days"),
    Said(
        f"Từng điểm trường có điện lưới bao nhiêu, kém nhất ở trên. {HOW.vi} Việc cần làm: mất điện thường xuyên trong "
        "giờ học thì xin bộ lưu điện lớn hơn cho mạng.",
        f"How much mains power each site had, the worst first. {HOW.en} To do: cuts in lessons again and again ask for "
        "a larger UPS for the network.",
    ),
    (
        available(AROUND_THE_CLOCK, MAINS, ALWAYS, by=SITES),
        available(IN_LESSONS, MAINS, LESSONS, by=SITES),
        down_seconds(MAINS, ALWAYS, by=SITES),
        unknown_share(MAINS, ALWAYS, by=SITES),
    ),
    (look.AVAILABILITY, look.AVAILABILITY, look.LENGTH, look.UNKNOWN_SHARE),
    links=(SITE_PAGE,),
    sort=("Around the clock", False),
    step="1h",
)
CUTS: Final = outages(
    Said("Các lần mất điện", "Power cuts"),
    Said(
        "Mỗi lần mất điện lưới mà bộ lưu điện thấy, trong thời gian đang chọn. Việc cần làm: so với lịch cắt điện đã "
        "báo; ngoài lịch thì phản ánh điện lực.",
        "Each power cut that a UPS saw in the chosen time. To do: compare with the announced cuts; complain of the "
        "others.",
    ),
    ("area", "site"),
    MAINS,
    width=12,
)
OFF: Final = Panel(
    "daily",
    Said("Thời gian thiết bị cổng tắt, theo ngày", "Time in which gateways were off, by day"),
    Said(
        "Phần thời gian mà thiết bị cổng được biết là đã tắt (mất điện hoặc bị dừng), trong tất cả thời gian của điểm "
        "trường. Việc cần làm: tắt mỗi đêm là có người rút điện; xin giữ thiết bị cổng luôn có điện.",
        "The share of all time in which the gateway is known to have been off (no power or stopped). To do: off each "
        "night means somebody unplugs it; ask for it to stay powered.",
    ),
    (
        Query(
            Said("Tắt", "Off"),
            "schoolbeat_day",
            Share(("off_seconds",), ALL),
            SITES,
            (*PLACE, is_("signal", "line.internet"), ALWAYS),
            "day",
        ),
    ),
    (look.UNKNOWN_SHARE,),
    step="1d",
)
BATTERIES: Final = Panel(
    "chart",
    Said("Pin còn", "Battery charge"),
    Said(
        "Pin của bộ lưu điện còn bao nhiêu phần trăm. Việc cần làm: dưới 20 % khi đang mất điện thì mạng sắp tắt; "
        "không đầy lại được là pin đã già.",
        "The UPS battery's charge. To do: under 20 % in a power cut the network is about to end; never full again is "
        "an old battery.",
    ),
    (reading(Said("Pin", "Battery"), "battery_percent", "min", SUPPLY, by=SITES),),
    (look.BATTERY,),
)
VOLTAGE: Final = Panel(
    "chart",
    Said("Điện áp vào", "Input voltage"),
    Said(
        "Điện áp lưới mà bộ lưu điện đo (danh định 220 V, ±10 %: 198–242 V). Việc cần làm: thường xuyên ngoài khoảng "
        "ấy thì báo điện lực, thiết bị hỏng vì thế.",
        "The mains voltage that the UPS measures (nominal 220 V, ±10 %: 198–242 V). To do: often outside it is a "
        "matter for the power company, devices die of it.",
    ),
    (reading(Said("Điện áp", "Voltage"), "input_volts", "mean", SUPPLY, by=SITES),),
    (look.VOLTS,),
)
UPS: Final = Panel(
    "table",
    Said("Bộ lưu điện", "UPS"),
    Said(
        "Lần đo gần nhất: đang chạy bằng pin, pin còn, còn chạy được bao lâu, tải, cần thay pin. Việc cần làm: thay "
        "pin khi được yêu cầu; tải trên 80 % thì bớt thiết bị.",
        "As last measured: on battery, charge, how long it lasts, load, battery to be replaced. To do: replace the "
        "battery when asked; over 80 % load take something off.",
    ),
    (
        _last(Said("Đang chạy pin", "On battery"), "on_battery"),
        _last(Said("Pin còn", "Battery"), "battery_percent"),
        _last(Said("Còn chạy được", "Lasts"), "battery_runtime_seconds"),
        _last(Said("Tải", "Load"), "load_percent"),
        _last(Said("Cần thay pin", "Replace battery"), "battery_replace"),
    ),
    (look.ON, look.BATTERY, look.LENGTH, look.USED, look.FOUND),
    14,
    links=(SITE_PAGE,),
    sort=("Battery", False),
)
HEAT: Final = Panel(
    "chart",
    Said("Nhiệt độ thiết bị cổng", "Temperature of gateways"),
    Said(
        "Nhiệt độ bộ xử lý của thiết bị cổng. Việc cần làm: trên 80 °C nó tự chậm lại; đặt chỗ thoáng, lau bụi.",
        "The temperature of the gateway's processor. To do: over 80 °C it slows down; give it air and dust it.",
    ),
    (reading(Said("Nhiệt độ", "Temperature"), "temperature_celsius", "max", HOST, by=SITES),),
    (look.TEMPERATURE,),
    10,
)
GATEWAYS: Final = Panel(
    "table",
    Said("Thiết bị cổng", "Gateways"),
    Said(
        "Cao nhất trong thời gian đang chọn: điện áp thấp (bộ nguồn yếu), bộ xử lý, bộ nhớ, đĩa đã dùng. Việc cần làm: "
        "điện áp thấp thì thay bộ nguồn đúng loại trước khi thẻ nhớ hỏng.",
        "The most in the chosen time: under-voltage (a weak supply), processor, memory, disk in use. To do: "
        "under-voltage asks for a proper power supply before the card dies.",
    ),
    tuple(
        reading(name, field, "max", HOST, by=("site", "agent"), per="range")
        for name, field in (
            (Said("Điện áp thấp", "Under-voltage"), "undervoltage"),
            (Said("Bộ xử lý", "Processor"), "cpu_percent"),
            (Said("Bộ nhớ", "Memory"), "memory_used_percent"),
            (Said("Đĩa đã dùng", "Disk used"), "disk_used_percent"),
        )
    ),
    (look.FOUND, look.USED, look.USED, look.USED),
    14,
    links=(SITE_PAGE,),
    sort=("Under-voltage", True),
)
SENSORS: Final = Panel(
    "chart",
    Said("Nhiệt độ thiết bị khác", "Temperature of other devices"),
    Said(
        "Nhiệt độ mà thiết bị trong trường tự báo (cảm biến, bộ chuyển mạch, đầu ghi). Việc cần làm: tủ mạng trên 45 "
        "°C cần quạt.",
        "Temperatures that devices of the school tell (sensors, switches, recorders). To do: a cabinet over 45 °C "
        "needs a fan.",
    ),
    (
        reading(
            Said("Nhiệt độ", "Temperature"),
            "temperature_celsius",
            "max",
            like("subject", "device\\..+"),
            by=("site", "label"),
        ),
    ),
    (look.TEMPERATURE,),
    10,
)

BOARD: Final = Board(
    "power",
    Said("Điện và môi trường", "Power and environment"),
    Said(
        "Điện lưới, pin, nhiệt độ, sức khỏe thiết bị cổng.",
        "Mains, batteries, heat, and the gateways' own health.",
    ),
    (AREA, SCHOOL, SITE),
    (
        Heading(Said("Điện lưới", "Mains power")),
        MAINS_NOW,
        MAINS_MONTH,
        CUTS,
        Heading(Said("Bộ lưu điện", "UPS")),
        BATTERIES,
        VOLTAGE,
        UPS,
        HEAT,
        Heading(Said("Thiết bị cổng và môi trường", "Gateways and environment")),
        GATEWAYS,
        SENSORS,
        OFF,
    ),
    page="/sites",
)
