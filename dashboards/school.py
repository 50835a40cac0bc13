"""A school's dashboard: is it us or the line, on both clocks; bandwidth against the contract; Wi-Fi; rooms."""

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
    available,
    down_seconds,
    internet_by_day,
    outages,
    reading,
    rooms_now,
    unknown_share,
)
from dashboards.boards import Board
from dashboards.panels import SITE_PAGE, TARGET_PAGE, Heading, Panel, server_link
from dashboards.queries import PLACE, Of, Over, Per, Query, is_, like
from dashboards.variables import AREA, ONE_SCHOOL, SITE
from schoolbeat_server.said import Said

LADDER: Final = like(
    "signal", "lan\\.router|line\\.isp|line\\.domestic|line\\.international|line\\.internet|site\\.contact"
)
LINE: Final = is_("subject", "line.internet")
AIR: Final = is_("kind", "wifi")
POINTS: Final = is_("kind", "access_point")
RECEIVED: Final = Said("Nhận", "Received")
SENT: Final = Said("Gửi", "Sent")
CONTRACT_DOWN: Final = Said("Hợp đồng, tải xuống", "Contract, download")
CONTRACT_UP: Final = Said("Hợp đồng, tải lên", "Contract, upload")
MINUTES_PAGE: Final = server_link("", "/site/${__field.labels.site}/minutes?signal=${__field.labels.signal}")


def _contract(name: Said, field: str, per: Per = "interval") -> Query:
    return Query(name, "schoolbeat_site", Of(field, "last"), ("site",), PLACE, per)


NOW: Final = Panel(
    "table",
    Said("Điểm trường lúc này", "Sites now"),
    Said(
        "Tình trạng từng điểm của trường và nguyên nhân của sự cố đang mở. Việc cần làm: bấm mã điểm trường để đọc "
        "bằng chứng và việc tiếp theo.",
        "The state of each site of the school and the cause of an open incident. To do: click the site's id for the "
        "evidence and what to do next.",
    ),
    tuple(
        Query(name, "schoolbeat_site", Of(field, "last"), ("site_label", "kind", "isp", "site"), PLACE, "now")
        for name, field in (
            (Said("Tình trạng", "State"), "state"),
            (Said("Nguyên nhân", "Cause"), "cause"),
            (Said("Nghe lần cuối cách đây", "Last heard ago"), "heard_seconds"),
        )
    ),
    (look.SITE_STATE, look.CAUSE, look.AGE),
    14,
    6,
    links=(SITE_PAGE,),
    sort=("State", True),
    step="5m",
)
CLOCKS: Final = Panel(
    "stat",
    Said("Có Internet, 30 ngày, hai đồng hồ", "Internet, 30 days, two clocks"),
    Said(
        f"Trường có Internet bao nhiêu phần thời gian, cả ngày đêm và riêng giờ học. {HOW.vi} Việc cần làm: chưa biết "
        "nhiều thì giữ thiết bị cổng luôn có điện trước đã.",
        f"For how much of the time the school had Internet, around the clock and in lessons. {HOW.en} To do: where "
        "much is unknown, first keep the gateway powered.",
    ),
    (
        available(AROUND_THE_CLOCK, INTERNET, ALWAYS),
        available(IN_LESSONS, INTERNET, LESSONS),
        unknown_share(INTERNET, ALWAYS),
    ),
    (look.AVAILABILITY, look.AVAILABILITY, look.UNKNOWN_SHARE),
    10,
    6,
    step="1h",
)
RUNGS: Final = Panel(
    "timeline",
    Said("Các chặng: tại trường hay tại đường truyền?", "The ladder: is it us or the line?"),
    Said(
        "Bộ định tuyến → nhà mạng → trong nước → quốc tế, và liên lạc với máy chủ; mỗi ô là phút kém nhất của nó. Chỗ "
        "trống là chưa biết, không phải là tốt. Việc cần làm: chặng thấp nhất bị mất là nguyên nhân; bộ định tuyến mất "
        "thì xem tại trường, nhà mạng mất thì gọi nhà mạng.",
        "Router → ISP → domestic → international, and contact with the server; each cell is its worst minute. Blank is "
        "unknown, not good. To do: the lowest rung that is down is the cause; the router is the school's, the ISP's "
        "edge is a call to the ISP.",
    ),
    (
        Query(
            Said("Thông", "Up"),
            "schoolbeat_minute",
            Of("up_seconds", "min"),
            ("site", "signal"),
            (*PLACE, LADDER),
        ),
    ),
    (look.MINUTE,),
    24,
    9,
    links=(MINUTES_PAGE,),
)
BY_SIGNAL: Final = Panel(
    "table",
    Said("Từng chặng, 30 ngày, hai đồng hồ", "Each rung, 30 days, two clocks"),
    Said(
        f"Khả dụng của từng chặng và thời gian mất. {HOW.vi} Việc cần làm: so chặng nhà mạng với chặng bộ định tuyến "
        "để biết phần nào của thời gian mất là của ai.",
        f"Each rung's availability and its time down. {HOW.en} To do: compare the ISP's rung with the router's to see "
        "whose the lost time is.",
    ),
    (
        available(AROUND_THE_CLOCK, LADDER, ALWAYS, by=("site", "signal")),
        available(IN_LESSONS, LADDER, LESSONS, by=("site", "signal")),
        down_seconds(LADDER, ALWAYS, by=("site", "signal")),
        unknown_share(LADDER, ALWAYS, by=("site", "signal")),
    ),
    (look.AVAILABILITY, look.AVAILABILITY, look.LENGTH, look.UNKNOWN_SHARE),
    links=(SITE_PAGE,),
    sort=("Around the clock", False),
    step="1h",
)
DAYS: Final = internet_by_day(
    Said(
        f"Từng ngày của 30 ngày qua, hai đồng hồ và phần chưa biết. {HOW.vi} Việc cần làm: giờ học kém hơn cả ngày đêm "
        "là đường truyền quá tải đúng lúc cần.",
        f"Each of the last 30 days, both clocks and the share unknown. {HOW.en} To do: lessons worse than the whole "
        "day is a line overloaded just when it is needed.",
    ),
)
BANDWIDTH: Final = Panel(
    "chart",
    Said("Lưu lượng so với hợp đồng", "Traffic against the contract"),
    Said(
        "Tốc độ nhận và gửi trung bình của đường truyền, cạnh tốc độ trong hợp đồng. Việc cần làm: thường xuyên chạm "
        "mức hợp đồng thì nâng gói; thấp xa mà vẫn chậm thì đo tốc độ và hỏi nhà mạng.",
        "The mean rate received and sent on the line, beside the contracted speed. To do: often at the contract's "
        "level means a bigger one; far below it and still slow means a speed test and a question to the ISP.",
    ),
    (
        reading(RECEIVED, "rx_bps", "mean", LINE, by=("site",)),
        reading(SENT, "tx_bps", "mean", LINE, by=("site",)),
        _contract(CONTRACT_DOWN, "contract_down_bps"),
        _contract(CONTRACT_UP, "contract_up_bps"),
    ),
    (look.SPEED,),
    step="5m",
)
BUSIEST: Final = Panel(
    "daily",
    Said("Quý giờ bận nhất mỗi ngày", "The busiest quarter-hour of each day"),
    Said(
        "Tốc độ trung bình của 15 phút bận nhất mỗi ngày, cạnh hợp đồng. Việc cần làm: quý giờ bận nhất trên 80 % hợp "
        "đồng nhiều ngày liền là lúc xin nâng băng thông, kèm biểu đồ này.",
        "The mean rate of each day's busiest 15 minutes, beside the contract. To do: over 80 % of the contract for "
        "days on end is the time to ask for more, with this chart attached.",
    ),
    (
        reading(RECEIVED, "rx_quarter_bps", "max", LINE, by=("site",), per="day"),
        reading(SENT, "tx_quarter_bps", "max", LINE, by=("site",), per="day"),
        _contract(CONTRACT_DOWN, "contract_down_bps", "day"),
    ),
    (look.SPEED,),
    step="1d",
)
SPEED: Final = Panel(
    "daily",
    Said("Đo tốc độ so với hợp đồng", "Speed tests against the contract"),
    Said(
        "Trung vị các lần đo tốc độ mỗi ngày, cạnh hợp đồng; lần đo không thành không có số. Lần đo bị chính thiết bị "
        "cổng giới hạn cũng ở đây, khác với trang và báo cáo. Việc cần làm: thấp hơn 80 % hợp đồng nhiều ngày thì lập "
        "phiếu đường truyền ở máy chủ để gửi nhà mạng.",
        "The median of each day's speed tests, beside the contract; a failed test has no number. Tests that the "
        "gateway itself held down are in here, unlike on pages and reports. To do: under 80 % of the contract for "
        "days, make the line's sheet on the server and send it to the ISP.",
    ),
    (
        Query(
            Said("Tải xuống", "Download"),
            "schoolbeat_reading",
            Of("download_bps", "median"),
            ("site",),
            (*PLACE, is_("kind", "speed")),
            "day",
        ),
        Query(
            Said("Tải lên", "Upload"),
            "schoolbeat_reading",
            Of("upload_bps", "median"),
            ("site",),
            (*PLACE, is_("kind", "speed")),
            "day",
        ),
        _contract(CONTRACT_DOWN, "contract_down_bps", "day"),
        _contract(CONTRACT_UP, "contract_up_bps", "day"),
    ),
    (look.SPEED,),
    step="1d",
)
LATENCY: Final = Panel(
    "chart",
    Said("Độ trễ từng chặng", "Latency of each rung"),
    Said(
        "Trung bình độ trễ khứ hồi tới bộ định tuyến, nhà mạng, trong nước, quốc tế. Việc cần làm: bộ định tuyến đã "
        "chậm là mạng trong trường quá tải; chỉ quốc tế chậm là tuyến cáp quốc tế.",
        "The mean round-trip time to router, ISP, domestic and international targets. To do: a slow router is the "
        "school's own network; only international slow is a submarine cable.",
    ),
    (
        reading(
            Said("Độ trễ", "Latency"),
            "rtt_ms",
            "mean",
            like("subject", "lan\\.router|line\\.isp|line\\.domestic|line\\.international"),
            by=("site", "subject"),
        ),
    ),
    (look.LATENCY,),
)
LOSS: Final = Panel(
    "chart",
    Said("Mất gói", "Packet loss"),
    Said(
        "Tỷ lệ gói mất trên từng chặng. Việc cần làm: mất trên 1 % làm bài giảng video giật; mất từ chặng bộ định "
        "tuyến thì xem dây và Wi-Fi trong trường.",
        "The share of packets lost on each rung. To do: over 1 % makes video lessons stutter; loss at the router is "
        "the school's cables and Wi-Fi.",
    ),
    (
        reading(
            Said("Mất gói", "Loss"),
            "loss_percent",
            "mean",
            like("subject", "lan\\.router|line\\.isp|line\\.domestic|line\\.international"),
            by=("site", "subject"),
        ),
    ),
    (look.LOSS,),
)
SEATS: Final = Panel(
    "timeline",
    Said("Wi-Fi: một chỗ ngồi có dùng được không", "Wi-Fi: could a seat use it"),
    Said(
        "Mỗi mạng Wi-Fi được thử từ một chỗ ngồi: vào mạng, được cấp địa chỉ, tới được Internet. Chỗ trống là chưa "
        "biết. Việc cần làm: mất riêng một mạng thì xem điểm phát và mật khẩu; mất cùng các chặng trên thì là đường "
        "truyền.",
        "Each Wi-Fi is tried from a seat: joining, an address, the Internet. Blank is unknown. To do: one network down "
        "alone is its access point or password; down with the rungs above it is the line.",
    ),
    (Query(Said("Thông", "Up"), "schoolbeat_minute", Of("up_seconds", "min"), ("site", "label"), (*PLACE, AIR)),),
    (look.MINUTE,),
    14,
    6,
)
SEATS_MONTH: Final = Panel(
    "table",
    Said("Wi-Fi trong giờ học, 30 ngày", "Wi-Fi in lessons, 30 days"),
    Said(
        f"Từng mạng Wi-Fi, chỉ trong giờ học. {HOW.vi} Việc cần làm: mạng dưới 95 % cần xem lại chỗ đặt điểm phát.",
        f"Each Wi-Fi, in lessons only. {HOW.en} To do: under 95 % asks for another place for its access point.",
    ),
    (
        available(IN_LESSONS, AIR, LESSONS, by=("site", "label")),
        unknown_share(AIR, LESSONS, by=("site", "label")),
    ),
    (look.AVAILABILITY, look.UNKNOWN_SHARE),
    10,
    6,
    sort=("In lessons", False),
    step="1h",
)
CLIENTS: Final = Panel(
    "chart",
    Said("Số máy trên mỗi điểm phát", "Clients on each access point"),
    Said(
        "Số máy đang kết nối vào từng điểm phát (chỉ số lượng, không có máy nào của ai). Việc cần làm: một điểm phát "
        "mang gấp nhiều lần điểm khác thì thêm điểm phát hoặc chia lại kênh.",
        "How many clients each access point carries (a number only, nobody's device). To do: one carrying many times "
        "the others' asks for another access point or other channels.",
    ),
    (reading(Said("Máy", "Clients"), "clients", "max", POINTS, by=("site", "label")),),
    (look.COUNT,),
    stacked=True,
)
READY: Final = Panel(
    "stat",
    Said("Phòng thông minh sẵn sàng lúc này", "Smart rooms ready now"),
    Said(
        "Bao nhiêu phòng có đủ thiết bị đang trả lời; phòng chưa biết không tính vào bên nào. Việc cần làm: xem bảng "
        "bên cạnh phòng nào thiếu gì.",
        "How many rooms have all they need answering; rooms unknown are on neither side. To do: the table beside says "
        "which room lacks what.",
    ),
    (
        Query(
            Said("Sẵn sàng", "Ready"),
            "schoolbeat_room",
            Over("ready", "last", "sum", ("site", "room")),
            (),
            PLACE,
            "now",
        ),
        Query(
            Said("Biết được", "Known"),
            "schoolbeat_room",
            Over("ready", "last", "count", ("site", "room")),
            (),
            PLACE,
            "now",
        ),
        Query(
            Said("Tất cả", "All"),
            "schoolbeat_room",
            Over("needed", "last", "count", ("site", "room")),
            (),
            PLACE,
            "now",
        ),
    ),
    (look.COUNT, look.COUNT_UNKNOWN, look.COUNT),
    8,
    step="5m",
)
ROOMS: Final = rooms_now(
    Said("Từng phòng lúc này", "Each room now"),
    Said(
        "Phòng thông minh: sẵn sàng hay không, cần mấy thiết bị, mấy thiết bị đang trả lời. Ô trống là chưa biết. Việc "
        "cần làm: phòng thiếu thì bật thiết bị trước giờ học, hoặc báo hỏng.",
        "Smart rooms: ready or not, how many items they need and how many answer. Blank is unknown. To do: switch on "
        "what is missing before the lesson, or report it broken.",
    ),
)
VERDICTS: Final = Panel(
    "table",
    Said("Chỉ tiêu đối với trường", "Targets of the school"),
    Said(
        "Kết luận mới nhất của từng chỉ tiêu đối với trường, điểm trường, phòng. Việc cần làm: không đạt hoặc chưa "
        "biết thì mở trang chỉ tiêu, ở đó có lý do và bước tiếp theo.",
        "The newest verdict of each target on the school, its sites and rooms. To do: where it is missed or unknown, "
        "the target's page has the reason and the next step.",
    ),
    tuple(
        Query(name, "schoolbeat_verdict", Of(field, "last"), ("plan", "target", "site", "unit"), PLACE, "week")
        for name, field in ((Said("Kết luận", "Verdict"), "verdict"), (Said("Bằng chứng", "Evidence"), "grade"))
    ),
    (look.VERDICT, look.GRADE),
    links=(TARGET_PAGE,),
    sort=("Verdict", False),
    step="1h",
)
CUTS: Final = outages(
    Said("Các lần hỏng trong thời gian đang chọn", "Outages in the chosen time"),
    Said(
        "Mỗi lần hỏng của mạng và thiết bị trong trường: bắt đầu, kết thúc, tổng số giây mất, nguyên nhân, số tiết bị "
        "ảnh hưởng. Việc cần làm: lần hỏng do nhà mạng thì kèm danh sách này khi phản ánh.",
        "Each outage of the school's network and devices: beginning, end, seconds down, cause, lessons affected. To "
        "do: attach those of the ISP when you complain.",
    ),
    ("site", "signal", "label"),
    width=12,
)

BOARD: Final = Board(
    "school",
    Said("Trường học", "School"),
    Said(
        "Cho người phụ trách của trường: tại mình hay tại đường truyền, và phòng nào sẵn sàng.",
        "For the school's own person: is it us or the line, and which rooms are ready.",
    ),
    (AREA, ONE_SCHOOL, SITE),
    (
        Heading(Said("Lúc này", "Now")),
        NOW,
        CLOCKS,
        RUNGS,
        READY,
        ROOMS,
        Heading(Said("Đường truyền", "The line")),
        BANDWIDTH,
        BUSIEST,
        SPEED,
        LATENCY,
        LOSS,
        CUTS,
        Heading(Said("Wi-Fi", "Wi-Fi")),
        SEATS,
        SEATS_MONTH,
        CLIENTS,
        Heading(Said("30 ngày qua", "The last 30 days")),
        BY_SIGNAL,
        DAYS,
        VERDICTS,
    ),
    page="/school/${school:percentencode}",
)
